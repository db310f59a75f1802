"""Entries of the ledger: a tagged union, each entry hashed together with the hash of the one before.

Sources: design § 4.1 and § 4.2, requirements M2, C18.
"""

import datetime
from typing import Literal

import msgspec

from skrutinium_server.intake.model import Finding, Origin, Protocol

Phase = Literal["test", "rehearsal", "live"]
"""What a run is for (codebook ``phases``)."""


class Opened(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="opened"):
    """The first entry of every ledger: which run it is and what it rests on. ``time`` is the run's clock, UTC."""

    event: str
    run: str
    phase: Phase
    definition: int
    definition_sha256: str
    law: str
    law_sha256: str
    time: datetime.datetime


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="accepted"):
    """A protocol taken over for good.

    ``data_sha256`` is the hash of the exact bytes, which the ledger keeps beside the entry. ``version`` counts the
    protocols of this precinct and contest from 1 in the order of arrival; ``supersedes`` is the position of the entry
    that counted before, None when this one is the first or is itself older than what counts.
    """

    protocol: Protocol
    data_sha256: str
    format: str
    encoding: str
    source: str
    source_sha256: str
    offset: int
    origin: Origin
    version: int
    supersedes: int | None
    reason: str | None
    authority: str | None
    findings: tuple[Finding, ...]
    skipped_rules: int
    time: datetime.datetime


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="cut"):
    """A release is to be made of everything before this entry, in one series.

    ``number`` is the release's number (no gaps, from 1); ``checkpoint`` asks for the full index as well; ``batch`` is
    the number of the batch that this release holds too (series ``volby`` only), None for aggregates alone.
    """

    series: str
    number: int
    phase: Phase
    code: str
    definition: int
    checkpoint: bool
    batch: int | None
    time: datetime.datetime


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="held"):
    """What comes in for ``contest`` from here on is not published until it is lifted; ``reason`` is public."""

    contest: str
    reason: str
    who: str
    time: datetime.datetime


class Lifted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="lifted"):
    """What was set aside of ``contest`` is published with the next release."""

    contest: str
    who: str
    time: datetime.datetime


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="declared"):
    """Somebody with the authority says that the results are final, or certified; ``who`` are the persons who entered it."""

    state: Literal["final", "certified"]
    reason: str
    authority: str
    who: tuple[str, ...]
    time: datetime.datetime


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="closed"):
    """Nothing is accepted afterwards, unless the run is opened again; ``who`` are the persons who closed it."""

    time: datetime.datetime
    who: tuple[str, ...] = ()


class Reopened(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="reopened"):
    """A closed run accepts again, for a reason and by an authority such as a court; ``who`` are the persons who entered it."""

    who: tuple[str, ...]
    reason: str
    authority: str
    time: datetime.datetime


Step = Held | Lifted | Declared | Closed | Reopened
"""What people decide about a run, beside protocols and cuts."""

Body = Opened | Accepted | Cut | Step


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry as stored: ``position`` from 1 without gaps, ``previous`` the hash of the entry before (64 zeros first).

    ``hash`` is the SHA-256 of the head: canonical JSON of position, previous and body.
    """

    position: int
    previous: str
    body: Body
    hash: str
