"""One of the sources that are followed: what it told last, how it does, and whether it is used."""

import asyncio
import datetime
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from skrutinium.documents.series import FeedState, Heartbeat, Run
from skrutinium.documents.series_reading import read_state
from skrutinium.errors import (
    DamagedError,
    LimitReached,
    MixedPhases,
    NetworkError,
    NotYet,
    RollbackError,
    SchemaError,
    ServerFault,
    SkrutiniumError,
)
from skrutinium.following.news import Channel, SourceHealth, Timing
from skrutinium.sources.address import Address, AddressSeries
from skrutinium.sources.hosted import Hosted
from skrutinium.sources.source import SeriesSource, Source
from skrutinium.trust.signing import KeyRing

_log = logging.getLogger("skrutinium")
SERIES = "skrutinium"
PASSING = (NetworkError, ServerFault, LimitReached, NotYet, DamagedError, SchemaError)
"""Trouble that may pass: tried again for as long as it takes."""
_REMEMBERED = 512


class History:
    """Which manifest was taken under which number, and from where; the last ones."""

    def __init__(self) -> None:
        self._taken: OrderedDict[int, tuple[str, str]] = OrderedDict()

    def add(self, number: int, sha256: str, where: str) -> None:
        """Remember what was taken."""
        self._taken[number] = (sha256, where)
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)

    def taken(self, number: int) -> str | None:
        """The hash of the manifest that was taken under that number; None when none was."""
        return self._taken.get(number, (None, ""))[0]

    def source(self, number: int) -> str | None:
        """Where the manifest of that number was taken from; None when it was not."""
        return self._taken.get(number, (None, None))[1]

    def other(self, number: int, sha256: str) -> str | None:
        """Where another manifest of that number was taken from; None when none was."""
        held, where = self._taken.get(number, (sha256, ""))
        return None if held == sha256 else where


