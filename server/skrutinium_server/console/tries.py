"""How often somebody may be wrong about a passphrase: by person and address, by address, and by person.

The first is tight. The others are wider, so that nobody locks a person out by trying her name from somewhere else. Pure.
Source: OWASP ASVS 4.0, 2.2.1.
"""

import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Literal

from skrutinium_server.console.errors import TooManyTries
from skrutinium_server.feed.access import plain_address

WINDOW: Final = 15 * 60
"""Seconds that a wrong passphrase counts."""

BOTH: Final = 5
"""Wrong passphrases of one person from one address."""

ADDRESS: Final = 20
"""Wrong passphrases from one address, whatever the name."""

PERSON: Final = 100
"""Wrong passphrases of one person, wherever from."""

HELD: Final = 10_000
"""Keys that are remembered; beyond it the oldest is forgotten."""

Key = tuple[Literal["both", "address", "person"], str, str]


class Tries:
    """Counts wrong passphrases; ``clock`` tells seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: OrderedDict[Key, deque[float]] = OrderedDict()

    def take(self, person: str, address: str) -> None:
        """Count a try as wrong until :meth:`right` says otherwise, so that many at once are no way around.

        Raises :class:`TooManyTries` when no further passphrase is looked at now.
        """
        now = self._clock()
        keys = _keys(person, address)
        waits = [
            tried[0] + WINDOW - now for key, most in keys if len(tried := self._recent(key, now)) >= most
        ]
        if waits:
            raise TooManyTries(math.ceil(max(waits)))
        for key, _ in keys:
            self._wrong.setdefault(key, deque()).append(now)
            self._wrong.move_to_end(key)
        while len(self._wrong) > HELD:
            self._wrong.popitem(last=False)

    def right(self, person: str, address: str) -> None:
        """The try was right: what this person got wrong at this address is forgotten, of the rest only this try."""
        both, *wider = (key for key, _ in _keys(person, address))
        self._wrong.pop(both, None)
        for key in wider:
            if tried := self._wrong.get(key):
                tried.pop()

    def _recent(self, key: Key, now: float) -> deque[float]:
        tried = self._wrong.get(key, deque())
        while tried and tried[0] <= now - WINDOW:
            tried.popleft()
        return tried


def _keys(person: str, address: str) -> tuple[tuple[Key, int], ...]:
    name, place = person.casefold()[:64], _neighbourhood(address)
    return (("both", name, place), BOTH), (("address", "", place), ADDRESS), (("person", name, ""), PERSON)


def _neighbourhood(address: str) -> str:
    """An address, or the whole /64 that a client of IPv6 has."""
    plain = plain_address(address)
    if isinstance(plain, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((plain, 64), strict=False))
    return str(plain)
