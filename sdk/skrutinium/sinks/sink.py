"""What all sinks share: taking a release in one transaction, with the mark that says so.

A sink is where its feed keeps its mark (:class:`~skrutinium.following.statefile.Marks`)::

    async with SqliteSink("night.sqlite") as sink, connect(url, state=sink) as feed:
        async for release in feed.releases():
            await sink.take(release)

Whatever interrupts that, the rows are those of the release that the mark names, and the feed goes on with the one after it.
"""

import abc
import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from skrutinium.documents.series import Document
from skrutinium.errors import ChainError, MixedPhases, SinkError
from skrutinium.following.release import Release
from skrutinium.following.statefile import Seen
from skrutinium.tables.columns import Row
from skrutinium.tables.paths import Place, place_of
from skrutinium.tables.reading import Told, in_order, portions
from skrutinium.tables.records import moment
from skrutinium.tables.selection import Scope, Selection, selection

FORMAT = 1
"""Counts up when tables or columns change: a sink of another format is not written to."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a sink holds: the release, and the version of the registers that its areas and contests were chosen by."""

    seen: Seen
    codebook: int


class Transaction(Protocol):
    """One release being taken: nothing is seen by readers before it ends well."""

    async def mark(self) -> Mark | None:
        """What the sink holds now; None when nothing."""

    async def documents(self) -> dict[str, str]:
        """The hash of each document whose rows the sink holds, by path."""

    async def put(self, portion: Sequence[Told]) -> None:
        """Replace the rows of these documents; documents come in the order of :func:`in_order`."""

    async def finish(self, mark: Mark, release: Row) -> None:
        """Keep the mark, and the row of the table ``releases``."""


class Sink(abc.ABC):
    """Tables that stay equal to a feed; to be used as ``async with``."""

    def __init__(
        self,
        where: str,
        tables: Sequence[str] | None,
        areas: Sequence[str] | None,
        contests: Sequence[str] | None,
    ) -> None:
        self.where = where
        self.selection = selection(tables, areas, contests)
        self._scope: tuple[int, Scope] | None = None
        self._lock = asyncio.Lock()

    def __str__(self) -> str:
        return self.where

    async def __aenter__(self) -> Self:
        """Open it, or make it; raises :class:`SinkError`."""
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self._close()

    @abc.abstractmethod
    async def _open(self) -> None:
        """Open it, or make it; raises :class:`SinkError`."""

    @abc.abstractmethod
    async def _close(self) -> None:
        """Let go of it."""

    @abc.abstractmethod
    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction: undone when what it holds raises, or when it is not finished."""

    # ---------------------------------------------------------------- marks
    async def read(self) -> Seen | None:
        """The release that it holds, None when it holds none; raises :class:`SinkError`."""
        async with self._lock:
            mark = await self._read()
        return None if mark is None else mark.seen

    async def _read(self) -> Mark | None:
        async with self._transaction() as transaction:
            return await transaction.mark()

    async def write(self, seen: Seen) -> None:
        """Nothing: the mark is kept with the rows. Raises :class:`SinkError` for a release that was not taken."""
        held = await self.read()
        if held is None or held.number < seen.number:
            raise SinkError(
                f"release {seen.number} counts as done, but was not taken: `await sink.take(release)` in the loop",
                address=self.where,
            )

    # ---------------------------------------------------------------- taking
    async def take(self, release: Release) -> bool:
        """Make the tables those of a release; False when they are already (or of a later one).

        Raises :class:`SinkError` (the tables are then as before), :class:`MixedPhases` for another run than the one held, and what reading raises.
        """
        async with self._lock:
            return await self._take(release)

    async def _take(self, release: Release) -> bool:
        async with self._transaction() as transaction:
            mark = await transaction.mark()
            if mark is not None and not self._later(mark.seen, release):
                return False
            scope = await self._scope_at(release)
            places = await self._changed(transaction, mark, release, scope)
            async with contextlib.aclosing(portions(release, scope, in_order(places))) as read:
                async for portion in read:
                    await transaction.put(portion)
            codebook = release.manifest.codebook
            await transaction.finish(Mark(release.mark, codebook), release_row(release))
        return True

    def _later(self, held: Seen, release: Release) -> bool:
        """Whether a release comes after what is held; raises when both are not of one run and chain."""
        ours, theirs = ((one.event, one.run, one.phase, one.series) for one in (held, release.mark))
        if ours != theirs:
            raise MixedPhases(
                f"holds {'/'.join(ours[:2])} ({ours[2]}), the release is of {'/'.join(theirs[:2])} ({theirs[2]}); use another sink",
                address=self.where,
            )
        if held.number == release.number and held.manifest != release.sha256:
            raise ChainError(
                f"holds another release {held.number} than {release.source} offers", address=self.where
            )
        return held.number < release.number

    async def _scope_at(self, release: Release) -> Scope:
        codebook = release.manifest.codebook
        if self._scope is None or self._scope[0] != codebook:
            self._scope = codebook, await self.selection.scope(release.event_id, release.book)
        return self._scope[1]

    async def _changed(
        self, transaction: Transaction, mark: Mark | None, release: Release, scope: Scope
    ) -> list[tuple[Place, Document | None]]:
        """The documents to be read, or (None) dropped: those of the manifest when it follows what is held, else whatever differs."""
        told = release.manifest
        follows = mark is not None and (mark.seen.number, mark.seen.manifest, mark.codebook) == (
            told.release - 1,
            told.previous,
            told.codebook,
        )
        rows = told.documents if follows else await release.documents()
        placed = {row.path: (place, row) for row in rows if (place := scope.place(row.path)) is not None}
        if follows:
            return [*placed.values()]
        held = await transaction.documents()
        changed: list[tuple[Place, Document | None]] = [
            (place, row) for place, row in placed.values() if held.get(row.path) != row.sha256
        ]
        gone = [place_of(path, release.event_id) for path in held.keys() - placed.keys()]
        return changed + [(place, None) for place in gone if place is not None]


def release_row(release: Release) -> Row:
    """The row of the table ``releases``."""
    told = release.manifest
    how = (moment(told.time), told.state, told.phase, release.sha256, told.expected, told.reported)
    return (told.release, *how, told.position, told.codebook, release.source)


def describe(wanted: Selection) -> str:
    """A selection as text, to be compared with the one that a sink was made with."""
    named = (("tables", wanted.tables), ("areas", wanted.areas), ("contests", wanted.contests))
    return "; ".join(f"{name} {', '.join(ids)}" for name, ids in named if ids is not None) or "everything"


def check_made(where: str, format_: int, chosen: str, wanted: Selection) -> None:
    """Raise :class:`SinkError` when a sink was made in another format, or with another selection."""
    if format_ != FORMAT:
        raise SinkError(
            f"was written in format {format_}, this package writes {FORMAT}: export to a new place",
            address=where,
        )
    if chosen != describe(wanted):
        raise SinkError(
            f"holds {chosen}, and {describe(wanted)} is wanted: say the same as when it was made, or export to a new place",
            address=where,
        )
