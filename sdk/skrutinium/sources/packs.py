"""Reading a tar of documents as the feed sends it: strict, bounded, without touching the disk.

Only what the publisher writes is accepted: ustar (POSIX.1-1988), plain files, safe names, checksums that hold, and the two
empty blocks at the end, so that a cut-off archive is always noticed.
"""

import re
import zlib
from collections.abc import Iterator
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


def members(file: Archive, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of each member in order; raises :class:`DamagedError` when the archive is not whole."""
    while (header := _exactly(file, _BLOCK, where)) != _END:
        told = _octal(header[148:156], "checksum", where)
        if told != sum(header) - sum(header[148:156]) + 8 * 0x20:
            raise DamagedError(
                "a header of the archive is damaged: its checksum does not hold", address=where
            )
        if header[257:262] != b"ustar" or header[156:157] not in (b"0", b"\0"):
            raise DamagedError("the archive holds something else than plain files", address=where)
        prefix, base = header[345:500].rstrip(b"\0"), header[:100].rstrip(b"\0")
        name = (prefix + b"/" + base if prefix else base).decode("ascii", "replace")
        if not _NAME.fullmatch(name):
            raise DamagedError(f"the archive holds a member named {name!r}", address=where)
        size = _octal(header[124:136], "size", where)
        if size > LARGEST_MEMBER:
            raise DamagedError(f"{name} has {size} bytes; at most {LARGEST_MEMBER} are read", address=where)
        data = _exactly(file, size, where)
        _exactly(file, -size % _BLOCK, where)
        yield name, data
    if _exactly(file, _BLOCK, where) != _END or _rest(file, where).strip(b"\0"):
        raise DamagedError("the archive does not end as it should", address=where)
