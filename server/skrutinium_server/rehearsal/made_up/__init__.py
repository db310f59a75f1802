"""A made-up municipal election from a seed: its definition and its night, the same bytes on every machine."""

from skrutinium_server.rehearsal.made_up.definition import made_up_definition
from skrutinium_server.rehearsal.made_up.names import MARK
from skrutinium_server.rehearsal.made_up.night import made_up_night, made_up_protocols
from skrutinium_server.rehearsal.made_up.scale import FULL, SMALL, Scale, ScaleError

__all__ = [
    "made_up_definition",
    "made_up_night",
    "made_up_protocols",
    "Scale",
    "ScaleError",
    "SMALL",
    "FULL",
    "MARK",
]
