"""Everything of one site in one process group: the counting process with its publishers, and the feed."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from skrutinium_server.feed.errors import AddressInUse
from skrutinium_server.feed.serving import listening_sockets
from skrutinium_server.feed.settings import FeedSettings, write_settings
from skrutinium_server.process.children import Child
from skrutinium_server.process.count import BY_COMMAND
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.live_tests import Beside
from skrutinium_server.process.site import FeedFolder, Site

log = logging.getLogger("skrutinium.serve")

TRIES = {"count": 4, "feed": 1}
"""So often a part may end before it is ready: the counting process of a killed parent may still be at its last release."""

PATIENCE = 10
"""Seconds that a port may be taken: so long the feeds of a killed parent may need to end."""

AGAIN = 1.0
"""Seconds between two looks whether it is free."""


@dataclass(frozen=True, slots=True)
class Watching:
    """How the operator watches: ``metrics`` host and port, ``access_log`` and ``receipts`` a file each; None for not at all.

    The counting process tells its metrics at that port, the feeds at the ports after it.
    """

    metrics: tuple[str, int] | None = None
    access_log: Path | None = None
    receipts: Path | None = None

    def of_count(self) -> list[str]:
        """Arguments of the counting process."""
        return [self.metrics[0], str(self.metrics[1])] if self.metrics else []

    def of_feed(self, number: int) -> list[str]:
        """Arguments of the feed with that number, from 0."""
        told = [f"--access-log={self.access_log}"] if self.access_log else []
        if self.receipts:
            told.append(f"--receipts={self.receipts}")
        if self.metrics:
            told.append(f"--metrics={self.metrics[0]}:{self.metrics[1] + 1 + number}")
        return told


Said = Callable[[str, dict[str, Any]], None]


class Service:
    """The chosen parts of a site as children of this process: ``count``, ``feed`` or both.

    ``settings`` of the feed take the place of those of the site; ``feeds``: so many processes of the feed share its port; ``watching``: metrics and access log;
    ``environment``: variables in place of those of this process; ``cutting``: whether releases are cut by themselves.
    Where they are, the live tests of the site's calendar open and close by themselves, too. ``said`` hears what they say: ``{"counting": ...}`` and ``{"listening": [host, port]}`` once they are ready.
    """

    def __init__(
        self,
        site: Site | FeedFolder,
        said: Said,
        host: str = "127.0.0.1",
        port: int = 8000,
        parts: tuple[str, ...] = ("count", "feed"),
        settings: FeedSettings | None = None,
        feeds: int = 1,
        watching: Watching | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        cutting: bool = True,
    ) -> None:
        self._environment = environment
        self._feeds = ("feed", *(f"feed {number}" for number in range(2, feeds + 1)))
        if "feed" not in parts:
            self._feeds = ()
        self.ready = {part: asyncio.Event() for part in (*parts, *self._feeds)}
        self.address: tuple[str, int] | None = None
        self._said = said
        self._where = (host, port)
        self._watching = watching or Watching()
        self._sockets: dict[str, list[socket.socket]] = {}
        self._absent: set[str] = set()
        self._replacing = asyncio.Lock()
        told = write_settings(settings or site.feed_settings()) if self._feeds else ""
        self._feed = [f"--settings={told}", str(site.store), str(site.access), host, str(port)]
        self.children: dict[str, Child] = {}
        if "count" in parts:
            self._count = [*(() if cutting else (BY_COMMAND,)), str(site.root), *self._watching.of_count()]
            self.children["count"] = self._made_counting()
        self._live_tests = Beside(site.root, environment) if "count" in parts and cutting else None
        for part in self._feeds:
            self.children[part] = self._made(part)

    def _made_counting(self) -> Child:
        """The counting process."""
        child = Child("count", "skrutinium_server.process.count", self._count, self._heard("count"))
        child.environment = self._environment
        return child

    def _made(self, part: str) -> Child:
        """A process of the feed; it listens on the sockets that this process holds for it, and is given those of the others."""
        held = [listening.fileno() for listening in self._sockets.get(part, ())]
        more = self._watching.of_feed(self._feeds.index(part))
        arguments = [*more, *(f"--inherited={number}" for number in held), *self._feed]
        heard = self._heard(part)

        def ready(message: dict[str, Any]) -> None:
            heard(message)
            if "listening" in message:
                self._absent.discard(part)
                self._share_out(child)

        def lost() -> None:
            if self.children[part] is child:  # not one that has been replaced, or is about to take a place
                self._absent.add(part)
                self._share_out()

        child = Child(part, "skrutinium_server.feed.server", arguments, ready)
        child.inherited = tuple(one.fileno() for of in self._sockets.values() for one in of)
        child.environment = self._environment
        child.lost = lost
        return child

    def _share_out(self, *more: Child) -> None:
        """Let all feeds that are there accept for those that are not: the system gives connections to these all the same."""
        numbers = [one.fileno() for part in sorted(self._absent) for one in self._sockets[part]]
        for child in {*more, *(self.children[part] for part in self._feeds if part not in self._absent)}:
            child.tell(json.dumps({"accept_for": numbers}))

    async def __aenter__(self) -> Self:
        try:
            await self._bind()
            for child in self.children.values():
                child.start()
            await asyncio.gather(*(self._started(part, child) for part, child in self.children.items()))
            if self._live_tests is not None:
                self._live_tests.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _bind(self) -> None:
        """Hold the sockets of every feed: who connects while a process is replaced, or starts again, waits in theirs."""
        host, port = self._where
        await self._check_free(host, port)
        for part in self._feeds:
            self._sockets[part] = await listening_sockets(host, port, reuse_port=len(self._feeds) > 1)
            port = self._sockets[part][0].getsockname()[1]
        for part in self._feeds:
            self.children[part] = self._made(part)

    async def _check_free(self, host: str, port: int) -> None:
        """Raise AddressInUse when somebody listens where this service will: sockets that share a port would let in another one's.

        Feeds share theirs with each other, and metrics with the process that takes the place of another one. The feeds of a
        parent that was killed are waited for: they end by themselves.
        """
        wanted = [(host, port)] if self._feeds and port else []
        if self._watching.metrics:
            place, first = self._watching.metrics
            counting = "count" in self.children
            wanted += [
                (place, first + number) for number in range(0 if counting else 1, len(self._feeds) + 1)
            ]
        until = asyncio.get_running_loop().time() + PATIENCE
        for address in wanted:
            while True:
                try:
                    for probe in await listening_sockets(*address, reuse_port=False):
                        probe.close()
                    break
                except AddressInUse as error:
                    if asyncio.get_running_loop().time() > until:
                        raise
                    log.warning("waiting for at most %s s: %s", PATIENCE, error)
                    await asyncio.sleep(AGAIN)

    async def replace_feeds(self) -> None:
        """Put a new process into the place of each feed, one after the other; nobody who asks is refused meanwhile.

        One that does not come up is ended, and the old one stays.
        """
        async with self._replacing:
            for part in self._feeds:
                old, new = self.children[part], self._made(part)
                self.ready[part].clear()
                new.start()
                try:
                    await self._started(part, new)
                except ProcessError as error:
                    log.error("%s is not replaced: %s", part, error)  # noqa: TRY400
                    await new.stop()
                    return
                self.children[part] = new
                await old.stop()
                self._said(part, {"replaced": part})

    async def renew(self, between: Callable[[], Awaitable[None]]) -> None:
        """Put new processes into the place of all, feeds first; what is done ``between`` finds the site counted by nobody.

        What they remember of runs that are no longer there goes with the old ones. Raises :class:`ProcessError` when counting does
        not come up.
        """
        await self.replace_feeds()
        await self.children["count"].stop()
        await between()
        self.ready["count"].clear()
        self.children["count"] = counting = self._made_counting()
        counting.start()
        await self._started("count", counting)

    def reopen_logs(self) -> None:
        """Tell the feeds that their access log was moved away."""
        for part in self._feeds:
            self.children[part].send_signal(signal.SIGHUP)

    async def _started(self, part: str, child: Child) -> None:
        """Wait until a part is ready; raises :class:`ProcessError` when it does not come up."""
        ready, failed = self.ready[part], child.failed
        for _ in range(TRIES.get(part, 1)):
            failed.clear()
            waits = [asyncio.create_task(event.wait()) for event in (ready, failed)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if ready.is_set():
                return
        raise ProcessError(f"The process {part} could not start; what it says of the reason stands above.")

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop the feed last, so that the last releases can still be read."""
        if self._live_tests is not None:
            await self._live_tests.stop()
        if "count" in self.children:
            await self.children["count"].stop()
        await asyncio.gather(*(self.children[part].stop() for part in self._feeds))
        for held in self._sockets.values():
            for listening in held:
                listening.close()

    def _heard(self, part: str) -> Callable[[dict[str, Any]], None]:
        def heard(message: dict[str, Any]) -> None:
            if "listening" in message:
                host, port = message["listening"]
                self.address = (str(host), int(port))
            self.ready[part].set()
            if part not in self._feeds[1:]:
                self._said(part, message)

        return heard


async def serve_until_told(service: Service, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
    """Run ``service`` until Ctrl-C or SIGTERM, which are heard from the beginning; a second one ends it at once.

    SIGHUP opens its access logs anew, SIGUSR1 replaces its feeds. ``ready`` is called when all parts are there, ``stopping``
    before they are ended.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()

    def replace() -> None:
        task = loop.create_task(service.replace_feeds())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    told, starting = loop.create_task(stop.wait()), loop.create_task(service.__aenter__())
    await asyncio.wait((told, starting), return_when=asyncio.FIRST_COMPLETED)
    if starting.done() and starting.exception() is None:
        loop.add_signal_handler(signal.SIGHUP, service.reopen_logs)
        loop.add_signal_handler(signal.SIGUSR1, replace)
        ready()
        await told
        stopping()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    if starting.done():
        await starting  # raises why it could not start
        await service.stop()
    else:  # told to stop before all parts were there: those that are get ended
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
