"""The tables in an SQLite file, written in a thread of its own; readers always see a whole release."""

# ruff: noqa: S608  (names in SQL are those of tables and columns here, never data)
import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from skrutinium.documents.series import Document
from skrutinium.errors import SinkError
from skrutinium.sinks.sink import FORMAT, Sink, check_made, describe
from skrutinium.sinks.statements import DOCUMENTS, MARK, MISSING, SINK, Dialect, listed, quoted
from skrutinium.sinks.transaction import Mark, mark_of, mark_row, missing_row
from skrutinium.tables.columns import RELEASES, Row, Table
from skrutinium.tables.reading import Told
from skrutinium.tables.selection import selection

T = TypeVar("T")
DIALECT = Dialect(
    {"text": "TEXT", "int": "INTEGER", "bool": "INTEGER", "date": "TEXT", "time": "TEXT"},
    "",
    "temp.",
    " WITHOUT ROWID",
    "IS NOT",
)
_BUSY = 30.0
"""Seconds that another writer is waited for."""


class SqliteSink(Sink):
    """One file; yes and no are 1 and 0, dates and times text in ISO 8601."""

    def __init__(
        self,
        path: str | Path,
        *,
        tables: Sequence[str] | None = None,
        areas: Sequence[str] | None = None,
        contests: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
    ) -> None:
        super().__init__(str(path), selection(tables, areas, contests, kinds))
        self._path = Path(path)
        self._thread = ThreadPoolExecutor(1, "skrutinium-sqlite")
        self._database: sqlite3.Connection | None = None

    async def _open(self) -> None:
        try:
            await self.run(self._connect)
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        await self.run(self._disconnect)
        self._thread.shutdown(wait=False)  # it has nothing to do any more

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator["_Transaction"]:
        transaction = _Transaction(self, self.selection.chosen)
        try:
            await self.run(transaction.begin)  # cancelled meanwhile it has begun all the same
            yield transaction
            await self.run(transaction.end)
        except BaseException:
            await self.run(transaction.undo)
            raise

    # ---------------------------------------------------------------- in the thread
    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` gives, done in the thread; it is waited for even when this task is cancelled, so that nothing runs behind."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, self._told, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    def _told(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            raise SinkError(f"cannot be used: {error}", address=self.where) from error
        except OSError as error:
            raise SinkError(f"cannot be used: {error.strerror or error}", address=self.where) from error

    @property
    def database(self) -> sqlite3.Connection:
        """The open database, for the thread."""
        if self._database is None:
            raise SinkError("is not open: use it as `async with`", address=self.where)
        return self._database

    def _connect(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY, check_same_thread=True)
        self._database = database
        database.execute("PRAGMA journal_mode = WAL")  # readers go on while a release is written
        database.execute("PRAGMA synchronous = NORMAL")  # after a power cut the last releases are taken again
        database.execute("PRAGMA temp_store = MEMORY")
        self._make(database)
        for table in self.selection.chosen:
            columns = listed(table.names)
            key = listed(table.key)
            database.execute(
                f"CREATE TEMP TABLE {quoted('staged_' + table.name)} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID"
            )
        database.execute("CREATE TEMP TABLE staged_owners (kind TEXT, owner)")

    def _make(self, database: sqlite3.Connection) -> None:
        """Make the tables, or see that they are the ones wanted; all or nothing."""
        database.execute("BEGIN IMMEDIATE")
        try:
            there = {
                name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            }
            if there and SINK not in there:
                raise SinkError("holds other tables: name a file that is not there yet", address=self.where)
            if there:
                ((format_, chosen),) = database.execute(f"SELECT format, chosen FROM {SINK}")
                check_made(self.where, format_, chosen, self.selection)
            else:
                for statement in DIALECT.make(self.selection.chosen):
                    database.execute(statement)
                database.execute(
                    f"INSERT INTO {SINK} (one, format, chosen) VALUES (1, ?, ?)",
                    (FORMAT, describe(self.selection)),
                )
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


class _Transaction:
    """One release being taken."""

    def __init__(self, sink: SqliteSink, tables: tuple[Table, ...]) -> None:
        self._sink = sink
        self._tables = tables

    def begin(self) -> None:
        """Become the only writer."""
        self._sink.database.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        """Let readers see it."""
        self._sink.database.execute("COMMIT")

    def undo(self) -> None:
        """Leave everything as it was."""
        if self._sink.database.in_transaction:
            self._sink.database.execute("ROLLBACK")

    async def mark(self) -> Mark | None:
        """What the sink holds now."""
        return await self._sink.run(self._mark)

    def _mark(self) -> Mark | None:
        (row,) = self._sink.database.execute(f"SELECT {MARK} FROM {SINK}")
        return mark_of(row)

    async def documents(self) -> dict[str, str]:
        """The hash of each document whose rows are held."""
        query = f"SELECT path, sha256 FROM {DOCUMENTS.name}"
        return await self._sink.run(lambda: dict(self._sink.database.execute(query)))

    async def missing(self) -> tuple[Document, ...]:
        """The documents that are not there yet."""
        query = f"SELECT {listed(MISSING.names)} FROM {MISSING.name}"
        return await self._sink.run(
            lambda: tuple(Document(*row) for row in self._sink.database.execute(query))
        )

    async def put(self, portion: Sequence[Told]) -> None:
        """Replace the rows of documents."""
        await self._sink.run(lambda: self._put(portion))

    def _put(self, portion: Sequence[Told]) -> None:
        database = self._sink.database
        kinds = {told.place.kind for told in portion}
        owners = [(told.place.kind, told.place.owner) for told in portion]
        database.executemany("INSERT INTO temp.staged_owners VALUES (?, ?)", owners)
        for table in self._tables:
            if table.document in kinds:
                self._take_over(table, (row for told in portion for row in told.rows.get(table.name, ())))
        database.execute("DELETE FROM temp.staged_owners")
        held = [(told.place.path, told.place.kind, told.document.sha256) for told in portion if told.document]
        database.executemany(f"INSERT OR REPLACE INTO {DOCUMENTS.name} VALUES (?, ?, ?)", held)
        gone = [(told.place.path,) for told in portion if told.document is None]
        database.executemany(f"DELETE FROM {DOCUMENTS.name} WHERE path = ?", gone)

    def _take_over(self, table: Table, rows: Iterable[Row]) -> None:
        database = self._sink.database
        staged = DIALECT.staged(table.name)
        places = ", ".join("?" * len(table.columns))
        database.executemany(f"INSERT INTO {staged} VALUES ({places})", rows)
        database.execute(DIALECT.drop_vanished(table))
        database.execute(DIALECT.take_over(table))
        database.execute(f"DELETE FROM {staged}")

    async def finish(self, mark: Mark, release: Row, missing: Sequence[Document]) -> None:
        """Keep the mark, the row of the release, and what is missing."""
        await self._sink.run(lambda: self._finish(mark, release, missing))

    def _finish(self, mark: Mark, release: Row, missing: Sequence[Document]) -> None:
        database = self._sink.database
        database.execute(f"DELETE FROM {MISSING.name}")
        database.executemany(f"INSERT INTO {MISSING.name} VALUES (?, ?, ?, ?, ?)", map(missing_row, missing))
        places = ", ".join("?" * len(release))
        database.execute(f"INSERT OR REPLACE INTO {RELEASES.name} VALUES ({places})", release)
        kept = mark_row(mark)
        database.execute(f"UPDATE {SINK} SET ({MARK}) = ({', '.join('?' * len(kept))})", kept)
