"""Reading a zip that somebody else made: strict, bounded, without touching the disk (PKWARE APPNOTE 6.3.3).

Nothing is unpacked by what the file says of itself: the directory, every member and all of them together have limits, names
cannot lead anywhere, and the checksum of each member is checked while it is read.
"""

import codecs
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from skrutinium.documents.parsing import LARGEST
from skrutinium.errors import DamagedError, NetworkError, NoSuchPlace

MOST_MEMBERS = 500_000
LARGEST_MEMBER = 4 << 30
"""Bytes of one member, unpacked. What is read at once has the limit of a document, :data:`.parsing.LARGEST`."""

LARGEST_WHOLE = 16 << 30
"""Bytes of all members together, unpacked."""

LARGEST_RATIO = 200
"""How many times larger than the file all members together may be: results pack to a tenth or so."""

_DIRECTORY = 96 << 20
_PIECE = 1 << 20
_LONGEST_LINE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*(/[A-Za-z0-9][A-Za-z0-9._\-]*){0,5}")
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error),
)
"""What the library raises for a file that is no whole zip, or one of a kind that is not read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a zip may have: members, bytes of all of them unpacked, and bytes of its directory, at least 1 MB."""

    members: int
    whole: int
    directory: int


class _BoundedFile(io.FileIO):
    """A file of which no more is read at once than a directory may have: the library believes the size told at the end."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path)
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        return _bounded(super().read(_asked(size, self._limit)), self._limit)


class _BoundedBytes(io.BytesIO):
    """The same of what is in memory."""

    def __init__(self, data: bytes, limit: int) -> None:
        super().__init__(data)
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        return _bounded(super().read(_asked(size, self._limit)), self._limit)


def _asked(size: int | None, limit: int) -> int:
    asked = limit + 1 if size is None or size < 0 else size
    if asked > limit + 1:
        raise zipfile.BadZipFile(f"its directory is larger than {limit} bytes")
    return asked


def _bounded(data: bytes | None, limit: int) -> bytes:
    if data is not None and len(data) > limit:
        raise zipfile.BadZipFile(f"its directory is larger than {limit} bytes")
    return data or b""


class Zipped:
    """The zip at ``path``, open until :meth:`close`; ``names`` are its members in order, ``comment`` its own words.

    With ``data`` the zip is these bytes, and ``path`` only says what they are; ``limits`` are those of the archive of a run unless given. ``size`` is that of all members unpacked.
    Raises :class:`NoSuchPlace` when there is no such file, :class:`DamagedError` when it is no zip that can be trusted so far.
    """

    def __init__(self, path: Path, limits: Limits | None = None, data: bytes | None = None) -> None:
        self.path = path
        self._limits = limits = limits or Limits(MOST_MEMBERS, LARGEST_WHOLE, _DIRECTORY)
        try:
            self._file: _BoundedFile | _BoundedBytes
            if data is None:
                self._file = _BoundedFile(path, limits.directory)
                self._packed = path.stat().st_size
            else:
                self._file, self._packed = _BoundedBytes(data, limits.directory), len(data)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchPlace("there is no such file", address=str(path)) from None
        except OSError as error:
            raise NetworkError(f"cannot be read: {error}", address=str(path)) from error
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._members = self._checked()
        except _BROKEN as error:
            self._file.close()
            raise DamagedError(f"no whole zip: {error}", address=str(path)) from error
        except DamagedError:
            self._file.close()
            raise
        self.names = tuple(self._members)
        self.size = sum(info.file_size for info in self._members.values())
        self.comment = self._zip.comment.decode("utf-8", "replace")

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        whole = 0
        for info in self._zip.infolist():
            if wrong := _wrong(info, members):
                raise DamagedError(f"the member {info.filename[:200]!r} {wrong}", address=str(self.path))
            members[info.filename] = info
            whole += info.file_size
        most = min(self._limits.whole, LARGEST_RATIO * self._packed)
        if len(members) > self._limits.members or whole > most:
            told = f"{len(members)} members of {whole} bytes"
            limit = f"at most {self._limits.members} of {most} bytes together are read"
            raise DamagedError(f"holds {told}; {limit}", address=str(self.path))
        return members

    def read(self, name: str) -> bytes:
        """The bytes of one member; raises :class:`DamagedError` when it is missing, damaged, or larger than a document may be."""
        info = self._members.get(name)
        if info is not None and info.file_size > LARGEST:
            raise DamagedError(
                f"{name} has {info.file_size} bytes; at most {LARGEST} are read", address=str(self.path)
            )
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of one member, piece by piece; raises :class:`DamagedError`."""
        info = self._members.get(name)
        if info is None:
            raise DamagedError(f"holds no {name}", address=str(self.path))
        try:
            with self._zip.open(info) as file:
                while piece := file.read(_PIECE):
                    yield piece
        except _BROKEN as error:
            raise DamagedError(f"{name} cannot be unpacked: {error}", address=str(self.path)) from error

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a text in UTF-8, each with its end; raises :class:`DamagedError`."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        rest = ""
        try:
            for piece in self.pieces(name):
                *whole, rest = (rest + decoder.decode(piece)).split("\n")
                yield from (line + "\n" for line in whole)
                if len(rest) > _LONGEST_LINE:
                    raise DamagedError(f"{name} has a line of {len(rest)} letters", address=str(self.path))
            rest += decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise DamagedError(f"{name} is no text in UTF-8: {error}", address=str(self.path)) from error
        if rest:
            yield rest

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()
        self._file.close()


def _wrong(info: zipfile.ZipInfo, others: dict[str, zipfile.ZipInfo]) -> str | None:
    """Why a member is not read; None when it may be."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not _NAME.fullmatch(info.orig_filename) or info.orig_filename != info.filename:
        return "has a name that is not allowed"
    if info.filename in others:
        return "is there twice"
    if kind not in (0, stat.S_IFREG) or info.is_dir():
        return "is no plain file"
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is encrypted or packed in a way that is not read"
    if info.file_size > LARGEST_MEMBER:
        return f"has {info.file_size} bytes; at most {LARGEST_MEMBER} are read"
    return None
