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


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="closed"):
    """The last entry: nothing is accepted afterwards."""

    time: datetime.datetime


Body = Opened | Accepted | Cut | Closed


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry as stored: ``position`` from 1 without gaps, ``previous`` the hash of the entry before (64 zeros first).

    ``hash`` is the SHA-256 of the head: canonical JSON of position, previous and body.
    """

    position: int
    previous: str
    body: Body
    hash: str
