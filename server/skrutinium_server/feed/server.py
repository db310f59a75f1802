"""The feed as a process: ``python -m skrutinium_server.feed.server STORE ACCESS HOST PORT``.

It says ``{"listening": [HOST, PORT]}`` on standard output when it is ready, and ends when its standard input ends (whoever
started it is gone, or wants it to stop) or on SIGTERM. SIGINT is the parent's to decide on. Sources: design § 5; perf § 6.2.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import logging
import logging.handlers
import os
import queue
import resource
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import uvloop
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse
from aiohttp.web_protocol import RequestPayloadError
from prometheus_client.metrics_core import Metric

from skrutinium_server.feed.access import AccessList
from skrutinium_server.feed.access_log import AccessLog
from skrutinium_server.feed.blocks import HEADER, HEADERS, LINE
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.errors import AddressInUse, FeedError
from skrutinium_server.feed.fronts import Fronts
from skrutinium_server.feed.handling import Handling
from skrutinium_server.feed.limits import Limits
from skrutinium_server.feed.logs import chosen_formatter, chosen_level
from skrutinium_server.feed.memory import Memory
from skrutinium_server.feed.metrics import FeedMetrics, MetricsServer
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.proxies import Proxies
from skrutinium_server.feed.push import KEEP_ALIVE, SLOW, Broadcaster
from skrutinium_server.feed.settings import DEFAULTS, FeedSettings, read_settings
from skrutinium_server.feed.shelf import Published
from skrutinium_server.feed.tls import Certificate
from skrutinium_server.feed.watching import INTERVAL, Watcher
from skrutinium_server.release.store.reading import StoreReader

log = logging.getLogger("skrutinium.feed")

MEMORY: Final = 512 * 1024 * 1024
"""Bytes of documents kept in memory."""

SPARE: Final = 128
"""Descriptors that are kept for reading the store and for what accepts connections."""

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; the system may allow fewer."""

ACCEPTED: Final = 32
"""Connections that are accepted in one turn: what comes at once must not take the descriptors that are spared."""

DRAIN: Final = 2.0
"""Seconds that a feed that ends goes on to answer on the connections that are open, closing each after its next answer."""


