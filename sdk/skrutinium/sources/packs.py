"""Reading a tar of documents as the feed sends it: strict, bounded, without touching the disk.

Only what the publisher writes is accepted: ustar (POSIX.1-1988), plain files, safe names, checksums that hold, and the two
empty blocks at the end, so that a cut-off archive is always noticed.
"""

import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from skrutinium.errors import DamagedError

_BLOCK = 512
_END = bytes(_BLOCK)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*(/[A-Za-z0-9][A-Za-z0-9._\-]*){0,5}")
_LONGEST_PADDING = 64 * 1024
LARGEST_MEMBER = 256 * 1024 * 1024
"""No member is larger, in bytes."""


class Archive(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""


def _octal(field: bytes, what: str, where: str) -> int:
    digits = field.rstrip(b"\0 ").lstrip(b" ")
    if not re.fullmatch(rb"[0-7]{1,12}", digits):
        raise DamagedError(f"the archive's {what} is {field!r}; expected octal digits", address=where)
    return int(digits, 8)


def _exactly(file: Archive, size: int, where: str) -> bytes:
    try:
        data = file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(f"the archive cannot be read to its end: {error}", address=where) from error
    if len(data) != size:
        raise DamagedError(f"the archive is cut off: {len(data)} bytes where {size} were due", address=where)
    return data


def _rest(file: Archive, where: str) -> bytes:
    """What pads the end; reading it lets a compressed file check its own checksum."""
    try:
        return file.read(_LONGEST_PADDING)
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(f"the archive is cut off: {error}", address=where) from error


def _header(header: bytes, where: str) -> tuple[str, int]:
    """Name and size of a member."""
    told = _octal(header[148:156], "checksum", where)
    if told != sum(header) - sum(header[148:156]) + 8 * 0x20:
        raise DamagedError("a header of the archive is damaged: its checksum does not hold", address=where)
    if header[257:262] != b"ustar" or header[156:157] not in (b"0", b"\0"):
        raise DamagedError("the archive holds something else than plain files", address=where)
    prefix, base = header[345:500].rstrip(b"\0"), header[:100].rstrip(b"\0")
    name = (prefix + b"/" + base if prefix else base).decode("ascii", "replace")
    if not _NAME.fullmatch(name):
        raise DamagedError(f"the archive holds a member named {name!r}", address=where)
    size = _octal(header[124:136], "size", where)
    if size > LARGEST_MEMBER:
        raise DamagedError(f"{name} has {size} bytes; at most {LARGEST_MEMBER} are read", address=where)
    return name, size


def members(file: Archive, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of each member in order; raises :class:`DamagedError` when the archive is not whole."""
    while (header := _exactly(file, _BLOCK, where)) != _END:
        name, size = _header(header, where)
        data = _exactly(file, size, where)
        _exactly(file, -size % _BLOCK, where)
        yield name, data
    if _exactly(file, _BLOCK, where) != _END or _rest(file, where).strip(b"\0"):
        raise DamagedError("the archive does not end as it should", address=where)


@dataclass(frozen=True, slots=True)
class Member:
    """A member that came whole; ``data`` is None when it is larger than what is held."""

    name: str
    size: int
    sha256: str
    data: bytes | None


class Unpacking:
    """An archive that comes piece by piece, as strictly read as by :func:`members`; ``most`` says how many bytes of a member of that name are held.

    A larger one is hashed and let go.
    """

    def __init__(self, where: str, most: Callable[[str], int]) -> None:
        self._where = where
        self._most = most
        self._block = bytearray()
        self._name = ""
        self._size = 0
        self._left = 0
        self._hash = hashlib.sha256()
        self._held: io.BytesIO | None = None
        self._padding = 0
        self._found: list[Member] = []
        self._next: Callable[[memoryview], int] = self._take_header

    def take(self, piece: bytes) -> list[Member]:
        """The members that end in this piece, in order; raises :class:`DamagedError`."""
        self._found = []
        rest = memoryview(piece)
        while rest:
            rest = rest[self._next(rest) :]
        return self._found

    def end(self) -> None:
        """Raise :class:`DamagedError` unless this was all."""
        if self._next != self._take_rest:
            raise DamagedError("the archive is cut off", address=self._where)

    def _fill(self, piece: memoryview) -> int:
        taken = piece[: _BLOCK - len(self._block)]
        self._block += taken
        return len(taken)

    def _take_header(self, piece: memoryview) -> int:
        taken = self._fill(piece)
        if len(self._block) == _BLOCK:
            header = bytes(self._block)
            self._block.clear()
            if header == _END:
                self._next = self._take_end
                return taken
            self._name, self._size = _header(header, self._where)
            self._left, self._hash = self._size, hashlib.sha256()
            self._held = io.BytesIO() if self._size <= self._most(self._name) else None
            self._next = self._take_content
            if not self._left:
                self._take_content(piece[:0])
        return taken

    def _take_content(self, piece: memoryview) -> int:
        taken = piece[: self._left]
        self._hash.update(taken)
        if self._held is not None:
            self._held.write(taken)
        self._left -= len(taken)
        if not self._left:
            data = None if self._held is None else self._held.getvalue()
            self._found.append(Member(self._name, self._size, self._hash.hexdigest(), data))
            self._held = None
            self._padding = -self._size % _BLOCK
            self._next = self._take_padding if self._padding else self._take_header
        return len(taken)

    def _take_padding(self, piece: memoryview) -> int:
        taken = min(self._padding, len(piece))
        self._padding -= taken
        if not self._padding:
            self._next = self._take_header
        return taken

    def _take_end(self, piece: memoryview) -> int:
        taken = self._fill(piece)
        if len(self._block) == _BLOCK:
            if self._block != _END:
                raise DamagedError("the archive does not end as it should", address=self._where)
            self._padding = _LONGEST_PADDING
            self._next = self._take_rest
        return taken

    def _take_rest(self, piece: memoryview) -> int:
        self._padding -= len(piece)
        if self._padding < 0 or bytes(piece).strip(b"\0"):
            raise DamagedError("the archive does not end as it should", address=self._where)
        return len(piece)
