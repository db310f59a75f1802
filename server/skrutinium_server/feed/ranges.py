"""Parts of a document (RFC 9110, 14): one range of bytes, of the representation in the coding that is sent. Pure.

Several ranges, another unit, or what is no range get the whole document, as the RFC allows. ``If-Range`` is held against the
ETag alone: by its date a document may change twice within a second, and a date that is not sure to tell versions apart must not
join two of them.
"""

import re
from dataclasses import dataclass
from typing import Final

from skrutinium_server.feed.refusals import Refusal

_RANGE: Final = re.compile(r"[Bb][Yy][Tt][Ee][Ss]=[ \t,]*([0-9]*)-([0-9]*)[ \t,]*")
_DIGITS: Final = 18
"""More digits than any size has; whoever writes more means the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def line(self, size: int) -> bytes:
        """``Content-Range`` of an answer 206."""
        return b"Content-Range: bytes %d-%d/%d\r\n" % (self.start, self.stop - 1, size)


def choose_part(header: str | None, if_range: str | None, etag: str, size: int) -> Part | Refusal | None:
    """The part that is asked for, None for the whole document, or the refusal of a part that there is not."""
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    first, last = found[1], found[2]
    if not first:
        length = min(_whole(last), size)
        return Part(size - length, size) if length else unsatisfiable(size)
    start = _whole(first)
    stop = _whole(last) + 1 if last else size
    if stop <= start and last:
        return None
    return Part(start, min(stop, size)) if start < size else unsatisfiable(size)


def unsatisfiable(size: int) -> Refusal:
    """The answer to a range that begins behind the end."""
    return Refusal(
        416,
        "range",
        "The range lies outside of the document.",
        "A range within the size that Content-Range tells.",
        b"Content-Range: bytes */%d\r\n" % size,
    )


def _whole(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
