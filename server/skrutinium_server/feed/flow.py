"""How the bytes of one connection flow: large bodies go out in slices, nothing is read that cannot be answered, who is idle leaves."""

import asyncio
from typing import TYPE_CHECKING, Final

from skrutinium_server.feed.response import STALL
from skrutinium_server.feed.tls import over_tls
from skrutinium_server.release.store.model import SeriesKey

if TYPE_CHECKING:
    from skrutinium_server.feed.polls import Poll

WAITING: Final = 512 * 1024
"""Bytes that may wait for one client before the front stops to write and to read."""

LATER: Final = 64 * 1024
"""Bytes that are read while an answer is under way; more stay with the system."""

PIECES: Final = 64
"""Pieces that are read meanwhile, however small."""

SLICE: Final = 256 * 1024
"""Bytes of a large body that are handed to the transport at a time."""


class Flow(asyncio.Protocol):
    """A connection; ``asked``, ``quiet`` and ``stuck`` are for the sweep of those that are idle longer than ``idle`` seconds."""

    __slots__ = (
        "_busy",
        "_ending",
        "_idle",
        "_left",
        "_paused",
        "_pieces",
        "_poll",
        "_task",
        "asked",
        "listening",
        "quiet",
        "stuck",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._busy = False
        self._paused = False
        self._ending = False
        self._left: memoryview | None = None
        self._pieces: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        # The request that waits for news.
        self._poll: Poll | None = None
        self.listening: SeriesKey | None = None
        self.asked = True
        self.quiet = 0
        self.stuck = 0

    def eof_received(self) -> bool:
        """The other side sends nothing more: what it asked for is answered first, but a stream has lost its reader."""
        if self.listening is None and self._busy and not over_tls(self.transport):
            self._ending = True
            return True
        return False

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks: nothing more is read from it until it does."""
        self._paused = True
        self._busy = True

    def resume_writing(self) -> None:
        """Go on where writing was paused."""
        self._paused = False
        self._go_on()

    def finish(self) -> None:
        """Close the connection when what was asked for is sent."""
        if self._busy and self.listening is None:
            self._ending = True
        else:
            self.transport.close()

    def end(self) -> None:
        """End a stream; the connection is closed when what was written is sent."""
        self.transport.close()

    def sweep(self, seconds: float) -> None:
        """Close the connection when it was idle, abort it when its client has not read for too long; called every so often."""
        if self._paused or self._left is not None:
            left = self.transport.get_write_buffer_size() + len(self._left or b"")
            self.quiet = self.quiet + 1 if left == self.stuck else 0
            self.stuck = left
            if self.quiet * seconds >= STALL:
                self.transport.abort()
        elif self._busy or self.asked:
            self.asked = False
            self.quiet = 0
        else:
            self.quiet += 1
            if self.quiet * seconds >= self._idle:
                self.transport.close()

    def _read(self, data: bytes) -> None:
        """Answer a piece of what was read."""
        raise NotImplementedError

    def _keep(self, data: bytes) -> None:
        """Keep a piece until the answer under way is sent; more than a little stays with the system. Streams read nothing."""
        if self.listening is None:
            self._pieces.append(data)
            full = len(self._pieces) >= PIECES or sum(map(len, self._pieces)) > LATER
            if full and self.transport.is_reading():
                self.transport.pause_reading()

    def _send_large(self, head: bytes, body: bytes) -> None:
        """Send a head and a body that is handed on in slices."""
        self.transport.write(head)
        self._left = memoryview(body)
        self._pump()

    def _pump(self) -> None:
        """Hand on what is left of a large body, as much as the transport takes."""
        left = self._left
        while left is not None and not self._paused:
            self.transport.write(left[:SLICE])
            left = left[SLICE:] if len(left) > SLICE else None
            self._left = left
        if left is not None:
            self._busy = True

    def _go_on(self) -> None:
        """Take up what was left when the connection became busy."""
        if self._left is not None:
            self._pump()
        if self._paused or self._left is not None or self._task is not None or self.listening is not None:
            return
        if self._poll is not None:
            return
        self._busy = False
        if self.transport.is_closing():
            return
        if not self.transport.is_reading():
            self.transport.resume_reading()
        while self._pieces and not self._busy:
            self._read(self._pieces.pop(0))
        if self._ending and not self._busy:
            self.transport.close()

    def _close(self) -> None:
        """Close the connection when everything was handed to the transport."""
        self._pieces.clear()
        if self._left is None:
            self._busy = True
            self.transport.close()
        else:
            self._ending = True
