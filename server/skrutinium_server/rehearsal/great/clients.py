"""The clients of a rehearsal, seen from outside: their processes, how far each is, and the word that the night is over."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from skrutinium_server.process.children import Child
from skrutinium_server.rehearsal.great.model import Client, Held, Job
from skrutinium_server.rehearsal.stage.processes import quiet

EACH: Final = 13
"""Clients of one process, at most."""
_MODULE: Final = "skrutinium_server.rehearsal.great.clients_process"


class Clients:
    """Those of one rehearsal, to be used as ``async with``; a process that ends is started again, and its clients join anew.

    ``releases``: the newest release that each has done; ``ended``: who has told what it had; ``failed``: who gave up, and why.
    """

    def __init__(self, clients: Sequence[Client], url: str, fingerprint: str, folder: Path) -> None:
        self.all = tuple(clients)
        self.releases: dict[str, int] = {}
        self.ended: set[str] = set()
        self.failed: dict[str, str] = {}
        self._url = url
        self._fingerprint = fingerprint
        self._folder = folder
        self._children: list[Child] = []
        self._until: int | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the processes."""
        count = -(-len(self.all) // EACH)
        for number in range(count):
            path = self._folder / f"process-{number + 1}.json"
            job = Job(self._url, self._fingerprint, str(self._folder), self.all[number::count])
            await asyncio.to_thread(_write, path, msgspec.json.encode(job))
            child = Child(f"clients {number + 1}", _MODULE, [str(path)], self._heard(number))
            child.environment = quiet()
            self._children.append(child)
        for child in self._children:
            child.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End them."""
        await asyncio.gather(*(child.stop() for child in self._children))

    def _heard(self, number: int) -> Any:
        def heard(message: dict[str, Any]) -> None:
            if "ready" in message:
                self._tell(self._children[number])
            elif "release" in message:
                self.releases[message["client"]] = message["release"]
            elif "ended" in message:
                self.ended.add(message["ended"])
                self.failed.pop(message["ended"], None)
            elif "failed" in message:
                self.failed[message["failed"]] = message["why"]
            self._news.set()

        return heard

    def _tell(self, child: Child) -> None:
        if self._until is not None:
            child.tell(json.dumps({"until": self._until}))

    async def joined(self) -> None:
        """Wait until every client has done a release, or failed."""
        while not all(one.id in self.releases or one.id in self.failed for one in self.all):
            await self._change()

    async def end_at(self, number: int) -> None:
        """The last release is this one: wait until everybody has it and told what it had, or failed."""
        self._until = number
        for child in self._children:
            self._tell(child)
        while not all(one.id in self.ended or one.id in self.failed for one in self.all):
            await self._change()

    async def _change(self) -> None:
        self._news.clear()
        await self._news.wait()

    def with_release(self, number: int) -> int:
        """How many have that release."""
        return sum(1 for release in self.releases.values() if release >= number)

    def held(self, client: Client) -> Held | None:
        """What a client had; None when it told nothing. Reads a file."""
        if client.id not in self.ended:
            return None
        return msgspec.json.decode((self._folder / f"{client.id}.json").read_bytes(), type=Held)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
