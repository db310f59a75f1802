"""What was read from the store and is kept, up to a number of bytes; the rest is read again when asked for.

Only the event loop touches it; reading happens in threads, once for all who ask for the same thing at the same time.
"""

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from skrutinium_server.feed.choosing import Chosen, Territory
from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.registers import EventRegisters
from skrutinium_server.feed.representation import Answer, Representation


@dataclass(frozen=True, slots=True)
class Fetch:
    """Something has to be read first: ``load`` in a thread; ``then`` goes on with what it returns."""

    key: Hashable
    load: Callable[[], Any]
    then: Callable[[Any], Any]


Found = Answer | Refusal | Fetch
Next = TypeVar("Next")


def document_key(sha256: str, coding: Coding) -> Hashable:
    """Where a document of a release is kept."""
    return ("object", sha256, coding)


class Memory:
    """The least recently used leave first once ``limit`` bytes are held; ``dropped`` counts them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Hashable, Any] = OrderedDict()
        self._reading: dict[Hashable, asyncio.Future[Any]] = {}
        self.size = 0
        self.dropped = 0

    def recall(self, key: Hashable, load: Callable[[], Any], then: Callable[[Any], Next]) -> Next | Fetch:
        """Go on with what is held under ``key``, or say how to fetch it."""
        held = self._held.get(key)
        if held is None:
            return Fetch(key, load, then)
        self._held.move_to_end(key)
        return then(held)

    def keep(self, key: Hashable, value: Any) -> None:
        """Hold a value; refusals are never held: what is missing now may come."""
        if isinstance(value, Refusal):
            return
        self.size += _weight(value) - (_weight(self._held.pop(key)) if key in self._held else 0)
        self._held[key] = value
        while self.size > self._limit and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self.size -= _weight(dropped)
            self.dropped += 1

    def holds(self, key: Hashable) -> bool:
        """Whether ``key`` can be recalled at once."""
        return key in self._held

    def touch(self, key: Hashable) -> None:
        """Somebody was answered with what is held under ``key``, without asking here."""
        if key in self._held:
            self._held.move_to_end(key)

    async def fetch(self, fetch: Fetch, executor: Executor) -> Any:
        """Read it in a thread, or wait for the reading under way; raises what reading raises."""
        reading = self._reading.get(fetch.key)
        if reading is None:
            reading = asyncio.get_running_loop().run_in_executor(executor, fetch.load)
            self._reading[fetch.key] = reading
            reading.add_done_callback(lambda done: self._done(fetch.key, done))
        # One who goes away does not end the reading for the others.
        return await asyncio.shield(reading)

    async def fetch_all(self, fetches: Iterable[Fetch], executor: Executor) -> None:
        """Read all that nobody is reading yet, in one thread; whoever asks for one of them meanwhile waits until all are read."""
        loop = asyncio.get_running_loop()
        due: list[tuple[Fetch, asyncio.Future[Any]]] = []
        for fetch in fetches:
            if fetch.key not in self._reading:
                reading = self._reading[fetch.key] = loop.create_future()
                reading.add_done_callback(partial(self._done, fetch.key))
                due.append((fetch, reading))
        if due:
            job = loop.run_in_executor(executor, _load_all, [fetch.load for fetch, _ in due])
            job.add_done_callback(partial(_tell_all, [reading for _, reading in due]))
            # One who goes away does not end the reading for the others.
            await asyncio.shield(job)

    def _done(self, key: Hashable, reading: "asyncio.Future[Any]") -> None:
        del self._reading[key]
        if not reading.cancelled() and reading.exception() is None:
            self.keep(key, reading.result())


def _load_all(loads: list[Callable[[], Any]]) -> list[tuple[Any, Exception | None]]:
    """In a thread: what each loads, or raises."""
    found: list[tuple[Any, Exception | None]] = []
    for load in loads:
        try:
            found.append((load(), None))
        except Exception as error:  # noqa: BLE001 - who waits for it is told
            found.append((None, error))
    return found


def _tell_all(
    readings: "list[asyncio.Future[Any]]", job: "asyncio.Future[list[tuple[Any, Exception | None]]]"
) -> None:
    if job.cancelled():
        for reading in readings:
            reading.cancel()
        return
    for reading, (value, error) in zip(readings, job.result(), strict=True):
        if error is None:
            reading.set_result(value)
        else:
            reading.set_exception(error)


def _weight(value: Any) -> int:
    match value:
        case Representation():
            return len(value.body) + 1024
        case array():
            return len(value) * value.itemsize + 1024
        case Territory() | EventRegisters():
            return value.weight
        case Chosen():
            return 200 * len(value.documents) + 1024
        case Mapping():
            return 400 * len(value) + 1024
        case _:
            return 1024
