"""Following a feed: ``async with skrutinium.connect(url) as feed: async for release in feed.releases(): …``.

Every release is yielded once, in order, checked: signature, chain, run and phase, hashes. A release counts as done when
the loop body returns; with a state file, a restart goes on with the next one.
"""

import asyncio
import dataclasses
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from skrutinium.documents.notices import Notices, Status, read_status
from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.documents.series import FeedState, Run
from skrutinium.documents.series_reading import read_manifest, read_state
from skrutinium.errors import (
    DamagedError,
    LimitReached,
    MixedPhases,
    NetworkError,
    NotYet,
    RollbackError,
    ServerFault,
    SkrutiniumError,
)
from skrutinium.following import statefile
from skrutinium.following.news import Health, News, NoticeBoard, Timing
from skrutinium.following.release import Release
from skrutinium.following.snapshot import DocumentCache, Snapshot, Taken, read_changes
from skrutinium.following.statefile import Seen
from skrutinium.sources.address import Address, AddressSeries
from skrutinium.sources.books import Books
from skrutinium.sources.choosing import Choice, choice_of, choose_run
from skrutinium.sources.transport import Patience, Transport
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

SERIES = "skrutinium"
_log = logging.getLogger("skrutinium")
_PASSING = (NetworkError, ServerFault, LimitReached)
_DAMAGED_TRIES = 4
_CACHE = 64 * 1024 * 1024


