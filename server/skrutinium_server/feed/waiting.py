"""Waiting for the next release (long poll): ``Prefer: wait=N`` (RFC 7240) at the newest manifest.

Who waits costs one future in a set: a release wakes all who wait for its series, some at a time, so that others are answered
in between. Waiting is not counted against a subscriber.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Final

from skrutinium_server.release.store.model import SeriesKey

AT_ONCE: Final = 200
"""Connections that are woken before anything else gets its turn."""

_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
# Possessive throughout: what was matched is never given back, so no header can make this take long.
_PREFERENCE: Final = re.compile(
    rf"[ \t,]*+([!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+(?:=[ \t]*+({_QUOTED}|[^\s\",;]*+))?+[ \t]*+"
    rf"(?:;[^,\";]*+(?:{_QUOTED}[^,\";]*+)*+)*+(?:,|$)"
)
_DIGITS: Final = 6


def preferred_wait(lines: Sequence[str], longest: int) -> int:
    """Seconds that the header lines ``Prefer`` ask to wait, ``longest`` at most; 0 when they do not. The first ``wait`` counts."""
    text = ", ".join(lines)
    at = 0
    while found := _PREFERENCE.match(text, at):
        if found.end() == at:
            break
        at = found.end()
        if found[1].lower() == "wait":
            told = (found[2] or "").strip('"')
            if not (told.isascii() and told.isdecimal()):
                return 0
            return min(int(told[-_DIGITS:]) if len(told) <= _DIGITS else longest, longest)
    return 0


def applied(seconds: int) -> bytes:
    """The header line that tells how long an answer may have waited."""
    return b"Preference-Applied: wait=%d\r\n" % seconds


class Waiting:
    """All who wait, by series."""

    def __init__(self) -> None:
        self._held: dict[SeriesKey, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    async def news(self, key: SeriesKey, seconds: float) -> None:
        """Wait until there may be something new in a series, or until the time is over."""
        woken = self.enter(key)
        try:
            async with asyncio.timeout(seconds):
                await woken
        except TimeoutError:
            pass
        finally:
            self.leave(key, woken)

    def enter(self, key: SeriesKey) -> "asyncio.Future[None]":
        """Done when there may be something new in a series."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.setdefault(key, set()).add(woken)
        return woken

    def leave(self, key: SeriesKey, woken: "asyncio.Future[None]") -> None:
        """Wait no longer."""
        held = self._held.get(key)
        if held is not None:
            held.discard(woken)
            if not held:
                del self._held[key]

    def wake(self, key: SeriesKey) -> None:
        """There is a release in the series."""
        _wake(list(self._held.pop(key, ())))

    def wake_all(self) -> None:
        """Which run is read where may have changed, or nobody is to wait any longer."""
        for key in list(self._held):
            self.wake(key)


def _wake(due: "list[asyncio.Future[None]]") -> None:
    for woken in _first(due):
        if not woken.done():
            woken.set_result(None)
    if due:
        asyncio.get_running_loop().call_soon(_wake, due)


def _first(due: "list[asyncio.Future[None]]") -> "Iterable[asyncio.Future[None]]":
    for _ in range(min(AT_ONCE, len(due))):
        yield due.pop()
