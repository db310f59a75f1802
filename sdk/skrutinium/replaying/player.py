"""Where a replay is: what has happened so far, and when the next thing happens. Its clock is handed in."""

import asyncio
import datetime
from collections.abc import Callable
from fractions import Fraction

from skrutinium.replaying.recording import SERIES, Moment, Recording


class Player:
    """Plays a recording; ``clock`` tells seconds, as the loop does; ``speed`` is how many times as fast as it was.

    ``pause_at`` is a release at which it pauses by itself; with ``again`` it begins anew at the end.
    """

    def __init__(
        self,
        recording: Recording,
        clock: Callable[[], float],
        *,
        speed: Fraction = Fraction(1),
        pause_at: int | None = None,
        again: bool = False,
    ) -> None:
        self.recording = recording
        self.speed = speed
        self.changed = asyncio.Condition()
        self.turns = 0
        self._clock = clock
        self._pause_at = pause_at
        self._again = again
        self._steer = asyncio.Event()
        self._paused = False
        self._next = 0
        self._position = recording.moments[0].at
        self._since = clock()
        self._forget()

    def _forget(self) -> None:
        self.released = dict.fromkeys(self.recording.series, 0)
        self.state = self.recording.state
        self.notices: bytes | None = None
        self.heartbeat: bytes | None = None
        self.status: bytes | None = None
        self.out = False

    # ---------------------------------------------------------------- where it is
    @property
    def position(self) -> datetime.datetime:
        """The time of the recording that it is now."""
        if self._paused or self.ended:
            return self._position
        passed = Fraction(self._clock() - self._since) * self.speed
        return self._position + datetime.timedelta(seconds=float(passed))

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    @property
    def ended(self) -> bool:
        """Whether everything has happened."""
        return self._next >= len(self.recording.moments)

    # ---------------------------------------------------------------- steering
    def pause(self, paused: bool) -> None:
        """Stand still, or go on."""
        self._settle(self.position)
        self._paused = paused
        self._steer.set()

    async def seek(self, number: int | None = None, time: datetime.datetime | None = None) -> None:
        """Go to the moment of a release, or to a time; what happened before has happened then. Raises ValueError for no such release."""
        moments = self.recording.moments
        if number is not None:
            times = [
                one.at for one in moments if (one.what, one.series, one.number) == ("release", SERIES, number)
            ]
            if not times:
                raise ValueError(
                    f"there is no release {number}, but 1 to {len(self.recording.series[SERIES].times)}"
                )
            time = times[0]
        assert time is not None
        if time < self.position:
            self.turns += 1
        self._forget()
        self._next = 0
        while not self.ended and moments[self._next].at <= time and self.released[SERIES] != number:
            self._happen(moments[self._next])
            self._next += 1
        self._settle(time)
        await self._tell()
        self._steer.set()

    def _settle(self, position: datetime.datetime) -> None:
        self._position, self._since = position, self._clock()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    # ---------------------------------------------------------------- playing
    async def run(self) -> None:
        """Let things happen when they are due; returns at the end, never with ``again``."""
        moments = self.recording.moments
        while True:
            self._steer.clear()
            if self.ended:
                if not self._again:
                    return
                await self.seek(time=moments[0].at)
            wait = None
            if not self._paused:
                due = self._seconds(moments[self._next].at - self.position)
                if due <= 0:
                    await self._step()
                    continue
                wait = due
            try:
                async with asyncio.timeout(wait):
                    await self._steer.wait()
            except TimeoutError:
                pass

    def _seconds(self, distance: datetime.timedelta) -> float:
        return float(Fraction(distance / datetime.timedelta(microseconds=1)) / 1_000_000 / self.speed)

    async def _step(self) -> None:
        moment = self.recording.moments[self._next]
        self._happen(moment)
        self._next += 1
        if self.ended:
            self._settle(moment.at)
        if moment.what == "release" and (moment.series, moment.number) == (SERIES, self._pause_at):
            self._settle(moment.at)
            self._paused = True
        await self._tell()

    def _happen(self, moment: Moment) -> None:
        match moment.what:
            case "release":
                self.released[moment.series] = max(moment.number, self.released[moment.series])
            case "state":
                self.state = moment.data
            case "notices":
                self.notices = moment.data
            case "heartbeat":
                self.heartbeat = moment.data
            case "status":
                self.status = moment.data
            case "outage" | "back":
                self.out = moment.what == "outage"
            case _:
                pass  # a kind of moment that a later version records
