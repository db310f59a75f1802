"""One place for every request: time limits, retries, size limits, and errors by what the caller can do.

Retries use full jitter and honour ``Retry-After``. Bodies are read by pieces and counted after decompression, so neither
a large body nor a small one that expands can fill the memory. Works on plain asyncio; a session can be passed in.
"""

import asyncio
import datetime
import email.utils
import logging
import math
import random
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp

from skrutinium.documents.aside import aside
from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.series_reading import read_refusal
from skrutinium.errors import (
    AccessRefused,
    ChoiceNeeded,
    DamagedError,
    Gone,
    LimitReached,
    NetworkError,
    NotYet,
    SchemaError,
    ServerFault,
    SkrutiniumError,
)
from skrutinium.sources.credentials import split_credentials
from skrutinium.sources.expanding import PIECE, Expanding

T = TypeVar("T")
Waiting = Callable[[SkrutiniumError, float], object]

AGENT: Final = "skrutinium-sdk"
LARGEST_ARCHIVE: Final = 1024 * 1024 * 1024
"""No archive of documents is larger, in bytes after decompression."""
_LARGEST_REFUSAL: Final = 64 * 1024
_LONGEST_WAIT: Final = 60.0
_PIECE: Final = 256 * 1024
_AT_ONCE: Final = 10
"""Connections of one client: a subscriber has many clients, and a limit for all of them."""
_DAY: Final = 86_400
_DIGITS: Final = 9
_SECONDS: Final = re.compile(r"[0-9]+")
_UNKNOWN_CHOICE: Final = frozenset({"no-area", "no-contest", "no-registers", "bad-choice"})

_log = logging.getLogger("skrutinium")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; ``body`` is None when it has not changed since the ``etag`` that was sent.

    ``waited``: the server says that it waits for news when it is asked to (``Preference-Applied``, RFC 7240).
    """

    address: str
    body: bytes | None
    etag: str | None
    waited: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try; seconds.

    ``attempts`` are for what goes wrong; ``limited`` is how long altogether to wait when the server says when to come back.
    """

    connect: float = 10
    silence: float = 30
    attempts: int = 4
    first_pause: float = 0.5
    longest_pause: float = 15
    limited: float = 120


