"""Taking each release once, in order, from whichever source has it; the first in order that works is preferred.

A release is what its event, run, series, number and manifest hash say, whatever brought it. What is newer than a release that
nobody has yet waits. A source that gives what must not be trusted is set aside, and the others go on.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from skrutinium.documents.notices import Notices, SecondSite
from skrutinium.errors import (
    AccessRefused,
    ChainError,
    DamagedError,
    LimitReached,
    NetworkError,
    NotYet,
    RollbackError,
    SchemaError,
    ServerFault,
    SignatureError,
    SkrutiniumError,
    StaleError,
)
from skrutinium.following.board import NoticeBoard
from skrutinium.following.followed import PASSING, Followed, History
from skrutinium.following.listening import Listening, ended
from skrutinium.following.news import Health, Timing
from skrutinium.following.taking import Taken, read_changes, read_manifests, read_newest
from skrutinium.sources.address import Address
from skrutinium.sources.choosing import Choice
from skrutinium.sources.credentials import plain_address
from skrutinium.sources.opening import is_address
from skrutinium.sources.transport import Patience, Transport, spread
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing, plain_fingerprint

_log = logging.getLogger("skrutinium")
_RETRIED = (NetworkError, ServerFault, LimitReached)
_DAMAGED_TRIES = 4
_LONGEST_PAUSE = 8
"""Times the usual pause, after which a source is asked again for what it told and did not have."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms is followed: how often, how patiently, what of each release, and whether the operator's second site is used.

    ``silence``: seconds without a sign of life by any source after which :class:`StaleError` is raised. ``pick`` gives numbers from 0 to 1.
    """

    timing: Timing
    patience: Patience
    silence: float | None
    choice: Choice | None
    second_site: bool
    pick: Callable[[], float]


class Gathering:
    """The sources of a feed, in order; ``followed`` grows by the second site that the operator tells of."""

    def __init__(
        self,
        followed: list[Followed],
        keys: KeyRing,
        chain: Chain,
        put: Callable[[str, bytes], None],
        terms: Terms,
        second: Callable[[str], Followed],
    ) -> None:
        self.followed = followed
        self.board = NoticeBoard(keys)
        self._keys = keys
        self._chain = chain
        self._put = put
        self._terms = terms
        self._changed = asyncio.Event()
        self._second = second
        self._second_site: SecondSite | None = None
        self._history = History()
        self._listening: dict[Followed, Listening] = {}
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._fatal: BaseException | None = None
        self._pauses = Transport("", patience=terms.patience, pick=terms.pick)

    # ---------------------------------------------------------------- begin and end
    def start(self) -> None:
        """Begin to listen to all sources."""
        for number, one in enumerate(self.followed):
            self._listen(one, strict=number == 0)
        self._rank()
        self._begin("watch", self._watch())

    async def stop(self) -> None:
        """End all listening."""
        tasks, self._tasks = list(self._tasks.values()), {}
        await ended(*tasks)

    def _listen(self, one: Followed, *, strict: bool) -> None:
        terms = self._terms
        one.lively()
        listening = Listening(
            one, self._keys, self._chain, self._history, terms.timing, terms.pick, strict=strict
        )
        self._listening[one] = listening
        self._begin(one, listening.run())

    def _begin(self, what: Any, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[what] = task

        def over(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fatal = error
                self._changed.set()

        task.add_done_callback(over)

    def changed(self) -> None:
        """A source has news, or does otherwise than before."""
        self._changed.set()
        self._rank()

    def _rank(self) -> None:
        """Listen closely to the first source in order that works; when none does, to the first that is not set aside."""
        usable = [one for one in self.followed if one.error is None]
        best = next((one for one in usable if one.working), usable[0] if usable else None)
        for one, listening in self._listening.items():
            listening.closely(one is best)

    # ---------------------------------------------------------------- what is next
    async def more(self) -> list[Taken]:
        """Wait for what follows in the chain and take it; raises what cannot pass, when no source is left."""
        loop = asyncio.get_running_loop()
        while True:
            if self._fatal is not None:
                raise self._fatal
            if all(one.error for one in self.followed):
                raise self.followed[0].error or StaleError("no source is left")
            self._changed.clear()
            due = [(self._due(one), one) for one in self.followed if self._has(one)]
            now = loop.time()
            ready = [one for at, one in due if at <= now]
            if not ready:
                await self._wait(min(at for at, _ in due) - now if due else None)
            elif taken := await self._take(ready[0]):
                return taken

    def _has(self, one: Followed) -> bool:
        return one.error is None and one.series is not None and one.told > self._chain.number

    def _due(self, one: Followed) -> float:
        """When to fetch from a source: at once, unless one before it works and may have the same in a moment."""
        before = self.followed[: self.followed.index(one)]
        waits = any(other.working and not self._has(other) for other in before)
        return max(one.rests_until, one.told_at + (self._terms.timing.first if waits else 0))

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _take(self, one: Followed) -> list[Taken]:
        """What follows, from one source; empty when it has nothing (yet) or gives nothing that can be used."""
        try:
            taken = await self._fetch(one)
        except (
            NotYet
        ):  # one of several servers may be a moment behind; an older history is refused by listening
            taken = []
        except SkrutiniumError as error:
            self._trouble(one, error)
            return []
        if not taken:
            one.failed += 1
            pause = self._terms.timing.poll * min(1 << min(one.failed - 1, 8), _LONGEST_PAUSE)
            one.rest(spread(pause, self._terms.pick))
            if self._chain.sha256 is not None and one.told > self._chain.number + 1:
                due = self._chain.number + 1
                one.fetching = f"release {due} is not there; {due + 1} to {one.told} wait for it"
            return []
        one.failed, one.damaged, one.fetching = 0, 0, None
        one.lively()
        for each in taken:
            self._history.add(each.manifest.release, each.sha256, one.where)
            one.prove(each.manifest.release)
        return taken

    def _trouble(self, one: Followed, error: SkrutiniumError) -> None:
        passing = isinstance(error, _RETRIED)
        if isinstance(error, DamagedError | SchemaError):
            one.damaged += 1
            passing = one.damaged < _DAMAGED_TRIES
        if not passing:
            one.set_aside(self._named(one, error))
            return
        one.failed += 1
        one.fetching = f"fetching: {error.message}"
        _log.info("%s: %s", one.where, one.fetching)
        one.rest(self._pauses.pause(one.failed, error))

    def _named(self, one: Followed, error: SkrutiniumError) -> SkrutiniumError:
        """A break of the chain between two sources names both."""
        other = self._history.source(self._chain.number)
        if not isinstance(error, ChainError) or other in (None, one.where):
            return error
        return ChainError(
            f"{error.message}; release {self._chain.number} came from {other}", address=one.where
        )

    async def _fetch(self, one: Followed) -> list[Taken]:
        """What follows; the chain moves only when all of it is right."""
        assert one.series is not None
        trial = self._chain.copy()
        if trial.sha256 is None:
            taken = await read_newest(one.series, trial, one.where)
        elif one.feed is not None:
            taken = await read_changes(one.feed, trial, self._put, one.where, choice=self._terms.choice)
        else:
            taken = await read_manifests(one.series, trial, one.where)
        self._chain.number, self._chain.sha256 = trial.number, trial.sha256
        return taken

    # ---------------------------------------------------------------- how it is
    @property
    def health(self) -> Health:
        """How things are now."""
        usable = [one for one in self.followed if one.error is None] or self.followed
        best = next((one for one in usable if one.working), usable[0])
        liveliest = min(usable, key=lambda one: one.silent)
        told = self.board.notices
        return Health(
            best.channel,
            liveliest.silent > self._terms.timing.stale_after,
            liveliest.silent,
            liveliest.heartbeat,
            self._told_trouble(),
            told.open,
            told.second_site,
            tuple(one.health for one in self.followed),
        )

    def _told_trouble(self) -> str | None:
        if len(self.followed) == 1:
            return self.followed[0].told_trouble
        told = [f"{one.where}: {one.told_trouble}" for one in self.followed if one.told_trouble]
        return "; ".join(told) or None

    async def _watch(self) -> None:
        """The operator's notices, the second site, and patience."""
        terms, loop = self._terms, asyncio.get_running_loop()
        board_due = 0.0
        while True:
            if loop.time() >= board_due:
                board_due = loop.time() + spread(terms.timing.notices, terms.pick)
                await self._read_notices()
                await self._follow_second_site()
            health = self.health
            if terms.silence is not None and health.silent > max(terms.silence, terms.timing.stale_after):
                raise StaleError(
                    f"no sign of life from the publisher for {health.silent:.0f} seconds",
                    address=self.followed[0].where,
                )
            await asyncio.sleep(min(spread(terms.timing.heartbeat, terms.pick), terms.timing.stale_after))

    def _feeds(self) -> list[tuple[Followed, Address]]:
        """Those that may have notices, what works first."""
        usable = sorted((one for one in self.followed if one.error is None), key=lambda one: not one.working)
        return [(one, one.source) for one in usable if isinstance(one.source, Address)]

    async def notices(self) -> Notices:
        """What the operator tells, from the first feed that answers as it should."""
        error: SkrutiniumError | None = None
        for _, feed in self._feeds():
            try:
                return await self.board.read(feed)
            except SkrutiniumError as wrong:
                error = error or wrong
        if error is not None:
            raise error
        return self.board.notices

    async def _read_notices(self) -> None:
        for one, feed in self._feeds():
            try:
                await self.board.read(feed)
            except (*PASSING, AccessRefused, RollbackError) as error:  # a second server may lag
                _log.info("notices: %s", error)
            except SkrutiniumError as error:
                one.set_aside(error)
            else:
                return

    async def _follow_second_site(self) -> None:
        site = self.board.notices.second_site
        if not self._terms.second_site or site == self._second_site:
            return
        self._second_site = site
        for one in [one for one in self._listening if one.second_site]:
            await ended(self._tasks.pop(one))
            del self._listening[one]
            self.followed.remove(one)
            await one.close()
        if site is None or not is_address(site.address):
            return
        if plain_address(site.address).rstrip("/") in [one.where.rstrip("/") for one in self.followed]:
            return
        one = self._second(site.address)
        one.second_site = True
        self.followed.append(one)
        if plain_fingerprint(site.fingerprint) not in self._keys.trusted:
            one.set_aside(
                SignatureError(
                    f"the second site's key {site.fingerprint} is not trusted, so it is not used",
                    address=site.address,
                )
            )
            return
        self._listen(one, strict=False)
