"""Answers on a connection of aiohttp: prepared head and body go to the transport as they are.

Nothing of aiohttp's own header handling is used, and never a file response (perf, 2.3).
"""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from aiohttp import HttpVersion11
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.push import HEAD as PUSH_HEAD
from skrutinium_server.feed.ranges import Part
from skrutinium_server.feed.refusals import Refusal, start_line
from skrutinium_server.feed.representation import NO_SNIFF, NO_STORE, Answer, StoredAnswer

JOINED: Final = 64 * 1024
"""Up to so many bytes head and body go out in one piece; larger bodies are shared between clients, not copied."""

_NOTHING_LATER: Final = start_line(204)

STALL: Final = 30.0
"""Seconds without progress after which a client that does not read is dropped."""


class Dateline:
    """The header line ``Date``, made once a second."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        """The line for now."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._line = f"Date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
        return self._line


class Prepared(StreamResponse):
    """A response whose bytes are ready; ``head`` ends before the lines about the connection."""

    def __init__(self, status: int, head: bytes, body: bytes | memoryview, closes: bool = False) -> None:
        super().__init__(status=status)
        self._head = head
        self._rest = body
        if closes:
            self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Write everything; raises ConnectionResetError when the client is gone or does not read."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        end = connection_lines(request, self._keep_alive)
        if len(self._rest) <= JOINED:
            transport.write(b"".join((self._head, end, self._rest)))
        else:
            transport.write(self._head + end)
            transport.write(self._rest)
        if request.protocol.writing_paused:
            await until_sent(request, transport)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class Streamed(StreamResponse):
    """Stands for an answer that was written piece by piece; the connection ends with it."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        """It was written already."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """It was written already."""


def connection_lines(request: BaseRequest, keep_alive: bool) -> bytes:
    """The end of a head: what becomes of the connection."""
    if not keep_alive:
        return b"Connection: close\r\n\r\n"
    return b"Connection: keep-alive\r\n\r\n" if request.version < HttpVersion11 else b"\r\n"


async def until_sent(request: BaseRequest, transport: asyncio.Transport) -> None:
    """Wait until the client has read enough; one who reads nothing for a while is dropped."""
    left = transport.get_write_buffer_size()
    while request.protocol.writing_paused:
        try:
            async with asyncio.timeout(STALL):
                await request.writer.drain()
        except TimeoutError:
            now = transport.get_write_buffer_size()
            if now >= left:
                transport.abort()
                raise ConnectionResetError("the client does not read") from None
            left = now


def ok(answer: Answer, date: bytes, bodyless: bool, part: Part | None = None) -> Prepared:
    """Status 200, or 206 for a part; ``bodyless`` for HEAD."""
    body: bytes | memoryview = b"" if bodyless else answer.representation.body
    if part is None:
        return Prepared(200, b"".join((answer.head(), answer.lines, date)), body)
    body = memoryview(body)[part.start : part.stop]
    return Prepared(206, b"".join((answer.part_head(part), answer.lines, date)), body)


def unchanged(answer: Answer | StoredAnswer, date: bytes) -> Prepared:
    """Status 304."""
    return Prepared(304, b"".join((answer.unchanged_head(), answer.lines, date)), b"")


def nothing_later(answer: Answer | StoredAnswer, date: bytes) -> Prepared:
    """Status 204: what was asked for is not there yet, and the request had no condition that 304 would answer."""
    return Prepared(204, nothing_later_head(answer, date), b"")


def nothing(date: bytes) -> Prepared:
    """Status 204: what was sent was taken, and there is nothing to say."""
    return Prepared(204, b"".join((start_line(204), NO_STORE, date)), b"")


def nothing_later_head(answer: Answer | StoredAnswer, date: bytes) -> bytes:
    """Its head, up to the lines about the connection."""
    return b"".join((_NOTHING_LATER, answer.lines, date))


def refusal_head(refusal: Refusal, date: bytes) -> bytes:
    """The head of a refusal, up to the lines about the connection."""
    lines = b"Content-Type: %s\r\nContent-Length: %d\r\n" % (refusal.kind, len(refusal.body))
    return b"".join((refusal.start, lines, refusal.lines, NO_STORE, NO_SNIFF, date))


def request_id_line(request_id: str) -> bytes:
    """The header line by which a refusal is found in the logs."""
    return f"X-Request-Id: {request_id}\r\n".encode("ascii")


def refused(refusal: Refusal, date: bytes, bodyless: bool) -> Prepared:
    """A refusal with its document."""
    body = b"" if bodyless else refusal.body
    return Prepared(refusal.status, refusal_head(refusal, date), body, refusal.closes)


def options(date: bytes, allowed: bytes, lines: bytes = b"") -> Prepared:
    """What OPTIONS is told (RFC 9110, 9.3.7)."""
    return Prepared(204, b"".join((start_line(204), b"Allow: ", allowed, b"\r\n", lines, date)), b"")


def push_head(date: bytes, lines: bytes) -> bytes:
    """The head of a stream of events, which ends with the connection."""
    return b"".join((PUSH_HEAD, lines, date, b"\r\n"))