def retry_after(value: str | None, now: datetime.datetime) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, 10.2.3), None when it says nothing usable."""
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(min(int(value.strip()[:_DIGITS]), _DAY))
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    return min(max(0.0, (when - now).total_seconds()), _DAY)


def spread(seconds: float, pick: Callable[[], float]) -> float:
    """About so many seconds, by a quarter more or less: clients that began together do not ask together for ever."""
    return seconds * (0.75 + 0.5 * pick())


def expand(data: bytes, limit: int, where: str) -> bytes:
    """Undo gzip; raises :class:`DamagedError` when it is broken, cut off, or larger than ``limit`` afterwards."""
    stretch = zlib.decompressobj(31)
    try:
        result = stretch.decompress(data, limit + 1)
    except zlib.error as error:
        raise DamagedError(f"broken compression: {error}", address=where) from error
    if len(result) > limit:
        raise DamagedError(f"more than {limit} bytes after decompression", address=where)
    if not stretch.eof or stretch.unused_data:
        raise DamagedError("compressed data are cut off, or followed by something else", address=where)
    return result


class Transport:
    """Requests to one feed until it is closed.

    User and password in ``base`` are sent (Basic), and are in no address that is told: raises :class:`AccessRefused` where they would go
    in the clear. ``waiting`` is told of trouble that may pass, and how many seconds are waited before the next attempt.
    """

    def __init__(
        self,
        base: str,
        *,
        session: aiohttp.ClientSession | None = None,
        patience: Patience | None = None,
        pick: Callable[[], float] = random.random,
        waiting: Waiting | None = None,
    ) -> None:
        plain, self._authorization = split_credentials(base)
        self.base = plain.rstrip("/")
        self.patience = patience or Patience()
        self._session = session
        self._owned = session is None
        self.pick = pick
        self._waiting = waiting
        self._closed = False
        self._rests_until = 0.0

    async def close(self) -> None:
        """Close the session if it is our own; nothing is asked for any more."""
        self._closed = True
        if self._owned and self._session is not None:
            await self._session.close()

    async def get(self, path: str, *, limit: int = LARGEST, etag: str | None = None) -> Answer:
        """Ask for ``path`` (with ``If-None-Match`` when ``etag`` is given), at most ``limit`` bytes, with retries."""
        return await self.retried(lambda: self.once(path, limit=limit, etag=etag), path)

    async def retried(self, ask: Callable[[], Awaitable[T]], path: str) -> T:
        """Ask again after what may pass: trouble of the network or the server, and when the server says when to come back."""
        attempt, limited = 1, 0.0
        while True:
            try:
                return await ask()
            except (NetworkError, ServerFault, LimitReached) as error:
                wait = self.pause(attempt, error)
                if isinstance(error, LimitReached) and error.wait is not None:
                    limited += wait
                    last = wait > _LONGEST_WAIT or limited > self.patience.limited
                else:
                    last = attempt >= self.patience.attempts
                    attempt += 1
                if last:
                    raise
                _log.info("%s: %s; trying again in %.1f s", path, error.message, wait)
                if self._waiting is not None:
                    self._waiting(error, wait)
            await asyncio.sleep(wait)

    def pause(self, attempt: int, error: SkrutiniumError) -> float:
        """Seconds before the next attempt: what the server asks for and up to as much again, else exponential with full jitter."""
        asked = error.wait if isinstance(error, LimitReached) else None
        if asked is not None:
            return asked + self.pick() * max(asked, self.patience.first_pause)
        ceiling: float = min(self.patience.longest_pause, self.patience.first_pause * (1 << min(attempt, 16)))
        return self.pick() * ceiling

    async def once(
        self, path: str, *, limit: int = LARGEST, etag: str | None = None, wait: float = 0
    ) -> Answer:
        """The same by one request without retries; with ``wait`` the server is asked to answer in so many seconds, sooner with news."""
        headers = {"If-None-Match": etag} if etag else {}
        if wait:
            headers["Prefer"] = f"wait={math.ceil(wait)}"
        async with self.open(path, headers, silence=wait + self.patience.silence) as response:
            waited = "wait" in response.headers.get("Preference-Applied", "")
            if response.status in (204, 304):  # 204: a wait without a condition that brought nothing
                return Answer(str(response.url), None, etag, waited)
            body = await read_body(response, limit)
            return Answer(str(response.url), body, response.headers.get("ETag"), waited)

    async def post(self, path: str, body: bytes, *, seconds: float) -> int:
        """Send a small XML document by one request, without retries, in so many seconds; the status of the answer.

        Raises :class:`NetworkError` when there is none.
        """
        try:
            async with (
                asyncio.timeout(seconds),
                self._asked("POST", path, {"Content-Type": "application/xml"}, seconds, body) as response,
            ):
                return response.status
        except TimeoutError as error:
            raise NetworkError("no answer in time", address=self.base + path) from error

    async def pieces(self, path: str, limit: int) -> AsyncGenerator[bytes, None]:
        """A body while it comes, decompressed, in pieces of at most 64 KB and ``limit`` bytes in all; without retries.

        Raises :class:`DamagedError` at the latest after the last piece, so nothing counts before this has ended.
        """
        async with self.open(path, {}) as response:
            where = str(response.url)
            if response.status != 200:
                raise DamagedError("'not modified' without having asked for it", address=where)
            stretch = Expanding(limit, where) if _gzipped(response) else None
            size = 0
            async for piece in response.content.iter_chunked(PIECE):
                size += len(piece)
                if size > limit:
                    raise DamagedError(f"more than {limit} bytes", address=where)
                for part in [piece] if stretch is None else stretch.take(piece):
                    yield part
            if stretch is not None:
                stretch.end()

    @asynccontextmanager
    async def open(
        self, path: str, headers: Mapping[str, str], *, silence: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, without retries; the status is 200, 204 or 304. ``silence``: seconds without a byte that end it.

        Raises :class:`LimitReached` without asking until the moment at which the server said to come back, whatever it refused then.
        """
        self._check_rest(path)
        async with self._asked("GET", path, headers, silence) as response:
            if response.status not in (200, 204, 304):
                error = await refused(response)
                self._heed(error)
                raise error
            yield response

    def _heed(self, error: SkrutiniumError) -> None:
        """Let nothing be asked before the server wants it; of a long wait only the first minute, whoever asks decides on the rest."""
        if isinstance(error, LimitReached) and error.wait is not None:
            until = asyncio.get_running_loop().time() + min(error.wait, _LONGEST_WAIT)
            self._rests_until = max(self._rests_until, until)

    def _check_rest(self, path: str) -> None:
        rest = self._rests_until - asyncio.get_running_loop().time()
        if rest > 0:
            raise LimitReached("the server asked to come back later", wait=rest, address=self.base + path)

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        silence: float | None,
        body: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to one request, whatever its status; raises :class:`NetworkError`, also for what fails while it is read."""
        address = self.base + path
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.patience.connect, sock_read=silence or self.patience.silence
        )
        session = self._opened()
        sent = {"Accept-Encoding": "gzip", "User-Agent": AGENT, **headers}
        if self._authorization is not None:
            sent["Authorization"] = self._authorization
        try:
            async with session.request(
                method,
                address,
                headers=sent,
                data=body,
                timeout=timeout,
                auto_decompress=False,
                allow_redirects=False,
            ) as response:
                yield response
        except TimeoutError as error:
            raise NetworkError("no answer in time", address=address) from error
        except RuntimeError as error:
            if not session.closed:
                raise
            raise NetworkError("the session is closed", address=address) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NetworkError(
                f"the connection failed: {str(error) or type(error).__name__}", address=address
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise SkrutiniumError("this is closed", address=self.base)
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE))
        return self._session


async def read_sent(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body as it is sent; raises :class:`DamagedError` above ``limit`` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_chunked(_PIECE):
        size += len(piece)
        if size > limit:
            raise DamagedError(f"more than {limit} bytes", address=str(response.url))
        pieces.append(piece)
    return b"".join(pieces)


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The same, decompressed; raises :class:`DamagedError` too when it is broken."""
    where = str(response.url)
    body = await read_sent(response, limit)
    if not _gzipped(response):
        return body
    if len(body) < _PIECE:
        return expand(body, limit, where)
    return await aside(expand, body, limit, where)


