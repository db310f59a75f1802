"""What goes wrong between a feed and its reader, each in a function: it is given a request, and how to pass it on.

A fault is real: other bytes, other statuses, other times, a connection that ends. Nothing in the feed knows of it.
"""

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from multidict import CIMultiDict

_SIGNATURE: Final = re.compile(rb"(ed25519 [0-9a-f]{16} )([A-Za-z0-9+/]{86}==)(?=\n)")
_PIECES: Final = 20
"""Pieces a second in which a slow line brings its bytes."""


class BreakOffError(Exception):
    """The connection ends here."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader asks: method, target with its query, headers, and what it sends."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it gets: status, headers, and the body as it goes over the line."""

    status: int
    headers: CIMultiDict[str]
    body: AsyncIterator[bytes]

    @property
    def size(self) -> int | None:
        """Bytes of the body as the head says, None when it does not say."""
        told = self.headers.get("Content-Length")
        return None if told is None else int(told)


Pass = Callable[[Request], Awaitable[Answer]]
"""Pass a request on towards the feed."""

Fault = Callable[[Request, Pass], Awaitable[Answer]]


async def whole(body: AsyncIterator[bytes]) -> bytes:
    """All of a body."""
    return b"".join([piece async for piece in body])


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


def refusing(status: int, wait: int | None, code: str, message: str) -> Fault:
    """Refuse every request with that status; ``wait``: seconds of ``Retry-After``."""
    body = (
        f'<error xmlns="urn:skrutinium:1" code="{code}" status="{status}"><message>{message}</message></error>\n'
    ).encode()

    async def refuse(_request: Request, _pass_on: Pass) -> Answer:
        headers = CIMultiDict({"Content-Type": "application/xml", "Content-Length": str(len(body))})
        if wait is not None:
            headers["Retry-After"] = str(wait)
        return Answer(status, headers, _one(body))

    return refuse


def slow(bytes_per_second: int, delay: float) -> Fault:
    """Answer after ``delay`` seconds, and not faster than that."""

    async def paced(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        most = max(1, bytes_per_second // _PIECES)
        async for piece in body:
            for start in range(0, len(piece), most):
                part = piece[start : start + most]
                await asyncio.sleep(len(part) / bytes_per_second)
                yield part

    async def wait(request: Request, pass_on: Pass) -> Answer:
        await asyncio.sleep(delay)
        answer = await pass_on(request)
        return replace(answer, body=paced(answer.body))

    return wait


async def truncated(request: Request, pass_on: Pass) -> Answer:
    """Half of every document as if it were the whole: a file that was cut off at its source, or in a cache."""
    answer = await pass_on(request)
    if answer.size is None or not answer.size:
        return answer
    headers = answer.headers.copy()
    half = answer.size // 2
    headers["Content-Length"] = str(half)
    headers.pop("Repr-Digest", None)
    return Answer(answer.status, headers, _one((await whole(answer.body))[:half]))


async def broken_off(request: Request, pass_on: Pass) -> Answer:
    """Half of every document, then the connection ends."""
    answer = await pass_on(request)
    if answer.size is None or not answer.size:
        return answer
    half = answer.size // 2

    async def cut(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        left = half
        async for piece in body:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                break
        break_off()

    return replace(answer, body=cut(answer.body))


def break_off() -> NoReturn:
    """End the connection."""
    raise BreakOffError


async def wrongly_signed(request: Request, pass_on: Pass) -> Answer:
    """Every signature is one of somebody else: of the right shape, under the name of the right key."""
    headers = request.headers.copy()
    headers["Accept-Encoding"] = "identity"  # what is packed hides its signatures
    answer = await pass_on(replace(request, headers=headers))
    if answer.size is None or request.method == "HEAD":
        return answer
    data = _SIGNATURE.sub(lambda found: found[1] + _other(found[2]), await whole(answer.body))
    told = answer.headers.copy()
    told.pop("Repr-Digest", None)
    return Answer(answer.status, told, _one(data))


def _other(signature: bytes) -> bytes:
    """Another signature of the same length."""
    return base64.b64encode(bytes(byte ^ 0x5A for byte in base64.b64decode(signature)))


@contextlib.asynccontextmanager
async def closing(answer: Answer) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body, which is given up at the end wherever its reader stopped."""
    try:
        yield answer.body
    finally:
        close = getattr(answer.body, "aclose", None)
        if close is not None:
            await close()
