"""The same without ``await``, for scripts and threads.

>>> import skrutinium.sync
>>> with skrutinium.sync.connect("https://feed.example") as feed:  # doctest: +SKIP
...     for release in feed.releases():
...         print(release.number, release.event().name)

All work is that of :func:`skrutinium.connect`, in an event loop of its own in a thread; errors are the same. Ctrl-C while something
is waited for ends the waiting, and leaving the ``with`` block ends the thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from skrutinium.documents.notices import Notices, Status
from skrutinium.documents.series import FeedState, Run
from skrutinium.errors import SkrutiniumError
from skrutinium.following import feed as following
from skrutinium.following import release as asynchronous
from skrutinium.following.news import Health

P = ParamSpec("P")
T = TypeVar("T")
OwnT = TypeVar("OwnT")


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="skrutinium", daemon=True)
        self._thread.start()
        self._begun.wait()

    def _run(self) -> None:
        asyncio.run(self._until_ended())

    async def _until_ended(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._begun.set()
        await self._end.wait()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait for it here; whoever stops waiting stops the work."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            work.close()
            raise SkrutiniumError("this would hold up the event loop that runs here; use skrutinium.connect")
        if not self._thread.is_alive():
            work.close()
            raise SkrutiniumError("this feed is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End what is left, and the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()


class _Twin(Generic[OwnT]):
    """Something of :mod:`skrutinium.following` whose work is done in the loop of a thread."""

    def __init__(self, loop: _Loop, own: OwnT) -> None:
        self._loop = loop
        self._own = own


class _Same(Generic[OwnT, T]):
    """An attribute that the twin has as well."""

    def __init__(self, get: Callable[[OwnT], T]) -> None:
        self._get = get

    def __get__(self, twin: _Twin[OwnT], kind: type) -> T:
        return self._get(twin._own)  # noqa: SLF001 - one of a kind


def _waited(
    method: Callable[Concatenate[OwnT, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_Twin[OwnT], P], T]:
    """The same method, waited for."""

    def waits(twin: _Twin[OwnT], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return twin._loop.wait(method(twin._own, *args, **kwargs))  # noqa: SLF001 - one of a kind

    waits.__doc__ = method.__doc__
    return waits


def _told(get: Callable[[asynchronous.Release], T]) -> _Same[asynchronous.Release, T]:
    return _Same(get)


class Release(_Twin[asynchronous.Release]):
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

    document = _waited(asynchronous.Release.document)
    event = _waited(asynchronous.Release.event)
    area = _waited(asynchronous.Release.area)
    contest = _waited(asynchronous.Release.contest)
    district = _waited(asynchronous.Release.district)
    summary = _waited(asynchronous.Release.summary)
    precinct = _waited(asynchronous.Release.precinct)
    batch = _waited(asynchronous.Release.batch)
    corrections = _waited(asynchronous.Release.corrections)
    book = _waited(asynchronous.Release.book)

    def __repr__(self) -> str:
        return repr(self._own)


class Feed:
    """One run of one event: :class:`skrutinium.Feed` without ``await``; made by :func:`connect`."""

    def __init__(self, own: following.Feed) -> None:
        self._own = own
        self._loop: _Loop | None = None

    def __enter__(self) -> Self:
        """Read and check the signed state; raises what :class:`skrutinium.Feed` raises."""
        self._loop = _Loop()
        try:
            self.wait(self._own.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, close the connections, end the thread."""
        loop = self._begun
        try:
            loop.wait(self._own.__aexit__(kind, error, trace))
        finally:
            loop.close()

    @property
    def _begun(self) -> _Loop:
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
        own = self.wait(_made(self._own.releases))
        while True:
            yield Release(loop, loop.wait(own.__anext__()))

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
        return self.wait(_made(lambda: self._own.health))

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


async def _made(make: Callable[[], T]) -> T:
    """What can only be made, or asked for, in the loop."""
    return make()


def _as(_like: Callable[P, following.Feed]) -> Callable[[Callable[..., Feed]], Callable[P, Feed]]:
    """With the same arguments."""
    return lambda function: function


@_as(following.connect)
def connect(*args: Any, **kwargs: Any) -> Feed:
    """A feed to be used as ``with``; the arguments are those of :func:`skrutinium.connect`.

    A ``session`` cannot be passed in: it would belong to another loop. Raises ValueError for it.
    """
    if kwargs.get("session") is not None:
        raise ValueError("a session belongs to one event loop; this feed has a loop of its own")
    return Feed(following.connect(*args, **kwargs))
