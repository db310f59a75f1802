"""What is to be done about a live test at a moment: pure, the clock comes in.

Source: requirement M6.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from skrutinium_server.election.calendar import Entry
from skrutinium_server.rehearsal.playing import FASTEST, SLOWEST

WHO: Final = "live test"
"""Who opens the runs of live tests, in their records and in the event log."""

TOLD_FOR: Final = datetime.timedelta(days=7)
"""So long it is told that a window passed without its test."""

FILLED: Final = Fraction(9, 10)
"""Where no speed is told the last protocol comes in when so much of the window has passed; the rest is for the end result."""

Standing = Literal["absent", "open", "closed", "foreign"]
"""The run of an entry: not there, open, closed, or a run of that name that somebody else opened."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Its window is still to come."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Plays:
    """Its run is open, or has to be opened; the night goes on in it."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Over:
    """Its run is closed; with ``close`` it has to be."""

    entry: Entry
    close: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """Its window passed while nobody was there to open the run; it is not opened any more."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be played now, for the reason ``why``; with ``close`` its run is open and has to be closed."""

    entry: Entry
    why: str
    close: bool = False


Duty = Waits | Plays | Over | Missed | Refused


def duty(
    entry: Entry, now: datetime.datetime, standing: Standing, live: Collection[str], event: str | None
) -> Duty:
    """What is to be done at ``now``; ``live``: events with a live run open, ``event``: that of the run, None when it is not known yet."""
    if standing == "foreign" and now < entry.to:
        why = f"there is another run {entry.id!r}, which no live test opened; give the entry another id"
        return Refused(entry, why)
    if now >= entry.to:
        if standing == "absent":
            return Missed(entry)
        return Over(entry, close=standing == "open")
    if now < entry.from_ and standing == "absent":
        return Waits(entry)
    if standing == "closed":
        return Over(entry)
    if event in live:
        why = f"the event {event} has a live run open, and nothing else of it may be opened or read by test ranges"
        return Refused(entry, why, close=standing == "open")
    return Plays(entry)


def left_over(entries: Iterable[Entry], standings: Mapping[str, Standing]) -> tuple[str, ...]:
    """Runs of live tests that are open although the calendar does not have their entry any more: they have to be closed."""
    known = {entry.id for entry in entries}
    return tuple(
        sorted(run for run, standing in standings.items() if standing == "open" and run not in known)
    )


def speed_of(entry: Entry, length: datetime.timedelta) -> Fraction:
    """How fast a night of that length is played in the window of the entry."""
    assert entry.plays is not None
    if entry.plays.speed is not None:
        return entry.plays.speed
    window = _microseconds(entry.to - entry.from_) * FILLED
    return min(max(_microseconds(length) / window, SLOWEST), FASTEST)


def position(
    entry: Entry, now: datetime.datetime, begins: datetime.datetime, speed: Fraction
) -> datetime.datetime:
    """The night's time at ``now``: where it would be had it been played since the window opened."""
    passed = _microseconds(max(now - entry.from_, datetime.timedelta()))
    return begins + datetime.timedelta(microseconds=int(passed * speed))


def _microseconds(time: datetime.timedelta) -> Fraction:
    return Fraction(time // datetime.timedelta(microseconds=1))
