"""What the header lines of a request ask for, read by the parser of the ordinary path and remembered by their exact bytes.

Clients send the same lines over and over, but for the tag in ``If-None-Match``: the lines are remembered without it. A block
is the bytes from the end of the request line to the empty line, both included. Sources: RFC 9110, 12.5.3 and 13; RFC 9112.
"""

import asyncio
import re
from typing import Final

import msgspec
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestPayloadError

from skrutinium_server.feed.conditional import Coding, choose_coding

HEADERS: Final = 64
"""Header lines in a request, at most."""

LINE: Final = 8190
"""Bytes in a line of a request, at most."""

HEADER: Final = 32 * 1024
"""Bytes in all header lines of a request, at most."""

TAG: Final = re.compile(rb'"[0-9a-f]{32}"')
"""A tag as the feed makes it."""

CONDITION: Final = b"\nIf-None-Match: "
"""How most clients write it; a block that begins with it is read the longer way."""

_SPELLINGS: Final = (b"If-None-Match: ", b"if-none-match: ")
_GENERATION: Final = 2048
_LONGEST: Final = 4096
"""A longer block is read each time."""

_ELSEWHERE: Final = frozenset(
    {
        "authorization",
        "expect",
        "forwarded",
        "if-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "te",
        "trailer",
        "upgrade",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
"""Header fields that only the ordinary path looks at."""


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What one request asks for besides its target; ``closes``: the client wants the connection closed after the answer.

    ``prefer``: the lines of that name.
    """

    coding: Coding
    if_none_match: str | None
    if_modified_since: str | None
    last_event_id: str
    closes: bool
    prefer: tuple[str, ...] = ()

    @property
    def unconditional(self) -> bool:
        """Whether nothing but the document will do."""
        return self.if_none_match is None and self.if_modified_since is None


def request_parser(protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> HttpRequestParser:
    """The parser that the ordinary path uses, with its limits."""
    return HttpRequestParser(
        protocol,
        loop,
        65536,
        max_line_size=LINE,
        max_field_size=LINE,
        max_headers=HEADERS,
        payload_exception=RequestPayloadError,
        auto_decompress=False,
    )


def read_block(block: bytes, loop: asyncio.AbstractEventLoop) -> Facts | None:
    """What a GET request with these lines asks for; None when it is for the ordinary path."""
    if len(block) > HEADER:
        return None
    parser = request_parser(BaseProtocol(loop), loop)
    try:
        messages, upgraded, tail = parser.feed_data(b"GET / HTTP/1.1\r\n" + block)
    except HttpProcessingError:
        return None
    if len(messages) != 1 or upgraded or tail:
        return None
    message, payload = messages[0]
    headers = message.headers
    if (
        payload is not EMPTY_PAYLOAD
        or message.method != "GET"
        or message.version != HttpVersion11
        or message.upgrade
        or message.chunked
        or not _ELSEWHERE.isdisjoint(name.lower() for name in headers)
    ):
        return None
    coding = choose_coding(headers.get("Accept-Encoding"))
    if coding is None:
        return None
    return Facts(
        coding,
        ", ".join(headers.getall("If-None-Match")) if "If-None-Match" in headers else None,
        headers.get("If-Modified-Since"),
        headers.get("Last-Event-ID", "").strip(),
        message.should_close,
        tuple(headers.getall("Prefer", ())),
    )


class Blocks:
    """Blocks that were read: ``known`` tells whether gzip is asked for, for blocks that keep the connection and ask nothing else.

    A block with one tag of ours is known without the tag. Bounded: what was not asked for while a whole generation came in is
    forgotten.
    """

    __slots__ = ("_before", "_loop", "_preferring", "known")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.known: dict[bytes, bool] = {}
        self._before: dict[bytes, bool] = {}
        # Who waits for news says in the target which, and sends the same block again and again.
        self._preferring: dict[bytes, Facts] = {}

    def read(self, block: bytes) -> Facts | None:
        """What the block asks for, None when it is for the ordinary path; remembers what may be remembered."""
        key, tag = _cut(block)
        gzip = self.known.get(key)
        if gzip is None:
            gzip = self._before.get(key)
            if gzip is None:
                return self._parse(block)
            self._keep(key, gzip)
        if tag and not TAG.fullmatch(tag):
            return self._parse(block)
        return Facts("gzip" if gzip else "identity", tag.decode("ascii") if tag else None, None, "", False)

    def _parse(self, block: bytes) -> Facts | None:
        facts = self._preferring.get(block) or read_block(block, self._loop)
        if facts is not None and facts.prefer:
            if facts.if_none_match is None and len(block) <= _LONGEST:
                if len(self._preferring) >= _GENERATION:
                    self._preferring.clear()
                self._preferring[block] = facts
        elif (
            facts is not None
            and not facts.closes
            and facts.if_modified_since is None
            and not facts.last_event_id
            and len(block) <= _LONGEST
        ):
            key = block if facts.if_none_match is None else _without_tag(block, facts.if_none_match)
            if key is not None:
                self._keep(key, facts.coding == "gzip")
        return facts

    def _keep(self, key: bytes, gzip: bool) -> None:
        if len(self.known) >= _GENERATION:
            # The front holds on to this dictionary: it is emptied, never replaced.
            self._before = dict(self.known)
            self.known.clear()
        self.known[key] = gzip


def _cut(block: bytes) -> tuple[bytes, bytes]:
    """The block without the tag in it, and that tag; the whole block and nothing where none stands as clients write it."""
    for spelling in _SPELLINGS:
        at = block.find(spelling)
        if at == 0 or (at > 0 and block[at - 1 : at] == b"\n"):
            at += len(spelling)
            end = block.find(b"\r\n", at)
            return block[:at] + block[end:], block[at:end]
    return block, b""


def _without_tag(block: bytes, told: str) -> bytes | None:
    """The block without its one tag, None when that does not stand where the front looks for it."""
    key, tag = _cut(block)
    return key if TAG.fullmatch(tag) and tag.decode("ascii") == told else None
