"""A release in one file: a ustar archive whose bytes depend on nothing but its members (no time, no owner)."""

import io
import tarfile
import zlib
from collections.abc import Iterable

LEVEL = 6
"""Compression of objects and packs: the smallest that costs a few hundredths of a second a release."""


def pack(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Build an uncompressed archive of (name, bytes) in the order given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


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
