"""The attachments of a mail (RFC 5322, RFC 2045 to 2049), by steps that stay linear whatever the mail holds.

The parser of the standard library takes hours for a header made for it, and a million parts of it fill the memory.
"""

import binascii
import email.message
import re
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_MAIL = 20 << 20
"""Bytes of a mail; a larger one is not read."""

_LARGEST_HEADERS = 256 * 1024
_LONGEST_HEADER = 4096
_MOST_PARTS = 1000
_DEEPEST = 8
_WANTED = frozenset(
    {"content-type", "content-transfer-encoding", "content-disposition", "message-id", "subject"}
)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)
"""What the standard library raises for parameters made to break it."""


class BrokenMail(Exception):
    """A mail, or a part of it, that is not read; the text says why."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a mail; ``message`` counts the mail and those forwarded in it, so that files of one belong together."""

    message: int
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a mail holds; ``troubles`` say which parts were left aside."""

    message_id: str
    attached: tuple[Attached, ...]
    troubles: tuple[str, ...]


def parse(data: bytes) -> Parsed:
    """The attachments of a mail and of those forwarded in it; raises :class:`BrokenMail` only for what is too large."""
    if len(data) > LARGEST_MAIL:
        raise BrokenMail(f"has {len(data)} bytes; at most {LARGEST_MAIL} are read")
    walk = _Walk()
    try:
        walk.message(data, 0)
    except BrokenMail as error:
        walk.troubles.append(str(error))
    return Parsed(walk.message_id, tuple(walk.found), tuple(walk.troubles))


class _Walk:
    """Goes through the parts of one mail."""

    def __init__(self) -> None:
        self.message_id = ""
        self.found: list[Attached] = []
        self.troubles: list[str] = []
        self._messages = 0
        self._parts = 0

    def message(self, data: bytes, depth: int) -> None:
        """A whole mail."""
        number = self._messages
        self._messages += 1
        headers, body = _split(data)
        if number == 0:
            self.message_id = str(headers.get("message-id", "")).strip()[:500]
        self._part(headers, body, number, depth)

    def _part(self, headers: email.message.Message, body: bytes, message: int, depth: int) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS or depth > _DEEPEST:
            raise BrokenMail(f"has more than {_MOST_PARTS} parts, or parts more than {_DEEPEST} deep")
        kind, boundary, name = _told(headers)
        if kind.startswith("multipart/") and boundary:
            for part in _parts(body, boundary.encode("utf-8", "replace")):
                self._part(*_split(part), message, depth + 1)
            return
        try:
            content = _decoded(body, str(headers.get("content-transfer-encoding", "")).strip().lower())
        except BrokenMail as error:
            self.troubles.append(f"{(name or kind)[:100]}: {error}")
            return
        if kind == "message/rfc822" or name.lower().endswith(".eml"):
            self.message(content, depth + 1)
        elif name or not kind.startswith("text/"):
            self.found.append(Attached(message, name, content))


def _split(data: bytes) -> tuple[email.message.Message, bytes]:
    """Those headers of a part that count, and its body."""
    headers = email.message.Message()
    if data.startswith((b"\n", b"\r\n")):
        return headers, data[1 if data.startswith(b"\n") else 2 :]
    end = _EMPTY_LINE.search(data, 0, _LARGEST_HEADERS)
    block, body = (data[: end.start()], data[end.end() :]) if end else (data[:_LARGEST_HEADERS], b"")
    if end is None and len(data) > _LARGEST_HEADERS:
        raise BrokenMail(f"has more than {_LARGEST_HEADERS} bytes of headers")
    for line in _FOLD.sub(" ", block.decode("utf-8", "replace")).splitlines():
        name, colon, value = line.partition(":")
        if colon and (known := name.strip().lower()) in _WANTED and known not in headers:
            headers[known] = value.strip()[:_LONGEST_HEADER]
    return headers, body


def _told(headers: email.message.Message) -> tuple[str, str, str]:
    """Content type, boundary and file name by the headers; empty where they say nothing that can be read."""
    try:
        boundary = headers.get_boundary("") or ""
        return headers.get_content_type(), boundary, (headers.get_filename("") or "").strip()
    except _UNREADABLE:
        return "application/octet-stream", "", ""


def _parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What lies between the lines of a boundary; the last part may be cut off."""
    line = re.compile(rb"(?:\A|\n)--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?:\n|\Z)")
    begin: int | None = None
    at = 0
    while (found := line.search(body, at)) is not None:
        if begin is not None:
            yield body[begin : found.start()].removesuffix(b"\r")
        if found[1]:
            return
        begin = found.end()
        # The line end may be that before the next boundary too.
        at = max(found.end() - 1, found.start() + 1)
    if begin is not None:
        yield body[begin:]


def _decoded(body: bytes, encoding: str) -> bytes:
    """The bytes of a part. Text that was sent as lines gets back the line ends of the publisher's documents."""
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body)
        except binascii.Error as error:
            raise BrokenMail(f"is no whole Base64: {error}") from None
    if encoding == "quoted-printable":
        body = binascii.a2b_qp(body)
    elif encoding not in ("", "7bit", "8bit", "binary"):
        raise BrokenMail(f"is encoded as {encoding[:40]!r}, which is not read")
    return body if encoding == "binary" else body.replace(b"\r\n", b"\n")
