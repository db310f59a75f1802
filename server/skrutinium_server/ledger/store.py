"""The ledger as the other stages see it: a small interface, so that another store can take its place (design § 5)."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Protocol as Interface

import msgspec

from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger.model import Cut, Entry, Step


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Where an admission lies, for good.

    ``duplicate``: the same bytes were there already, at that position, and nothing was stored. ``counts``: at the time
    of the receipt this entry is the version that counts for its precinct and contest.
    """

    position: int
    hash: str
    version: int
    duplicate: bool
    counts: bool


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Where a cut or the last entry lies."""

    position: int
    hash: str


class LedgerReader(Interface):
    """What followers of a ledger need. Only durable entries are seen."""

    def entries(self, after: int = 0, upto: int | None = None) -> Iterator[Entry]:
        """Entries after a position up to another (the newest one if not told), each checked to follow the one before.

        Raises :class:`~skrutinium_server.ledger.errors.ChainError`.
        """

    def data(self, position: int) -> bytes:
        """The exact bytes that were taken over with that entry; raises KeyError and ChainError."""

    def head(self) -> tuple[int, str]:
        """Position and hash of the newest entry."""


class Ledger(LedgerReader, Interface):
    """A ledger to write to. What a call returns is durable; a call that raises has stored nothing that anybody was told of."""

    async def append(self, admissions: Sequence[Admission], time: datetime.datetime) -> list[Receipt]:
        """Append protocols that passed the door, all or none; ``time`` is the run's clock, aware.

        Raises RefusedError, ClosedError, LedgerWriteError.
        """

    async def append_cut(self, cut: Cut) -> Mark:
        """Append a cut; its number must be the next one of its series."""

    async def append_step(self, step: Step) -> Mark:
        """Append what people decided; raises RefusedError when it does not follow from what was decided before."""
