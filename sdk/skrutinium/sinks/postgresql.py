"""The tables in PostgreSQL, in a schema of their own (extra ``postgresql``: asyncpg)."""

# ruff: noqa: S608  (names in SQL are those of tables and columns here, never data)
import asyncio
import contextlib
import datetime
import importlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from skrutinium.documents.series import Document
from skrutinium.errors import NotInstalled, SinkError
from skrutinium.following.release import Release
from skrutinium.sinks.postgresql_address import postgres_address
from skrutinium.sinks.sink import FORMAT, Sink, check_made, describe
from skrutinium.sinks.statements import DOCUMENTS, MARK, MISSING, SINK, Dialect, listed, quoted
from skrutinium.sinks.transaction import Mark, mark_of, mark_row, missing_row
from skrutinium.tables.columns import RELEASES, Row, Table, Type, Value
from skrutinium.tables.reading import Told
from skrutinium.tables.selection import selection

T = TypeVar("T")
_TYPES: dict[Type, str] = {
    "text": "text",
    "int": "bigint",
    "bool": "boolean",
    "date": "date",
    "time": "timestamptz",
}
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PASSING = ("08", "40", "53", "55P03", "57P01", "57P02", "57P03", "57P05")
"""Begins of the SQLSTATE of what may pass: connection, serialization and deadlock, resources, a lock, shutting down."""
_ATTEMPTS = 12
_FIRST_ATTEMPTS = 3
"""Until it was reached for the first time: a wrong address does not get better."""
_CONNECT = 30.0
"""Seconds."""


