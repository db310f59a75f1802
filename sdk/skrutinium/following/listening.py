"""Learning from one source that there is something new: push while it works, long poll while it does not, else polling.

What is told is only a hint: every release is fetched and checked before it counts. The first source in order that works is
listened to closely; the others are looked at now and then, so that nothing is missed that only one of them has.
"""

import asyncio
import datetime
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from skrutinium.documents.series_reading import read_heartbeat, read_manifest
from skrutinium.errors import (
    AccessRefused,
    ChainError,
    LimitReached,
    MixedPhases,
    NetworkError,
    NotYet,
    RollbackError,
    SkrutiniumError,
)
from skrutinium.following.followed import PASSING, Followed, History
from skrutinium.following.news import Timing
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.mail.source import MailSource
from skrutinium.sources.push import events
from skrutinium.sources.transport import Answer, spread
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

_LONGEST_PAUSE = 8
"""Times the usual pause, after which a source or push that fails is tried again."""


def utc_now() -> datetime.datetime:
    """The time by this machine's clock."""
    return datetime.datetime.now(datetime.UTC)


class Listening:
    """Listens to one source; :meth:`run` goes on until it is cancelled.

    ``strict``: an older release than was seen is an error there, not only a source that is behind.
    """

    def __init__(
        self,
        followed: Followed,
        keys: KeyRing,
        chain: Chain,
        history: History,
        timing: Timing,
        pick: Callable[[], float],
        *,
        strict: bool,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self.followed = followed
        self._keys = keys
        self._chain = chain
        self._history = history
        self._timing = timing
        self._pick = pick
        self._strict = strict
        self._clock = clock
        self._closely = False
        self._turn = asyncio.Event()
        self._etag: str | None = None
        self._older_since: float | None = None
        self._pushing = False
        self._pushed = 0
        self._push_failed = 0
        self._push_due = 0.0
        self._push_limit: asyncio.Timeout | None = None
        self._late: int | None = None
        self._heard: tuple[int, str | None] = 0, None
        self._wait_due = 0.0

    def closely(self, now: bool) -> None:
        """Whether this source is listened to, or only looked at now and then."""
        if now is not self._closely:
            self._closely = now
            self._turn.set()

    async def run(self) -> None:
        """Listen for ever; what must not be trusted sets the source aside for a while."""
        followed = self.followed
        while True:
            aside = asyncio.ensure_future(followed.put_aside.wait())
            work = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
            try:
                done, _ = await asyncio.wait([aside, *work], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await ended(aside, *work)
            for task in done - {aside}:
                try:
                    task.result()
                except SkrutiniumError as error:
                    followed.set_aside(error)
            await asyncio.sleep(spread(self._timing.again, self._pick))
            self._etag, self._older_since = None, None
            followed.take_back()

    # ---------------------------------------------------------------- news
    async def _listen(self) -> None:
        failed = 0
        while True:
            try:
                await self.followed.open_series(self._chain.run)
                await self._look()
                failed = 0
                feed = self.followed.feed
                if self._closely and feed is not None and self._older_since is None:
                    await self._listen_closely(feed)
                    continue
            except (*PASSING, AccessRefused) as error:
                failed += 1
                self.followed.fails("looking", error)
                pause = self._pause(failed, error)
            else:
                pause = spread(self._timing.poll if self._closely else self._timing.others, self._pick)
            self._turn.clear()
            await self._unless_turned(self._rest(pause))

    async def _rest(self, pause: float) -> None:
        """Until it is worth looking again: mails may tell earlier that they came."""
        source = self.followed.source
        await (source.wait(pause) if isinstance(source, MailSource) else asyncio.sleep(pause))

    def _pause(self, failed: int, error: SkrutiniumError) -> float:
        """Seconds before looking again: as the server asks, else longer and longer."""
        usual = self._timing.poll if self._closely else self._timing.others
        pause = spread(min(usual * (1 << min(failed - 1, 16)), usual * _LONGEST_PAUSE), self._pick)
        if isinstance(error, LimitReached) and error.wait is not None:
            return max(pause, error.wait * (1 + self._pick()))
        return pause

    async def _unless_turned(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, but leave it when it is no longer the way."""
        doing = asyncio.create_task(work)
        turned = asyncio.ensure_future(self._turn.wait())
        try:
            await asyncio.wait([doing, turned], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            await ended(doing, turned)

    async def _listen_closely(self, feed: AddressSeries) -> None:
        """Push, and what stands in while it does not work; returns when another source is listened to."""
        pushing = asyncio.create_task(self._keep_pushing(feed))
        pushing.add_done_callback(lambda _: self._turn.set())
        try:
            await self._unless_turned(asyncio.sleep(spread(self._timing.poll, self._pick)))
            while self._closely:
                if pushing.done():
                    pushing.result()
                self._turn.clear()
                if self._pushing:
                    await self._turn.wait()
                else:
                    await self._unless_turned(self._stand_in(feed))
        finally:
            await ended(pushing)

    async def _stand_in(self, feed: AddressSeries) -> None:
        """One long poll, or a moment and a look where that is not to be had."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._wait_due and self._older_since is None:
            began, self.followed.channel = loop.time(), "long-poll"
            try:
                answer = await feed.look(self._etag, after=self.followed.told, wait=self._timing.wait)
            except LimitReached:
                raise
            except PASSING:  # something in between may not let anybody wait
                self._wait_due = loop.time() + spread(self._timing.push_retry, self._pick)
            else:
                await self._adopt(answer, "long-poll" if answer.waited else "poll")
                if answer.waited and (answer.body is not None or loop.time() - began > self._timing.poll):
                    return
                if not answer.waited:
                    self._wait_due = loop.time() + spread(self._timing.push_retry, self._pick)
        await asyncio.sleep(spread(self._timing.poll, self._pick))
        await self._look()

    async def _look(self) -> None:
        """Ask what the newest is now."""
        series = self.followed.series
        assert series is not None
        if not isinstance(series, AddressSeries):
            number, sha256 = await series.newest()
            self.followed.works("poll")
            await self._hear(number, sha256, series.where)
            return None
        try:
            answer = await series.look(self._etag)
        except NotYet:
            if self.followed.proven == 0 and await self.followed.try_hosted(self._chain.run):
                return await self._look()
            raise
        return await self._adopt(answer, "poll")

    async def _adopt(self, answer: Answer, channel: Any) -> None:
        manifest = None if answer.body is None else read_manifest(answer.body, answer.address)
        self.followed.works(channel)
        if manifest is None or answer.body is None:
            return
        self._chain.check_run(manifest, answer.address)
        if await self._hear(manifest.release, hashlib.sha256(answer.body).hexdigest(), answer.address):
            self._etag = answer.etag

    async def _hear(self, number: int, sha256: str | None, where: str) -> bool:
        """Take note of the newest release of the source; False when it is older than what was seen."""
        self._prove_heard()
        if number < self._newest_seen:
            self._refuse_older(number, where)
            return False
        self._older_since = None
        if sha256 is not None and (other := self._history.other(number, sha256)):
            await self._check_other(number, other)
        self._heard = (number, sha256)
        self.followed.take_for_newest(number)
        self.followed.tell(number, self._chain.number)
        return True

    def _prove_heard(self) -> None:
        """What it gave as its newest is proven when that is what was taken since, from wherever."""
        number, sha256 = self._heard
        if sha256 is not None and self._history.taken(number) == sha256:
            self.followed.prove(number)

    @property
    def _newest_seen(self) -> int:
        """What this source may not go back behind."""
        return max(self.followed.proven, self._chain.number if self._strict else 0)

    def _refuse_older(self, number: int, where: str) -> None:
        """An older release is passed over for a moment (a second server may lag), then it is an error."""
        now = asyncio.get_running_loop().time()
        self._older_since = self._older_since or now
        if now - self._older_since >= self._timing.rollback_grace:
            raise RollbackError(
                f"release {number} is offered, but {self._newest_seen} was seen", address=where
            )

    async def _check_other(self, number: int, other: str) -> None:
        """A release is told with another hash than the one that was taken: what is behind it decides."""
        series = self.followed.series
        assert series is not None
        data, line = await series.manifest(number)
        await self._chain.signed(data, line, series.where)
        if self._history.other(number, hashlib.sha256(data).hexdigest()):
            raise ChainError(
                f"release {number} is there with another content than the one from {other}, rightly signed both",
                address=series.where,
            )

    # ---------------------------------------------------------------- push
    async def _keep_pushing(self, feed: AddressSeries) -> None:
        """Push, again and again; what keeps failing is tried less and less often."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.0, self._push_due - loop.time()))
            began, trouble = loop.time(), False
            try:
                await self._push(feed)
            except (*PASSING, AccessRefused) as error:
                trouble = True
                self.followed.note("push", error)
            finally:
                self._push_limit = None
                if self._pushing:
                    self._pushing = False
                    self._turn.set()
            if loop.time() - began >= self._timing.push_silence * 2 or not trouble:
                self._push_failed = 0
                pause = spread(self._timing.poll, self._pick)
            else:
                self._push_failed += 1
                pause = self._timing.push_retry * min(1 << min(self._push_failed - 1, 8), _LONGEST_PAUSE)
            self._push_due = loop.time() + spread(pause, self._pick)

    async def _push(self, feed: AddressSeries) -> None:
        number = self._chain.number
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(number)} if number else {})
        try:
            async with (
                asyncio.timeout(None) as self._push_limit,
                feed.transport.open(
                    f"{feed.prefix}/push", headers, silence=self._timing.push_silence
                ) as response,
            ):
                async for event in events(response):
                    self._begin_pushing()
                    told = event.data.split(" ", 2)
                    if event.kind in ("release", "heartbeat") and told[0].isascii() and told[0].isdigit():
                        await self._hear_pushed(int(told[0][:9]), event.kind, told[-1])
        except TimeoutError:
            raise NetworkError(
                "what the feed pushes is held back by something in between", address=feed.where
            ) from None

    def _begin_pushing(self) -> None:
        self.followed.works("push")
        if not self._pushing:
            self._pushing, self._late = True, None
            self._turn.set()

    async def _hear_pushed(self, number: int, kind: str, last: str) -> None:
        """What is behind the newest is told after a break; only a heartbeat tells which one is the newest."""
        self._pushed = number
        self._prove_heard()
        if number < self._newest_seen:
            if kind == "heartbeat":
                self._refuse_older(number, self.followed.where)
            return
        self._older_since = None
        if kind == "release" and len(last) == 64 and (other := self._history.other(number, last)):
            await self._check_other(number, other)
        self.followed.tell(number, self._chain.number)

    def _leave_late_push(self, number: int) -> None:
        """A heartbeat that was read tells of release ``number``: a stream that is silent about it twice is left."""
        if not self._pushing or self._pushed >= number:
            self._late = None
        elif self._late is None or self._push_limit is None:
            self._late = number
        elif self._pushed < self._late:
            self._late = None
            self._push_limit.reschedule(asyncio.get_running_loop().time())

    # ---------------------------------------------------------------- the publisher's sign of life
    async def _watch(self) -> None:
        while True:
            if self.followed.series is not None:
                try:
                    await self._read_heartbeat()
                except NotYet:
                    pass  # a source without a heartbeat: silence tells
                except (*PASSING, AccessRefused) as error:
                    self.followed.note("heartbeat", error)
            await asyncio.sleep(spread(self._timing.heartbeat, self._pick))

    async def _read_heartbeat(self) -> None:
        followed = self.followed
        assert followed.series is not None
        where = f"{followed.series.where}/heartbeat.xml"
        heartbeat = read_heartbeat(await self._keys.signed(await followed.series.heartbeat(), where), where)
        run = self._chain.run
        if heartbeat.run == run.id and heartbeat.phase != run.phase:
            raise MixedPhases(f"the heartbeat is of phase {heartbeat.phase}", address=where)
        if (heartbeat.event, heartbeat.run) != (run.event, run.id):
            return
        before = followed.heartbeat
        if before is None or heartbeat.alive > before.alive:
            if before is not None:
                followed.lively()
            else:  # the first one met: only by this machine's clock can it be known to be old
                age = (self._clock() - heartbeat.alive).total_seconds()
                followed.lively(age if age > self._timing.stale_after else 0)
            followed.heartbeat = heartbeat
        followed.prove(heartbeat.release)
        followed.take_for_newest(heartbeat.release)
        followed.tell(heartbeat.release, self._chain.number)
        self._leave_late_push(heartbeat.release)


async def ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and wait until they have let go."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
