"""The same without ``await``, for scripts and threads.

>>> import skrutinium.sync
>>> with skrutinium.sync.connect("https://feed.example") as feed:  # doctest: +SKIP
...     for release in feed.releases():
...         print(release.number, release.event().name)

All work is that of :func:`skrutinium.connect`, in an event loop of its own in a thread; errors are the same. Ctrl-C while something
is waited for ends the waiting, and leaving the ``with`` block ends the thread. Sinks are here too; a feed works in the loop of its sink:

>>> with skrutinium.sync.SqliteSink("night.sqlite") as sink:  # doctest: +SKIP
...     with skrutinium.sync.connect("https://feed.example", state=sink) as feed:
...         for release in feed.releases():
...             sink.take(release)
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from skrutinium.documents.notices import Notices, Status
from skrutinium.documents.series import FeedState, Run
from skrutinium.errors import SkrutiniumError
from skrutinium.following import feed as following
from skrutinium.following import release as asynchronous
from skrutinium.following.news import Health
from skrutinium.following.statefile import Seen
from skrutinium.sinks import csv_folder, postgresql, sqlite
from skrutinium.sinks import sink as sinks
from skrutinium.tables import reading
from skrutinium.tables.changes import Differences
from skrutinium.tables.records import Record
from skrutinium.waiting import Loop, Same, Twin, made, waited

P = ParamSpec("P")
T = TypeVar("T")


def _told(get: Callable[[asynchronous.Release], T]) -> Same[asynchronous.Release, T]:
    return Same(get)


class Release(Twin[asynchronous.Release]):
    """A numbered, signed publication: :class:`skrutinium.Release` without ``await``."""

    snapshot = _told(lambda own: own.snapshot)
    mark = _told(lambda own: own.mark)
    manifest = _told(lambda own: own.manifest)
    sha256 = _told(lambda own: own.sha256)
    source = _told(lambda own: own.source)
    number = _told(lambda own: own.number)
    time = _told(lambda own: own.time)
    phase = _told(lambda own: own.phase)
    run = _told(lambda own: own.run)
    event_id = _told(lambda own: own.event_id)
    state = _told(lambda own: own.state)
    expected = _told(lambda own: own.expected)
    reported = _told(lambda own: own.reported)
    changed = _told(lambda own: own.changed)
    changed_ids = _told(lambda own: own.changed_ids)

    document = waited(asynchronous.Release.document)
    event = waited(asynchronous.Release.event)
    area = waited(asynchronous.Release.area)
    contest = waited(asynchronous.Release.contest)
    district = waited(asynchronous.Release.district)
    summary = waited(asynchronous.Release.summary)
    precinct = waited(asynchronous.Release.precinct)
    batch = waited(asynchronous.Release.batch)
    corrections = waited(asynchronous.Release.corrections)
    book = waited(asynchronous.Release.book)
    documents = waited(asynchronous.Release.documents)
    read = waited(asynchronous.Release.read)
    pack = waited(asynchronous.Release.pack)

    def changes(self, older: "Release") -> Differences:
        """What this release says otherwise than an older one, as changes of records."""
        return self._loop.wait(self._own.changes(older._own))  # noqa: SLF001 - one of a kind

    def __repr__(self) -> str:
        return repr(self._own)


class Feed:
    """One run of one event: :class:`skrutinium.Feed` without ``await``; made by :func:`connect`."""

    def __init__(self, own: following.Feed, sink: "Sink | None" = None) -> None:
        self._own = own
        self._sink = sink
        self._loop: Loop | None = None

    def __enter__(self) -> Self:
        """Read and check the signed state; raises what :class:`skrutinium.Feed` raises."""
        self._loop = Loop() if self._sink is None else self._sink.loop
        try:
            self.wait(self._own.__aenter__())
        except BaseException:
            self._end(self._loop)
            raise
        return self

    def _end(self, loop: Loop) -> None:
        if self._sink is None:
            loop.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, close the connections, end the thread."""
        loop = self._begun
        try:
            loop.wait(self._own.__aexit__(kind, error, trace))
        finally:
            self._end(loop)

    @property
    def _begun(self) -> Loop:
        if self._loop is None:
            raise SkrutiniumError("this feed is not open: use it as `with`")
        return self._loop

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what is asynchronous and belongs to this feed, such as ``book.candidates("5")``, and wait for it."""
        if self._loop is None:
            work.close()
        return self._begun.wait(work)

    def releases(self) -> Iterator[Release]:
        """Every release in order after the last one done; taking the next one says that the one before is done."""
        loop = self._begun
        own = self.wait(made(self._own.releases))
        while True:
            yield Release(loop, loop.wait(own.__anext__()))

    def release(self, number: int | None = None) -> Release:
        """One release, the newest unless told, apart from the loop over releases: nothing counts as done by it."""
        return Release(self._begun, self.wait(self._own.release(number)))

    def done(self, release: Release) -> None:
        """Count a release as done now, before the loop body returns."""
        self.wait(self._own.done(release._own))  # noqa: SLF001 - one of a kind

    def state(self) -> FeedState:
        """The signed state as it is now."""
        return self.wait(self._own.state())

    def notices(self) -> Notices:
        """What the operator tells all readers as it is now; signed."""
        return self.wait(self._own.notices())

    def status(self) -> Status:
        """How the feed says that it is; nothing signs it."""
        return self.wait(self._own.status())

    @property
    def health(self) -> Health:
        """How it is with the sources, and whether the publisher is silent."""
        return self.wait(made(lambda: self._own.health))

    @property
    def run(self) -> Run:
        """The run that is read."""
        return self._own.run

    @property
    def unpinned(self) -> bool:
        """Whether no fingerprint was given: the first key met was trusted."""
        return self._own.unpinned

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key that signs now, to compare with paper."""
        return self._own.fingerprint


