"""What comes through the door: the protocol, the bytes it was taken over as, and who brought it.

Sources: requirements M2, R1, R6, C7; design § 4.1.
"""

import datetime

import msgspec


class ListVotes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """Votes of one list in one precinct; ``candidates`` are (number, votes) pairs, None when not established."""

    number: int
    votes: int
    candidates: tuple[tuple[int, int], ...] | None = None


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one precinct commission established for one contest.

    ``figures`` maps the law's field ids to whole numbers (a field the source lacks is absent: unknown, not zero).
    ``sequence`` orders the versions of one protocol as its source does (``PORADI_ZPRAC``); the highest one counts.
    ``established`` is the source's own stamp (``DATUM_CAS_ZPRAC``), UTC; ``repeated`` its mark ``OPAKOVANE``.
    """

    precinct: str
    contest: str
    district: str
    sequence: int
    established: datetime.datetime
    figures: dict[str, int]
    lists: tuple[ListVotes, ...] = ()
    repeated: bool = False


class TakenOver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The exact bytes as they were taken over, and where they stood in what was received.

    ``format`` names the reader (``volby-batches``, ``csv``); ``encoding`` is the one of the source; ``source`` its
    file name, ``source_sha256`` the hash of the whole of it, ``offset`` where the bytes begin in it.
    """

    data: bytes
    format: str
    encoding: str
    source: str
    source_sha256: str
    offset: int


class Received(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One protocol as a reader found it, not checked against definition and law yet."""

    protocol: Protocol
    taken_over: TakenOver

    @property
    def established(self) -> datetime.datetime:
        """When it came in at its source, UTC."""
        return self.protocol.established


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who brought a protocol, and by which path: ``import``, ``replay``, later ``online``, ``medium``, ``typed``."""

    who: str
    path: str


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of the law says of a protocol; ``severity`` is ``error``, ``hard`` or ``warning`` (design § 7)."""

    rule: str
    severity: str
    text: str


class Admission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A protocol that passed the door: ready to be appended to the ledger.

    ``reason`` and ``authority`` are set when it is a change of an earlier one (``source-resend`` for re-sends).
    """

    protocol: Protocol
    taken_over: TakenOver
    origin: Origin
    findings: tuple[Finding, ...] = ()
    skipped_rules: int = 0
    reason: str | None = None
    authority: str | None = None
