"""A feed in the event loop: its parts put together, listening, told of what is new, and ended. Sources: design § 5; perf § 6.2."""

import asyncio
import contextlib
import datetime
import resource
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from prometheus_client.metrics_core import Metric

from skrutinium_server.feed.access import AccessList
from skrutinium_server.feed.access_log import AccessLog
from skrutinium_server.feed.adopting import Adopting
from skrutinium_server.feed.connections import Connections
from skrutinium_server.feed.door import Door
from skrutinium_server.feed.errors import AddressInUse
from skrutinium_server.feed.fronts import Fronts
from skrutinium_server.feed.handling import Handling
from skrutinium_server.feed.helping import Helping
from skrutinium_server.feed.limits import Limits
from skrutinium_server.feed.line_file import LineWriter
from skrutinium_server.feed.memory import Memory
from skrutinium_server.feed.metrics import FeedMetrics
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.permission import RunKey
from skrutinium_server.feed.proxies import Proxies
from skrutinium_server.feed.push import KEEP_ALIVE, SLOW, Broadcaster
from skrutinium_server.feed.receipts import Receipts
from skrutinium_server.feed.settings import DEFAULTS, FeedSettings
from skrutinium_server.feed.shelf import Published
from skrutinium_server.feed.tls import Certificate
from skrutinium_server.feed.watching import INTERVAL, Watcher
from skrutinium_server.release.store.reading import StoreReader

MEMORY: Final = 512 * 1024 * 1024
"""Bytes of documents kept in memory."""

SPARE: Final = 128
"""Descriptors that are kept for reading the store and for what accepts connections."""

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; the system may allow fewer."""

ACCEPTED: Final = 32
"""Connections that are accepted in one turn: what comes at once must not take the descriptors that are spared."""


class Running:
    """A feed that listens at ``addresses`` (host, port); a context manager that ends it."""

    def __init__(
        self,
        handling: Handling,
        adopting: Adopting,
        door: Door,
        fronts: Fronts | None,
        watcher: Watcher,
        executor: ThreadPoolExecutor,
        drain: float = 0.0,
    ) -> None:
        self.addresses: tuple[tuple[str, int], ...] = ()
        self._handling = handling
        self._adopting = adopting
        self._door = door
        self._fronts = fronts
        self._watcher = watcher
        self._executor = executor
        handling = self._handling
        self._logs: list[LineWriter[Any]] = [
            one for one in (handling.log, handling.receipts) if one is not None
        ]
        self._metrics = FeedMetrics(
            handling.connections,
            handling.broadcaster,
            lambda: handling.answers.published,
            self._logs,
            lambda: time.monotonic() - watcher.looked,
            _utc_now,
        )
        self._servers: list[asyncio.Server] = []
        self._tls: ssl.SSLContext | None = None
        self._helping = Helping(self._accept)
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
        self._tls = tls
        for listening in sockets:
            self._servers.append(await self._accept(listening))
        self.addresses = tuple(listening.getsockname()[:2] for listening in sockets)

    async def _accept(self, listening: socket.socket) -> asyncio.Server:
        # A handshake that never ends is like a request that never comes.
        handshake = min(60.0, self._door.idle) if self._tls else None
        server = await asyncio.get_running_loop().create_server(
            self._door if self._fronts is None else self._fronts,
            sock=listening,
            backlog=ACCEPTED,
            ssl=self._tls,
            ssl_handshake_timeout=handshake,
        )
        # The loops take one number for both; as many may wait all the same.
        listening.listen(BACKLOG)
        return server

    async def accept_for(self, descriptors: Iterable[int]) -> None:
        """Accept connections on these listening sockets of other processes too, and on no others any more."""
        await self._helping.accept_for(descriptors)

    def adopt(self, published: Published) -> None:
        """Serve a new state."""
        if self._fronts is not None:
            # Before anybody is told that there is something new.
            self._fronts.adopt(published)
        ahead = self._adopting.adopt(published)
        if ahead:
            task = asyncio.create_task(self._adopting.read_ahead(ahead), name="read ahead")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def admit(self, access: AccessList) -> None:
        """Let in whom a new list names, and nobody else from now on."""
        self._handling.connections.admit(access)

    async def close(self, patience: float = 5.0) -> None:
        """Accept nothing more, end the streams, answer what is asked for meanwhile, let answers under way be sent, and stop."""
        for server in self._servers:
            server.close()
        await self._helping.close()
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
        for one in self._logs:
            await asyncio.to_thread(one.stop)

    async def _emptied(self) -> None:
        """Wait until every connection has asked once more and was closed with the answer, or for the time of draining."""
        until = time.monotonic() + self._drain
        while len(self._handling.connections) and time.monotonic() < until:  # noqa: ASYNC110 - they end in many places
            await asyncio.sleep(0.02)

    def reopen_logs(self) -> None:
        """Open the access log and the file of receipts anew: they were moved away."""
        for one in self._logs:
            one.reopen()

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
    receipts: Path | None = None,
    drain: float = 0.0,
    inherited: Sequence[socket.socket] = (),
) -> Running:
    """Serve ``store`` to those whom the file ``access`` names; port 0 takes a free one.

    ``memory``: bytes of documents kept; ``slow``: bytes that may wait for a push client; ``keep_alive``: seconds between
    comments of push; ``interval``: seconds between two looks at the store; ``front``: answer what is known from prepared bytes;
    ``access_log``: file for a line an answer; ``receipts``: file for a line a receipt, which are taken only then; ``drain``: seconds that it answers on at the end; ``inherited``: bound sockets to
    listen on instead of ``host`` and ``port``. Raises :class:`AddressInUse`, and OSError when one of these files cannot be opened.
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
    kept, past = Memory(memory), Past(reader)
    handling = Handling(
        connections,
        past,
        kept,
        executor,
        Broadcaster(slow, keep_alive),
        now,
        lambda: time.monotonic() - watcher.looked,
        secrets.token_hex(4),
        settings.longest_wait,
    )

    def phases() -> dict[RunKey, str]:
        return {(run.event, run.id): run.phase for run in connections.runs}

    if access_log is not None:
        handling.log = await asyncio.to_thread(
            AccessLog, access_log, connections.limits.by_subscriber, phases
        )
        await asyncio.to_thread(handling.log.start)
    if receipts is not None:
        handling.receipts = await asyncio.to_thread(Receipts, receipts, phases)
        await asyncio.to_thread(handling.receipts.start)
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
    running = Running(handling, Adopting(handling, past, kept, now), door, fronts, watcher, executor, drain)
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


def _descriptors() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if limit == resource.RLIM_INFINITY else limit
