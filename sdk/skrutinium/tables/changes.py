"""What differs between two releases: table, key, field, old and new value, with the corrections that say why beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from skrutinium.documents.protocols import Correction
from skrutinium.documents.protocols_reading import read_corrections
from skrutinium.documents.series import Document
from skrutinium.errors import MixedPhases
from skrutinium.following.release import Release
from skrutinium.tables.columns import TABLES, Table, Value
from skrutinium.tables.reading import Told, in_order, portions
from skrutinium.tables.records import Record, Tabled, to_records
from skrutinium.tables.selection import Scope, selection

Records = Mapping[str, Sequence[Record]]
"""Records by table."""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One value that differs, or (``field`` None) a record that is new (``old`` None) or gone (``new`` None).

    ``key`` holds the values of the table's key columns; of a whole record ``old`` or ``new`` is all of it.
    """

    table: str
    key: tuple[Value, ...]
    field: str | None
    old: Value | Record
    new: Value | Record

    def __str__(self) -> str:
        named = ", ".join(
            f"{name} {value}" for name, value in zip(TABLES[self.table].key, self.key, strict=True)
        )
        if self.field is None:
            return f"{self.table} {named}: {'new' if self.old is None else 'gone'}"
        return f"{self.table} {named}: {self.field} {_shown(self.old)} → {_shown(self.new)}"


def _shown(value: Value | Record) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two releases of a run; ``corrections`` are those published after the older, up to the newer one."""

    older: int
    newer: int
    changes: tuple[RecordChange, ...]
    corrections: tuple[Correction, ...]


def changes(old: Iterable[Tabled], new: Iterable[Tabled]) -> tuple[RecordChange, ...]:
    """What documents say otherwise than older ones: of a contest then and now, or of several documents each."""
    return tuple(record_changes(_joined(old), _joined(new)))


def _joined(documents: Iterable[Tabled]) -> dict[str, list[Record]]:
    tables: dict[str, list[Record]] = {}
    for document in documents:
        for name, told in to_records(document).items():
            tables.setdefault(name, []).extend(told)
    return tables


def record_changes(old: Records, new: Records) -> Iterator[RecordChange]:
    """What differs between two sets of records, table by table: what changed and is new in the order of the new ones, then what is gone."""
    for table in TABLES.values():
        if table.name in old or table.name in new:
            yield from _table_changes(table, old.get(table.name, ()), new.get(table.name, ()))


def _table_changes(table: Table, old: Sequence[Record], new: Sequence[Record]) -> Iterator[RecordChange]:
    before, now = ({_key(table, record): record for record in records} for records in (old, new))
    for key, record in now.items():
        known = before.get(key)
        if known is None:
            yield RecordChange(table.name, key, None, None, record)
            continue
        for field, value in record.items():
            if known[field] != value:
                yield RecordChange(table.name, key, field, known[field], value)
    for key, record in before.items():
        if key not in now:
            yield RecordChange(table.name, key, None, record, None)


def _key(table: Table, record: Record) -> tuple[Value, ...]:
    return tuple(record[name] for name in table.key)


async def changes_between(
    older: Release,
    newer: Release,
    *,
    tables: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    contests: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> Differences:
    """What differs between two releases; only documents that differ are fetched.

    Raises :class:`MixedPhases` for releases of two events.
    """
    if older.event_id != newer.event_id:
        raise MixedPhases(f"releases of two events, {older.event_id} and {newer.event_id}")
    wanted = selection(tables, areas, contests, kinds)
    before = {row.path: row for row in await older.documents()}
    now = {row.path: row for row in await newer.documents()}
    differing = {
        path for path in before.keys() | now.keys() if _hash(before.get(path)) != _hash(now.get(path))
    }
    scopes = await wanted.scope(older.event_id, older.book), await wanted.scope(newer.event_id, newer.book)
    told = [
        await _records(release, scope, [documents[path] for path in differing if path in documents])
        for release, scope, documents in ((older, scopes[0], before), (newer, scopes[1], now))
    ]
    corrections = [
        one
        for number in range(older.number + 1, newer.number + 1)
        if (row := now.get(f"corrections/{number}.xml")) is not None
        for one in read_corrections(await newer.read(row), row.path).corrections
    ]
    found = tuple(record_changes(*told))
    return Differences(older.number, newer.number, found, tuple(corrections))


def _hash(row: Document | None) -> str | None:
    return None if row is None else row.sha256


async def _records(release: Release, scope: Scope, rows: Iterable[Document]) -> dict[str, list[Record]]:
    placed = [(place, row) for row in rows if (place := scope.place(row.path)) is not None]
    tables: dict[str, list[Record]] = {}
    async for portion in portions(release, scope, in_order(placed)):
        for told in portion:
            _add(tables, told)
    return tables


def _add(tables: dict[str, list[Record]], told: Told) -> None:
    for name, rows in told.rows.items():
        names = TABLES[name].names
        tables.setdefault(name, []).extend(dict(zip(names, row, strict=True)) for row in rows)
