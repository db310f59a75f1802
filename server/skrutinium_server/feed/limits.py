"""How much one subscriber may ask for at one process, and how often one address is spoken of in the log.

A request that is answered with 304 and one that waits cost nothing. Whole numbers that are counted down, and refilled by a timer:
a general library for limits costs more for each request than the request itself.
Header lines: draft-ietf-httpapi-ratelimit-headers. Source: issue "How it is read".
"""

import ipaddress
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from skrutinium_server.feed.access import plain_address
from skrutinium_server.feed.kinds import KINDS
from skrutinium_server.feed.refusals import Refusal, too_many_requests

SECOND: Final = 1_000_000_000
"""Nanoseconds."""

UNLIMITED: Final = 1 << 62

Clock = Callable[[], int]
"""Nanoseconds that never go back."""


class Usage:
    """What one subscriber has asked for at this process, and what it has ``left``: so many requests may be made at once.

    ``answered`` (by kind, see :data:`~skrutinium_server.feed.kinds.KINDS`) and ``bytes``: answers with a document; ``unchanged``: answers
    304 by kind; ``limited``: requests beyond the limit; ``refused``: other refusals by code. At most ``burst`` are left, one more comes every ``step`` nanoseconds; ``step`` 0 is no limit. A fast path may take from ``left``
    itself while it is above zero; :meth:`refill` is called often enough that a burst is hardly ever more than that.
    """

    __slots__ = (
        "_burst",
        "_clock",
        "_since",
        "_step",
        "answered",
        "bytes",
        "left",
        "limited",
        "refused",
        "unchanged",
    )

    def __init__(self, step: int, burst: int, clock: Clock) -> None:
        self._step = step
        self._burst = burst if step else UNLIMITED
        self._clock = clock
        self._since = clock()
        self.left = self._burst
        self.bytes = self.limited = 0
        self.answered = [0] * len(KINDS)
        self.unchanged = [0] * len(KINDS)
        self.refused: Counter[tuple[int, str]] = Counter()

    def refill(self) -> None:
        """Add what has come since."""
        if not self._step:
            self.left = self._burst
            return
        now = self._clock()
        earned = (now - self._since) // self._step
        if self.left + earned >= self._burst:
            self.left, self._since = self._burst, now
        else:
            self.left += earned
            self._since += earned * self._step

    def take(self) -> bool:
        """Count a request; false when there is none left."""
        if self.empty():
            self.limited += 1
            return False
        self.left -= 1
        return True

    def empty(self) -> bool:
        """Whether there is none left."""
        if self.left <= 0:
            self.refill()
        return self.left <= 0

    def wait(self) -> int:
        """Whole seconds until the next request may be made, at least 1."""
        return max(1, -(-(self._since + self._step - self._clock()) // SECOND))


class Limits:
    """The usage of all subscribers; ``rate``: requests a second, 0 for no limit."""

    def __init__(self, rate: int = 0, burst: int = 1, clock: Clock = time.monotonic_ns) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._used: dict[str, Usage] = {}
        self.nobody = Usage(0, 1, clock)

    def usage(self, subscriber: str) -> Usage:
        """That of one subscriber, the same for all its connections."""
        found = self._used.get(subscriber)
        if found is None:
            step = SECOND // self._rate if self._rate else 0
            found = self._used[subscriber] = Usage(step, self._burst, self._clock)
        return found

    def by_subscriber(self) -> dict[str, Usage]:
        """All of it."""
        return dict(self._used)

    def refill(self) -> None:
        """Add to everyone what has come since."""
        for usage in self._used.values():
            usage.refill()

    def refusal(self, usage: Usage) -> Refusal:
        """What a request beyond the limit is told."""
        window = max(1, self._burst // max(1, self._rate))
        return too_many_requests(self._burst, window, max(0, usage.left), usage.wait())


class Seldom:
    """Says something about an address at most once in ``every`` seconds, and about all at most ``most`` times a second.

    How many were left out is told with the next one. An IPv6 client has a whole /64, and counts as that.
    """

    def __init__(
        self,
        log: logging.Logger,
        every: int = 60,
        most: int = 10,
        held: int = 4096,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self._log = log
        self._every = every * SECOND
        self._most = Usage(SECOND // most, most, clock)
        self._held = held
        self._clock = clock
        self._said: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._left_out = 0

    def say(self, address: str, message: str) -> None:
        """Log ``message``, a sentence without its end, about ``address``."""
        key = _neighbourhood(address)
        now = self._clock()
        self._most.refill()
        said, left_out = self._said.get(key, (None, 0))
        if (said is not None and now - said < self._every) or not self._most.take():
            if said is not None:
                self._said[key] = (said, left_out + 1)
            else:
                self._left_out += 1
            return
        if left_out or self._left_out:
            message += f" (left out before: {left_out} of this address, {self._left_out} of others)"
        self._left_out = 0
        self._log.info("%s", message)
        self._said[key] = (now, 0)
        self._said.move_to_end(key)
        if len(self._said) > self._held:
            _, (_, unsaid) = self._said.popitem(last=False)
            self._left_out += unsaid


def _neighbourhood(address: str) -> str:
    plain = plain_address(address)
    if isinstance(plain, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((plain, 64), strict=False))
    return str(plain)
