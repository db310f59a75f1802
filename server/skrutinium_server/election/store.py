"""The versions of a definition on disk: ``0001.json`` in canonical bytes, ``0001.json.sha256`` beside it.

A version is never rewritten. The hash is written first, so a version that is there has its hash.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from skrutinium_server.election.canonical import canonical, in_order, read, sha256
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import CanonicalError, StoreError
from skrutinium_server.election.model import Definition

_NAME: Final = re.compile(r"([0-9]{4,9})\.json")


class DefinitionStore:
    """The folder ``definition/`` of a site; it is made when the first version is saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def versions(self) -> tuple[int, ...]:
        """Numbers of the stored versions, ascending."""
        if not self._folder.is_dir():
            return ()
        found = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return tuple(sorted(int(match[1]) for match in found if match))

    def save(self, definition: Definition) -> int:
        """Store the facts as the next version, durable, and return its number.

        Facts equal to the newest version's are that version. Processes that save at the same moment take turns. Raises
        ``DefinitionError`` when the definition does not agree with itself.
        """
        check(definition)
        definition = in_order(definition)
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._turn() as folder:
            newest = self.newest()
            if newest is not None and msgspec.structs.replace(definition, version=newest.version) == newest:
                return newest.version
            version = 1 if newest is None else newest.version + 1
            data = canonical(msgspec.structs.replace(definition, version=version))
            path = self._path(version)
            self._write(path.with_name(f"{path.name}.sha256"), f"{sha256(data)}  {path.name}\n".encode())
            self._write(path, data)
            os.fsync(folder)
        return version

    def newest(self) -> Definition | None:
        """The newest version; None when nothing is stored. Raises :class:`StoreError` as :meth:`load` does."""
        versions = self.versions()
        return self.load(versions[-1]) if versions else None

    def load(self, version: int) -> Definition:
        """That version; raises :class:`StoreError` when it is missing or not what was stored."""
        path = self._path(version)
        try:
            data = path.read_bytes()
            told = path.with_name(f"{path.name}.sha256").read_text("ascii", errors="replace")
        except FileNotFoundError as error:
            raise StoreError(
                f"Version {version} of the definition is not complete: {error.filename} is missing"
            ) from error
        if told.split()[:1] != [sha256(data)]:
            raise StoreError(
                f"{path} was changed after it was stored: its SHA-256 is {sha256(data)}; "
                f"expected the one in {path.name}.sha256. Restore both files from a copy of the site"
            )
        try:
            definition = read(data)
        except CanonicalError as error:
            raise StoreError(f"{path}: {error}") from error
        if definition.version != version:
            raise StoreError(f"{path} holds version {definition.version}; expected {version}")
        return definition

    def sha256(self, version: int) -> str:
        """The hash written beside that version, which :meth:`load` has compared with its bytes; raises :class:`StoreError`."""
        path = self._path(version)
        try:
            return path.with_name(f"{path.name}.sha256").read_text("ascii", errors="replace").split()[0]
        except (FileNotFoundError, IndexError) as error:
            raise StoreError(
                f"Version {version} of the definition is not complete: its hash is missing"
            ) from error

    def _path(self, version: int) -> Path:
        return self._folder / f"{version:04}.json"

    @contextmanager
    def _turn(self) -> Iterator[int]:
        """The folder's descriptor, locked against other writers until the end."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(folder)

    def _write(self, path: Path, data: bytes) -> None:
        """Put a whole durable file in place at once."""
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
