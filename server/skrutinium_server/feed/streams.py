"""Push on the ordinary path, and what every stream of events begins with: its head, and the releases that were missed."""

from collections.abc import Callable
from functools import partial

from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.addresses import Push
from skrutinium_server.feed.answering import Answers
from skrutinium_server.feed.choosing import Choice, Chosen
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.fetching import Fetching
from skrutinium_server.feed.kinds import PUSH
from skrutinium_server.feed.past import FARTHEST, Past
from skrutinium_server.feed.push import FIRST, Broadcaster, Listener, release_event
from skrutinium_server.feed.refusals import BAD_NUMBER, Refusal
from skrutinium_server.feed.representation import marks
from skrutinium_server.feed.response import Dateline, Streamed, push_head
from skrutinium_server.release.store.model import SeriesKey


class Streams:
    """Begins streams; ``stopping`` tells whether the feed is."""

    def __init__(
        self,
        answers: Answers,
        connections: Connections,
        broadcaster: Broadcaster,
        past: Past,
        fetching: Fetching,
        dateline: Dateline,
        stopping: Callable[[], bool],
    ) -> None:
        self.broadcaster = broadcaster
        self._answers = answers
        self._connections = connections
        self._past = past
        self._fetching = fetching
        self._dateline = dateline
        self._stopping = stopping
        self._digests: dict[tuple[SeriesKey, int], str] = {}

    async def push(
        self, request: BaseRequest, asked: Push, registered: Registered
    ) -> Refusal | StreamResponse:
        """Answer one request for push; returns when the stream has ended."""
        key = self._answers.key(asked.place)
        if isinstance(key, Refusal):
            return key
        refusal = registered.read((key.event, key.run))
        if refusal is not None and refusal.until is None:
            return refusal
        told = last_event_id(request.headers.get("Last-Event-ID", "").strip())
        if isinstance(told, Refusal):
            return told
        chosen = await self._chosen(asked)
        if isinstance(chosen, Refusal):
            return chosen
        head = self.head(key)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        if request.method == "HEAD":
            transport.write(head)
            return Streamed()
        registered.usage.answered[PUSH] += 1
        listener = Listener(transport, asked.place.run is None)
        head += FIRST
        if refusal is not None:
            transport.write(head)
            head = b""
            if not await self._until_readable(key, asked, listener, registered):
                return Streamed()
        missed = await self.missed(key, told, chosen, asked.choice)
        if isinstance(missed, Refusal):
            return missed if head else Streamed()
        # From here to the wait nothing gives way, so no release is told twice or not at all.
        self.broadcaster.join(key, listener, chosen)
        try:
            transport.write(head + missed)
            if asked.place.run is None and not self.still_current(key):
                return Streamed()
            await listener.ended
        finally:
            self.broadcaster.leave(key, listener, chosen)
        return Streamed()

    def head(self, key: SeriesKey) -> bytes:
        """The head of a stream."""
        run = self._answers.published.run(key.event, key.run)
        return push_head(self._dateline.line(), marks(key.run, run.phase) if run else b"")

    async def missed(
        self, key: SeriesKey, after: int | None, chosen: Chosen | None = None, choice: Choice | None = None
    ) -> bytes | Refusal:
        """The events of all releases after ``after`` that touch what was chosen, by the choice of that name.

        Without ``after``, or when there was more since than changes go back, the newest release is told whatever it touches.
        """
        touching: dict[int, bool] = {}
        while True:
            series = self._answers.published.series.get(key)
            if series is None:
                return b""
            newest = series.number
            first = newest if after is None or after > newest else after + 1
            if chosen is not None and (after is None or after > newest or newest - after > FARTHEST):
                first = newest
                touching[newest] = True
            due = range(first, newest + 1)
            refusal = await self._read_digests(key, [n for n in due if n not in series.digests])
            if refusal is None and chosen is not None:
                unknown = [n for n in due if n not in touching]
                refusal = await self._read_touching(key, unknown, chosen, choice, touching)
            if isinstance(refusal, Refusal):
                return refusal
            if refusal is None:
                break
        numbers = [number for number in due if chosen is None or touching[number]]
        digests = (series.digests.get(number) or self._digests[key, number] for number in numbers)
        return b"".join(
            release_event(number, digest) for number, digest in zip(numbers, digests, strict=True)
        )

    def still_current(self, key: SeriesKey) -> bool:
        """Whether the run of a series is its event's current one."""
        run = self._answers.published.run(key.event, None)
        return run is not None and run.id == key.run

    async def _chosen(self, asked: Push) -> Chosen | Refusal | None:
        if asked.choice is None:
            return None
        return await self._fetching.found(
            self._answers.chosen(asked.place.event, asked.choice, lambda chosen: chosen)
        )

    async def _read_digests(self, key: SeriesKey, numbers: list[int]) -> Refusal | bool | None:
        """Learn the hashes of those manifests; None when they are known, True when something may have changed meanwhile."""
        unknown = [number for number in numbers if (key, number) not in self._digests]
        if not unknown:
            return None
        span = range(unknown[0], unknown[-1] + 1)
        read = await self._fetching.load(("digests", key, span), partial(self._past.digests, key, span))
        if isinstance(read, Refusal):
            return read
        self._digests.update(((key, number), digest) for number, digest in read.items())
        return True

    async def _read_touching(
        self,
        key: SeriesKey,
        unknown: list[int],
        chosen: Chosen,
        choice: Choice | None,
        touching: dict[int, bool],
    ) -> Refusal | bool | None:
        if not unknown:
            return None
        span = range(unknown[0], unknown[-1] + 1)
        # Kept under the choice as it was told: what it stands for takes megabytes, and must not live as long as a few numbers.
        registers = self._answers.published.registers.get(key.event)
        name = ("touching", key, span, choice, registers.sha256 if registers else "")
        read = await self._fetching.load(name, partial(self._past.touching, key, span, chosen))
        if isinstance(read, Refusal):
            return read
        touching.update((number, number in read) for number in span)
        return True

    async def _until_readable(
        self, key: SeriesKey, asked: Push, listener: Listener, registered: Registered
    ) -> bool:
        """Wait for the minute from which the run may be read; false when it is not going to be read here."""
        self.broadcaster.hold(listener)
        try:
            while not self._stopping() and self._answers.key(asked.place) == key:
                refusal = registered.read((key.event, key.run))
                if refusal is None:
                    return True
                if refusal.until is None:
                    return False
                await self._connections.changed()
        finally:
            self.broadcaster.let_go(listener)
        return False


def last_event_id(told: str) -> int | Refusal | None:
    """The release that a push client was told last, None when it does not say."""
    if told and not (told.isascii() and told.isdecimal() and len(told) <= 9):
        return BAD_NUMBER
    return int(told) if told else None
