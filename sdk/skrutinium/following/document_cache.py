"""Documents at hand, by their hashes, in memory of their own beside the program's heap.

Documents of all sizes come and go for a whole night. In the heap they would leave gaps between what stays, and the process would grow by as
much again as it holds, which :mod:`tests.bench.test_sdk_memory` measures.
"""

import mmap
import sys
from collections import OrderedDict


class DocumentCache:
    """Bytes by hash, one behind the other in a ring of ``limit`` bytes; those that were not used for the longest time are written over.

    The ring takes memory as it fills. It is for the thread of the event loop alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._end = 0
        self._places: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Start and size of each, by hash, in the order in which they are written over."""
        self._ring: mmap.mmap | None = None

    def get(self, sha256: str) -> bytes | None:
        """The bytes with that hash, None when not held."""
        place = self._places.get(sha256)
        if place is None or self._ring is None:
            return None
        start, size = place
        data = self._ring[start : start + size]
        if (self._end - start) % self._limit > self._limit // 2:  # would be written over before long
            del self._places[sha256]
            self._write(sha256, data)
        return data

    def put(self, sha256: str, data: bytes) -> None:
        """Hold bytes whose hash was checked, unless they are none or more than fit."""
        if sha256 not in self._places and 0 < len(data) <= self._limit:
            self._write(sha256, data)

    def _write(self, sha256: str, data: bytes) -> None:
        if self._ring is None:
            self._ring = _anonymous(self._limit)
        size = len(data)
        if self._end + size > self._limit:
            self._give_up(self._end, self._limit)
            self._end = 0
        self._give_up(self._end, self._end + size)
        self._ring[self._end : self._end + size] = data
        self._places[sha256] = self._end, size
        self._end += size

    def _give_up(self, start: int, end: int) -> None:
        """Let go of what stands there; that is what was written before all others."""
        while self._places:
            oldest = next(iter(self._places))
            at, size = self._places[oldest]
            if at >= end or at + size <= start:
                return
            del self._places[oldest]


def _anonymous(size: int) -> mmap.mmap:
    """Memory that is the system's until it is written to, and goes back to it as a whole."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
