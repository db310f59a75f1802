"""The ordinary path's connections: aiohttp reads requests and is told what to answer; who each one is stays with it."""

import asyncio
from typing import cast

from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse
from aiohttp.web_protocol import RequestPayloadError

from skrutinium_server.feed.blocks import HEADER, HEADERS, LINE
from skrutinium_server.feed.connections import Registered
from skrutinium_server.feed.handling import Handling
from skrutinium_server.feed.tls import over_tls


class Connection(RequestHandler):
    """One connection, registered with its range from its beginning to its end."""

    __slots__ = ("_begun", "_body", "_ended", "_feed", "registered", "streams")

    def __init__(self, manager: "Door", registered: Registered | None = None) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=manager.idle,
            lingering_time=1.0,
            auto_decompress=False,  # bodies are refused: what is in them is nobody's business
            max_line_size=LINE,
            max_field_size=LINE,
            max_headers=HEADERS,
        )
        self._feed = manager.handling
        self.registered = registered
        self.streams = False
        self._body: StreamReader | None = None
        self._ended = False
        self._begun = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look up who it is, unless a front has done so."""
        if self.registered is None:
            peer = transport.get_extra_info("peername")
            # Transports of uvloop are none of asyncio's classes.
            self.registered = self._feed.connections.enter(
                cast("asyncio.Transport", transport), peer[0] if peer else ""
            )
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone."""
        if self.registered is not None:
            self._feed.connections.leave(self.registered)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand it to the parser; a header that goes on and on ends the connection."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before or (before and self._waiter is None):
            self._begun = 0
            return
        self._begun += len(data)
        if self._begun > HEADER + LINE and self.transport is not None and self.registered is not None:
            self.transport.write(self._feed.refusing.overflow(self.registered))
            self.force_close()

    def log_exception(self, *told: object, **more: object) -> None:
        """A fault of ours is logged; a body that is none, found when it is read to its end, is the client's."""
        if isinstance(more.get("exc_info"), RequestPayloadError) and self.registered is not None:
            self._feed.connections.tell_malformed(self.registered, RequestPayloadError.__name__)
        else:
            super().log_exception(*told, **more)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The other side sends nothing more: what it asked for is answered first, but a stream has lost its reader, and a body that lacks its rest never gets it."""
        self._ended = True
        self._cut_off()
        if self.streams or self.transport is None or over_tls(self.transport):
            return False
        self._close_when_idle()
        return True

    def read(self, body: StreamReader | None) -> None:
        """Note which body is being read from now on, None for none."""
        self._body = body
        if self._ended:
            self._cut_off()

    def _cut_off(self) -> None:
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(RequestPayloadError("the body was cut off"))

    def _close_when_idle(self) -> None:
        if self.transport is None:
            return
        if self._waiter is not None and not self._messages:
            self.force_close()
        else:
            asyncio.get_running_loop().call_later(0.05, self._close_when_idle)

    def handle_error(
        self,
        request: BaseRequest,  # noqa: ARG002
        status: int = 500,  # noqa: ARG002
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> StreamResponse:
        """What is no request gets our own error document."""
        assert self.registered is not None
        return self._feed.refusing.malformed(exc, self.registered)


class Door(Server):
    """Makes the connections and hands their requests on."""

    def __init__(self, handling: Handling, idle: float) -> None:
        self.handling = handling
        self.idle = idle
        super().__init__(self._handle, handler_cancellation=True)

    def __call__(self) -> RequestHandler:
        """A new connection."""
        return Connection(self)

    def take_over(self, registered: Registered) -> RequestHandler:
        """A connection that a front has begun."""
        return Connection(self, registered)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        target = request.raw_path.partition("?")[0]
        connection.streams = target.endswith("/push")
        assert connection.registered is not None
        connection.read(request.content if request.method == "POST" else None)
        try:
            return await self.handling.handle(request, connection.registered)
        finally:
            connection.read(None)
