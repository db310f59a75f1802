"""Prepared bytes: one document in one coding with the header lines that never change, and what one address adds to them.

Sources: RFC 9110 (ETag, Vary), RFC 9530 (Repr-Digest is of the bytes as encoded), RFC 9111 and RFC 8246 (caching).
"""

import base64
import datetime
import hashlib
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final

from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.refusals import XML, start_line

NEWEST: Final = b"Cache-Control: max-age=1, must-revalidate\r\n"
IMMUTABLE: Final = b"Cache-Control: public, max-age=31536000, immutable\r\n"
CONTRACT: Final = b"Cache-Control: public, max-age=3600\r\n"
NO_STORE: Final = b"Cache-Control: no-store\r\n"
NO_SNIFF: Final = b"X-Content-Type-Options: nosniff\r\n"

_OK: Final = start_line(200)
_NOT_MODIFIED: Final = start_line(304)


@dataclass(frozen=True, slots=True)
class Representation:
    """A document in one coding; ``content`` are header lines of 200 only, ``validator`` those of 304 too."""

    body: bytes
    etag: str
    content: bytes
    validator: bytes


def represent(
    body: bytes, coding: Coding = "identity", kind: bytes = XML, varies: bool = True
) -> Representation:
    """Prepare bytes that are encoded already; ``varies``: the document is offered in both codings."""
    digest = hashlib.sha256(body).digest()
    # Half of the hash is more than enough to tell versions apart, and is sent with every answer.
    etag = f'"{digest.hex()[:32]}"'
    encoded = b"Content-Encoding: gzip\r\n" if coding == "gzip" else b""
    told = base64.b64encode(digest)
    return Representation(
        body,
        etag,
        b"".join(
            (
                b"Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, len(body)),
                encoded,
                b"Repr-Digest: sha-256=:%s:\r\n" % told,
                NO_SNIFF,
            )
        ),
        b"ETag: %s\r\n" % etag.encode("ascii") + (b"Vary: Accept-Encoding\r\n" if varies else b""),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A representation at an address.

    ``lines`` holds caching and marks, which all documents of a series share; ``modified`` is the ``Last-Modified`` value or nothing.
    """

    representation: Representation
    lines: bytes
    modified: str = ""

    def head(self) -> bytes:
        """What a 200 begins with, up to what all documents of the series share."""
        held = self.representation
        return b"".join((_OK, held.content, held.validator, self._modified()))

    def unchanged_head(self) -> bytes:
        """The same of a 304, with the lines that RFC 9110, 15.4.5 asks for."""
        return b"".join((_NOT_MODIFIED, self.representation.validator, self._modified()))

    def _modified(self) -> bytes:
        return b"Last-Modified: %s\r\n" % self.modified.encode("ascii") if self.modified else b""


def http_date(moment: datetime.datetime) -> str:
    """An aware moment as HTTP writes it (RFC 9110, 5.6.7)."""
    return format_datetime(moment.astimezone(datetime.UTC).replace(microsecond=0), usegmt=True)


def marks(run: str, phase: str, release: int | None = None) -> bytes:
    """What this answer belongs to, for formats whose documents cannot say it (design § 4.6)."""
    told = "" if release is None else f"Skrutinium-Release: {release}\r\n"
    return f"Skrutinium-Run: {run}\r\nSkrutinium-Phase: {phase}\r\n{told}".encode("ascii")
