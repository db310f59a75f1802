"""The run's clock: the wall clock, or the recorded time of a night that is replayed at some speed."""

import datetime
import time
from collections.abc import Callable

WallTime = Callable[[], datetime.datetime]
Monotonic = Callable[[], float]


def wall_time() -> datetime.datetime:
    """Now, aware, UTC."""
    return datetime.datetime.now(datetime.UTC)


class RunClock:
    """Tells the time of a run.

    Until :meth:`follow` is called it is the wall clock. Afterwards it starts from the given time and goes ``speed`` times
    as fast as real time; it never goes back.
    """

    def __init__(self, wall: WallTime = wall_time, monotonic: Monotonic = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._anchor: tuple[datetime.datetime, float, int] | None = None

    def follow(self, now: datetime.datetime, speed: int) -> None:
        """From here on it is ``now``, and time passes ``speed`` times as fast (0: it stands)."""
        if self._anchor is not None:
            now = max(now, self.now())
        self._anchor = (now, self._monotonic(), speed)

    def now(self) -> datetime.datetime:
        """The run's time, aware, UTC."""
        if self._anchor is None:
            return self._wall()
        start, at, speed = self._anchor
        passed = datetime.timedelta(microseconds=int((self._monotonic() - at) * 1_000_000) * speed)
        return start + passed
