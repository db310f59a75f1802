"""The documents of a series: manifest, checkpoint, heartbeat, and the state of a feed.

Source: ``xsd/skrutinium/1.0/skrutinium.xsd``; ``docs/architecture.md``, the release store.
"""

import datetime
from dataclasses import dataclass

from skrutinium.documents.stamp import Stamp

ZEROS = "0" * 64
"""What the first manifest names as the hash of the one before."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a release: ``size`` in bytes and ``sha256``, both of the uncompressed bytes."""

    path: str
    size: int
    sha256: str
    schema: str
    codebook: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Stamp):
    """What one release of one series changed; ``position`` and ``ledger`` name the ledger entry of the cut."""

    series: str
    previous: str
    position: int
    ledger: str
    state: str
    expected: int
    reported: int
    checkpoint: bool
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Stamp):
    """The full snapshot of one release; ``manifest`` is the hash of its manifest."""

    series: str
    manifest: str
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Stamp):
    """The publisher's sign of life: its newest release, and when (``alive``) it said so by the wall clock."""

    series: str
    manifest: str
    alive: datetime.datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One run that a feed holds; ``current`` is the one at the event's own address.

    ``not_before`` is the moment before which nothing of a live run is served; ``first_date`` is the date of the first
    round where the event is the second.
    """

    event: str
    id: str
    name: str
    date: datetime.date | None
    law: str
    phase: str
    open: bool
    current: bool
    series: tuple[str, ...]
    not_before: datetime.datetime | None = None
    first_date: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class FeedState:
    """``state.xml``: the runs of every event; ``number`` counts its versions and never goes back; ``additions`` as in a :class:`Stamp`."""

    number: int
    time: datetime.datetime
    schema: str
    runs: tuple[Run, ...]
    additions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The body of every refusal of a feed (element ``error``)."""

    code: str
    status: int
    message: str
    expected: str | None
