"""The rows of a release: its documents fetched, read aside from the event loop, and told portion by portion."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass

from skrutinium.documents.series import Document, Manifest
from skrutinium.errors import NotDelivered
from skrutinium.following.release import Release
from skrutinium.tables.bulk import gathered
from skrutinium.tables.columns import TABLES, Row
from skrutinium.tables.paths import Place, read_rows
from skrutinium.tables.records import Record
from skrutinium.tables.selection import KINDS, Scope, Selection, selection

_PORTION = 48
_AT_ONCE = 16
"""Documents that are asked for at the same time."""


@dataclass(frozen=True, slots=True)
class Told:
    """A document and the wanted rows of it, by table; without a ``document`` there is none any more at that place.

    ``missing``: no source delivers it now, and what its rows are is not known.
    """

    place: Place
    document: Document | None
    rows: dict[str, list[Row]]
    missing: bool = False


def in_order(places: Iterable[tuple[Place, Document | None]]) -> list[tuple[Place, Document | None]]:
    """Kind by kind, within each by owner: the order in which tables are written."""
    return sorted(places, key=lambda one: (KINDS.index(one[0].kind), one[0].owner))


async def portions(
    release: Release,
    scope: Scope,
    places: Sequence[tuple[Place, Document | None]],
    *,
    all_of_them: bool = True,
) -> AsyncGenerator[list[Told], None]:
    """The rows of documents, some documents at a time; the next are fetched meanwhile.

    Raises :class:`NotDelivered` for a document that no source has, unless not ``all_of_them`` are needed: it is ``missing`` then.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    bulk = await gathered(release, (row for _, row in places if row is not None))

    async def fetch(row: Document) -> bytes | None:
        held = bulk.take(row.sha256)
        if held is not None:
            return held
        async with gate:
            try:
                return await release.read(row)
            except NotDelivered:
                if all_of_them:
                    raise
                return None

    async def read(portion: Sequence[tuple[Place, Document | None]]) -> list[Told]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                (place, row, None if row is None else group.create_task(fetch(row))) for place, row in portion
            ]
        fetched = [(place, row, None if task is None else task.result()) for place, row, task in tasks]
        return await asyncio.to_thread(_read, fetched, scope, release.manifest)

    ahead: asyncio.Task[list[Told]] | None = None
    try:
        for start in range(0, len(places), _PORTION):
            following = asyncio.create_task(read(places[start : start + _PORTION]))
            ready, ahead = ahead, following
            if ready is not None:
                yield await _first_error(ready)
        if ahead is not None:
            ready, ahead = ahead, None
            yield await _first_error(ready)
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)


async def _first_error(ready: asyncio.Task[list[Told]]) -> list[Told]:
    """What a task gives; of several errors at once the first, which is of this package's tree."""
    try:
        return await ready
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _read(
    fetched: Sequence[tuple[Place, Document | None, bytes | None]], scope: Scope, told: Manifest
) -> list[Told]:
    return [
        Told(
            place,
            row,
            {} if row is None or data is None else scope.wanted(read_rows(place, data, row, told)),
            missing=row is not None and data is None,
        )
        for place, row, data in fetched
    ]


async def rows_at(release: Release, wanted: Selection) -> dict[str, list[Row]]:
    """All rows as of a release, by table, in the order in which they are written."""
    scope = await wanted.scope(release.event_id, release.book)
    documents = await release.documents()
    placed = [(place, row) for row in documents if (place := scope.place(row.path)) is not None]
    tables: dict[str, list[Row]] = {table.name: [] for table in wanted.chosen}
    async with contextlib.aclosing(portions(release, scope, in_order(placed))) as read:
        async for portion in read:
            for told in portion:
                for name, rows in told.rows.items():
                    tables[name] += rows
    return tables


async def records(
    release: Release,
    *,
    tables: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    contests: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> dict[str, list[Record]]:
    """All records as of a release, by table; of some tables, areas, contests or kinds of contest when they are named.

    Every document of them is fetched: of a whole country that are tens of thousands. Raises ValueError for a table that there is not,
    :class:`ChoiceNeeded` for an area, a contest or a kind that the event does not have.
    """
    told = await rows_at(release, selection(tables, areas, contests, kinds))
    return {
        name: [dict(zip(TABLES[name].names, row, strict=True)) for row in rows] for name, rows in told.items()
    }
