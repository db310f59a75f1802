"""Reading a ledger's file beside its writer."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from skrutinium_server.ledger import chain
from skrutinium_server.ledger.chain import GENESIS, Row, entry_hash
from skrutinium_server.ledger.errors import ChainError, LedgerError, LedgerFileError
from skrutinium_server.ledger.model import Entry
from skrutinium_server.ledger.tables import APPLICATION_ID, SCHEMA_VERSION

CHUNK: Final = 256
"""Rows read at once. Between chunks no transaction is open, so a slow follower never keeps the write-ahead log growing."""


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """A connection to a ledger's file, in autocommit; raises LedgerFileError when it is none."""
    if not path.exists():
        raise LedgerFileError(f"{path} is missing; expected the ledger of a run that was opened.")
    mode = "rw" if write else "ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10,
    )
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (application, version) != (APPLICATION_ID, SCHEMA_VERSION):
            raise LedgerFileError(
                f"{path} is not a ledger of this version (application {application:#x}, version {version}); "
                f"expected {APPLICATION_ID:#x}, {SCHEMA_VERSION}."
            )
        if write:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        else:
            connection.execute("PRAGMA query_only=ON")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise LedgerFileError(f"{path} cannot be read as a ledger ({error}).") from error
        raise
    return connection


class SqliteReader:
    """Reads a ledger, also from other processes than the writer's; sees what is durable, checks it while reading.

    Safe to use from several threads. Every call waits for the disk: in a program with an event loop, call it in a thread.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; raises LedgerFileError."""
        self.path = path
        self._connection = connect(path, write=False)
        self._access = threading.Lock()
        # Where reading stopped last, so that a follower need not look at the entry before again.
        self._checked = (0, GENESIS)

    def entries(self, after: int = 0, upto: int | None = None) -> Iterator[Entry]:
        """See :meth:`~skrutinium_server.ledger.store.LedgerReader.entries`."""
        return (entry for entry, _ in self.records(after, upto))

    def records(self, after: int = 0, upto: int | None = None) -> Iterator[tuple[Entry, bytes]]:
        """Entries together with the bytes taken over (empty for entries that are no protocol)."""
        previous = self._hash(after)
        while rows := self._rows(after, upto):
            for entry, data in chain.read(rows, after, previous):
                yield entry, data
                after, previous = entry.position, entry.hash
            self._checked = (after, previous)

    def data(self, position: int) -> bytes:
        """See :meth:`~skrutinium_server.ledger.store.LedgerReader.data`."""
        rows = self._select("SELECT position, head, data, hash FROM entries WHERE position = ?", position)
        if not rows:
            raise KeyError(position)
        row = Row(*rows[0])
        entry = chain.unpack(row)
        if entry.position != position:
            raise ChainError(position, f"expected position {position}, found {entry.position}")
        return row.data

    def head(self) -> tuple[int, str]:
        """Position and hash of the newest durable entry."""
        rows = self._select("SELECT position, hash FROM entries ORDER BY position DESC LIMIT 1")
        return (rows[0][0], rows[0][1].hex()) if rows else (0, GENESIS)

    def close(self) -> None:
        """Close the file; reading afterwards raises LedgerError."""
        with self._access:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hash(self, position: int) -> str:
        if not position:
            return GENESIS
        if self._checked[0] == position:
            return self._checked[1]
        rows = self._select("SELECT head FROM entries WHERE position = ?", position)
        if not rows:
            newest, _ = self.head()
            if position > newest:
                raise LedgerError(
                    f"The ledger ends at position {newest}; it was asked for what follows {position}.",
                    code="ledger-position",
                )
            raise ChainError(position, f"expected position {position}, found none")
        return entry_hash(rows[0][0])

    def _rows(self, after: int, upto: int | None) -> list[Row]:
        newest = after + CHUNK if upto is None else min(upto, after + CHUNK)
        # By position, not by count: one row behind a gap must not be passed over.
        rows = self._select(
            "SELECT position, head, data, hash FROM entries WHERE position > ? AND position <= ? ORDER BY position",
            after,
            newest,
        )
        if not rows and newest > after:
            found = self._select("SELECT min(position) FROM entries WHERE position > ?", after)[0][0]
            if found is not None and (upto is None or found <= upto):
                raise ChainError(after + 1, f"expected position {after + 1}, found {found}")
        return [Row(*row) for row in rows]

    def _select(self, statement: str, *values: int) -> list[Any]:
        try:
            with self._access:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path} cannot be read ({error}).", code="ledger-read") from error
