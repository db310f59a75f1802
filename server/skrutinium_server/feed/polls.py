"""Long polls at the front: who waits for the next manifest (``Prefer: wait=N``, RFC 7240) is a future and a timer, no task.

Whatever is unusual (a run that may not be read, one without a release) goes to the ordinary path, which begins to wait anew.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

import msgspec

from skrutinium_server.feed.addresses import NewestDocument
from skrutinium_server.feed.blocks import Facts
from skrutinium_server.feed.conditional import not_modified
from skrutinium_server.feed.connections import Registered
from skrutinium_server.feed.flow import Flow
from skrutinium_server.feed.memo import Scope
from skrutinium_server.feed.representation import Answer
from skrutinium_server.feed.waiting import Waiting, applied
from skrutinium_server.release.store.model import SeriesKey


class Newest(Protocol):
    """What stands behind those who wait."""

    waiting: Waiting

    @property
    def answers_here(self) -> bool:
        """Whether fronts still answer; when they do not, nobody waits any longer."""

    def newest(
        self, asked: NewestDocument, facts: Facts, registered: Registered
    ) -> tuple[SeriesKey, Scope, Answer] | None:
        """The newest manifest for this reader; None when the ordinary path must see to it."""


class Poll:
    """One request that waits: what it asks for, its bytes with what follows it, and until when (by the loop's clock)."""

    __slots__ = ("asked", "data", "facts", "key", "seconds", "size", "timer", "until", "woken")

    def __init__(self, asked: NewestDocument, facts: Facts, seconds: int, data: bytes, size: int) -> None:
        self.asked = asked
        self.facts = facts
        self.seconds = seconds
        self.data = data
        self.size = size
        self.until = asyncio.get_running_loop().time() + seconds
        self.key: SeriesKey | None = None
        self.woken: asyncio.Future[None] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Polling(Flow):
    """A connection on which a request may wait."""

    __slots__ = ("_behind_polls", "registered")

    registered: Registered

    def __init__(self, idle: float, behind: Newest) -> None:
        super().__init__(idle)
        self._behind_polls = behind

    def _look(self, poll: Poll, over: bool = False) -> bool:
        """Answer when there is something newer or the time is ``over``; False when it waits or somebody else sees to it."""
        found = self._behind_polls.newest(poll.asked, poll.facts, self.registered)
        if found is None:
            self._hand_over(poll.data)
            return False
        key, scope, answer = found
        facts = poll.facts
        same = not_modified(
            facts.if_none_match, facts.if_modified_since, answer.representation.etag, answer.modified
        )
        if (same or answer.known) and not over:
            self._park(poll, key)
            return False
        answer = replace(answer, lines=applied(poll.seconds) + answer.lines)
        return self._tell_waited(answer, scope, same, facts, poll.data)

    def _tell_waited(self, answer: Answer, scope: Scope, same: bool, facts: Facts, data: bytes) -> bool:
        """Send the answer; False when the ordinary path must."""
        raise NotImplementedError

    def _hand_over(self, data: bytes) -> None:
        raise NotImplementedError

    def _park(self, poll: Poll, key: SeriesKey) -> None:
        loop = asyncio.get_running_loop()
        self._poll = poll
        self._busy = self.registered.under_way = True
        poll.key = key
        poll.woken = self._behind_polls.waiting.enter(key)
        poll.woken.add_done_callback(self._woken)
        poll.timer = loop.call_later(max(0.0, poll.until - loop.time()), _expire, poll.woken)

    def _unpark(self) -> None:
        """Wait no longer."""
        poll = self._poll
        self._poll = None
        if poll is not None and poll.key is not None and poll.woken is not None and poll.timer is not None:
            poll.timer.cancel()
            self._behind_polls.waiting.leave(poll.key, poll.woken)
            self.registered.under_way = False

    def _woken(self, woken: "asyncio.Future[None]") -> None:
        poll = self._poll
        if poll is None or poll.woken is not woken or self.transport.is_closing():
            return
        self._unpark()
        ends = not self._behind_polls.answers_here
        if ends:
            poll.facts = msgspec.structs.replace(poll.facts, closes=True)
        if self._look(poll, ends or asyncio.get_running_loop().time() >= poll.until):
            if poll.facts.closes:
                self._close()
            elif len(poll.data) > poll.size:
                self._pieces.insert(0, poll.data[poll.size :])
            self._go_on()


def _expire(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)
