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
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from skrutinium.documents.series import Document
from skrutinium.errors import (
    ChainError,
    LimitReached,
    MixedPhases,
    NetworkError,
    NotYet,
    ServerFault,
    SinkError,
)
from skrutinium.following.release import Release
from skrutinium.following.statefile import Seen
from skrutinium.sinks.due import due_of
from skrutinium.sinks.transaction import Mark, Transaction
from skrutinium.tables.columns import Row
from skrutinium.tables.reading import in_order, portions
from skrutinium.tables.records import moment
from skrutinium.tables.selection import Scope, Selection, scope_of

_log = logging.getLogger("skrutinium")
FORMAT = 2
"""Counts up when tables or columns change: a sink of another format is not written to."""


class Sink(abc.ABC):
    """Tables that stay equal to a feed; to be used as ``async with``."""

    def __init__(self, where: str, wanted: Selection) -> None:
        self.where = where
        self.selection = wanted
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

        Where no source delivers a document (crisis mail brings agreed ones only), its rows stay those of its older version, and it is
        :meth:`missing` until some source has it: asked for with the next release, or when this one is taken again.

        Raises :class:`SinkError` (the tables are then as before), :class:`MixedPhases` for another run than the one held, and what reading raises.
        """
        async with self._lock:
            return await self._take(release)

    async def missing(self) -> tuple[str, ...] | None:
        """Paths of the documents that no source delivered yet; None when nobody could tell yet which these are."""
        async with self._lock:
            return await self._missing()

    async def _missing(self) -> tuple[str, ...] | None:
        async with self._transaction() as transaction:
            mark = await transaction.mark()
            if mark is not None and not mark.listed:
                return None
            return tuple(sorted(row.path for row in await transaction.missing()))

    async def _take(self, release: Release) -> bool:
        async with self._transaction() as transaction:
            mark = await transaction.mark()
            lacking = await transaction.missing()
            later = mark is None or self._later(mark.seen, release)
            if mark is not None and mark.seen.number > release.number:
                return False
            if mark is not None and not later and mark.listed and not lacking:
                return False
            scope = await self._scope_at(release, transaction, mark, lacking)
            due = await due_of(transaction, mark, lacking, release, scope)
            missing, news = list(due.left), later
            async with contextlib.aclosing(
                portions(release, scope, in_order(due.places), all_of_them=False)
            ) as read:
                async for portion in read:
                    there = [told for told in portion if not told.missing]
                    missing += [told.document for told in portion if told.missing and told.document]
                    if there:
                        news = True
                        await transaction.put(there)
            news = news or (mark is not None and mark.listed != due.listed)
            if news:
                now = Mark(release.mark, release.manifest.codebook, due.listed)
                await transaction.finish(now, release_row(release), missing)
        if missing or not due.listed:
            _log.warning(
                "%s is at release %d without %s that no source delivers",
                self.where,
                release.number,
                f"{len(missing)} documents" if due.listed else "documents",
            )
        return news

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

    async def _scope_at(
        self, release: Release, transaction: Transaction, mark: Mark | None, lacking: Sequence[Document]
    ) -> Scope:
        codebook = release.manifest.codebook
        if self._scope is None or self._scope[0] != codebook:
            try:
                scope = await self.selection.scope(release.event_id, release.book)
            except (NotYet, NetworkError, ServerFault, LimitReached):
                if mark is None or not mark.listed or mark.codebook != codebook:
                    raise
                # The first release names every document there is, so what was taken by the same registers tells the same.
                paths = {*await transaction.documents(), *(row.path for row in lacking)}
                scope = scope_of(self.selection, release.event_id, paths)
            self._scope = codebook, scope
        return self._scope[1]


def release_row(release: Release) -> Row:
    """The row of the table ``releases``."""
    told = release.manifest
    how = (moment(told.time), told.state, told.phase, release.sha256, told.expected, told.reported)
    return (told.release, *how, told.position, told.codebook, release.source)


def describe(wanted: Selection) -> str:
    """A selection as text, to be compared with the one that a sink was made with."""
    named = (
        ("tables", wanted.tables),
        ("areas", wanted.areas),
        ("contests", wanted.contests),
        ("kinds", wanted.kinds),
    )
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
