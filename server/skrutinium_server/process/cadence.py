"""When a cut is due. Pure: the circumstances come in, the answer goes out.

Source: design § 6 (cadence of the formats).
"""

import datetime
from dataclasses import dataclass

from skrutinium_server.process.settings import Settings

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def boundary_after(moment: datetime.datetime, seconds: int) -> datetime.datetime:
    """The first whole multiple of ``seconds`` since the epoch that is later than ``moment``."""
    step = datetime.timedelta(seconds=seconds)
    return EPOCH + ((moment - EPOCH) // step + 1) * step


def boundary_at(moment: datetime.datetime, seconds: int) -> datetime.datetime:
    """The last whole multiple of ``seconds`` since the epoch that is not later than ``moment``."""
    step = datetime.timedelta(seconds=seconds)
    return EPOCH + ((moment - EPOCH) // step) * step


@dataclass(slots=True)
class Waiting:
    """What came in since the last cut of a kind: how many, and the run's time of the first."""

    count: int = 0
    since: datetime.datetime | None = None

    def add(self, count: int, now: datetime.datetime) -> None:
        """So many more came in."""
        if count and self.since is None:
            self.since = now
        self.count += count

    def clear(self) -> None:
        """They have been cut."""
        self.count, self.since = 0, None


def volby_due(
    settings: Settings, now: datetime.datetime, aggregate: Waiting, batch: Waiting
) -> tuple[datetime.datetime, bool] | None:
    """The stamp of the ``volby`` cut that is due at the run's time ``now``, and whether it closes a batch; None: nothing is due.

    An interval with nothing new makes neither batch nor aggregates; a boundary belongs to the interval before it.
    """
    if batch.since is not None:
        due = boundary_after(batch.since - datetime.timedelta(microseconds=1), settings.volby_batch_seconds)
        if now > due:
            return due, True
    if aggregate.since is not None:
        due = boundary_after(
            aggregate.since - datetime.timedelta(microseconds=1), settings.volby_aggregate_seconds
        )
        if now > due:
            return boundary_at(now, settings.volby_aggregate_seconds), False
    return None