def _gzipped(response: aiohttp.ClientResponse) -> bool:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise DamagedError(f"encoded as {encoding!r}; asked for gzip", address=str(response.url))
    return encoding in ("gzip", "x-gzip")


async def refused(response: aiohttp.ClientResponse) -> SkrutiniumError:
    """The error that fits a refusal, with the server's own words when it has any."""
    code, words = await _said(response)
    address, request_id = str(response.url), response.headers.get("X-Request-Id")
    status = response.status
    if status in (429, 503) and (status == 429 or "Retry-After" in response.headers):
        wait = retry_after(response.headers.get("Retry-After"), datetime.datetime.now(datetime.UTC))
        return LimitReached(
            "the server asks to come back later",
            wait=wait,
            address=address,
            request_id=request_id,
            words=words,
        )
    if code in _UNKNOWN_CHOICE:
        return ChoiceNeeded(
            "what was chosen cannot be sent", address=address, request_id=request_id, words=words
        )
    kind, message = {
        401: (AccessRefused, "access refused"),
        403: (AccessRefused, "access refused: is your address registered for this run? (see /access)"),
        404: (NotYet, "not there, or not yet"),
        410: (Gone, "no longer there"),
        425: (NotYet, "not yet"),
        451: (AccessRefused, "access refused"),
    }.get(status, (ServerFault, f"the server answered with status {status}"))
    return kind(message, address=address, request_id=request_id, words=words)


async def _said(response: aiohttp.ClientResponse) -> tuple[str | None, str | None]:
    """Code and words of a refusal."""
    try:
        body = await read_body(response, _LARGEST_REFUSAL)
        refusal = read_refusal(body, str(response.url))
    except (SchemaError, DamagedError):
        return None, None  # a proxy's page rather than the feed's own refusal: the status has to do
    told = f"{refusal.message} (expected: {refusal.expected})" if refusal.expected else refusal.message
    return refusal.code, told
