"""What the root of every document of results says."""

import datetime
from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the root of every document says: which release wrote it, for which event, run and phase.

    ``additions`` names what a document of a later minor schema holds that this package does not know (``kind/@mood``,
    ``kind/forecast``), each once; it was passed over. Empty for a document of the schema that this package knows.
    """

    event: str
    run: str
    phase: str
    release: int
    time: datetime.datetime
    schema: str
    codebook: int
    additions: tuple[str, ...] = ()


class StampValues(TypedDict):
    """The values of a :class:`Stamp`."""

    event: str
    run: str
    phase: str
    release: int
    time: datetime.datetime
    schema: str
    codebook: int
    additions: tuple[str, ...]
