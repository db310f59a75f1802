"""The ledger in one SQLite file: how it is made, opened to write, and read by others at the same time.

Sources: design § 4.1 and § 4.9; https://www.sqlite.org/wal.html and pragma.html#pragma_synchronous.
"""

import asyncio
import contextlib
import datetime
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from skrutinium_server.durable import sync_folder
from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger.errors import ClosedError, LedgerFileError
from skrutinium_server.ledger.lock import Lock
from skrutinium_server.ledger.model import Cut, Entry, Opened, Step
from skrutinium_server.ledger.reading import SqliteReader, connect
from skrutinium_server.ledger.state import State
from skrutinium_server.ledger.store import Mark, Receipt
from skrutinium_server.ledger.tables import APPLICATION_ID, INSERT, SCHEMA, SCHEMA_VERSION
from skrutinium_server.ledger.writing import AppendCall, CutCall, StepCall, Writer

__all__ = ["SqliteLedger", "SqliteReader"]


class SqliteLedger:
    """The one writer of a ledger, and a reader of it; implements :class:`~skrutinium_server.ledger.store.Ledger`.

    Opening and creating read and write files: do it before the event loop runs, or in a thread. The appending calls
    belong to one event loop; the reading ones wait for the disk and belong in a thread.
    """

    def __init__(self, path: Path, lock: Lock) -> None:
        """Use :meth:`open` or :meth:`create`."""
        with contextlib.ExitStack() as undo:
            # Writing first: after a crash the write-ahead log is recovered by a connection that may write.
            connection = undo.enter_context(contextlib.closing(connect(path, write=True)))
            self._reader = undo.enter_context(SqliteReader(path))
            state = self._rebuild()
            if not state.position:
                raise LedgerFileError(
                    f"{path} has no first entry: it was not made by this program. Take the file out of use."
                )
            undo.pop_all()
        self._lock = lock
        self._writer = Writer(connection, state, self._rebuild)

    @classmethod
    def create(cls, path: Path, opened: Opened) -> Self:
        """Make the file with its first entry and open it; raises LedgerFileError when it is there already."""
        with contextlib.ExitStack() as undo:
            lock = undo.enter_context(Lock(path.with_name("lock")))
            if path.exists():
                raise LedgerFileError(
                    f"{path} is there already; a run has one ledger. Open it, or choose another run."
                )
            _make(path, opened)
            ledger = cls(path, lock)
            undo.pop_all()
            return ledger

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a ledger to write; raises LedgerFileError, LedgerLockedError and, when it was altered, ChainError."""
        with contextlib.ExitStack() as undo:
            if not path.exists():
                raise LedgerFileError(f"{path} is missing; expected the ledger of a run that was opened.")
            lock = undo.enter_context(Lock(path.with_name("lock")))
            ledger = cls(path, lock)
            undo.pop_all()
            return ledger

    async def append(self, admissions: Sequence[Admission], time: datetime.datetime) -> list[Receipt]:
        """See :meth:`~skrutinium_server.ledger.store.Ledger.append`."""
        call = AppendCall(admissions, time, asyncio.get_running_loop().create_future())
        self._writer.submit(call)
        return await call.future

    async def append_cut(self, cut: Cut) -> Mark:
        """See :meth:`~skrutinium_server.ledger.store.Ledger.append_cut`."""
        call = CutCall(cut, asyncio.get_running_loop().create_future())
        self._writer.submit(call)
        return await call.future

    async def append_step(self, step: Step) -> Mark:
        """See :meth:`~skrutinium_server.ledger.store.Ledger.append_step`."""
        call = StepCall(step, asyncio.get_running_loop().create_future())
        self._writer.submit(call)
        return await call.future

    def entries(self, after: int = 0, upto: int | None = None) -> Iterator[Entry]:
        """See :meth:`~skrutinium_server.ledger.store.LedgerReader.entries`."""
        return self._reader.entries(after, upto)

    def records(self, after: int = 0, upto: int | None = None) -> Iterator[tuple[Entry, bytes]]:
        """Entries with their bytes, see :meth:`SqliteReader.records`."""
        return self._reader.records(after, upto)

    def data(self, position: int) -> bytes:
        """See :meth:`~skrutinium_server.ledger.store.LedgerReader.data`."""
        return self._reader.data(position)

    def head(self) -> tuple[int, str]:
        """Position and hash of the newest durable entry; from memory, so it may be asked in the event loop."""
        return self._writer.head

    def newest_release(self, series: str) -> int:
        """The number of the newest durable cut of a series, 0 before the first; from memory."""
        return self._writer.releases.get(series, 0)

    @property
    def commits(self) -> tuple[tuple[int, ...], int]:
        """Commits by the time they took (see :data:`~skrutinium_server.ledger.writing.BOUNDS`), and nanoseconds of them all."""
        return tuple(self._writer.commits), self._writer.committing

    @property
    def closed(self) -> bool:
        """Whether nothing is accepted, unless the run is opened again."""
        return self._writer.closed

    async def close(self) -> None:
        """Finish what was asked for, then release file and lock. Later calls raise ClosedError."""
        with contextlib.suppress(ClosedError):
            await self._writer.stop()
        await asyncio.to_thread(self._release)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _release(self) -> None:
        self._reader.close()
        self._lock.release()

    def _rebuild(self) -> State:
        return State(self._reader.entries())


def _make(path: Path, opened: Opened) -> None:
    """Write the whole file under another name first: a kill in between leaves no ledger rather than an empty one."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.executescript(SCHEMA)
        connection.execute(INSERT, State().plan_opened(opened))
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
    unfinished.rename(path)
    sync_folder(path.parent)
