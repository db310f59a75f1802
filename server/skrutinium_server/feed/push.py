"""Server-sent events (WHATWG HTML, 9.2): one broadcaster writes prepared bytes to all connections that wait.

``event: release`` has ``id: N`` and ``data: N SHA256``; ``event: heartbeat`` has ``data: N TIME``. A comment every now and
then keeps the line open. Who does not read is dropped, and comes back with ``Last-Event-ID``.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from skrutinium_server.feed.shelf import Shelved
from skrutinium_server.release.store.model import SeriesKey

log = logging.getLogger("skrutinium.feed")

SLOW: Final = 256 * 1024
"""Bytes that may wait for one client before it is dropped."""

KEEP_ALIVE: Final = 15.0
"""Seconds between two comments."""

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


class Listener:
    """One connection that waits for events; ``whole_event``: it asked for the current run, whichever that is."""

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
        self._listeners: dict[SeriesKey, set[Listener]] = {}
        self._slow = slow
        self._keep_alive = keep_alive
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: set[Listener] = set()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many listen."""
        return sum(map(len, self._listeners.values())) + len(self._waiting)

    def start(self) -> None:
        """Begin to send comments."""
        self._timer = asyncio.get_running_loop().call_later(self._keep_alive, self._comment)

    def hold(self, listener: Listener) -> None:
        """Keep the line open until something may be told."""
        self._waiting.add(listener)

    def let_go(self, listener: Listener) -> None:
        """It waits no longer."""
        self._waiting.discard(listener)

    def join(self, key: SeriesKey, listener: Listener) -> None:
        """Tell the listener from now on."""
        self._listeners.setdefault(key, set()).add(listener)

    def leave(self, key: SeriesKey, listener: Listener) -> None:
        """Tell it nothing any more."""
        held = self._listeners.get(key)
        if held is not None:
            held.discard(listener)
            if not held:
                del self._listeners[key]

    def tell(self, key: SeriesKey, data: bytes) -> None:
        """Write to everyone who listens to a series."""
        self._write(self._listeners.get(key, ()), data)

    def moved(self, before: Shelved | None, now: Shelved) -> None:
        """Tell every release after the one that was told last."""
        first = before.number + 1 if before else now.number
        news = b"".join(release_event(number, now.digests[number]) for number in range(first, now.number + 1))
        if news:
            self.tell(now.key, news)

    def end_where(self, leaves: Callable[[SeriesKey, Listener], bool]) -> None:
        """End the streams that a change of state makes wrong."""
        for key, held in list(self._listeners.items()):
            for listener in list(held):
                if leaves(key, listener):
                    listener.end()

    def close(self) -> None:
        """End all streams."""
        if self._timer is not None:
            self._timer.cancel()
        self.end_where(lambda _key, _listener: True)

    def _comment(self) -> None:
        for held in [*self._listeners.values(), self._waiting]:
            self._write(held, _COMMENT)
        self.start()

    def _write(self, listeners: "set[Listener] | tuple[()]", data: bytes) -> None:
        for listener in list(listeners):
            transport = listener.transport
            if transport.is_closing():
                listener.end()
                continue
            transport.write(data)
            if transport.get_write_buffer_size() > self._slow:
                self.dropped += 1
                log.info("a push client that does not read is dropped; it may resume by its last id")
                transport.abort()
                listener.end()
