"""A release in one file: a ustar archive whose bytes depend on nothing but its members (no time, no owner)."""

import tarfile
import zlib
from collections.abc import Iterable

LEVEL = 6
"""Compression of objects and packs: the smallest that costs a few hundredths of a second a release."""


_BLOCK = 512


def pack(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Build an uncompressed archive of (name, bytes) in the order given; raises ValueError for a name that ustar cannot carry."""
    parts: list[bytes] = []
    for name, data in members:
        parts += (_header(name, len(data)), data, bytes(-len(data) % _BLOCK))
    size = sum(map(len, parts)) + 2 * _BLOCK
    parts.append(bytes(2 * _BLOCK + -size % tarfile.RECORDSIZE))
    return b"".join(parts)


def _header(name: str, size: int) -> bytes:
    """What ``tarfile`` writes for a plain file of mode 0644; the first release has some 20,000, and it takes its time for each."""
    raw = name.encode("ascii", "replace")
    if len(raw) > 100 or size > 0o77777777777 or not name.isascii():
        member = tarfile.TarInfo(name)
        member.size = size
        member.mode = 0o644
        return member.tobuf(tarfile.USTAR_FORMAT)
    fields = _FIELDS % (raw.ljust(100, b"\0"), size, b"        ")
    return (_FIELDS % (raw.ljust(100, b"\0"), size, b"%06o\0 " % sum(fields))).ljust(_BLOCK, b"\0")


# POSIX.1-1988: name, mode, uid, gid, size, mtime, checksum, type, link name, magic and version; zeros
# for owner, group and device.
_FIELDS = b"%s0000644\x000000000\x000000000\0%011o\x0000000000000\0%s0" + bytes(100) + b"ustar\x0000"


def compress(data: bytes) -> bytes:
    """Gzip with an empty header: no name, no time (RFC 1952)."""
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    return squeeze.compress(data) + squeeze.flush()


def expand(data: bytes, limit: int) -> bytes:
    """Undo :func:`compress`; raises ValueError when the result is larger than ``limit`` bytes, or broken."""
    stretch = zlib.decompressobj(31)
    try:
        result = stretch.decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(f"not gzip: {error}") from error
    if len(result) > limit:
        raise ValueError(f"more than {limit} bytes when expanded")
    if not stretch.eof or stretch.unused_data:
        raise ValueError("truncated, or followed by something else")
    return result
