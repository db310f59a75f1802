"""Writing a release store: documents first, then the manifest, then the name of the newest.

A file appears under its name only when it is whole and on the disk: written beside, synced, renamed, folder synced.
Kill the writer anywhere: what a reader can find is a finished release. Source: design § 4.3 and § 4.4.
"""

import hashlib
import os
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


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step, durable; raises :class:`StoreWriteFailed` and leaves the old file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
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
        return list(self._threads.map(self._put, documents))

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

    def _put(self, document: tuple[str, bytes, str, int]) -> ManifestRow:
        path, data, schema, codebook = document
        digest = hashlib.sha256(data).hexdigest()
        target = self.layout.object(digest)
        if not target.exists():
            write_whole(target, compress(data))
        return ManifestRow(path, len(data), digest, schema, codebook)
