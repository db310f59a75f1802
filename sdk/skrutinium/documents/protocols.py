"""Protocols as published, and what changes them: batches, corrections, one frozen dataclass each.

Votes are whole numbers; what the source does not tell is absent. Times are aware, UTC. Source: ``xsd/skrutinium/1.0/skrutinium.xsd``.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from skrutinium.documents.stamp import Stamp


@dataclass(frozen=True, slots=True)
class ListVotes:
    """Votes of one list in one protocol; ``candidates`` maps number to votes, empty where the source does not tell."""

    number: int
    votes: int
    candidates: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The bytes exactly as they were taken over, and where they stood in their source."""

    data: bytes
    format: str
    encoding: str
    source: str
    source_sha256: str
    offset: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """What one precinct commission established for one contest, as the ledger holds it."""

    precinct: str
    contest: str
    district: str
    entry: int
    version: int
    sequence: int
    established: datetime.datetime
    accepted: datetime.datetime
    sha256: str
    repeated: bool
    supersedes: int | None
    reason: str | None
    authority: str | None
    figures: Mapping[str, int]
    lists: tuple[ListVotes, ...]
    taken_over: TakenOver | None


@dataclass(frozen=True, slots=True)
class Awaited:
    """A contest whose protocol has not come in yet."""

    contest: str
    district: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecinctResults(Stamp):
    """``precinct/ID.xml``: the protocols of one precinct that count now."""

    id: str
    area: str
    number: int
    kind: str
    name: str | None
    protocols: tuple[Protocol, ...]
    awaited: tuple[Awaited, ...]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolBatch(Stamp):
    """``batch/N.xml``: every protocol published since the release before; ``state`` is that of the event."""

    protocols: tuple[Protocol, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Change:
    """One number of a protocol that changed: a field, or the votes of a list or of a candidate of a list."""

    field: str | None
    list: int | None
    candidate: int | None
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Correction:
    """One protocol that replaced an earlier one, with every number that changed."""

    precinct: str
    contest: str
    entry: int
    supersedes: int
    reason: str
    authority: str
    time: datetime.datetime
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections(Stamp):
    """``corrections/N.xml``: what changed in protocols that had been published before.

    ``state`` is that of the event: ``corrected`` when this changes what was certified before.
    """

    corrections: tuple[Correction, ...]
    state: str
