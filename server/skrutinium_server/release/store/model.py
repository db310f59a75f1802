"""What the release store says of itself: series, rows of a manifest, manifests.

Sources: design § 4.3 and § 4.4.
"""

import datetime
from typing import NamedTuple

import msgspec

ZEROS = "0" * 64
"""What the first manifest names as the hash of the one before."""


class SeriesKey(NamedTuple):
    """One series of releases: it has its own numbers, chain and cadence."""

    event: str
    run: str
    series: str


class Newest(NamedTuple):
    """Number and manifest hash of the newest release of a series."""

    number: int
    sha256: str


class ManifestRow(msgspec.Struct, frozen=True):
    """One document as a manifest or checkpoint lists it: ``size`` in bytes and hash, both of the uncompressed bytes."""

    path: str
    size: int
    sha256: str
    schema: str
    codebook: int


class Manifest(msgspec.Struct, frozen=True):
    """A manifest as read from the store; ``time`` is its text (UTC), rows are in the order of the file."""

    event: str
    run: str
    phase: str
    series: str
    number: int
    time: str
    previous: str
    position: int
    state: str
    expected: int
    reported: int
    checkpoint: bool
    rows: tuple[ManifestRow, ...]


class Run(msgspec.Struct, frozen=True):
    """One run as the signed state file names it.

    ``not_before``: nothing of the run is served before (aware, live runs only); ``first_date``: date of the first round, when this
    is the second one.
    """

    event: str
    id: str
    name: str
    date: str
    law: str
    phase: str
    open: bool
    current: bool
    series: tuple[str, ...]
    not_before: datetime.datetime | None = None
    first_date: str | None = None


class Incident(msgspec.Struct, frozen=True):
    """Something that goes wrong, or went wrong until ``ended``; times are aware, UTC."""

    id: str
    begun: datetime.datetime
    text: str
    ended: datetime.datetime | None = None


class Planned(msgspec.Struct, frozen=True):
    """A change at ``time``."""

    time: datetime.datetime
    text: str


class SecondSite(msgspec.Struct, frozen=True):
    """Where else the same releases are read; ``fingerprint`` is 64 hexadecimal digits."""

    address: str
    fingerprint: str


class Notices(msgspec.Struct, frozen=True):
    """All notices; ``number`` counts the versions of the file, 0 before the first."""

    number: int = 0
    incidents: tuple[Incident, ...] = ()
    planned: tuple[Planned, ...] = ()
    second_site: SecondSite | None = None

    def next_planned(self, now: datetime.datetime) -> Planned | None:
        """The next change that is still to come."""
        return min((one for one in self.planned if one.time > now), key=lambda one: one.time, default=None)
