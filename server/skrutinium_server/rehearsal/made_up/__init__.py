"""Made-up elections from a seed, by every law: definition and night, the same bytes on every machine."""

from skrutinium_server.rehearsal.made_up.changes import made_up_correction
from skrutinium_server.rehearsal.made_up.election import (
    MadeUp,
    begin,
    made_up,
    made_up_definition,
    made_up_election,
)
from skrutinium_server.rehearsal.made_up.errors import (
    FolderError,
    GeneratorError,
    MadeUpError,
    RateError,
    ScaleError,
    WishError,
)
from skrutinium_server.rehearsal.made_up.folder import Written, read_corrections, summary, write_folder
from skrutinium_server.rehearsal.made_up.generator import Generator, generator_of, made_up_laws
from skrutinium_server.rehearsal.made_up.names import MARK
from skrutinium_server.rehearsal.made_up.night import (
    AUTHORITY,
    Coming,
    made_up_night,
    made_up_protocols,
    taken_over,
)
from skrutinium_server.rehearsal.made_up.scale import FULL, SMALL, Scale, scale_of
from skrutinium_server.rehearsal.made_up.second_round import made_up_second_round
from skrutinium_server.rehearsal.made_up.settings import QUIET, USUAL, Rates, Settings, Wishes

__all__ = [
    "begin",
    "generator_of",
    "made_up",
    "made_up_correction",
    "made_up_definition",
    "made_up_election",
    "made_up_laws",
    "made_up_night",
    "made_up_protocols",
    "made_up_second_round",
    "read_corrections",
    "scale_of",
    "summary",
    "taken_over",
    "write_folder",
    "AUTHORITY",
    "Coming",
    "FULL",
    "FolderError",
    "Generator",
    "GeneratorError",
    "MARK",
    "MadeUp",
    "MadeUpError",
    "QUIET",
    "RateError",
    "Rates",
    "SMALL",
    "Scale",
    "ScaleError",
    "Settings",
    "USUAL",
    "WishError",
    "Wishes",
    "Written",
]
