"""Writing a release store: documents first, then the manifest, then the name of the newest.

A file appears under its name only when it is whole and on the disk: written beside, synced, renamed, folder synced.
Kill the writer anywhere: what a reader can find is a finished release. Source: design § 4.3 and § 4.4.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skrutinium_server.release.store.errors import StoreWriteFailed
from skrutinium_server.release.store.layout import Layout, signature_of
from skrutinium_server.release.store.model import ManifestRow, SeriesKey
from skrutinium_server.release.store.packing import compress, pack
from skrutinium_server.release.store.signing import Signer


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, *, sync_folder: bool = True) -> None:
    """Put ``data`` at ``path`` in one step, durable; raises :class:`StoreWriteFailed` and leaves the old file.

    Without ``sync_folder`` the name is durable only after :func:`_sync_folder`; the bytes behind it always are.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        if sync_folder:
            _sync_folder(path.parent)
    except OSError as error:
        # What stands in the way of writing may stand in the way of this too; the first error is the one to tell.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StoreWriteFailed(path, error) from error


class StoreWriter:
    """The store that lies in ``root``; objects are compressed and synced by ``threads`` at a time."""

    def __init__(self, root: Path, signer: Signer, threads: int = 4) -> None:
        self.layout = Layout(root)
        self.signer = signer
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def publish_key(self) -> None:
        """Lay the public key into the store."""
        path = self.layout.key(self.signer.key_id)
        if not path.exists():
            write_whole(path, self.signer.public_pem())

    def put_objects(self, documents: Iterable[tuple[str, bytes, str, int]]) -> list[ManifestRow]:
        """Store (path, bytes, schema, codebook) and return their rows in the same order; known bytes cost a hash only."""
        stored = list(self._threads.map(self._put, documents))
        folders = {folder for _, folder in stored if folder is not None}
        try:
            # Each folder once, not once a document: a release lays many documents into the same few folders.
            list(self._threads.map(_sync_folder, folders))
        except OSError as error:
            raise StoreWriteFailed(self.layout.root / "objects", error) from error
        return [row for row, _ in stored]

    def publish(
        self,
        key: SeriesKey,
        number: int,
        manifest: bytes,
        documents: Iterable[tuple[str, bytes]],
        checkpoint: bytes | None = None,
    ) -> None:
        """Publish a release whose objects are stored: pack, checkpoint, manifest, signature, newest, in this order."""
        signature = self.signer.line(manifest)
        archive = pack([("manifest.xml", manifest), ("manifest.xml.sig", signature), *documents])
        write_whole(self.layout.pack(key, number), compress(archive))
        if checkpoint is not None:
            path = self.layout.checkpoint(key, number)
            write_whole(signature_of(path), self.signer.line(checkpoint))
            write_whole(path, compress(checkpoint))
        path = self.layout.manifest(key, number)
        write_whole(signature_of(path), signature)
        write_whole(path, manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        write_whole(self.layout.newest(key), f"{number} {digest}\n".encode("ascii"))

    def write_heartbeat(self, key: SeriesKey, document: bytes) -> None:
        """Replace the heartbeat of a series."""
        write_whole(self.layout.heartbeat(key), document + self.signer.line(document))

    def write_state(self, document: bytes) -> None:
        """Replace the state file."""
        write_whole(self.layout.state, document + self.signer.line(document))

    def _put(self, document: tuple[str, bytes, str, int]) -> tuple[ManifestRow, Path | None]:
        """The row of a document, and the folder that has a new file."""
        path, data, schema, codebook = document
        digest = hashlib.sha256(data).hexdigest()
        target = self.layout.object(digest)
        row = ManifestRow(path, len(data), digest, schema, codebook)
        if target.exists():
            return row, None
        write_whole(target, compress(data), sync_folder=False)
        return row, target.parent
