"""Access logs that are followed: what is read in threads comes into the event loop, where the readers are looked at."""

import asyncio
from pathlib import Path
from typing import Any

from skrutinium_server.console.readers import Readers
from skrutinium_server.console.tailing import Tail


class Followed:
    """One log, and who reads according to it. Belongs to the event loop in which it is made."""

    def __init__(self, path: Path) -> None:
        self.readers = Readers()
        self._loop = asyncio.get_running_loop()
        self._tail = Tail(path, self._heard)

    @property
    def trouble(self) -> str:
        """Why the log cannot be read, empty when all is well."""
        return self._tail.trouble

    async def start(self) -> None:
        """Begin to read."""
        await asyncio.to_thread(self._tail.start)

    async def stop(self) -> None:
        """Read no more."""
        await asyncio.to_thread(self._tail.stop)

    def _heard(self, lines: list[dict[str, Any]]) -> None:
        self._loop.call_soon_threadsafe(self._note, lines)

    def _note(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            self.readers.note(line)


class Following:
    """Every log that was asked for, followed from then on."""

    def __init__(self) -> None:
        self._followed: dict[Path, Followed] = {}

    async def of(self, path: Path) -> Followed:
        """The log at ``path``, which need not exist yet."""
        found = self._followed.get(path)
        if found is None:
            found = self._followed[path] = Followed(path)
            await found.start()
        return found

    async def stop(self) -> None:
        """Read none of them any more."""
        ending, self._followed = list(self._followed.values()), {}
        for one in ending:
            await one.stop()
