"""All fronts of one feed: what they share, and the way from them to what the feed knows and to the ordinary path."""

import asyncio
from collections.abc import Callable
from typing import Final

from skrutinium_server.feed.addresses import (
    Address,
    Archive,
    NewestDocument,
    ObjectByHash,
    Page,
    Push,
    ReceiptsOf,
)
from skrutinium_server.feed.blocks import Blocks, Facts
from skrutinium_server.feed.connections import Registered
from skrutinium_server.feed.front import Front
from skrutinium_server.feed.handling import Handling
from skrutinium_server.feed.memo import Memo, Scope
from skrutinium_server.feed.memory import Fetch, Found, Memory
from skrutinium_server.feed.push import FIRST
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.representation import Answer
from skrutinium_server.feed.settings import DEFAULTS
from skrutinium_server.feed.shelf import Published
from skrutinium_server.feed.streams import last_event_id
from skrutinium_server.release.store.model import SeriesKey

TICK: Final = 0.05
"""Seconds between two looks at the clock; the header line ``Date`` is never later than that."""

SWEEP: Final = 5.0
"""Seconds between two looks for connections that are idle or do not read."""


class Fronts:
    """Makes the fronts; ``ordinary`` makes the protocol that takes over a connection that is registered already.

    ``idle``: seconds that a connection may go without a whole request; ``sweep``: seconds between two looks for those that did.
    """

    def __init__(
        self,
        handling: Handling,
        memory: Memory,
        ordinary: Callable[[Registered], asyncio.Protocol],
        idle: float = DEFAULTS.idle,
        sweep: float = SWEEP,
    ) -> None:
        self.memo = Memo(handling.answers, memory, handling.dateline)
        self.blocks = Blocks(asyncio.get_running_loop())
        self.limits = handling.connections.limits
        self.log = handling.log
        self.waiting = handling.waiting
        self._handling = handling
        self._ordinary = ordinary
        self._held: set[Front] = set()
        self._early: dict[Front, tuple[Push, int | None]] = {}
        self._waiting: asyncio.Task[None] | None = None
        self._emptied: asyncio.Future[None] | None = None
        self.idle = idle
        self._sweep = min(sweep, idle / 2)
        self._date = b""
        self._timers: list[asyncio.TimerHandle | None] = [None, None]

    def __len__(self) -> int:
        return len(self._held)

    def __call__(self) -> Front:
        """A new connection."""
        return Front(self)

    @property
    def answers_here(self) -> bool:
        """Whether fronts still answer: one that stops leaves that to the ordinary path."""
        return not self._handling.leaving

    def leave_it_to_others(self) -> None:
        """Answer nothing more here: the ordinary path does, and closes each connection."""
        self.memo.forget()

    def start(self) -> None:
        """Begin to look at the clock."""
        self._tick()
        self._look_for_idle()

    async def close(self, patience: float) -> None:
        """Close every connection when what was asked for is sent, streams at once; abort what is left after ``patience`` seconds."""
        for timer in self._timers:
            if timer is not None:
                timer.cancel()
        for front in list(self._held):
            front.finish()
        try:
            async with asyncio.timeout(patience):
                while self._held:
                    self._emptied = asyncio.get_running_loop().create_future()
                    await self._emptied
        except TimeoutError:
            for front in list(self._held):
                front.transport.abort()

    def adopt(self, published: Published) -> None:
        """Another state is published."""
        self.memo.adopt(published)

    def entered(self, front: Front) -> Registered:
        """Register a connection."""
        peer = front.transport.get_extra_info("peername")
        self._held.add(front)
        return self._handling.connections.enter(front.transport, peer[0] if peer else "")

    def left(self, front: Front) -> None:
        """Forget a connection that has ended."""
        if front.listening is not None:
            self._handling.broadcaster.leave(front.listening, front)
            self._early.pop(front, None)
            self._handling.broadcaster.let_go(front)
        self._discard(front)
        self._handling.connections.leave(front.registered)

    def _discard(self, front: Front) -> None:
        self._held.discard(front)
        if not self._held and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def ordinary(self, front: Front) -> asyncio.Protocol:
        """The protocol that takes over."""
        self._discard(front)
        return self._ordinary(front.registered)

    def find(
        self, asked: Address | Refusal, facts: Facts, registered: Registered
    ) -> tuple[Scope | None, Found] | None:
        """What is at an address for this reader, and whose it is; None when the ordinary path must see to it."""
        if registered.allowed.barred or isinstance(
            asked, Refusal | Page | Push | ObjectByHash | Archive | ReceiptsOf
        ):
            return None
        if isinstance(asked, NewestDocument) and asked.after is not None:
            return None
        run = self._handling.answers.run_of(asked)
        if isinstance(run, Refusal) or (run is not None and registered.read(run)):
            return None
        return run, self._handling.answers.look_up(asked, facts.coding)

    def wait(self, asked: Address | Refusal, facts: Facts) -> int:
        """Seconds that a request is to wait for something newer, 0 for at once."""
        return self._handling.seconds(asked, facts.if_none_match is not None, facts.prefer)

    def newest(
        self, asked: NewestDocument, facts: Facts, registered: Registered
    ) -> tuple[SeriesKey, Scope, Answer] | None:
        """The newest manifest for this reader; None when the ordinary path must see to it."""
        key = self._handling.answers.key(asked.place)
        if registered.allowed.barred or isinstance(key, Refusal):
            return None
        scope = (key.event, key.run)
        if registered.read(scope):
            return None
        found = self._handling.answers.look_up(asked, facts.coding)
        return (key, scope, found) if isinstance(found, Answer) else None

    def date(self) -> bytes:
        """The header line ``Date``."""
        return self._handling.dateline.line()

    def request_id(self) -> str:
        """A new id that a refusal and the logs share."""
        return self._handling.refusing.request_id()

    def in_format(self, refusal: Refusal, target: str) -> Refusal:
        """What one who asks for ``target`` too often is told."""
        return self._handling.in_format(refusal, target)

    async def fetch(self, fetch: Fetch) -> object:
        """Read what is not in memory."""
        return await self._handling.fetching.fetch(fetch)

    async def listen(self, front: Front, asked: Push, facts: Facts) -> bool:
        """Begin to answer a request for push; False when the ordinary path must see to it."""
        handling = self._handling
        key = handling.answers.key(asked.place)
        last = last_event_id(facts.last_event_id)
        if isinstance(key, Refusal) or isinstance(last, Refusal) or asked.choice is not None:
            return False
        refusal = front.registered.read((key.event, key.run))
        if refusal is not None and refusal.until is None:
            return False
        front.listening = key
        front.whole_event = asked.place.run is None
        front.registered.under_way = True
        head = handling.streams.head(key) + FIRST
        if refusal is not None:
            front.transport.write(head)
            handling.broadcaster.hold(front)
            self._early[front] = (asked, last)
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().create_task(self._until_readable())
            return True
        return await self._begin(front, key, last, head)

    async def _begin(self, front: Front, key: SeriesKey, last: int | None, head: bytes) -> bool:
        """Tell what was missed, and everything from now on."""
        handling = self._handling
        missed = await handling.streams.missed(key, last)
        if front.transport.is_closing():
            return True
        if isinstance(missed, Refusal) or front.registered.read((key.event, key.run)):
            front.registered.under_way = False
            return False
        # Nothing gives way from the news that were missed to joining those who are told, so none is told twice or not at all.
        front.transport.write(head + missed)
        if front.whole_event and not handling.streams.still_current(key):
            front.end()
        else:
            handling.broadcaster.join(key, front)
        return True

    async def _until_readable(self) -> None:
        """Wait for the minute from which a run may be read, with all who want to be told."""
        handling = self._handling
        while self._early and not handling.stopping:
            await handling.connections.changed()
            for front, (asked, last) in list(self._early.items()):
                if front not in self._early:  # it went away while another one was told what it had missed
                    continue
                key = front.listening
                if key is None or handling.answers.key(asked.place) != key:
                    self._end_early(front)
                    continue
                refusal = front.registered.read((key.event, key.run))
                if refusal is not None and refusal.until is not None:
                    continue
                handling.broadcaster.let_go(front)
                del self._early[front]
                if refusal is not None or not await self._begin(front, key, last, b""):
                    front.end()
        for front in list(self._early):
            self._end_early(front)
        self._waiting = None

    def _end_early(self, front: Front) -> None:
        del self._early[front]
        self._handling.broadcaster.let_go(front)
        front.end()

    def _tick(self) -> None:
        date = self._handling.dateline.line()
        if date != self._date:
            self._date = date
            self.memo.tick()
        self._timers[0] = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _look_for_idle(self) -> None:
        for front in list(self._held):
            front.sweep(self._sweep)
        self._timers[1] = asyncio.get_running_loop().call_later(self._sweep, self._look_for_idle)
