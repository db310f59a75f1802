"""A zip whose bytes depend on nothing but its members: no time, no owner, members in the order given (PKWARE APPNOTE 6.3.3).

It is written beside its name and renamed when it is whole and on the disk.
"""

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from skrutinium_server.durable import sync_folder
from skrutinium_server.release.store.errors import StoreWriteFailed

_PIECE = 1 << 20


class ZipWriter:
    """Writes one zip to ``path``; used with ``with``: left by an error, nothing is there.

    ``sums`` holds the SHA-256 of every member so far, by name. Raises :class:`StoreWriteFailed` when the disk does not take it.
    """

    def __init__(self, path: Path, comment: str) -> None:
        self.path = path
        self.sums: dict[str, str] = {}
        self._comment = comment
        self._beside = path.with_name(f".{path.name}.{os.getpid()}")

    def __enter__(self) -> Self:
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._beside.open("wb")
            self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
            self._zip.comment = self._comment.encode()
        return self

    def add(self, name: str, data: bytes) -> None:
        """Add one member."""
        self.sums[name] = hashlib.sha256(data).hexdigest()
        with self._told():
            self._zip.writestr(_member(name), data, zipfile.ZIP_DEFLATED, 6)

    def add_file(self, name: str, source: BinaryIO) -> None:
        """Add one member by pieces, from where ``source`` stands to its end."""
        digest = hashlib.sha256()
        with self._told(), self._zip.open(_member(name), "w", force_zip64=True) as target:
            while piece := source.read(_PIECE):
                digest.update(piece)
                target.write(piece)
        self.sums[name] = digest.hexdigest()

    def add_sums(self) -> None:
        """Add ``SHA256SUMS`` over all members so far, as ``sha256sum --check`` reads it."""
        lines = [f"{digest}  {name}\n" for name, digest in sorted(self.sums.items())]
        self.add("SHA256SUMS", "".join(lines).encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._drop()
            return
        try:
            with self._told():
                self._zip.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._beside.replace(self.path)
                sync_folder(self.path.parent)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        # The first error is the one to tell; what is left beside has a name that nobody reads.
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._beside.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreWriteFailed(self.path, error) from error


def drop_unfinished(folder: Path) -> None:
    """Take away what killed processes left beside the zips of a folder; what a living one writes stays."""
    for path in folder.glob(".*.zip.[0-9]*"):
        if not Path(f"/proc/{path.name.rpartition('.')[2]}").exists():
            path.unlink(missing_ok=True)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3  # the same on any system: Unix, a plain file of mode 0644
    member.external_attr = 0o100644 << 16
    return member


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read by pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