class Followed:
    """A source: opened when it answers for the first time, set aside when it gives what must not be trusted."""

    def __init__(
        self,
        where: str,
        opening: Callable[[], Awaitable[Source]],
        keys: KeyRing,
        timing: Timing,
        changed: Callable[[], None],
        state_number: int = 0,
        *,
        owned: bool = True,
    ) -> None:
        self.where = where
        self._opening = opening
        self._keys = keys
        self._timing = timing
        self._changed = changed
        self._owned = owned
        self.state_number = state_number
        self.second_site = False
        self.source: Source | None = None
        self.series: SeriesSource | None = None
        self.told = 0
        self.told_at = 0.0
        self.proven = 0
        self._raised_at = 0.0
        self._door = asyncio.Lock()
        self._closed = False
        self.rests_until = 0.0
        self.failed = self.damaged = 0
        self.channel: Channel = "none"
        self.working = False
        self.heartbeat: Heartbeat | None = None
        self.trouble: str | None = None
        self.fetching: str | None = None
        self.error: SkrutiniumError | None = None
        self.put_aside = asyncio.Event()
        self._seen: datetime.datetime | None = None
        self._lively = asyncio.get_running_loop().time()

    # ---------------------------------------------------------------- opening
    async def opened(self) -> Source:
        """The source itself, opened once however many ask; raises what opening it raises."""
        async with self._door:
            if self._closed:
                raise SkrutiniumError("this is closed", address=self.where)
            if self.source is None:
                self.source = await self._opening()
                self.where = self.source.where
            return self.source

    async def state(self) -> FeedState:
        """Its signed state as it is now; raises :class:`RollbackError` when it goes back."""
        source = await self.opened()
        where = f"{source.where}/state.xml"
        state = read_state(await self._keys.signed(await source.state(), where), where)
        if state.number < self.state_number:
            raise RollbackError(
                f"state {state.number} is offered, but {self.state_number} was seen", address=where
            )
        self.state_number = state.number
        return state

    async def open_series(self, run: Run) -> SeriesSource:
        """The series of the run that is followed, as this source has it; raises what its state raises."""
        if self.series is None:
            source = await self.opened()
            theirs = run
            try:
                state = await self.state()
            except NotYet:
                if isinstance(source, Address):  # at a feed it takes the state to know where a run lies
                    raise
            else:
                theirs = _same(run, state, source.where)
            self.series = source.series(theirs, SERIES)
        return self.series

    @property
    def address(self) -> Address | None:
        """The address, where the source is a feed."""
        source = self.source
        return source if isinstance(source, Address) and not isinstance(source, Hosted) else None

    async def try_hosted(self, run: Run) -> bool:
        """Whether it is no feed but a release store behind a web server, which is then read as such."""
        if self.address is None:
            return False
        hosted = Hosted(self.address.transport)
        series = hosted.series(run, SERIES)
        try:
            await series.newest()
        except SkrutiniumError:
            return False
        self.source, self.series = hosted, series
        return True

    @property
    def feed(self) -> AddressSeries | None:
        """The series of a feed, which has more than others: push, long poll, changes."""
        return self.series if isinstance(self.series, AddressSeries) else None

    async def close(self) -> None:
        """Let go of what was opened here; what is being opened is waited for."""
        async with self._door:
            self._closed = True
            if self.source is not None and self._owned:
                await self.source.close()

    # ---------------------------------------------------------------- what it told
    def tell(self, number: int, beyond: int) -> None:
        """It says that it has release ``number``, which is only a reason to look; told since when it has more than ``beyond``."""
        if number > self.told:
            self._raised_at = asyncio.get_running_loop().time()
            if self.told <= beyond:
                self.told_at = self._raised_at
            self.told = number
            self._changed()

    def prove(self, number: int) -> None:
        """It had release ``number``: something signed said so, or what was taken. It may not go back behind it."""
        self.proven = max(self.proven, number)

    def take_for_newest(self, number: int) -> None:
        """What it gives as its newest is ``number``: more that it told a while ago is not there (behind one address one server may lag)."""
        late = asyncio.get_running_loop().time() - self._raised_at >= self._timing.rollback_grace
        if number < self.told and late:
            self.told, self.fetching = number, None
            self.failed, self.rests_until = 0, 0.0  # it was asked in vain for what nobody has
            self._changed()

    def rest(self, seconds: float) -> None:
        """Nothing is fetched from it for a moment."""
        self.rests_until = asyncio.get_running_loop().time() + seconds

    # ---------------------------------------------------------------- how it does
    def works(self, channel: Channel) -> None:
        """It answered as it should."""
        self._seen = datetime.datetime.now(datetime.UTC)
        self.channel, self.trouble = channel, None
        if not self.working:
            self.working = True
            self._changed()

    def fails(self, what: str, error: SkrutiniumError) -> None:
        """It did not answer as it should."""
        self.channel = "none"
        self.note(what, error)
        if self.working:
            self.working = False
            self._changed()

    def note(self, what: str, error: SkrutiniumError) -> None:
        """Something is wrong with part of it."""
        self.trouble = f"{what}: {error.message}"
        _log.info("%s: %s", self.where, self.trouble)

    def set_aside(self, error: SkrutiniumError) -> None:
        """It gave what must not be trusted, or refuses: it is not used for a while."""
        if self.error is None:
            _log.warning("%s is set aside: %s", self.where, error)
        self.error, self.trouble = error, error.message
        self.channel, self.working = "none", False
        self.put_aside.set()
        self._changed()

    def take_back(self) -> None:
        """Look at it again as if for the first time."""
        self.error, self.damaged, self.fetching = None, 0, None
        self.told, self.rests_until = 0, 0.0
        self.put_aside.clear()

    def lively(self, ago: float = 0) -> None:
        """Note a sign of life of the publisher."""
        self._lively = asyncio.get_running_loop().time() - ago

    @property
    def told_trouble(self) -> str | None:
        """What is wrong, until it answers as it should; with fetching, until something could be fetched."""
        return self.trouble or self.fetching

    @property
    def silent(self) -> float:
        """Seconds since the last sign of life of the publisher by this source."""
        return asyncio.get_running_loop().time() - self._lively

    @property
    def health(self) -> SourceHealth:
        """How it does now."""
        return SourceHealth(
            self.where,
            self.channel,
            max(self.told, self.proven) or None,
            self._seen,
            self.told_trouble,
            self.error is not None,
            self.silent > self._timing.stale_after,
            self.silent,
            self.heartbeat,
        )


def _same(run: Run, state: FeedState, where: str) -> Run:
    """The run of that name by another source's state; raises :class:`NotYet`, :class:`MixedPhases`."""
    for theirs in state.runs:
        if (theirs.event, theirs.id) == (run.event, run.id):
            if theirs.phase != run.phase:
                raise MixedPhases(
                    f"run {run.id} is of phase {theirs.phase} there; {run.phase} is followed", address=where
                )
            return theirs
    raise NotYet(f"there is no run {run.id} of {run.event}", address=where)
