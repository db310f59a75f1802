"""Reading a release store that lies in a folder: a mirror, a disc, the public folder of an event."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.registers import RegisterRow, RegistersSource
from skrutinium.documents.series import Run
from skrutinium.errors import DamagedError, NetworkError, NoSuchPlace, NotYet
from skrutinium.sources.source import Material, SeriesSource, number_and_hash
from skrutinium.sources.transport import expand

T = TypeVar("T")
_CHECKPOINT = re.compile(r"([0-9]{9})\.xml\.gz")
_EDITION = re.compile(r"([0-9]{9})(?:\.([1-9][0-9]{0,5}))?\.xml")


def _read(path: Path, limit: int = LARGEST) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotYet("there is no such file", address=str(path)) from None
    except OSError as error:
        raise NetworkError(f"cannot be read: {error}", address=str(path)) from error
    if len(data) > limit:
        raise DamagedError(f"more than {limit} bytes", address=str(path))
    return data


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NetworkError(f"cannot be read: {error}", address=str(folder)) from error


def _read_expanded(path: Path) -> bytes:
    return expand(_read(path), LARGEST, str(path))


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


class Folder:
    """The release store in ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.root)

    async def state(self) -> bytes:
        """The state file with its signature line; raises :class:`NoSuchPlace` when this is no release store at all."""
        return await _aside(self._state)

    def _state(self) -> bytes:
        if not self.root.is_dir():
            raise NoSuchPlace("there is no such folder", address=str(self.root))
        try:
            return _read(self.root / "state.xml")
        except NotYet as error:
            raise NoSuchPlace(
                "no release store: the folder has no state.xml", address=str(self.root)
            ) from error

    async def key(self, key_id: str) -> tuple[bytes, bytes | None]:
        """A public key and the signature line beside it."""
        path = self.root / "keys" / f"{key_id}.pem"
        pem = await _aside(lambda: _read(path))
        try:
            return pem, await _aside(lambda: _read(path.with_name(path.name + ".sig")))
        except NotYet:
            return pem, None

    def series(self, run: Run, series: str = "skrutinium") -> SeriesSource:
        """The series of that run."""
        return FolderSeries(self.root, self.root / "event" / run.event / run.id / series)

    def registers(self, event: str) -> RegistersSource:
        """What there is to read before the election."""
        return FolderRegisters(self.root, self.root / "event" / event / "registers")

    async def close(self) -> None:
        """Nothing is held."""


class _Numbered:
    """A folder of a release store whose file ``newest`` names a number and a hash."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    async def newest(self) -> tuple[int, str]:
        """Number and hash by the file ``newest``."""
        path = self._folder / "newest"
        return number_and_hash(await _aside(lambda: _read(path, 200)), str(path))


class FolderSeries(_Numbered):
    """One series in a release store; ``newest`` names a manifest."""

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest and its signature line."""
        path = self._folder / "manifest" / f"{number:09d}.xml"
        return await _aside(lambda: (_read(path), _read(path.with_name(path.name + ".sig"))))

    async def release(self, number: int) -> Material:
        """A release whose documents come from the objects, not from the pack."""
        manifest, signature = await self.manifest(number)
        pack = self._folder / "pack" / f"{number:09d}.tar.gz"
        there = await _aside(pack.exists)
        return Material(manifest, signature, lambda row: self._object(row.sha256), pack if there else None)

    async def object(self, sha256: str) -> bytes:
        """A document by its hash."""
        return await _aside(lambda: self._object(sha256))

    def _object(self, sha256: str) -> bytes:
        return _read_expanded(self._root / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz")

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        """A checkpoint and its signature line."""
        folder = self._folder / "checkpoint"
        if number is None:
            numbers = [
                int(found[1])
                for name in await _aside(lambda: _names(folder))
                if (found := _CHECKPOINT.fullmatch(name))
            ]
            if not numbers:
                raise NotYet("there is no checkpoint yet", address=str(folder))
            number = max(numbers)
        path = folder / f"{number:09d}.xml.gz"
        line = path.with_name(f"{number:09d}.xml.sig")
        return await _aside(lambda: (_read_expanded(path), _read(line)))

    async def heartbeat(self) -> bytes:
        """The heartbeat with its signature line."""
        return await _aside(lambda: _read(self._folder / "heartbeat.xml"))


class FolderRegisters(_Numbered):
    """The registers of one event in a release store; ``newest`` names an index."""

    async def index(self, number: int, edition: int | None = None) -> tuple[bytes, bytes]:
        """An index of one version of the definition, the newest edition unless told, and its signature line."""
        return await _aside(lambda: self._index(number, edition))

    def _index(self, number: int, edition: int | None) -> tuple[bytes, bytes]:
        found = [
            match
            for name in _names(self._folder)
            if (match := _EDITION.fullmatch(name)) and int(match[1]) == number
        ]
        if edition is not None:
            found = [match for match in found if int(match[2] or 1) == edition]
        if not found:
            raise NotYet(f"there are no registers {number}", address=self.where)
        path = self._folder / max(found, key=lambda match: int(match[2] or 1))[0]
        return _read(path), _read(path.with_name(path.name + ".sig"))

    async def document(self, _number: int, row: RegisterRow, /) -> bytes:
        """A document of that index."""
        path = self._root / "objects" / row.sha256[:2] / row.sha256[2:4] / f"{row.sha256}.gz"
        return await _aside(lambda: _read_expanded(path))
