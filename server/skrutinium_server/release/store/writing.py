"""Writing a release store: documents first, then the manifest, then the name of the newest.

What a reader can find is whole and on the disk, because a name is given only to synced bytes. Before ``newest`` is
renamed, everything that its release consists of is durable, bytes and names; so whoever kills the writer or pulls the
plug finds a finished release or the one before. Nothing more is needed, so the files of one release are not made durable
one after the other: few of them are synced at once by threads (the journal of the file system joins their commits), many
by one sync of the file system for their bytes and one for their names. Source: design § 4.3 and § 4.4.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skrutinium_server.durable import sync_folder
from skrutinium_server.release.store.errors import StoreWriteFailed
from skrutinium_server.release.store.layout import Layout, signature_of
from skrutinium_server.release.store.model import ManifestRow, SeriesKey
from skrutinium_server.release.store.packing import compress, pack
from skrutinium_server.release.store.signing import Signer

FEW = 256
"""So many new files are synced one by one; of more the bytes wait for one sync of the whole file system.

That one also waits for what other programs have written there, which is why a usual release does without it.
"""


def _syncfs() -> Callable[[int], int] | None:
    """``syncfs(2)``, which tells of write errors since Linux 5.8; None where there is none."""
    if sys.platform != "linux":
        return None
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return found


def _name_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def _make_folder(folder: Path) -> set[Path]:
    """Make a folder and those around it; returns the folders that hold a new name because of it."""
    try:
        folder.mkdir()
    except FileNotFoundError:
        around = _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        return {*around, folder.parent}
    except FileExistsError:
        pass
    return {folder.parent}


def _fill(path: Path, data: bytes, *, sync: bool) -> set[Path]:
    """Write ``data`` into the new file ``path``; returns the folders that have to be synced besides its own."""
    made: set[Path] = set()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    except FileNotFoundError:
        made = _make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        if sync:
            os.fsync(descriptor)
    return made


def _put_whole(path: Path, data: bytes) -> set[Path]:
    """Put ``data`` at ``path`` in one step, its bytes durable; returns the folders to sync to make its name so, too."""
    beside = _name_beside(path)
    try:
        folders = _fill(beside, data, sync=True)
        beside.replace(path)
    except OSError as error:
        # What stands in the way of writing may stand in the way of this too; the first error is the one to tell.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StoreWriteFailed(path, error) from error
    return {*folders, path.parent}


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step, durable; raises :class:`StoreWriteFailed` and leaves the old file."""
    folders = _put_whole(path, data)
    try:
        for folder in folders:
            sync_folder(folder)
    except OSError as error:
        raise StoreWriteFailed(path, error) from error


class StoreWriter:
    """The store that lies in ``root``; of few objects ``threads`` are compressed and synced at a time."""

    def __init__(self, root: Path, signer: Signer, threads: int = 8) -> None:
        self.layout = Layout(root)
        self.signer = signer
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._syncfs = _syncfs()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def publish_key(self) -> None:
        """Lay the public key into the store."""
        path = self.layout.key(self.signer.key_id)
        if not path.exists():
            write_whole(path, self.signer.public_pem())

    def put_objects(self, documents: Iterable[tuple[str, bytes, str, int]]) -> list[ManifestRow]:
        """Store (path, bytes, schema, codebook), durable, and return their rows in the same order.

        Known bytes cost a hash only. Raises :class:`StoreWriteFailed`.
        """
        rows: list[ManifestRow] = []
        new: dict[Path, bytes] = {}
        for path, data, schema, codebook in documents:
            row = ManifestRow(path, len(data), hashlib.sha256(data).hexdigest(), schema, codebook)
            rows.append(row)
            target = self.layout.object(row.sha256)
            if target not in new and not target.exists():
                new[target] = data
        if len(new) <= FEW or self._syncfs is None:
            self._put_few(list(new.items()))
        else:
            self._put_many(list(new.items()))
        return rows

    def publish(
        self,
        key: SeriesKey,
        number: int,
        manifest: bytes,
        documents: Iterable[tuple[str, bytes]],
    ) -> None:
        """Publish a release whose objects are stored: pack, signature, manifest, newest.

        ``newest`` is renamed when the rest of the release is durable.
        """
        signature = self.signer.line(manifest)
        path = self.layout.manifest(key, number)
        signed = self._threads.submit(write_whole, signature_of(path), signature)
        archive = pack([("manifest.xml", manifest), ("manifest.xml.sig", signature), *documents])
        write_whole(self.layout.pack(key, number), compress(archive))
        signed.result()
        write_whole(path, manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        write_whole(self.layout.newest(key), f"{number} {digest}\n".encode("ascii"))

    def write_checkpoint(self, key: SeriesKey, number: int, document: bytes) -> None:
        """Store the checkpoint of a release that is published, after its signature."""
        path = self.layout.checkpoint(key, number)
        write_whole(signature_of(path), self.signer.line(document))
        write_whole(path, compress(document))

    def write_heartbeat(self, key: SeriesKey, document: bytes) -> None:
        """Replace the heartbeat of a series."""
        write_whole(self.layout.heartbeat(key), document + self.signer.line(document))

    def write_state(self, document: bytes) -> None:
        """Replace the state file."""
        write_whole(self.layout.state, document + self.signer.line(document))

    def _put_few(self, files: Sequence[tuple[Path, bytes]]) -> None:
        """Each file synced by itself, each folder once: a release lays many documents into the same few folders."""
        folders = set().union(*self._threads.map(_put, files))
        try:
            list(self._threads.map(sync_folder, folders))
        except OSError as error:
            raise StoreWriteFailed(self.layout.root / "objects", error) from error

    def _put_many(self, files: Sequence[tuple[Path, bytes]]) -> None:
        """All files beside their names, one sync, all names, one sync: no name ever stands for less than its bytes."""
        named = [(_name_beside(path), path, data) for path, data in files]
        try:
            # In one thread: more of them stand in each other's way in the kernel and take four times as long.
            for beside, _, data in named:
                _fill(beside, compress(data), sync=False)
            self._sync()
            for beside, path, _ in named:
                beside.replace(path)
            self._sync()
        except OSError as error:
            for beside, _, _ in named:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
            raise StoreWriteFailed(self.layout.root / "objects", error) from error

    def _sync(self) -> None:
        """Wait until all that was written to the file system of the store is on the disk; raises OSError."""
        assert self._syncfs is not None
        descriptor = os.open(self.layout.root, os.O_RDONLY)
        try:
            if self._syncfs(descriptor):
                number = ctypes.get_errno() or errno.EIO
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)


def _put(file: tuple[Path, bytes]) -> set[Path]:
    path, data = file
    return _put_whole(path, compress(data))