class PostgresSink(Sink):
    """Tables in the schema ``schema`` of the database at ``address``; dates, times and yes or no have their own types.

    ``address`` is ``postgresql://USER@HOST/DATABASE``; the password comes from ``PGPASSWORD``, from ``~/.pgpass`` or from the address.
    Messages tell host and database alone. Trouble that may pass (a connection cut, a serialization failure) is tried again. ``pick`` gives
    numbers from 0 to 1, by which pauses are spread. Raises ValueError for another form of address.
    """

    def __init__(
        self,
        address: str,
        *,
        schema: str = "skrutinium",
        tables: Sequence[str] | None = None,
        areas: Sequence[str] | None = None,
        contests: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        pick: Callable[[], float] = random.random,
    ) -> None:
        self._address = postgres_address(address)
        super().__init__(f"{self._address.shown} {schema}", selection(tables, areas, contests, kinds))
        if not _SCHEMA.fullmatch(schema):
            raise ValueError(
                f"schema {schema!r}: expected small letters, digits and _, beginning with a letter"
            )
        self._schema = schema
        self._pick = pick
        self._connection: Any = None
        self._opened = False
        self.dialect = Dialect(_TYPES, f"{quoted(schema)}.", "pg_temp.", "", "IS DISTINCT FROM")

    async def _open(self) -> None:
        await self._again(self._connected)
        self._opened = True

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=5)
            except (OSError, self._driver.PostgresError):  # it is gone either way
                connection.terminate()

    async def _read(self) -> Mark | None:
        return await self._again(super()._read)

    async def _missing(self) -> tuple[str, ...] | None:
        return await self._again(super()._missing)

    async def _take(self, release: Release) -> bool:
        return await self._again(lambda: super(PostgresSink, self)._take(release))

    @property
    def _driver(self) -> Any:
        try:
            return importlib.import_module("asyncpg")
        except ImportError as error:
            raise NotInstalled(
                "asyncpg is not installed: pip install 'skrutinium[postgresql]'", address=self.where
            ) from error

    # ---------------------------------------------------------------- trying again
    async def _again(self, work: Callable[[], Awaitable[T]]) -> T:
        """What ``work`` gives; trouble that may pass is tried again. It is safe to: the mark says what was done."""
        driver = self._driver
        attempt = 1
        while True:
            try:
                return await work()
            except (driver.PostgresError, driver.InterfaceError, OSError) as error:
                if not _passing(error) or attempt >= (_ATTEMPTS if self._opened else _FIRST_ATTEMPTS):
                    raise SinkError(f"cannot be used: {_words(error)}", address=self.where) from error
            await self._forget()
            await asyncio.sleep(min(0.05 * 2**attempt, 5) * (0.75 + self._pick() / 2))
            attempt += 1

    async def _forget(self) -> None:
        """A connection in doubt is not used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            connection = await self._driver.connect(
                self._address.plain,
                password=self._address.password,
                timeout=_CONNECT,
                server_settings={"application_name": "skrutinium", "timezone": "UTC"},
            )
            try:
                await self._prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
        return self._connection

    async def _prepare(self, connection: Any) -> None:
        """Make the tables, or see that they are the ones wanted; and where rows are staged."""
        dialect, tables = self.dialect, self.selection.chosen
        async with connection.transaction():
            # Two that make the same schema at once would fail; the number stands for "skrutinium".
            await connection.execute("SELECT pg_advisory_xact_lock(7310579601)")
            there = await connection.fetch(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = $1", self._schema
            )
            names = {row["table_name"] for row in there}
            if names and SINK not in names:
                raise SinkError("holds other tables: name a schema of its own", address=self.where)
            if names:
                made = await connection.fetchrow(f"SELECT format, chosen FROM {dialect.table(SINK)}")
                check_made(self.where, made["format"], made["chosen"], self.selection)
            else:
                there = await connection.fetch("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._schema)
                if not there:  # whoever was given a schema may not be allowed to make one
                    await connection.execute(f"CREATE SCHEMA {quoted(self._schema)}")
                await connection.execute(";".join(dialect.make(tables)))
                await connection.execute(
                    f"INSERT INTO {dialect.table(SINK)} (one, format, chosen) VALUES (1, $1, $2)",
                    FORMAT,
                    describe(self.selection),
                )
        staged = [
            f"CREATE TEMP TABLE {quoted('staged_' + table.name)} (LIKE {dialect.table(table.name)}, PRIMARY KEY ({listed(table.key)}))"
            for table in tables
        ]
        owners = "CREATE TEMP TABLE staged_owners (kind text, owner text)"
        documents = f"CREATE TEMP TABLE staged_{DOCUMENTS.name} (LIKE {dialect.table(DOCUMENTS.name)})"
        await connection.execute(";".join([*staged, owners, documents]))

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator["_Transaction"]:
        connection = await self._connected()
        try:
            async with connection.transaction():
                # Readers read on; another writer of the same tables waits.
                await connection.execute(f"LOCK TABLE {self.dialect.table(SINK)} IN SHARE ROW EXCLUSIVE MODE")
                yield _Transaction(connection, self.dialect, self._schema, self.selection.chosen)
        except asyncio.CancelledError:
            await self._forget()
            raise


def _passing(error: Exception) -> bool:
    """Whether trouble may pass by itself; what was said wrongly (asyncpg makes it a ValueError too) does not."""
    state = getattr(error, "sqlstate", None)
    return not isinstance(error, ValueError) if state is None else str(state).startswith(_PASSING)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _Transaction:
    """One release being taken."""

    def __init__(self, connection: Any, dialect: Dialect, schema: str, tables: tuple[Table, ...]) -> None:
        self._connection = connection
        self._dialect = dialect
        self._schema = schema
        self._tables = tables

    async def mark(self) -> Mark | None:
        """What the database holds now."""
        return mark_of(await self._connection.fetchrow(f"SELECT {MARK} FROM {self._dialect.table(SINK)}"))

    async def documents(self) -> dict[str, str]:
        """The hash of each document whose rows are held."""
        rows = await self._connection.fetch(f"SELECT path, sha256 FROM {self._dialect.table(DOCUMENTS.name)}")
        return {row["path"]: row["sha256"] for row in rows}

    async def missing(self) -> tuple[Document, ...]:
        """The documents that are not there yet."""
        rows = await self._connection.fetch(
            f"SELECT {listed(MISSING.names)} FROM {self._dialect.table(MISSING.name)}"
        )
        return tuple(Document(*row) for row in rows)

    async def put(self, portion: Sequence[Told]) -> None:
        """Replace the rows of documents."""
        kinds = {told.place.kind for told in portion}
        await self._stage("owners", [(told.place.kind, str(told.place.owner)) for told in portion])
        statements: list[str] = []
        for table in self._tables:
            if table.document not in kinds:
                continue
            rows = [row for told in portion for row in told.rows.get(table.name, ())]
            statements.append(self._dialect.drop_vanished(table))
            if rows:
                await self._stage(table.name, _typed(table, rows))
                statements += [self._dialect.take_over(table), f"TRUNCATE {self._dialect.staged(table.name)}"]
        await self._put_documents(portion, statements)

    async def _put_documents(self, portion: Sequence[Told], statements: list[str]) -> None:
        dialect = self._dialect
        held = [(told.place.path, told.place.kind, told.document.sha256) for told in portion if told.document]
        await self._stage(DOCUMENTS.name, held)
        gone = [told.place.path for told in portion if told.document is None]
        await self._connection.execute(
            f"DELETE FROM {dialect.table(DOCUMENTS.name)} WHERE path = ANY($1::text[])", gone
        )
        staged = f"{dialect.staged('owners')}, {dialect.staged(DOCUMENTS.name)}"
        await self._connection.execute(
            ";".join([*statements, dialect.take_over(DOCUMENTS), f"TRUNCATE {staged}"])
        )

    async def _stage(self, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        await self._connection.copy_records_to_table(f"staged_{name}", records=rows, schema_name="pg_temp")

    async def finish(self, mark: Mark, release: Row, missing: Sequence[Document]) -> None:
        """Keep the mark, the row of the release, and what is missing."""
        dialect = self._dialect
        (row,) = _typed(RELEASES, [release])
        await self._connection.execute(
            f"INSERT INTO {dialect.table(RELEASES.name)} VALUES ({_places(len(row))}) ON CONFLICT DO NOTHING",
            *row,
        )
        await self._connection.execute(f"DELETE FROM {dialect.table(MISSING.name)}")
        await self._connection.copy_records_to_table(
            MISSING.name, records=map(missing_row, missing), schema_name=self._schema
        )
        kept = mark_row(mark)
        await self._connection.execute(
            f"UPDATE {dialect.table(SINK)} SET ({MARK}) = ({_places(len(kept))})", *kept
        )


def _places(count: int) -> str:
    return ", ".join(f"${number}" for number in range(1, count + 1))


_READ: dict[Type, Callable[[str], Any]] = {
    "date": datetime.date.fromisoformat,
    "time": datetime.datetime.fromisoformat,
}


def _typed(table: Table, rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Rows with dates and times as such."""
    readers = [_READ.get(column.type) for column in table.columns]

    def typed(value: Value, read: Callable[[str], Any] | None) -> Any:
        return value if read is None or value is None else read(str(value))

    return [tuple(typed(value, read) for value, read in zip(row, readers, strict=True)) for row in rows]
