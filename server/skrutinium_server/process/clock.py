"""The run's clock: the wall clock, or the recorded time of a night that is replayed at some speed."""

import datetime
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

from skrutinium_server.election.law import Law

WallTime = Callable[[], datetime.datetime]
Monotonic = Callable[[], float]

STANDS = 5
"""Seconds that a clock told to stand does so: a replay that has ended or was killed must not stop the time of its run."""


PAST = datetime.timedelta(days=3)
"""An event whose first day lies further back is not under way any more: what runs is its past night."""


def wall_time() -> datetime.datetime:
    """Now, aware, UTC."""
    return datetime.datetime.now(datetime.UTC)


class RunClock:
    """Tells the time of a run.

    Until :meth:`follow` is called it is the wall clock. Afterwards it starts from the given time and goes ``speed`` times
    as fast as real time. It never goes back, whatever the wall clock does, but for the first time it is told.
    """

    def __init__(self, wall: WallTime = wall_time, monotonic: Monotonic = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._anchor: tuple[datetime.datetime, float, int] | None = None
        self._latest: datetime.datetime | None = None

    def not_before(self, moment: datetime.datetime) -> None:
        """It was ``moment`` already."""
        self._latest = moment if self._latest is None else max(self._latest, moment)

    def follow(self, now: datetime.datetime, speed: int) -> None:
        """From here on it is ``now``, and time passes ``speed`` times as fast (0: it stands until told again, or :data:`STANDS`)."""
        if self._anchor is None:
            self._latest = None
        else:
            now = max(now, self.now())
        self._anchor = (now, self._monotonic(), speed)

    def now(self) -> datetime.datetime:
        """The run's time, aware, UTC."""
        self.not_before(self._wall() if self._anchor is None else self._followed(*self._anchor))
        assert self._latest is not None
        return self._latest

    def _followed(self, start: datetime.datetime, at: float, speed: int) -> datetime.datetime:
        passed = int((self._monotonic() - at) * 1_000_000)
        if speed == 0:
            passed, speed = max(0, passed - STANDS * 1_000_000), 1
        return start + datetime.timedelta(microseconds=passed) * speed


def clock_start(
    date: datetime.date | None, law: Law, last: datetime.datetime | None, wall: datetime.datetime
) -> datetime.datetime:
    """Where the clock of a test or rehearsal starts: at the wall's time, but on the day of an event that is long past.

    So the times of a replayed night never go back. ``last`` is the time of the newest entry; the clock is never before it.
    """
    start = wall
    if date is not None:
        day = datetime.datetime.combine(date, datetime.time(), ZoneInfo(law.time_zone)).astimezone(
            datetime.UTC
        )
        start = day if wall - day > PAST else wall
    if last is None:
        return start
    # Up to the event the clock is the wall's; after it, it goes on from where the run was.
    return max(last, wall if start == wall else last)
