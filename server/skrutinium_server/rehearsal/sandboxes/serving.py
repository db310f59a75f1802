"""All sandboxes of a site, running, and the socket at which they are steered: the stage manager."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, Self

from skrutinium_server.ledger.lock import Lock
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener, There, reach
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.playing import read_speed
from skrutinium_server.rehearsal.playing.model import read_point
from skrutinium_server.rehearsal.sandboxes.folder import Sandboxes
from skrutinium_server.rehearsal.sandboxes.running import REFUSALS, Running

WHO: Final = "process of the sandboxes"


class StageManager:
    """Runs the sandboxes of ``site``, to be used as ``async with``; commands come over ``SITE/sandboxes/stage.sock``.

    Raises ``LedgerLockedError`` when another process runs them.
    """

    def __init__(self, site: Site) -> None:
        self.sandboxes = Sandboxes(site)
        self.running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending = contextlib.AsyncExitStack()
        self._looking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Begin all of them."""
        try:
            lock = await asyncio.to_thread(self._lock)
            self._ending.push_async_callback(asyncio.to_thread, lock.release)
            self._ending.push_async_callback(self._end)
            await self.look()
            listener = Listener(self, self.sandboxes.socket, "runs the sandboxes of this site")
            await listener.start()
            self._ending.push_async_callback(listener.stop)
        except BaseException:
            await self._ending.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all of them; where each night is has been written down."""
        await self._ending.aclose()

    def _lock(self) -> Lock:
        self.sandboxes.root.mkdir(mode=0o700, exist_ok=True)
        return Lock(self.sandboxes.lock, "the sandboxes of a site are run by one process")

    async def look(self) -> None:
        """Begin those that were added, end those that were removed."""
        async with self._looking:
            names = await asyncio.to_thread(self.sandboxes.names)
            for name in names:
                if name not in self.running:
                    one = self.running[name] = Running(await asyncio.to_thread(self.sandboxes.find, name))
                    self._tasks[name] = asyncio.create_task(one.run(), name=f"sandbox {name}")
            gone = [name for name in self.running if name not in names]
            if gone:
                await self._end(*gone)

    async def _end(self, *names: str) -> None:
        """End these, all of them unless told."""
        ending = {name: self._tasks.pop(name) for name in names or tuple(self._tasks)}
        for task in ending.values():
            task.cancel()
        await asyncio.gather(*ending.values(), return_exceptions=True)
        for name in ending:
            del self.running[name]

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; what a person can act on comes back as ``error`` with code and message."""
        try:
            await self._carry_out(request)
        except REFUSALS as error:
            return {"error": getattr(error, "code", "os"), "message": str(error)}
        except KeyError as error:
            return {"error": "malformed", "message": f"The command lacks something: {error}"}
        return {"ok": True, "sandboxes": {name: one.told() for name, one in sorted(self.running.items())}}

    async def _carry_out(self, request: dict[str, Any]) -> None:
        match request.get("do"):
            case "list":
                pass
            case "look":
                await self.look()
            case "pause":
                await self._one(request).pause()
            case "go":
                await self._one(request).go()
            case "seek":
                await self._one(request).seek(read_point(str(request["to"])))
            case "speed":
                await self._one(request).set_speed(read_speed(str(request["speed"])))
            case "restart":
                await self._one(request).restart()
            case "play":
                await self._one(request).play(str(request["scenario"]))
            case "stop":
                await self._one(request).stop()
            case other:
                raise ProcessError(f"{str(other)[:60]!r} is no command of the sandboxes.")

    def _one(self, request: dict[str, Any]) -> Running:
        name = str(request["sandbox"])
        if name not in self.running:
            known = ", ".join(sorted(self.running)) or "none"
            raise SandboxError(f"There is no sandbox {name[:60]!r} (known: {known}).")
        return self.running[name]


@contextlib.asynccontextmanager
async def stage_manager(site: Site) -> AsyncIterator[There]:
    """The way to the process that runs the sandboxes of a site; raises :class:`SandboxError` when none does."""
    there = await reach(Sandboxes(site).socket, WHO)
    if there is None:
        raise SandboxError(
            f"Nobody runs the sandboxes of {site.root}. Start them with: skrutinium-server sandbox serve {site.root}"
        )
    try:
        yield there
    finally:
        there.close()
