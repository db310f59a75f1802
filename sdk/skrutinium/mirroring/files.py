"""A release store as files that only grow, and are whole at any moment: what a file ``newest`` names lies there before it.

Layout: ``docs/architecture.md``. Every file appears in one step; nothing here is asynchronous: it runs in threads.
"""

import contextlib
import errno
import gzip
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from skrutinium.errors import StorageError
from skrutinium.sources.source import number_and_hash

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SYNCED_SINGLY = 64
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHECKPOINT = b' checkpoint="true"'
_HEAD = 2048


def storage_error(error: OSError, path: Path) -> StorageError:
    """What stands in the way of writing there."""
    if error.errno in _FULL:
        return StorageError(
            "the disk is full: make room and start again, it goes on from here", address=str(path)
        )
    return StorageError(f"cannot be written: {error.strerror or error}", address=str(path))


def write_file(path: Path, data: bytes) -> None:
    """Put a file there in one step, over the one before; raises :class:`StorageError` and leaves that one."""
    write_with(path, lambda file: file.write(data))


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """The same of what ``write`` puts into the file; raises what it raises."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            write(file)
        beside.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # what stood in the way of writing is the error to tell
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise storage_error(error, path) from error
        raise


class StoreFiles:
    """The release store below ``root``; ``written`` counts the files written, ``size`` their bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written = 0
        self.size = 0
        self._unsynced: list[Path] = []

    def put(self, path: str, data: bytes) -> bool:
        """Write a file of the store unless it is there with these bytes; whether it was written."""
        target = self.root / path
        with contextlib.suppress(OSError):
            if target.stat().st_size == len(data) and target.read_bytes() == data:
                return False
        write_file(target, data)
        self._count(target, len(data))
        return True

    def put_with(self, path: str, write: Callable[[IO[bytes]], object]) -> None:
        """Write a file of the store by pieces."""
        target = self.root / path
        write_with(target, write)
        self._count(target, target.stat().st_size)

    def _count(self, target: Path, size: int) -> None:
        self.written += 1
        self.size += size
        self._unsynced.append(target)

    # ---------------------------------------------------------------- objects
    @staticmethod
    def object_path(sha256: str) -> str:
        """Where an object lies."""
        return f"objects/{sha256[:2]}/{sha256[2:4]}/{sha256}.gz"

    def has_object(self, sha256: str) -> bool:
        """Whether an object is there."""
        return (self.root / self.object_path(sha256)).is_file()

    def put_object(self, sha256: str, data: bytes) -> None:
        """Keep bytes whose hash was checked."""
        if not self.has_object(sha256):
            self.put(self.object_path(sha256), gzip.compress(data, 6, mtime=0))

    def drop_objects(self, hashes: Iterable[str]) -> None:
        """Let go of objects that nothing names any more."""
        for sha256 in hashes:
            with contextlib.suppress(OSError):  # room is won later, then
                (self.root / self.object_path(sha256)).unlink(missing_ok=True)

    # ---------------------------------------------------------------- durable
    def sync(self) -> None:
        """Make durable what was written; what names it is written afterwards."""
        due, self._unsynced = self._unsynced, []
        if len(due) > _SYNCED_SINGLY and hasattr(os, "sync"):
            os.sync()
            return
        for path in due:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                os.fsync(file.fileno())


class SeriesFiles:
    """One series of one run in a store."""

    def __init__(self, store: StoreFiles, event: str, run: str, series: str) -> None:
        for id in (event, run, series):
            if not _ID.fullmatch(id):
                raise StorageError(f"{id!r} cannot be the name of a folder")
        self._store = store
        self._prefix = f"event/{event}/{run}/{series}"
        self.folder = store.root / self._prefix

    def newest(self) -> tuple[int, str] | None:
        """Number and manifest hash of the newest release that is there, None before the first."""
        path = self.folder / "newest"
        try:
            return number_and_hash(path.read_bytes(), str(path))
        except FileNotFoundError:
            return None

    def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest that is there and its signature line."""
        path = self.folder / "manifest" / f"{number:09d}.xml"
        return path.read_bytes(), path.with_name(path.name + ".sig").read_bytes()

    def put_manifest(self, number: int, data: bytes, line: bytes) -> None:
        """Keep a manifest; its signature first."""
        self._store.put(f"{self._prefix}/manifest/{number:09d}.xml.sig", line)
        self._store.put(f"{self._prefix}/manifest/{number:09d}.xml", data)

    def put_pack(self, number: int, members: Iterable[tuple[str, bytes]]) -> None:
        """Keep a release in one file, as its publisher makes it; ``members`` are taken one by one."""

        def write(file: IO[bytes]) -> None:
            with gzip.GzipFile("", "wb", 6, file, 0) as zipped:
                pack_into(zipped, members)

        self._store.put_with(f"{self._prefix}/pack/{number:09d}.tar.gz", write)

    def has_pack(self, number: int) -> bool:
        """Whether the pack of a release is there."""
        return (self.folder / "pack" / f"{number:09d}.tar.gz").is_file()

    def put_checkpoint(self, number: int, data: bytes, line: bytes) -> None:
        """Keep a checkpoint; its signature first."""
        self._store.put(f"{self._prefix}/checkpoint/{number:09d}.xml.sig", line)
        self._store.put(f"{self._prefix}/checkpoint/{number:09d}.xml.gz", gzip.compress(data, 6, mtime=0))

    @property
    def heartbeat(self) -> str:
        """Where the heartbeat lies in the store."""
        return f"{self._prefix}/heartbeat.xml"

    def finish(self, number: int, sha256: str) -> None:
        """Name the newest release, when all of it is durable."""
        self._store.sync()
        self._store.put(f"{self._prefix}/newest", f"{number} {sha256}\n".encode("ascii"))

    def missing_checkpoints(self, newest: int) -> Iterator[int]:
        """The releases whose manifest announces a checkpoint that is not there."""
        for number in range(1, newest + 1):
            with (self.folder / "manifest" / f"{number:09d}.xml").open("rb") as file:
                head = file.read(_HEAD).partition(b"<document")[0]
            if _CHECKPOINT in head and not (self.folder / "checkpoint" / f"{number:09d}.xml.gz").is_file():
                yield number


def packed(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A tar of these files as the publisher of a store writes it (``docs/architecture.md``, a pack)."""
    out = io.BytesIO()
    pack_into(out, members)
    return out.getvalue()


def pack_into(file: IO[bytes] | gzip.GzipFile, members: Iterable[tuple[str, bytes]]) -> None:
    """The same into a file, one member after another."""
    end = 0
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        for part in (info.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % tarfile.BLOCKSIZE)):
            file.write(part)
            end += len(part)
    closing = 2 * tarfile.BLOCKSIZE
    file.write(bytes(closing + -(end + closing) % tarfile.RECORDSIZE))


def digest(data: bytes) -> str:
    """The hash by which an object is known."""
    return hashlib.sha256(data).hexdigest()
