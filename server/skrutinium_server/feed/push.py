"""Server-sent events (WHATWG HTML, 9.2): one broadcaster writes prepared bytes to all connections that wait.

``event: release`` has ``id: N`` and ``data: N SHA256``; ``event: heartbeat`` has ``data: N TIME``. A comment every now and
then keeps the line open. Who does not read is dropped, and comes back with ``Last-Event-ID``.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Final, Protocol

from skrutinium_server.feed.choosing import Chosen
from skrutinium_server.feed.shelf import Shelved
from skrutinium_server.release.store.model import SeriesKey

log = logging.getLogger("skrutinium.feed")

SLOW: Final = 256 * 1024
"""Bytes that may wait for one client before it is dropped."""

AT_ONCE: Final = 500
"""Connections that are written to before anything else gets its turn."""

KEEP_ALIVE: Final = 15.0
"""Seconds between two comments."""

SOONEST: Final = 100
SPREAD: Final = 1900
"""Milliseconds after which those come back whose stream a feed ended that ends itself, and over which they are spread."""

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-store\r\n"
    b"X-Accel-Buffering: no\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Connection: close\r\n"
)
FIRST: Final = b"retry: 1000\n\n"
_COMMENT: Final = b":\n\n"


def release_event(number: int, sha256: str) -> bytes:
    """The news of one release."""
    return f"event: release\nid: {number}\ndata: {number} {sha256}\n\n".encode("ascii")


def heartbeat_event(number: int, time: str) -> bytes:
    """The publisher is alive and this is its newest release."""
    return f"event: heartbeat\ndata: {number} {time}\n\n".encode("ascii")


class Listening(Protocol):
    """A connection that waits for events; ``whole_event``: it asked for the current run, whichever that is."""

    transport: asyncio.Transport
    whole_event: bool

    def end(self) -> None:
        """Let go of the connection; it is closed when what was written is sent."""


class Listener:
    """One that waits on the ordinary path."""

    __slots__ = ("ended", "transport", "whole_event")

    def __init__(self, transport: asyncio.Transport, whole_event: bool) -> None:
        self.transport = transport
        self.whole_event = whole_event
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Let go of the connection; it is closed when what was written is sent."""
        if not self.ended.done():
            self.ended.set_result(None)


class Broadcaster:
    """Holds all listeners by series."""

    def __init__(self, slow: int = SLOW, keep_alive: float = KEEP_ALIVE) -> None:
        self._listeners: dict[SeriesKey, dict[Chosen | None, set[Listening]]] = {}
        self._telling: deque[tuple[deque[Listening], bytes]] = deque()
        self._slow = slow
        self._keep_alive = keep_alive
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: set[Listening] = set()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many listen."""
        return sum(map(len, self._groups())) + len(self._waiting)

    def start(self) -> None:
        """Begin to send comments."""
        self._timer = asyncio.get_running_loop().call_later(self._keep_alive, self._comment)

    def hold(self, listener: Listening) -> None:
        """Keep the line open until something may be told."""
        self._waiting.add(listener)

    def let_go(self, listener: Listening) -> None:
        """It waits no longer."""
        self._waiting.discard(listener)

    def join(self, key: SeriesKey, listener: Listening, chosen: Chosen | None = None) -> None:
        """Tell the listener from now on, but only of releases that touch what it has chosen."""
        self._listeners.setdefault(key, {}).setdefault(chosen, set()).add(listener)

    def leave(self, key: SeriesKey, listener: Listening, chosen: Chosen | None = None) -> None:
        """Tell it nothing any more."""
        groups = self._listeners.get(key, {})
        held = groups.get(chosen)
        if held is not None:
            held.discard(listener)
            if not held:
                del groups[chosen]
            if not groups:
                del self._listeners[key]

    def tell(self, key: SeriesKey, data: bytes) -> None:
        """Write to everyone who listens to a series."""
        for held in self._listeners.get(key, {}).values():
            self._write(held, data)

    def moved(self, before: Shelved | None, now: Shelved) -> None:
        """Tell every release after the one that was told last."""
        first = before.number + 1 if before else now.number
        for chosen, held in self._listeners.get(now.key, {}).items():
            news = b"".join(
                release_event(number, now.digests[number])
                for number in range(first, now.number + 1)
                if chosen is None or chosen.touched(now.steps.get(number, ()))
            )
            if news:
                self._write(held, news)

    def _groups(self) -> Iterator[set[Listening]]:
        for groups in self._listeners.values():
            yield from groups.values()

    def end_where(self, leaves: Callable[[SeriesKey, Listening], bool]) -> None:
        """End the streams that a change of state makes wrong."""
        for key, groups in list(self._listeners.items()):
            for listener in [listener for held in groups.values() for listener in held]:
                if leaves(key, listener):
                    listener.end()

    def close(self) -> None:
        """End all streams; who listened is told to come back, not all at once."""
        if self._timer is not None:
            self._timer.cancel()
        held = [listener for listeners in self._groups() for listener in listeners]
        for number, listener in enumerate(held):
            if not listener.transport.is_closing():
                listener.transport.write(b"retry: %d\n\n" % (SOONEST + SPREAD * number // len(held)))
        self.end_where(lambda _key, _listener: True)

    def _comment(self) -> None:
        for held in [*self._groups(), self._waiting]:
            self._write(held, _COMMENT)
        self.start()

    def _write(self, listeners: Collection[Listening], data: bytes) -> None:
        """Write to all who listen now, some at a time, so that requests are answered in between."""
        if not listeners:
            return
        self._telling.append((deque(listeners), data))
        if len(self._telling) == 1:
            self._tell_some()

    def _tell_some(self) -> None:
        listeners, data = self._telling[0]
        for _ in range(min(AT_ONCE, len(listeners))):
            self._tell(listeners.popleft(), data)
        if not listeners:
            self._telling.popleft()
        if self._telling:
            asyncio.get_running_loop().call_soon(self._tell_some)

    def _tell(self, listener: Listening, data: bytes) -> None:
        transport = listener.transport
        if transport.is_closing():
            listener.end()
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._slow:
            self.dropped += 1
            log.info("a push client that does not read is dropped; it may resume by its last id")
            transport.abort()
            listener.end()
