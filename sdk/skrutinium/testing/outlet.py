"""Where newsrooms read a night, and what can go wrong on the way: a small proxy in front of a feed, on a real socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Final, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from skrutinium.testing import faults
from skrutinium.testing.faults import Answer, Fault, Pass, Request

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that belong to one connection (RFC 9110, 7.6.1)."""
_NO_BODY: Final = frozenset({204, 304})
_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1024
"""Connections that may wait to be accepted."""
_ROUNDS: Final = 10
"""Rounds of the event loop in which what it has just accepted becomes a connection; it takes three or four."""


class Outlet:
    """An address at which a night is read. Every fault lasts until :meth:`restore`; several work together."""

    url: str
    """The address to give to a newsroom's program."""

    def __init__(self, host: str = _HOST, port: int = 0, *, forwarded: bool = False) -> None:
        """``port`` 0: a free one; ``forwarded``: tell the feed in ``X-Forwarded-For`` whose request it is."""
        self.host = host
        self.forwarded = forwarded
        self._port = port
        self._upstream = ""
        self._faults: list[Fault] = []
        self._old: str | None = None
        self._held: socket.socket
        self._session: aiohttp.ClientSession
        self._runner: web.ServerRunner
        self._server: web.Server
        self._listening: asyncio.Server | None = None
        self._ending = contextlib.AsyncExitStack()

    async def open(self, upstream: tuple[str, int]) -> Self:
        """Listen, and pass on to the feed at ``upstream``. Raises OSError when the port is taken."""
        self._upstream = "http://{}:{}".format(*upstream)
        self._held = _bound(self.host, self._port, taken=bool(self._port))
        self.url = _url(self.host, self._held.getsockname()[1])
        self._ending.callback(self._held.close)
        self._session = await self._ending.enter_async_context(
            aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                connector=aiohttp.TCPConnector(limit=0),
            )
        )
        # A reader that goes away ends what is asked for it.
        self._server = web.Server(self._meet, handler_cancellation=True)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await self._runner.setup()
        self._ending.push_async_callback(self._runner.cleanup)
        await self._listen()
        return self

    async def close(self) -> None:
        """Stop listening."""
        await self.outage()
        await self._ending.aclose()

    # ------------------------------------------------------------------ faults
    async def outage(self) -> None:
        """The feed is gone: open connections are cut, new ones are refused."""
        if self._listening is not None:
            await self._stop_listening(self._listening)
            self._listening = None
        await self._hang_up()

    async def _stop_listening(self, server: asyncio.Server) -> None:
        """Accept nothing more, and close only when what was just accepted is a connection: else its socket would be lost."""
        loop = asyncio.get_running_loop()
        for one in server.sockets:
            loop.remove_reader(one.fileno())
        await self._let_accept()
        server.close()

    async def restore(self) -> None:
        """All is well again."""
        self._faults.clear()
        if self._old is not None:
            self._upstream, self._old = self._old, None
            await self._hang_up()
        if self._listening is None:
            await self._listen()

    async def refuse(self, status: int = 429, wait: int | None = 1) -> None:
        """Every request is refused with that status, with ``wait`` seconds in ``Retry-After``; open streams are cut."""
        code, message = _REFUSALS.get(status, ("unavailable", "This is a test: the feed refuses."))
        await self.begin(faults.refusing(status, wait, code, message))

    async def slow(self, bytes_per_second: int = 2_000, delay: float = 0) -> None:
        """Every answer comes ``delay`` seconds late and no faster than that."""
        await self.begin(faults.slow(bytes_per_second, delay))

    async def truncate(self) -> None:
        """Of every document comes the first half, as if it were the whole."""
        await self.begin(faults.truncated)

    async def break_off(self) -> None:
        """In the middle of every document the connection ends."""
        await self.begin(faults.broken_off)

    async def wrong_signature(self) -> None:
        """Everything is signed by somebody else."""
        await self.begin(faults.wrongly_signed)

    async def begin(self, fault: Fault) -> None:
        """Any other fault; open connections are cut."""
        self._faults.append(fault)
        await self._hang_up()

    async def lead_to(self, upstream: tuple[str, int]) -> None:
        """Lead readers to another feed, until :meth:`restore`."""
        if self._old is None:
            self._old = self._upstream
        self._upstream = "http://{}:{}".format(*upstream)
        await self._hang_up()

    # ------------------------------------------------------------------ passing on
    async def _listen(self) -> None:
        listening = _bound(self.host, self._held.getsockname()[1])
        self._listening = await asyncio.get_running_loop().create_server(
            self._server, sock=listening, backlog=_BACKLOG
        )

    async def _hang_up(self) -> None:
        """Cut every open connection, and wait until what was done for it has ended."""
        await self._let_accept()
        for connection in self._server.connections:
            transport = connection.transport
            if transport is not None:
                transport.abort()
        while self._server.connections:  # noqa: ASYNC110 - the loop itself ends them, in one round or two
            await asyncio.sleep(0)

    @staticmethod
    async def _let_accept() -> None:
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)

    async def _meet(self, asked: web.BaseRequest) -> web.StreamResponse:
        request = Request(asked.method, asked.raw_path, _end_to_end(asked.headers), await asked.read())
        if self.forwarded:
            request.headers["X-Forwarded-For"] = asked.remote or ""
        pass_on: Pass = self._pass_on
        for fault in self._faults:
            pass_on = _with(fault, pass_on)
        try:
            answer = await pass_on(request)
        except aiohttp.ClientError:
            return await self._cut(asked)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        try:
            async with faults.closing(answer) as body:
                await response.prepare(asked)
                if asked.method != "HEAD" and answer.status not in _NO_BODY:
                    async for piece in body:
                        await response.write(piece)
            await response.write_eof()
        except (faults.BreakOffError, aiohttp.ClientError):
            return await self._cut(asked, response)
        return response

    async def _cut(
        self, asked: web.BaseRequest, response: web.StreamResponse | None = None
    ) -> web.StreamResponse:
        """End the connection in the middle."""
        if asked.transport is not None:
            asked.transport.abort()
        return response or web.Response(status=502)

    async def _pass_on(self, request: Request) -> Answer:
        answer = await self._session.request(
            request.method,
            self._upstream + request.target,
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

        async def body() -> AsyncIterator[bytes]:
            async with answer:
                async for piece in answer.content.iter_any():
                    yield piece

        return Answer(answer.status, _end_to_end(answer.headers), body())


_REFUSALS: Final = {
    403: ("not-registered", "This is a test: your address is in no registered range."),
    404: ("not-yet", "This is a test: there is no such document yet."),
    410: ("gone", "This is a test: it is not there any more."),
    429: ("too-many-requests", "This is a test: too many requests."),
    500: ("unexpected", "This is a test: the feed failed."),
    503: ("starting", "This is a test: the feed has nothing to serve now."),
}


def _with(fault: Fault, pass_on: Pass) -> Pass:
    """What passes on through a fault."""
    return lambda request: fault(request, pass_on)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Without what belongs to the connection that they came over."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bound(host: str, port: int, *, taken: bool = False) -> socket.socket:
    """A socket of that port, 0 for a free one; one that does not listen keeps the port for those that will.

    ``taken``: raise OSError where somebody else listens already.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if taken:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    bound.setblocking(False)
    return bound