class Sink:
    """Tables that stay equal to a feed: :class:`skrutinium.Sink` without ``await``; the feed's ``state`` is the sink."""

    def __init__(self, own: sinks.Sink) -> None:
        self._own = own
        self._loop: Loop | None = None

    def __str__(self) -> str:
        return str(self._own)

    def __enter__(self) -> Self:
        """Open it, or make it; raises :class:`skrutinium.SinkError`."""
        self._loop = Loop()
        self._loop.enter(self._own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, and end the thread."""
        self.loop.leave(self._own, kind, error, trace)

    @property
    def loop(self) -> Loop:
        """Where its work is done."""
        if self._loop is None:
            raise SkrutiniumError("this sink is not open: use it as `with`", address=self.where)
        return self._loop

    @property
    def where(self) -> str:
        """Where it is, for people."""
        return self._own.where

    def take(self, release: Release) -> bool:
        """Make the tables those of a release; False when they are already (or of a later one). Raises what :class:`skrutinium.Sink` raises."""
        if release._loop is not self.loop:  # noqa: SLF001 - one of a kind
            raise SkrutiniumError(
                "this release is of a feed with a loop of its own: connect it with state=sink",
                address=self.where,
            )
        return self.loop.wait(self._own.take(release._own))  # noqa: SLF001 - one of a kind

    def missing(self) -> tuple[str, ...] | None:
        """Paths of the documents that no source delivered yet; None when nobody could tell yet which these are."""
        return self.loop.wait(self._own.missing())

    async def read(self) -> Seen | None:
        """For the feed, in their loop: the release that it holds."""
        return await self._own.read()

    async def write(self, seen: Seen) -> None:
        """For the feed, in their loop: nothing, the mark is kept with the rows."""
        await self._own.write(seen)


def _as(_like: Callable[P, Any]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """With the same arguments."""
    return lambda function: function


@_as(csv_folder.CsvSink)
def CsvSink(*args: Any, **kwargs: Any) -> Sink:  # noqa: N802 - named like what it stands for
    """:class:`skrutinium.CsvSink` to be used as ``with``."""
    return Sink(csv_folder.CsvSink(*args, **kwargs))


@_as(sqlite.SqliteSink)
def SqliteSink(*args: Any, **kwargs: Any) -> Sink:  # noqa: N802
    """:class:`skrutinium.SqliteSink` to be used as ``with``."""
    return Sink(sqlite.SqliteSink(*args, **kwargs))


@_as(postgresql.PostgresSink)
def PostgresSink(*args: Any, **kwargs: Any) -> Sink:  # noqa: N802
    """:class:`skrutinium.PostgresSink` to be used as ``with``."""
    return Sink(postgresql.PostgresSink(*args, **kwargs))


def records(
    release: Release,
    *,
    tables: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    contests: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> dict[str, list[Record]]:
    """All records as of a release, by table: :func:`skrutinium.records` without ``await``."""
    wanted = {"tables": tables, "areas": areas, "contests": contests, "kinds": kinds}
    return release._loop.wait(reading.records(release._own, **wanted))  # noqa: SLF001 - one of a kind


@_as(following.connect)
def connect(*args: Any, **kwargs: Any) -> Feed:
    """A feed to be used as ``with``; the arguments are those of :func:`skrutinium.connect`.

    A ``session`` cannot be passed in: it would belong to another loop. Raises ValueError for it.
    """
    if kwargs.get("session") is not None:
        raise ValueError("a session belongs to one event loop; this feed has a loop of its own")
    state = kwargs.get("state")
    return Feed(following.connect(*args, **kwargs), state if isinstance(state, Sink) else None)
