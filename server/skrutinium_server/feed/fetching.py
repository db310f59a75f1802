"""What is not in memory is read in threads; whoever asked goes on when it is there."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

from skrutinium_server.feed.memory import Fetch, Memory, Next
from skrutinium_server.feed.refusals import DAMAGED, GONE, Refusal
from skrutinium_server.release.store.errors import StoreError, StoreMissing

log = logging.getLogger("skrutinium.feed")


class Fetching:
    """Reads for one memory, in the threads of ``executor``."""

    def __init__(self, memory: Memory, executor: Executor) -> None:
        self.memory = memory
        self.executor = executor

    async def fetch(self, fetch: Fetch) -> Any:
        """What is not in memory, or the refusal that tells why it cannot be read."""
        return await self.memory.fetch(replace(fetch, load=partial(_read, fetch.load)), self.executor)

    async def fetch_all(self, fetches: Iterable[Fetch]) -> None:
        """Read what nobody has asked for yet, all in one thread."""
        due = [replace(fetch, load=partial(_read, fetch.load)) for fetch in fetches]
        await self.memory.fetch_all(due, self.executor)

    async def load(self, key: object, load: Callable[[], object]) -> Any:
        """The same for what is not answered with as it is."""
        return await self.fetch(Fetch(key, load, no_then))

    async def read(self, load: Callable[[], object]) -> Any:
        """Read without keeping it."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, _read, load)

    async def found(self, found: Next | Fetch | Refusal) -> Next | Refusal:
        """Read as often as it takes."""
        while isinstance(found, Fetch):
            fetched = await self.fetch(found)
            found = fetched if isinstance(fetched, Refusal) else found.then(fetched)
        return found


def no_then(_: object) -> Refusal:
    """For what is read but never answered with."""
    raise AssertionError("what is read ahead is not answered with")


def _read(load: Callable[[], object]) -> object:
    """In a thread, which may wait for the log: what is read, or the refusal that tells why it cannot be."""
    try:
        return load()
    except StoreMissing:
        return GONE
    except (StoreError, OSError) as error:
        log.error("alarm store: %s", error)  # noqa: TRY400
        return DAMAGED