def connect(
    url: str,
    *,
    event: str | None = None,
    run: str | None = None,
    phase: str | None = None,
    fingerprint: str | None = None,
    state: str | Path | None = None,
    session: aiohttp.ClientSession | None = None,
    timing: Timing | None = None,
    patience: float | None = None,
    requests: Patience | None = None,
    only: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    contests: Sequence[str] | None = None,
) -> "Feed":
    """A feed to be used as ``async with``.

    ``event`` may be left out when the feed holds one; ``run`` is the current one unless named. ``phase`` refuses any
    other phase (say ``live`` on air). ``fingerprint`` is the publisher's key as given on paper; without it the first key
    met is trusted. ``state`` is the file that remembers what was done. ``patience``: seconds of silence after which
    :class:`StaleError` is raised; without it, waiting goes on and :attr:`Feed.health` tells.

    ``only`` (paths such as ``summary.xml``), ``areas`` and ``contests`` (ids) say what of each release is sent at once, for a
    narrow line: manifests with their signatures always are, every other document is fetched when asked for. Raises ValueError
    for more than 100 of them.
    """
    transport = Transport(url, session=session, patience=requests)
    wanted = Wanted(
        event,
        run,
        phase,
        fingerprint,
        Path(state) if state is not None else None,
        choice_of(only, areas, contests),
    )
    return Feed(transport, wanted, timing or Timing(), patience)


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asked for."""

    event: str | None
    run: str | None
    phase: str | None
    fingerprint: str | None
    state: Path | None
    choice: Choice | None


class Feed:
    """One run of one event at a feed; made by :func:`connect`."""

    run: Run
    """The run that is read."""

    def __init__(self, transport: Transport, wanted: Wanted, timing: Timing, patience: float | None) -> None:
        self._address = Address(transport)
        self._wanted = wanted
        self._timing = timing
        self._patience = patience
        self._seen: Seen | None = None
        self._keys: KeyRing
        self._series: AddressSeries
        self._chain: Chain
        self._board: NoticeBoard
        self._news: News
        self._snapshot: Snapshot
        self._cache = DocumentCache(_CACHE)
        self._state_number = 0
        self._following = False

    async def __aenter__(self) -> Self:
        """Read and check the feed's state; raises when there is nothing to read, or it must not be trusted."""
        try:
            await self._open()
        except BaseException:
            await self._address.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and close the connections."""
        await self._news.stop()
        await self._address.close()

    @property
    def health(self) -> Health:
        """How the connection is, and whether the publisher is silent."""
        return self._news.health

    @property
    def unpinned(self) -> bool:
        """Whether no fingerprint was given: the first key met was trusted."""
        return self._keys.unpinned

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key that signs now, to compare with paper."""
        return self._keys.newest or ""

    def releases(self) -> "Releases":
        """Every release in order after the last one done; at the very first start the newest, then each that follows."""
        if self._following:
            raise SkrutiniumError("releases() was already called; one loop reads a feed")
        self._following = True
        self._news.start()
        return Releases(self._more, lambda release: self._snapshot.apply(release.manifest), self.done)

    async def done(self, release: Release) -> None:
        """Count a release as done now, before the loop body returns (the loop does it by itself otherwise)."""
        run = self.run
        self._seen = Seen(
            run.event,
            run.id,
            run.phase,
            SERIES,
            release.number,
            release.sha256,
            self._keys.trusted,
            self._state_number,
        )
        if self._wanted.state is not None:
            writing = asyncio.ensure_future(
                asyncio.to_thread(statefile.write, self._wanted.state, self._seen)
            )
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # The thread goes on whatever happens here; a next client must not find it writing still.
                await writing
                raise

    async def state(self) -> FeedState:
        """The feed's signed state as it is now."""
        where = f"{self._address.where}/state.xml"
        body = await self._keys.signed(await self._address.state(), where)
        state = read_state(body, where)
        if state.number < self._state_number:
            raise RollbackError(
                f"state {state.number} is offered, but {self._state_number} was seen", address=where
            )
        self._state_number = state.number
        return state

    async def notices(self) -> Notices:
        """What the operator tells all readers as it is now: incidents, planned changes, the second site; signed."""
        return await self._board.read()

    async def status(self) -> Status:
        """How the feed says that it is; nothing signs it."""
        return read_status(await self._address.status(), f"{self._address.where}/status.xml")

    async def _open(self) -> None:
        await asyncio.to_thread(schema_text, SCHEMA)  # a file: read off the loop, once
        wanted = self._wanted
        if wanted.state is not None:
            self._seen = await asyncio.to_thread(statefile.read, wanted.state)
        seen = self._seen
        self._keys = KeyRing(self._address.key, pinned=wanted.fingerprint, known=seen.keys if seen else ())
        self._state_number = seen.feed_state if seen else 0
        self.run = choose_run(await self.state(), wanted.event, wanted.run, SERIES, self._address.where)
        self._check_phase(seen)
        self._series = self._address.feed_series(self.run, SERIES)
        self._chain = Chain(self._keys, self.run, SERIES, *((seen.number, seen.manifest) if seen else ()))
        self._board = NoticeBoard(self._address, self._keys)
        self._news = News(self._series, self._keys, self._chain, self._board, self._timing, self._patience)
        self._books = Books(self._address.registers(self.run.event), self._keys, self.run.event)
        self._snapshot = Snapshot(self._series, self._keys, self.run, SERIES, self._cache, wanted.choice)

    def _check_phase(self, seen: Seen | None) -> None:
        run = self.run
        if self._wanted.phase is not None and run.phase != self._wanted.phase:
            raise MixedPhases(
                f"run {run.id} is of phase {run.phase}; only {self._wanted.phase} was asked for",
                address=self._address.where,
            )
        if seen and (seen.event, seen.run, seen.phase, seen.series) != (run.event, run.id, run.phase, SERIES):
            raise MixedPhases(
                f"the state file belongs to {seen.event}/{seen.run} ({seen.phase}), the feed offers "
                f"{run.event}/{run.id} ({run.phase}); use another state file",
                address=str(self._wanted.state),
            )

    async def _more(self) -> list[Release]:
        """Wait for and fetch what is new; tries again for as long as it takes when the trouble may pass."""
        attempt = damaged = 0
        while True:
            await self._news.newer_than(self._chain.number)
            try:
                return await self._fetch()
            except _PASSING as error:
                trouble: SkrutiniumError = error
            except DamagedError as error:
                trouble, damaged = error, damaged + 1
                if damaged >= _DAMAGED_TRIES:
                    raise
            attempt += 1
            self._news.trouble = trouble.message
            _log.info("%s; trying again", trouble)
            await asyncio.sleep(self._address.transport.pause(attempt, trouble))

    async def _fetch(self) -> list[Release]:
        first = self._chain.sha256 is None
        try:
            taken = [await self._newest()] if first else await self._changes()
        except NotYet:  # one of several servers may be a moment behind; an older history is News' to refuse
            taken = []
        if not taken:
            self._news.forget(self._chain.number)
            await asyncio.sleep(self._timing.poll)
            return []
        self._news.lively()
        return [Release(one, self._snapshot, self._books, snapshot=first) for one in taken]

    async def _newest(self) -> Taken:
        answer = await self._series.newest_manifest()
        data = answer.body or b""
        number = read_manifest(data, answer.address).release
        manifest = await self._chain.take(data, await self._series.signature(number), answer.address)
        return Taken(manifest, hashlib.sha256(data).hexdigest())

    async def _changes(self) -> list[Taken]:
        """What follows; the chain moves only when all of it is right."""
        trial = Chain(self._keys, self.run, SERIES, self._chain.number, self._chain.sha256)
        taken = await read_changes(
            self._series, self._chain.number, trial, self._cache, choice=self._wanted.choice
        )
        self._chain.number, self._chain.sha256 = trial.number, trial.sha256
        return taken


class Releases:
    """The loop over releases: taking the next one says that the one before is done."""

    def __init__(
        self,
        more: Callable[[], Awaitable[list[Release]]],
        begun: Callable[[Release], None],
        done: Callable[[Release], Awaitable[None]],
    ) -> None:
        self._more = more
        self._begun = begun
        self._done = done
        self._waiting: deque[Release] = deque()
        self._current: Release | None = None

    def __aiter__(self) -> Self:
        """The loop itself."""
        return self

    async def __anext__(self) -> Release:
        """The next release; waits for it."""
        if self._current is not None:
            current, self._current = self._current, None
            await self._done(current)
        while not self._waiting:
            self._waiting.extend(await self._more())
        self._current = self._waiting.popleft()
        self._begun(self._current)
        return self._current
