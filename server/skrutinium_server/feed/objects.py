"""Which run a document belongs to that is asked for by its hash alone, so that nobody reads by hash what is refused by name.

Only what is found here is served: the documents of all releases since the checkpoint that this process began with, and those of
the releases before, whose manifests are read the first time that somebody asks for an older one. Protocols as taken over are named by
no manifest, but by the batches: those are read when nothing else is left. A hash is kept as its first 64 bits: it
only chooses among the documents of the store, and the whole hash names the document that is sent.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from skrutinium_server.feed.choosing import SERIES
from skrutinium_server.feed.permission import RunKey
from skrutinium_server.feed.shelf import Shelved
from skrutinium_server.release.store.model import SeriesKey


def short(sha256: str) -> int:
    """The first 64 bits of a hash."""
    return int(sha256[:16], 16)


class Objects:
    """Hashes by series; ``public`` holds those that every admitted range may read (registers)."""

    def __init__(self) -> None:
        self.public: set[int] = set()
        self._seen: dict[SeriesKey, set[int]] = {}
        self._shelved: dict[SeriesKey, Shelved] = {}

    def adopt(self, series: Mapping[SeriesKey, Shelved]) -> None:
        """Learn what is new in the newest releases; forget series that are gone."""
        for gone in set(self._seen) - set(series):
            del self._seen[gone], self._shelved[gone]
        for key, shelved in series.items():
            before = self._shelved.get(key)
            if before is shelved:
                continue
            seen = self._seen.setdefault(key, set())
            if before is None:
                seen.update(short(row.sha256) for row in shelved.rows.values())
            seen.update(short(sha256) for sha256 in shelved.brought)
            self._shelved[key] = shelved

    def holders(self, sha256: str) -> Iterator[RunKey]:
        """The runs that are known to hold the document."""
        wanted = short(sha256)
        for key, seen in self._seen.items():
            if wanted in seen:
                yield key.event, key.run

    def newest(self, readable: Iterable[RunKey]) -> Iterator[tuple[SeriesKey, int]]:
        """The series of these runs with the number of the newest release, where batches name protocols."""
        runs = set(readable)
        for key, shelved in self._shelved.items():
            if (key.event, key.run) in runs and key.series == SERIES:
                yield key, shelved.number

    def older(self, readable: Iterable[RunKey]) -> Iterator[tuple[SeriesKey, int]]:
        """The series of these runs with the number of the last release whose documents may not be known."""
        runs = set(readable)
        for key, shelved in self._shelved.items():
            if (key.event, key.run) in runs and shelved.since > 1:
                yield key, shelved.since - 1


def packed(hashes: Iterable[str]) -> "array[int]":
    """Hashes in eight bytes each, ascending."""
    return array("Q", sorted({short(sha256) for sha256 in hashes}))


def holds(hashes: "array[int]", sha256: str) -> bool:
    """Whether the hash is among them."""
    wanted = short(sha256)
    at = bisect_left(hashes, wanted)
    return at < len(hashes) and hashes[at] == wanted
