"""From one published state to the next: what is served from then on, who is told, and what everybody is going to ask for."""

import datetime
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from skrutinium_server.feed.fetching import no_then
from skrutinium_server.feed.handling import Handling
from skrutinium_server.feed.memory import Fetch, Memory
from skrutinium_server.feed.objects import short
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.push import Listening, heartbeat_event
from skrutinium_server.feed.released import changes_key
from skrutinium_server.feed.shelf import Published
from skrutinium_server.release.store.model import SeriesKey

AT_ONCE: Final = 32
"""Documents that are read ahead in one go of a thread."""


class Adopting:
    """Gives one feed its states; ``memory`` is what requests are answered from."""

    def __init__(
        self, handling: Handling, past: Past, memory: Memory, now: Callable[[], datetime.datetime]
    ) -> None:
        self._handling = handling
        self._answers = handling.answers
        self._past = past
        self._memory = memory
        self._now = now

    def adopt(self, published: Published) -> list[list[Fetch]]:
        """Serve a new state from now on and tell it to all who listen; returns what is worth reading ahead, in groups."""
        before = self._answers.published
        self._answers.published = published
        self._handling.objects.adopt(published.series)
        for event, registers in published.registers.items():
            if registers is not before.registers.get(event):
                self._handling.objects.public.update(map(short, registers.hashes))
        if published.runs is not before.runs:
            self._handling.connections.adopt(published.runs)
            self._handling.broadcaster.end_where(self._misplaced)
            self._handling.waiting.wake_all()
        ahead: list[list[Fetch]] = []
        for key, series in published.series.items():
            known = before.series.get(key)
            if series is not known:
                self._handling.broadcaster.moved(known, series)
                self._handling.waiting.wake(key)
                if known is not None:
                    self._handling.level.note(key, self._now(), series.written)
                    ahead.extend(self._ahead(key, known.number))
        for key, held in published.heartbeats.items():
            if held is not before.heartbeats.get(key) and key in published.series:
                series = published.series[key]
                self._handling.broadcaster.tell(key, heartbeat_event(series.number, _alive(held.body)))
        return ahead

    def _misplaced(self, key: SeriesKey, listener: Listening) -> bool:
        run = self._answers.published.run(key.event, key.run)
        return run is None or key.series not in run.series or (listener.whole_event and not run.current)

    def _ahead(self, key: SeriesKey, since: int) -> Iterable[list[Fetch]]:
        """What everybody asks for next: the changes since the last release, then the documents that changed."""
        series = self._answers.published.series[key]
        newest = series.number
        yield [
            Fetch(
                changes_key(series, since, "gzip"),
                lambda: self._past.changes(key, since, newest, "gzip"),
                no_then,
            )
        ]
        due = []
        for row in series.fresh:
            name = ("object", row.sha256, "gzip")
            if not self._memory.holds(name):
                due.append(Fetch(name, partial(self._past.document, row.sha256, "gzip"), no_then))
        for start in range(0, len(due), AT_ONCE):
            yield due[start : start + AT_ONCE]

    async def read_ahead(self, groups: Iterable[list[Fetch]]) -> None:
        """Read one group after the other, so that requests come first; each document by itself would cost the loop more than reading does."""
        for group in groups:
            await self._handling.fetching.fetch_all(group)


def _alive(heartbeat: bytes) -> str:
    _, _, rest = heartbeat.partition(b' alive="')
    return rest.partition(b'"')[0].decode("ascii", "replace")
