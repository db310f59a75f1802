"""Learning that there is something new: push while it works, polling while it does not, and the publisher's heartbeat.

What push says is only a hint: every release is fetched and checked before it counts.
"""

import asyncio
import datetime
import logging
from dataclasses import dataclass
from typing import Literal

from skrutinium.documents.notices import Incident, Notices, SecondSite, read_notices
from skrutinium.documents.series import Heartbeat
from skrutinium.documents.series_reading import read_heartbeat, read_manifest
from skrutinium.errors import (
    AccessRefused,
    DamagedError,
    LimitReached,
    MixedPhases,
    NetworkError,
    NotYet,
    RollbackError,
    SchemaError,
    ServerFault,
    SkrutiniumError,
    StaleError,
)
from skrutinium.sources.address import Address, AddressSeries
from skrutinium.sources.push import events
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

_log = logging.getLogger("skrutinium")
_PASSING = (NetworkError, ServerFault, LimitReached, NotYet, DamagedError, SchemaError)
"""Trouble that may pass: tried again for as long as it takes."""

Channel = Literal["push", "poll", "none"]


@dataclass(frozen=True, slots=True)
class Timing:
    """How often to look, in seconds; the defaults suit an election night."""

    poll: float = 2
    heartbeat: float = 10
    notices: float = 30
    stale_after: float = 45
    push_retry: float = 30
    rollback_grace: float = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How the connection is: by which channel, whether the publisher is silent and since when, and what the trouble is.

    ``incidents`` are those that the operator tells of and that go on; ``second_site`` is where else the same is read.
    """

    channel: Channel
    stale: bool
    silent: float
    heartbeat: Heartbeat | None
    trouble: str | None
    incidents: tuple[Incident, ...] = ()
    second_site: SecondSite | None = None


class NoticeBoard:
    """The newest notices of a feed, checked; they never go back."""

    def __init__(self, source: Address, keys: KeyRing) -> None:
        self._source = source
        self._keys = keys
        self._etag: str | None = None
        self.notices = Notices()

    async def read(self) -> Notices:
        """What is told now: nothing before the first notice. Raises :class:`RollbackError` for an older version."""
        where = f"{self._source.where}/notices.xml"
        try:
            answer = await self._source.notices(self._etag)
        except NotYet:
            if self.notices.number:
                raise
            return self.notices
        if answer.body is not None:
            notices = read_notices(await self._keys.signed(answer.body, where), where)
            if notices.number < self.notices.number:
                raise RollbackError(
                    f"notices {notices.number} are offered, but {self.notices.number} were seen",
                    address=where,
                )
            self.notices, self._etag = notices, answer.etag
        return self.notices


class News:
    """What a feed says is the newest; runs in two tasks between :meth:`start` and :meth:`stop`."""

    def __init__(
        self,
        source: AddressSeries,
        keys: KeyRing,
        chain: Chain,
        board: NoticeBoard,
        timing: Timing,
        patience: float | None,
    ) -> None:
        self._source = source
        self._keys = keys
        self._chain = chain
        self._board = board
        self._board_due = 0.0
        self._timing = timing
        self._patience = patience
        self._told = 0
        self._etag: str | None = None
        self._older_since: float | None = None
        self._channel: Channel = "none"
        self._heartbeat: Heartbeat | None = None
        self._lively = 0.0
        self._fatal: SkrutiniumError | None = None
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._lively = asyncio.get_running_loop().time()
        self._tasks = [asyncio.create_task(self._guarded(work)) for work in ("listen", "watch")]

    async def stop(self) -> None:
        """End both tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    @property
    def health(self) -> Health:
        """How things are now."""
        silent = asyncio.get_running_loop().time() - self._lively
        told = self._board.notices
        return Health(
            self._channel,
            silent > self._timing.stale_after,
            silent,
            self._heartbeat,
            self.trouble,
            told.open,
            told.second_site,
        )

    def lively(self) -> None:
        """Note a sign of life."""
        self._lively = asyncio.get_running_loop().time()

    def forget(self, number: int) -> None:
        """Take back what was told beyond ``number``: it turned out not to be there yet."""
        self._told = min(self._told, number)
        self._etag = None  # or "not modified" would never tell it again

    async def newer_than(self, number: int) -> None:
        """Wait until a release after ``number`` is told; raises what cannot pass."""
        while self._told <= number:
            if self._fatal is not None:
                raise self._fatal
            self._changed.clear()
            await self._changed.wait()

    def _tell(self, number: int) -> None:
        if number > self._told:
            self._told = number
            self._changed.set()

    async def _guarded(self, work: Literal["listen", "watch"]) -> None:
        try:
            await (self._listen() if work == "listen" else self._watch())
        except SkrutiniumError as error:
            self._fatal = error
            self._changed.set()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._follow_push()
            except (*_PASSING, AccessRefused) as error:
                self._note("push", error)
            pause = self._timing.push_retry if loop.time() - began < self._timing.poll * 2 else 0.0
            until = loop.time() + pause
            await self._poll()
            while loop.time() < until:
                await asyncio.sleep(self._timing.poll)
                await self._poll()

    async def _follow_push(self) -> None:
        number = self._chain.number
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(number)} if number else {})
        silence = self._timing.stale_after
        async with self._source.transport.open(
            f"{self._source.prefix}/push", headers, silence=silence
        ) as response:
            async for event in events(response):
                self._channel, self.trouble = "push", None
                first = event.data.split(" ", 1)[0]
                if event.kind in ("release", "heartbeat") and first.isdecimal():
                    self._tell(int(first))

    async def _poll(self) -> None:
        self._channel = "poll"
        try:
            answer = await self._source.newest_manifest(self._etag)
            manifest = None if answer.body is None else read_manifest(answer.body, answer.address)
        except _PASSING as error:
            self._channel = "none"
            self._note("poll", error)
            return
        self.trouble = None
        if manifest is None:
            return
        self._chain.check_run(manifest, answer.address)
        if manifest.release < self._chain.number:
            self._refuse_older(manifest.release, answer.address)
            return
        self._older_since = None
        self._etag = answer.etag
        self._tell(manifest.release)

    def _refuse_older(self, number: int, address: str) -> None:
        """An older release is ignored for a moment (a second server may lag), then it is an error."""
        now = asyncio.get_running_loop().time()
        self._older_since = self._older_since or now
        if now - self._older_since >= self._timing.rollback_grace:
            raise RollbackError(
                f"release {number} is offered, but {self._chain.number} was seen", address=address
            )

    async def _watch(self) -> None:
        while True:
            try:
                await self._read_heartbeat()
            except (*_PASSING, AccessRefused) as error:
                self._note("heartbeat", error)
            await self._read_notices()
            health = self.health
            if self._patience is not None and health.silent > max(self._patience, self._timing.stale_after):
                raise StaleError(
                    f"no sign of life from the publisher for {health.silent:.0f} seconds",
                    address=self._source.where,
                )
            await asyncio.sleep(self._timing.heartbeat)

    async def _read_notices(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._board_due:
            return
        self._board_due = now + self._timing.notices
        try:
            await self._board.read()
        except (*_PASSING, AccessRefused, RollbackError) as error:  # a second server may lag
            self._note("notices", error)

    async def _read_heartbeat(self) -> None:
        where = f"{self._source.where}/heartbeat.xml"
        body = await self._keys.signed(await self._source.heartbeat(), where)
        heartbeat = read_heartbeat(body, where)
        if heartbeat.run == self._chain.run.id and heartbeat.phase != self._chain.run.phase:
            raise MixedPhases(f"the heartbeat is of phase {heartbeat.phase}", address=where)
        if heartbeat.run != self._chain.run.id:
            return
        if self._heartbeat is None or heartbeat.alive > self._heartbeat.alive:
            if self._heartbeat is not None:
                self.lively()
            else:  # the first one met: only by this machine's clock can it be known to be old
                age = (datetime.datetime.now(datetime.UTC) - heartbeat.alive).total_seconds()
                if age > self._timing.stale_after:
                    self._lively -= age
            self._heartbeat = heartbeat
        self._tell(heartbeat.release)

    def _note(self, what: str, error: SkrutiniumError) -> None:
        self.trouble = f"{what}: {error.message}"
        _log.info("%s", self.trouble)
