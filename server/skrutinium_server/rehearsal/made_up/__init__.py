"""A made-up election from a seed, of councils or to the Senate: its definition and its night, the same bytes on every machine."""

from skrutinium_server.rehearsal.made_up.definition import made_up_definition
from skrutinium_server.rehearsal.made_up.names import MARK
from skrutinium_server.rehearsal.made_up.night import (
    made_up_correction,
    made_up_night,
    made_up_protocols,
    taken_over,
)
from skrutinium_server.rehearsal.made_up.scale import FULL, SMALL, Scale, ScaleError, scale_of
from skrutinium_server.rehearsal.made_up.second_round import made_up_second_round

__all__ = [
    "made_up_correction",
    "made_up_definition",
    "made_up_night",
    "made_up_protocols",
    "made_up_second_round",
    "scale_of",
    "taken_over",
    "Scale",
    "ScaleError",
    "SMALL",
    "FULL",
    "MARK",
]
