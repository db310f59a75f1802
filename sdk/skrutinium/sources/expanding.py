"""Undoing gzip while the bytes come: never more in memory than one piece, however far it expands."""

import zlib
from collections.abc import Iterator

from skrutinium.errors import DamagedError

PIECE = 64 * 1024
"""Bytes handed on at once."""


class Expanding:
    """Gzipped bytes that come piece by piece; at most ``limit`` bytes after decompression."""

    def __init__(self, limit: int, where: str) -> None:
        self._limit = limit
        self._where = where
        self._stretch = zlib.decompressobj(31)
        self._size = 0

    def take(self, piece: bytes) -> Iterator[bytes]:
        """What a piece expands to, in pieces of at most :data:`PIECE` bytes; raises :class:`DamagedError`."""
        due = True
        while due:
            try:
                part = self._stretch.decompress(piece, PIECE)
            except zlib.error as error:
                raise DamagedError(f"broken compression: {error}", address=self._where) from error
            self._size += len(part)
            if self._size > self._limit:
                raise DamagedError(f"more than {self._limit} bytes after decompression", address=self._where)
            if part:
                yield part
            piece = self._stretch.unconsumed_tail
            # A full part may leave more behind inside, with nothing left to put in.
            due = bool(piece) or len(part) == PIECE
        if self._stretch.unused_data:
            raise DamagedError("compressed data are followed by something else", address=self._where)

    def end(self) -> None:
        """Raise :class:`DamagedError` unless this was all: a checksum is at the end."""
        if not self._stretch.eof:
            raise DamagedError("compressed data are cut off", address=self._where)
