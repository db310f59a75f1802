"""Everything of one site in one process group: the counting process with its publishers, and the feed."""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any, Self

from skrutinium_server.feed.settings import FeedSettings, write_settings
from skrutinium_server.process.children import Child
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.site import FeedFolder, Site

log = logging.getLogger("skrutinium.serve")

TRIES = {"count": 4, "feed": 1}
"""So often a part may end before it is ready: the counting process of a killed parent may still be at its last release."""

Said = Callable[[str, dict[str, Any]], None]


class Service:
    """The chosen parts of a site as children of this process: ``count``, ``feed`` or both.

    ``settings`` of the feed take the place of those of the site; ``feeds``: so many processes of the feed share its port. ``said`` hears what they say: ``{"counting": ...}`` and ``{"listening": [host, port]}`` once they are ready.
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
    ) -> None:
        # Further processes of the feed share the port of the first one, so they start when that is known.
        self._further = [f"feed {number}" for number in range(2, feeds + 1)] if "feed" in parts else []
        self.ready = {part: asyncio.Event() for part in (*parts, *self._further)}
        self.address: tuple[str, int] | None = None
        self._said = said
        told = write_settings(settings or site.feed_settings()) if "feed" in parts else ""
        shared = ["--reuse-port"] if self._further else []
        self._feed = [*shared, f"--settings={told}", str(site.store), str(site.access)]
        self.children: dict[str, Child] = {}
        if "count" in parts:
            self.children["count"] = Child(
                "count", "skrutinium_server.process.count", [str(site.root)], self._heard("count")
            )
        if "feed" in parts:
            arguments = [*self._feed, host, str(port)]
            for part in ("feed", *self._further):
                self.children[part] = Child(
                    part, "skrutinium_server.feed.server", arguments, self._heard(part)
                )

    async def __aenter__(self) -> Self:
        try:
            for parts in (tuple(set(self.children) - set(self._further)), self._further):
                for part in parts:
                    self.children[part].start()
                await asyncio.gather(*(self._started(part) for part in parts))
        except BaseException:
            await self.stop()
            raise
        return self

    async def _started(self, part: str) -> None:
        """Wait until a part is ready; raises :class:`ProcessError` when it does not come up."""
        ready, failed = self.ready[part], self.children[part].failed
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
        if "count" in self.children:
            await self.children["count"].stop()
        await asyncio.gather(*(child.stop() for part, child in self.children.items() if part != "count"))

    def _heard(self, part: str) -> Callable[[dict[str, Any]], None]:
        def heard(message: dict[str, Any]) -> None:
            if "listening" in message:
                host, port = message["listening"]
                self.address = (str(host), int(port))
                # Started again after a crash, it has to be found where it was, also when the port was chosen by chance.
                for feed in ("feed", *self._further):
                    self.children[feed].arguments([*self._feed, str(host), str(port)])
            self.ready[part].set()
            if part not in self._further:
                self._said(part, message)

        return heard


async def until_told_to_stop() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
