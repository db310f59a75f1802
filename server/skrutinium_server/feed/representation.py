"""Prepared bytes: one document in one coding with the header lines that never change, and what one address adds to them.

Sources: RFC 9110 (ETag, Vary), RFC 9530 (Repr-Digest is of the bytes as encoded), RFC 9111 and RFC 8246 (caching).
"""

import base64
import datetime
import hashlib
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.ranges import Part
from skrutinium_server.feed.refusals import XML, start_line

NEWEST: Final = b"Cache-Control: max-age=1, must-revalidate\r\n"
IMMUTABLE: Final = b"Cache-Control: max-age=31536000, immutable\r\n"
CONTRACT: Final = b"Cache-Control: max-age=3600\r\n"
NO_STORE: Final = b"Cache-Control: no-store\r\n"
NO_SNIFF: Final = b"X-Content-Type-Options: nosniff\r\n"

LARGE: Final = 64 * 1024
"""From so many bytes on an answer says that parts of it may be asked for."""

_OK: Final = start_line(200)
_PART: Final = start_line(206)
_NOT_MODIFIED: Final = start_line(304)


@dataclass(frozen=True, slots=True)
class Representation:
    """A document in one coding; ``content`` are header lines of 200 only, ``validator`` those of 304 too."""

    body: bytes
    etag: str
    content: bytes
    validator: bytes

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file that is too large to be held, as it was when it was hashed: ``stamp`` tells whether it still is the same."""

    path: Path
    stamp: tuple[int, int, int]
    size: int
    etag: str
    content: bytes
    validator: bytes


def represent(
    body: bytes, coding: Coding = "identity", kind: bytes = XML, varies: bool = True
) -> Representation:
    """Prepare bytes that are encoded already; ``varies``: the document is offered in both codings."""
    digest = hashlib.sha256(body).digest()
    etag = tag_of(digest)
    return Representation(
        body,
        etag,
        _content(digest, len(body), coding, kind),
        b"ETag: %s\r\n" % etag.encode("ascii") + (b"Vary: Accept-Encoding\r\n" if varies else b""),
    )


def on_disk(path: Path, stamp: tuple[int, int, int], size: int, digest: bytes, kind: bytes) -> OnDisk:
    """Describe a file whose SHA-256 is ``digest``."""
    etag = tag_of(digest)
    validator = b"ETag: %s\r\n" % etag.encode("ascii")
    return OnDisk(path, stamp, size, etag, _content(digest, size, "identity", kind), validator)


def tag_of(digest: bytes) -> str:
    """The strong ETag of bytes: half of their hash is more than enough to tell versions apart, and is sent with every answer."""
    return f'"{digest.hex()[:32]}"'


def _content(digest: bytes, size: int, coding: Coding, kind: bytes) -> bytes:
    return b"".join(
        (
            b"Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, size),
            b"Content-Encoding: gzip\r\n" if coding == "gzip" else b"",
            b"Repr-Digest: sha-256=:%s:\r\n" % base64.b64encode(digest),
            # Small documents may be asked for in parts as well, but it is not worth a line to say so.
            b"Accept-Ranges: bytes\r\n" if size >= LARGE else b"",
            NO_SNIFF,
        )
    )


Kept = TypeVar("Kept", Representation, OnDisk)


class Headed(Generic[Kept]):
    """The heads of answers about a representation."""

    __slots__ = ()

    representation: Kept
    modified: str

    def head(self) -> bytes:
        """What a 200 begins with, up to what all documents of the series share."""
        held = self.representation
        return b"".join((_OK, held.content, held.validator, self._modified()))

    def part_head(self, part: Part) -> bytes:
        """The same of a 206; the digest stays that of the whole (RFC 9530, 3)."""
        held = self.representation
        length = b"Content-Length: %d\r\n"
        content = held.content.replace(length % held.size, length % len(part) + part.line(held.size), 1)
        return b"".join((_PART, content, held.validator, self._modified()))

    def unchanged_head(self) -> bytes:
        """The same of a 304, with the lines that RFC 9110, 15.4.5 asks for."""
        return b"".join((_NOT_MODIFIED, self.representation.validator, self._modified()))

    def _modified(self) -> bytes:
        return b"Last-Modified: %s\r\n" % self.modified.encode("ascii") if self.modified else b""


@dataclass(frozen=True, slots=True)
class StoredAnswer(Headed[OnDisk]):
    """A file at an address; the fields are those of :class:`Answer`."""

    representation: OnDisk
    lines: bytes
    modified: str = ""
    known: bool = False


@dataclass(frozen=True, slots=True)
class Answer(Headed[Representation]):
    """A representation at an address.

    ``lines`` holds caching and marks, which all documents of a series share; ``modified`` is the ``Last-Modified`` value or nothing;
    ``known``: the address says that the reader has it already, so it is answered with 204, or 304 where a condition says the same.
    """

    representation: Representation
    lines: bytes
    modified: str = ""
    known: bool = False


def http_date(moment: datetime.datetime) -> str:
    """An aware moment as HTTP writes it (RFC 9110, 5.6.7)."""
    return format_datetime(moment.astimezone(datetime.UTC).replace(microsecond=0), usegmt=True)


def marks(run: str, phase: str, release: int | None = None) -> bytes:
    """What this answer belongs to, for formats whose documents cannot say it (design § 4.6)."""
    told = "" if release is None else f"Skrutinium-Release: {release}\r\n"
    return f"Skrutinium-Run: {run}\r\nSkrutinium-Phase: {phase}\r\n{told}".encode("ascii")
