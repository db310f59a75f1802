"""The tables as CSV files in a folder: one folder a release, ``newest`` leads to the one that counts.

A release is written beside the one before; files that did not change are the same files (hard links). Then ``newest`` is replaced in one
step, with the mark in the same folder: a reader that goes through ``newest`` once sees a whole release, and a crash leaves the one before.
A folder is ``NNNNNNNNN``, and ``NNNNNNNNN-0001`` and so on when documents that were missing came later.
"""

import asyncio
import contextlib
import csv
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from skrutinium.documents.series import Document
from skrutinium.errors import SinkError
from skrutinium.following.statefile import Seen
from skrutinium.sinks.csv_files import Extent, Rewriting, extent_of, header, lines
from skrutinium.sinks.sink import FORMAT, Sink, check_made, describe
from skrutinium.sinks.statements import DOCUMENTS, MISSING
from skrutinium.sinks.transaction import Mark, missing_row
from skrutinium.tables.columns import RELEASES, Row, Table
from skrutinium.tables.reading import Told
from skrutinium.tables.selection import selection

T = TypeVar("T")
NEWEST = "newest"
_MAKING = ".making"
_LOCK = ".lock"
_SAYS = "sink.json"
_RELEASE = re.compile(r"([0-9]{9})(?:-([0-9]{4}))?")
_KEPT = 2
"""Releases that are kept: readers of the one before may go on."""
_log = logging.getLogger("skrutinium")


@dataclass
class _Held:
    """What the newest folder holds; ``documents`` are kind and hash by path."""

    folder: Path | None = None
    mark: Mark | None = None
    extents: dict[str, Extent] = field(default_factory=dict)
    documents: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: tuple[Document, ...] = ()


