"""The complete archives of runs: files that are sent from the disk in pieces, hashed once."""

import hashlib
import os
import threading
from pathlib import Path
from typing import Final

from skrutinium_server.feed.refusals import NO_ARCHIVE, Refusal
from skrutinium_server.feed.representation import OnDisk, on_disk
from skrutinium_server.release.store.archives import ArchiveLayout, read_newest_archive
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import SeriesKey

ZIP: Final = b"application/zip"

Stamp = tuple[int, int, int]


class Archives:
    """The archives of the store in ``root``; its methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Path, OnDisk] = {}
        self._lock = threading.Lock()

    def find(self, key: SeriesKey, number: int | None, tables: bool) -> tuple[int, OnDisk] | Refusal:
        """Number and file of an archive, the newest without ``number``; raises :class:`StoreDamaged`."""
        layout = ArchiveLayout(self._root, key)
        newest = read_newest_archive(layout)
        if newest is None:
            return NO_ARCHIVE
        wanted = number or newest.number
        path = layout.csv(wanted) if tables else layout.xml(wanted)
        try:
            stamp = stamp_of(path.stat())
        except FileNotFoundError:
            return NO_ARCHIVE
        with self._lock:
            held = self._known.get(path)
            if held is None or held.stamp != stamp:
                held = self._known[path] = self._hashed(path)
        due = newest.csv_sha256 if tables else newest.xml_sha256
        if number is None and held.etag != f'"{due[:32]}"':
            raise StoreDamaged(path, "has another hash than 'newest' says")
        return wanted, held

    @staticmethod
    def _hashed(path: Path) -> OnDisk:
        with path.open("rb") as file:
            stamp = stamp_of(os.fstat(file.fileno()))
            digest = hashlib.file_digest(file, "sha256").digest()
        return on_disk(path, stamp, stamp[2], digest, ZIP)


def stamp_of(told: os.stat_result) -> Stamp:
    """What changes when a file is replaced."""
    return told.st_mtime_ns, told.st_ino, told.st_size
