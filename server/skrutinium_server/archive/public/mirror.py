"""The part of the release store that belongs to one run, copied into the public folder as it is.

With it an outsider's ``skrutinium verify`` adds everything up again from the public folder alone. Copies, not links: what
somebody does to the public folder must not reach the store.
"""

from pathlib import Path

from skrutinium_server.archive.public.folder import PublicFolder
from skrutinium_server.archive.runs import series_key
from skrutinium_server.release.store.archives import ArchiveLayout
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.layout import signature_of
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader


class Mirror:
    """Copies what is new; what lies in ``folder`` already tells how far it is."""

    def __init__(self, reader: StoreReader, folder: PublicFolder) -> None:
        self._store = reader
        self._folder = folder
        self._copy = StoreReader(folder.root)
        self._root = reader.layout.root
        self._seen: dict[Path, tuple[int, int]] = {}

    def run(self, run: Run) -> bool:
        """Copy every series of the run, its archives, the keys and the state; whether a release was new."""
        new = False
        for path in sorted(self._store.layout.keys.glob("*.pem*")):
            self._replace(path)
        for series in run.series:
            new = self._series(series_key(run, series)) or new
        self._archives(series_key(run, ""))
        self._replace(self._store.layout.state)
        return new

    def _series(self, key: SeriesKey) -> bool:
        layout = self._store.layout
        newest = self._store.newest(key)
        if newest is None:
            return False
        have = self._copy.newest(key)
        start = have.number if have else 0
        for number in range(start + 1, newest.number + 1):
            for row in self._store.manifest(key, number).rows:
                self._new(layout.object(row.sha256))
            self._new(layout.pack(key, number))
            self._new(signature_of(layout.manifest(key, number)))
            self._new(layout.manifest(key, number))
        for number in self._store.checkpoints(key):
            if number <= newest.number:
                self._new(signature_of(layout.checkpoint(key, number)))
                self._new(layout.checkpoint(key, number))
        if start != newest.number:
            self._folder.put(
                self._name(layout.newest(key)), f"{newest.number} {newest.sha256}\n".encode("ascii")
            )
        self._replace(layout.heartbeat(key))
        return start != newest.number

    def _archives(self, key: SeriesKey) -> None:
        archives = ArchiveLayout(self._root, key)
        for path in sorted(archives.folder.glob("[0-9]*.zip")):
            self._replace(path)
        self._replace(archives.newest)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _new(self, path: Path) -> None:
        """Copy a file that never changes."""
        name = self._name(path)
        if not self._folder.path(name).exists():
            try:
                data = path.read_bytes()
            except OSError as error:
                raise StoreDamaged(path, f"cannot be read ({error.strerror or error})") from error
            self._folder.put(name, data)

    def _replace(self, path: Path) -> None:
        """Copy a file that may have changed, or be missing still."""
        try:
            now = path.stat()
        except FileNotFoundError:
            return
        mark = (now.st_mtime_ns, now.st_size)
        if self._seen.get(path) != mark:
            self._folder.put(self._name(path), path.read_bytes())
            self._seen[path] = mark