class CsvSink(Sink):
    """A folder; read ``FOLDER/newest/TABLE.csv``. Needs a file system with symbolic links (Windows: developer mode)."""

    def __init__(
        self,
        folder: str | Path,
        *,
        tables: Sequence[str] | None = None,
        areas: Sequence[str] | None = None,
        contests: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
    ) -> None:
        super().__init__(str(folder), selection(tables, areas, contests, kinds))
        self.folder = Path(folder)
        self.held = _Held()
        self._locked: BinaryIO | None = None

    async def _open(self) -> None:
        try:
            await self.run(self._load)
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        if self._locked is not None:
            self._locked.close()
            self._locked = None

    async def _read(self) -> Mark | None:
        self._check_open()
        return self.held.mark

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator["_Transaction"]:
        self._check_open()
        transaction = _Transaction(self)
        try:
            yield transaction
        finally:
            await self.run(transaction.close)

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` gives, done in a thread; it is waited for even when this task is cancelled, so that nothing runs behind."""
        running = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
        except OSError as error:
            where = str(error.filename or self.folder)
            raise SinkError(f"cannot be used: {error.strerror or error}", address=where) from error

    def _check_open(self) -> None:
        if self._locked is None:
            raise SinkError("is not open: use it as `async with`", address=self.where)

    # ---------------------------------------------------------------- opening
    def _load(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        there = {one.name for one in self.folder.iterdir()} - {_LOCK}
        ours = {NEWEST, f".{NEWEST}", _MAKING}
        strange = sorted(name for name in there - ours if not _RELEASE.fullmatch(name))
        if strange:
            raise SinkError(
                f"holds something else, such as {strange[0]}: name a folder of its own", address=self.where
            )
        self._locked = _lock(self.folder / _LOCK)
        newest, beside = self.folder / NEWEST, self.folder / f".{NEWEST}"
        if beside.is_symlink() and not newest.is_symlink():  # where a link cannot be replaced in one step
            beside.rename(newest)
        if newest.is_symlink():
            folder = self.folder / newest.readlink().name
            self.held = _load(folder, self.selection.chosen, self._says(folder))
        self._tidy()

    def _says(self, folder: Path) -> dict[str, Any]:
        try:
            says: dict[str, Any] = json.loads((folder / _SAYS).read_bytes())
            made = int(says["format"]), str(says["chosen"])
        except (ValueError, KeyError, TypeError) as error:
            raise SinkError(
                f"cannot be read: {error}; export to a new folder", address=str(folder)
            ) from error
        check_made(self.where, *made, self.selection)
        return says

    def _tidy(self) -> None:
        """Remove what a crash left, and releases that are not kept any more."""
        current = self.held.folder
        whole = sorted(
            one
            for one in self.folder.iterdir()
            if _RELEASE.fullmatch(one.name) and current is not None and one.name <= current.name
        )
        for one in self.folder.iterdir():
            if one.name == f".{NEWEST}":
                one.unlink()
            elif one.name == _MAKING:
                shutil.rmtree(one)
            elif one.name not in (NEWEST, _LOCK) and one not in whole[-_KEPT:]:
                _drop(one)

    # ---------------------------------------------------------------- a new release
    def swap(self, made: Path, held: _Held, number: int) -> None:
        """Let readers see what was made, in one step; may be tried again after it failed."""
        folder = self.folder / self._name(number)
        beside = self.folder / f".{NEWEST}"
        if folder.exists():  # made by an attempt that failed before anybody was led there
            shutil.rmtree(folder)
        beside.unlink(missing_ok=True)
        made.rename(folder)
        beside.symlink_to(folder.name, target_is_directory=True)
        _lead(beside, self.folder / NEWEST)
        held.folder = folder
        self.held = held  # at once: whatever fails from here on, this is what readers see
        _sync(self.folder)
        self._tidy()

    def _name(self, number: int) -> str:
        """The folder of a release: another one than what readers are led to."""
        current = None if self.held.folder is None else _RELEASE.fullmatch(self.held.folder.name)
        if current is None or int(current[1]) != number:
            return f"{number:09d}"
        return f"{number:09d}-{int(current[2] or 0) + 1:04d}"


def _lock(path: Path) -> BinaryIO:
    """Be the only writer; the lock ends with the process."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415  (only there)

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415  (not there on Windows)

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SinkError(
            "is being written by another process: end it first", address=str(path.parent)
        ) from error
    return file


def _lead(beside: Path, newest: Path) -> None:
    """Put one link in the place of the other, in one step where that can be done."""
    if (
        sys.platform == "win32"
    ):  # no link to a folder is replaced there: for a moment there is none, and opening mends it
        newest.unlink(missing_ok=True)
        beside.rename(newest)
    else:
        beside.replace(newest)


def _drop(folder: Path) -> None:
    """Remove a release that is not kept; one that a reader holds open (Windows) is removed another time."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        _log.info("%s is left for now: %s", folder, error.strerror or error)


def _load(folder: Path, tables: Sequence[Table], says: dict[str, Any]) -> _Held:
    try:
        told = says["seen"]
        seen = Seen(**{**told, "keys": tuple(told["keys"])})
        with (folder / f"{DOCUMENTS.name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        documents = {path: (kind, sha256) for path, kind, sha256 in rows}
        with (folder / f"{MISSING.name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        missing = tuple(
            Document(path, int(size), sha256, schema, int(codebook))
            for path, size, sha256, schema, codebook in rows
        )
        mark = Mark(seen, int(says["codebook"]), listed=bool(says["listed"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SinkError(f"cannot be read: {error}; export to a new folder", address=str(folder)) from error
    extents = {table.name: extent_of(table, folder / f"{table.name}.csv") for table in tables}
    return _Held(folder, mark, extents, documents, missing)


def _sync(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be synced
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _write(path: Path, *parts: bytes) -> None:
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


class _Transaction:
    """One release being taken: a folder beside the others."""

    def __init__(self, sink: CsvSink) -> None:
        self._sink = sink
        self._tables = sink.selection.chosen
        self._old = sink.held
        self._making = sink.folder / _MAKING
        self._rewriting: dict[str, Rewriting] = {}
        self._documents = dict(sink.held.documents)

    async def mark(self) -> Mark | None:
        """What the folder holds now."""
        return self._old.mark

    async def documents(self) -> dict[str, str]:
        """The hash of each document whose rows are held."""
        return {path: sha256 for path, (_, sha256) in self._documents.items()}

    async def missing(self) -> tuple[Document, ...]:
        """The documents that are not there yet."""
        return self._old.missing

    async def put(self, portion: Sequence[Told]) -> None:
        """Replace the rows of documents."""
        await self._sink.run(lambda: self._put(portion))

    def _put(self, portion: Sequence[Told]) -> None:
        self._making.mkdir(exist_ok=True)
        for told in portion:
            place = told.place
            for table in self._tables:
                if table.document == place.kind:
                    self._table(table).put(place.owner, told.rows.get(table.name, ()))
            if told.document is None:
                self._documents.pop(place.path, None)
            else:
                self._documents[place.path] = place.kind, told.document.sha256

    def _table(self, table: Table) -> Rewriting:
        if table.name not in self._rewriting:
            self._rewriting[table.name] = Rewriting(
                table,
                self._before(table.name),
                self._old.extents.get(table.name),
                self._making / f"{table.name}.csv",
            )
        return self._rewriting[table.name]

    def _before(self, name: str) -> Path | None:
        return None if self._old.folder is None else self._old.folder / f"{name}.csv"

    async def finish(self, mark: Mark, release: Row, missing: Sequence[Document]) -> None:
        """Write the rest, and let readers see it."""
        await self._sink.run(lambda: self._finish(mark, release, missing))

    def _finish(self, mark: Mark, release: Row, missing: Sequence[Document]) -> None:
        self._making.mkdir(exist_ok=True)
        extents = {table.name: self._finished(table) for table in self._tables}
        before = self._before(RELEASES.name)
        taken = header(RELEASES) if before is None else before.read_bytes()
        again = self._old.mark is not None and self._old.mark.seen.number == mark.seen.number
        _write(self._making / f"{RELEASES.name}.csv", taken, b"" if again else lines([release]))
        listed = lines((path, *told) for path, told in sorted(self._documents.items()))
        _write(self._making / f"{DOCUMENTS.name}.csv", header(DOCUMENTS), listed)
        lacking = lines(sorted(map(missing_row, missing)))
        _write(self._making / f"{MISSING.name}.csv", header(MISSING), lacking)
        chosen = describe(self._sink.selection)
        says = {"format": FORMAT, "chosen": chosen, "codebook": mark.codebook, "listed": mark.listed}
        _write(self._making / _SAYS, json.dumps({**says, "seen": asdict(mark.seen)}, indent=1).encode())
        _sync(self._making)
        held = _Held(None, mark, extents, self._documents, tuple(missing))
        self._sink.swap(self._making, held, mark.seen.number)

    def _finished(self, table: Table) -> Extent:
        rewriting = self._rewriting.get(table.name)
        before = self._before(table.name)
        if rewriting is None and before is None:
            rewriting = self._table(table)
        if rewriting is not None and rewriting.finish():
            return rewriting.extent
        assert before is not None
        _same(before, self._making / before.name)
        return self._old.extents[table.name]

    def close(self) -> None:
        """Let go of the files, and leave nothing behind of what was not finished."""
        for rewriting in self._rewriting.values():
            rewriting.close()
        if self._making.exists():
            shutil.rmtree(self._making)


def _same(old: Path, new: Path) -> None:
    """The same file under another name; a copy where the file system has no hard links."""
    try:
        new.hardlink_to(old)
    except OSError:
        shutil.copyfile(old, new)
