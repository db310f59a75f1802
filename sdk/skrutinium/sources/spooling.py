"""The documents of one release while they are looked at: in memory when they are small together, else in a temporary file.

A release of a whole country has hundreds of megabytes; whoever reads it needs one document at a time.
"""

import asyncio
import os
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator, Iterable
from typing import IO

from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.series import Document
from skrutinium.errors import DamagedError, StorageError
from skrutinium.sources.packs import Member, Unpacking

HELD = 8 * 1024 * 1024
"""Bytes of one release that are held in memory; the rest lies in a temporary file."""
_PORTION = 1024 * 1024


class Spool:
    """Members by name; the file is gone with the object, or with the program. Nothing here is asynchronous."""

    def __init__(self, where: str, held: int = HELD) -> None:
        self._where = where
        self._room = held
        self._held: dict[str, bytes] = {}
        self._places: dict[str, tuple[int, int]] = {}
        self._file: IO[bytes] | None = None
        self._end = 0
        self._lock = threading.Lock()

    def add(self, members: Iterable[Member]) -> None:
        """Keep members; raises :class:`DamagedError` for one that comes twice or is too large, :class:`StorageError`."""
        for member in members:
            if member.data is None:
                raise DamagedError(
                    f"{member.name} has {member.size} bytes; at most {LARGEST} are read", address=self._where
                )
            if member.name in self._held or member.name in self._places:
                raise DamagedError(f"{member.name} comes twice", address=self._where)
            if member.size <= self._room:
                self._room -= member.size
                self._held[member.name] = member.data
            else:
                self._write(member.name, member.data)

    def _write(self, name: str, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="skrutinium-", buffering=0)  # noqa: SIM115 - closed with self
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise StorageError(
                f"a large release cannot be kept for a moment: {error.strerror or error}; make room there, or name another "
                "folder by TMPDIR",
                address=tempfile.gettempdir(),
            ) from error
        self._places[name] = (self._end, len(data))
        self._end += len(data)

    def read(self, name: str) -> bytes:
        """The bytes of a member, from any thread; raises :class:`DamagedError` when it is not there."""
        held = self._held.get(name)
        if held is not None:
            return held
        try:
            at, size = self._places[name]
        except KeyError:
            raise DamagedError(f"the pack holds no {name}", address=self._where) from None
        assert self._file is not None
        with self._lock:  # one position for all threads
            self._file.seek(at, os.SEEK_SET)
            pieces = bytearray()
            while len(pieces) < size and (piece := self._file.read(size - len(pieces))):
                pieces += piece
        return bytes(pieces)

    def load(self, row: Document) -> bytes:
        """The bytes of a document by its row in the manifest, not yet checked."""
        return self.read(row.path)


async def spooled(pieces: AsyncIterator[bytes], where: str) -> Spool:
    """An archive that comes piece by piece, kept member by member; raises what reading it raises."""
    spool, unpacking = Spool(where), Unpacking(where, lambda _: LARGEST)
    portion: list[Member] = []
    size = 0
    async for piece in pieces:
        for member in unpacking.take(piece):
            portion.append(member)
            size += member.size
        if size >= _PORTION:
            await asyncio.to_thread(spool.add, portion)
            portion, size = [], 0
        else:
            await asyncio.sleep(0)  # a fast line would otherwise keep the loop for itself
    unpacking.end()
    await asyncio.to_thread(spool.add, portion)
    return spool