class Connection(RequestHandler):
    """One connection, registered with its range from its beginning to its end."""

    __slots__ = ("_begun", "_feed", "registered", "streams")

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
            self.transport.write(self._feed.overflow(self.registered))
            self.force_close()

    def log_exception(self, *told: object, **more: object) -> None:
        """A fault of ours is logged; a body that is none, found when it is read to its end, is the client's."""
        if isinstance(more.get("exc_info"), RequestPayloadError) and self.registered is not None:
            self._feed.connections.tell_malformed(self.registered, RequestPayloadError.__name__)
        else:
            super().log_exception(*told, **more)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The other side sends nothing more: what it asked for is answered first, but a stream has lost its reader."""
        if self.streams:
            return False
        self._close_when_idle()
        return True

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
        return self._feed.malformed(exc, self.registered)


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
        return await self.handling.handle(request, connection.registered)


class Running:
    """A feed that listens at ``addresses`` (host, port); a context manager that ends it."""

    def __init__(
        self,
        handling: Handling,
        door: Door,
        fronts: Fronts | None,
        watcher: Watcher,
        executor: ThreadPoolExecutor,
        drain: float = 0.0,
    ) -> None:
        self.addresses: tuple[tuple[str, int], ...] = ()
        self._handling = handling
        self._door = door
        self._fronts = fronts
        self._watcher = watcher
        self._executor = executor
        handling = self._handling
        self._metrics = FeedMetrics(
            handling.connections,
            handling.broadcaster,
            lambda: handling.answers.published,
            handling.log,
            lambda: time.monotonic() - watcher.looked,
            _utc_now,
        )
        self._servers: list[asyncio.Server] = []
        self._drain = drain
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The first port."""
        return self.addresses[0][1]

    @property
    def broadcaster(self) -> Broadcaster:
        """Who listens to push."""
        return self._handling.broadcaster

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def listen(self, sockets: list[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        # A handshake that never ends is like a request that never comes.
        handshake = min(60.0, self._door.idle) if tls else None
        factory = self._door if self._fronts is None else self._fronts
        for listening in sockets:
            self._servers.append(
                await loop.create_server(
                    factory, sock=listening, backlog=ACCEPTED, ssl=tls, ssl_handshake_timeout=handshake
                )
            )
            # The loops take one number for both; as many may wait all the same.
            listening.listen(BACKLOG)
        self.addresses = tuple(listening.getsockname()[:2] for listening in sockets)

    def adopt(self, published: Published) -> None:
        """Serve a new state."""
        if self._fronts is not None:
            # Before anybody is told that there is something new.
            self._fronts.adopt(published)
        ahead = self._handling.adopt(published)
        if ahead:
            task = asyncio.create_task(self._handling.read_ahead(ahead), name="read ahead")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def admit(self, access: AccessList) -> None:
        """Let in whom a new list names, and nobody else from now on."""
        self._handling.connections.admit(access)

    async def close(self, patience: float = 5.0) -> None:
        """Accept nothing more, end the streams, answer what is asked for meanwhile, let answers under way be sent, and stop."""
        for server in self._servers:
            server.close()
        self._handling.leaving = True
        self._handling.waiting.wake_all()
        if self._fronts is not None:
            self._fronts.leave_it_to_others()
        self._handling.broadcaster.close()
        await self._emptied()
        self._handling.stopping = True
        self._handling.connections.close()
        self._handling.broadcaster.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._fronts is not None:
            await self._fronts.close(patience)
        self._door.pre_shutdown()
        await self._door.shutdown(patience)
        for server in self._servers:
            await server.wait_closed()
        await asyncio.to_thread(self._watcher.stop)
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
        if self._handling.log is not None:
            await asyncio.to_thread(self._handling.log.stop)

    async def _emptied(self) -> None:
        """Wait until every connection has asked once more and was closed with the answer, or for the time of draining."""
        until = time.monotonic() + self._drain
        while len(self._handling.connections) and time.monotonic() < until:  # noqa: ASYNC110 - they end in many places
            await asyncio.sleep(0.02)

    def reopen_logs(self) -> None:
        """Open the access log anew: it was moved away."""
        if self._handling.log is not None:
            self._handling.log.reopen()

    def metrics(self) -> Iterable[Metric]:
        """What the operator sees; in the event loop."""
        return self._metrics()


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def serve(
    store: Path,
    access: Path,
    host: str,
    port: int,
    *,
    reuse_port: bool = False,
    memory: int = MEMORY,
    slow: int = SLOW,
    keep_alive: float = KEEP_ALIVE,
    interval: float = INTERVAL,
    now: Callable[[], datetime.datetime] = _utc_now,
    settings: FeedSettings = DEFAULTS,
    front: bool = True,
    access_log: Path | None = None,
    drain: float = 0.0,
    inherited: Sequence[socket.socket] = (),
) -> Running:
    """Serve ``store`` to those whom the file ``access`` names; port 0 takes a free one.

    ``memory``: bytes of documents kept; ``slow``: bytes that may wait for a push client; ``keep_alive``: seconds between
    comments of push; ``interval``: seconds between two looks at the store; ``front``: answer what is known from prepared bytes;
    ``access_log``: file for a line an answer; ``drain``: seconds that it answers on at the end; ``inherited``: bound sockets to
    listen on instead of ``host`` and ``port``. Raises :class:`AddressInUse`, and OSError when the access log cannot be opened.
    """
    loop = asyncio.get_running_loop()
    reader = StoreReader(store)
    executor = ThreadPoolExecutor(4, thread_name_prefix="feed")
    watcher: Watcher
    connections = Connections(
        now,
        Proxies(settings.proxies, settings.forwarded),
        Limits(settings.requests_per_second, settings.burst),
        settings.connections,
        _descriptors() - SPARE,
    )
    certificate = (
        await asyncio.to_thread(Certificate, Path(settings.certificate), Path(settings.key))
        if settings.certificate
        else None
    )
    kept = Memory(memory)
    handling = Handling(
        connections,
        Past(reader),
        kept,
        executor,
        Broadcaster(slow, keep_alive),
        now,
        lambda: time.monotonic() - watcher.looked,
        secrets.token_hex(4),
        settings.longest_wait,
    )
    if access_log is not None:
        handling.log = await asyncio.to_thread(
            AccessLog,
            access_log,
            connections.limits.by_subscriber,
            lambda: {(run.event, run.id): run.phase for run in connections.runs},
        )
        await asyncio.to_thread(handling.log.start)
    door = Door(handling, settings.idle)
    fronts = Fronts(handling, kept, door.take_over, settings.idle) if front else None
    running: Running

    def in_loop(call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is served any more
            loop.call_soon_threadsafe(call, *arguments)

    watcher = Watcher(
        reader,
        access,
        lambda told: in_loop(running.adopt, told),
        lambda told: in_loop(running.admit, told),
        interval,
        {"certificate": certificate.look} if certificate else {},
    )
    running = Running(handling, door, fronts, watcher, executor, drain)
    sockets = list(inherited) or await listening_sockets(host, port, reuse_port)
    await asyncio.to_thread(watcher.look)
    handling.broadcaster.start()
    connections.start()
    if fronts is not None:
        fronts.start()
    watcher.start()
    await running.listen(sockets, certificate.context if certificate else None)
    return running


async def listening_sockets(host: str, port: int, reuse_port: bool) -> list[socket.socket]:
    """Bound sockets for every address of ``host``; ``::`` takes IPv4 as well. Raises :class:`AddressInUse`."""
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressInUse(host, port, error) from error
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(infos):
            listening = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            # With port 0 all addresses of a host get the port that the first one got.
            taken = port or (sockets[0].getsockname()[1] if len(sockets) > 1 else 0)
            listening.bind((address[0], taken, *address[2:]))
            listening.setblocking(False)
    except OSError as error:
        for listening in sockets:
            listening.close()
        raise AddressInUse(host, port, error) from error
    return sockets


async def _until_told(ended: asyncio.Event) -> None:
    """Wait for the end of standard input, or until ``ended`` is set."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        # os.read rather than sys.stdin: a thread inside of that one would hold its lock when the interpreter ends.
        while os.read(0, 65536):
            pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, name="standard input", daemon=True).start()
    await ended.wait()


async def _main(arguments: argparse.Namespace) -> None:
    ended = asyncio.Event()
    # Before anything is said: who is told that the feed listens may also tell it to stop.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(await _serve(arguments))
        loop.add_signal_handler(signal.SIGHUP, running.reopen_logs)
        host, port = running.addresses[0]
        told: dict[str, object] = {"listening": [host, port]}
        if arguments.metrics is not None:
            at, number = arguments.metrics
            metrics = MetricsServer(at, number, running.metrics, loop)
            told["metrics"] = list((await stack.enter_async_context(metrics)).address)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await _until_told(ended)


async def _serve(arguments: argparse.Namespace) -> Running:
    return await serve(
        arguments.store,
        arguments.access,
        arguments.host,
        arguments.port,
        reuse_port=arguments.reuse_port,
        settings=arguments.settings,
        front=arguments.front,
        access_log=arguments.access_log,
        drain=DRAIN,
        inherited=[socket.socket(fileno=number) for number in arguments.inherited],
    )


def _address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; raises ValueError."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _descriptors() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if limit == resource.RLIM_INFINITY else limit


def _raise_limit() -> None:
    """Take as many descriptors as the system gives: each connection needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Log to standard error from a thread of its own: who does not read it does not hold up the feed."""
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(chosen_formatter())
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, shown)
    queued = logging.handlers.QueueHandler(records)
    queued.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=chosen_level(), handlers=[queued])
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def main(told: list[str] | None = None) -> int:
    """Run the feed until its standard input ends; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m skrutinium_server.feed.server", description="Serve a release store."
    )
    parser.add_argument("store", type=Path, help="folder of the release store")
    parser.add_argument("access", type=Path, help="access list (TOML)")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--reuse-port", action="store_true", help="let several processes share the port")
    parser.add_argument("--settings", type=read_settings, default=DEFAULTS, help="settings (JSON)")
    parser.add_argument(
        "--no-front", dest="front", action="store_false", help="let aiohttp answer everything"
    )
    parser.add_argument("--metrics", type=_address, help="HOST:PORT for metrics, never the public one")
    parser.add_argument("--access-log", type=Path, help="file for a line an answer")
    parser.add_argument(
        "--inherited", type=int, action="append", default=[], help="bound socket to listen on (descriptor)"
    )
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="event loop")
    arguments = parser.parse_args(told)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a log that could be opened anew
    _raise_limit()
    factory = uvloop.new_event_loop if arguments.loop == "uvloop" else asyncio.new_event_loop
    with _logging():
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(_main(arguments))
        except (FeedError, OSError) as error:
            log.error("%s", error)  # noqa: TRY400
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
