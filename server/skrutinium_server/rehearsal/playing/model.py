"""Where a night is that is being played: pure transitions, the clock comes in.

``clock`` is real time in seconds; ``at`` and ``start`` are times of the night, aware.
"""

import bisect
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from skrutinium_server.rehearsal.errors import RehearsalError
from skrutinium_server.rehearsal.replay import Due

LONGEST_STEP: Final = 0.2
"""At most so many seconds of real time, times the speed, pass between two deliveries."""

CHUNK: Final = 500
"""At most so many protocols in one delivery."""

CHUNK_BYTES: Final = 8 * 1024 * 1024
"""At most so many bytes of them, unless a single one is larger."""


@dataclass(frozen=True, slots=True)
class Playing:
    """At ``since`` it was ``start``; time passes ``speed`` times as fast as real time."""

    since: float
    start: datetime.datetime
    speed: Fraction


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing comes in; ``speed`` is that at which it will go on."""

    at: datetime.datetime
    speed: Fraction


@dataclass(frozen=True, slots=True)
class Ended:
    """Everything has come in, since ``since``."""

    at: datetime.datetime
    speed: Fraction
    since: float


State = Playing | Paused | Ended

Point = Fraction | datetime.datetime
"""A point of a night: a share of its protocols from 0 to 1, or a time."""


def position(state: State, clock: float) -> datetime.datetime:
    """The night's time."""
    match state:
        case Playing(since, start, speed):
            return start + _lasting(max(0.0, clock - since), speed)
        case Paused(at) | Ended(at):
            return at


def _lasting(seconds: float, speed: Fraction) -> datetime.timedelta:
    """So much of the night's time passes in real time."""
    return datetime.timedelta(microseconds=int(int(seconds * 1_000_000) * speed))


def paused(state: State, clock: float) -> State:
    """Stand still, also at the end."""
    return Paused(position(state, clock), state.speed)


def going(state: State, clock: float) -> State:
    """Go on; what has ended stays so."""
    return Playing(clock, state.at, state.speed) if isinstance(state, Paused) else state


def at_speed(state: State, clock: float, speed: Fraction) -> State:
    """From here on at another speed."""
    match state:
        case Playing():
            return Playing(clock, position(state, clock), speed)
        case Paused(at):
            return Paused(at, speed)
        case Ended(at, _, since):
            return Ended(at, speed, since)


def moved(state: State, clock: float, at: datetime.datetime) -> State:
    """Be at ``at``, paused when it was, else playing."""
    return Paused(at, state.speed) if isinstance(state, Paused) else Playing(clock, at, state.speed)


def ended(state: State, clock: float, at: datetime.datetime) -> Ended:
    """Everything has come in."""
    return Ended(at, state.speed, clock)


def next_time(state: State, clock: float, before: datetime.datetime) -> datetime.datetime:
    """What time of the night it becomes; ``before`` is what it was at the delivery before.

    Where the counting house cannot keep up the night slows down; it never jumps over what lies between.
    """
    return min(max(before, position(state, clock)), before + _lasting(LONGEST_STEP, state.speed))


def deliveries(
    night: Sequence[Due], now: datetime.datetime, start: int, upto: int | None = None
) -> Sequence[Due]:
    """The protocols from ``start`` on, up to number ``upto``, that are due at ``now``: at most a chunk; ``night`` is sorted by time.

    A correction is delivered alone.
    """
    last = len(night) if upto is None else min(upto, len(night))
    end, size = start, 0
    while end < last and end - start < CHUNK and night[end].at <= now:
        if night[end].reason is not None:
            return night[start : max(end, start + 1)]
        size += len(night[end].taken_over.data)
        if size > CHUNK_BYTES and end > start:
            break
        end += 1
    return night[start:end]


def begins(night: Sequence[Due]) -> datetime.datetime:
    """Where the clock of a night starts: a second before its first protocol."""
    return night[0].at - datetime.timedelta(seconds=1)


def count_at(night: Sequence[Due], point: Point) -> int:
    """How many protocols have come in at a point of the night; raises :class:`RehearsalError` for a share that is none."""
    if isinstance(point, datetime.datetime):
        return bisect.bisect_right(night, point, key=lambda row: row.at)
    if not 0 <= point <= 1:
        raise RehearsalError(f"{point} is no share of the protocols; expected 0 % to 100 %.", code="seek")
    return -(-len(night) * point.numerator // point.denominator)


def time_at(night: Sequence[Due], point: Point) -> datetime.datetime:
    """The time of the night at that point, within the night."""
    if isinstance(point, datetime.datetime):
        return min(max(point.astimezone(datetime.UTC), begins(night)), night[-1].at)
    count = count_at(night, point)
    return night[count - 1].at if count else begins(night)


def read_point(text: str) -> Point:
    """A point such as ``40%`` or ``2030-04-01T19:30:00Z``; raises :class:`RehearsalError`."""
    text = text.strip()
    try:
        if text.endswith("%") and len(text) <= 12:
            share = Fraction(text[:-1]) / 100
            if 0 <= share <= 1:
                return share
        time = datetime.datetime.fromisoformat(text[:40])
        if time.utcoffset() is not None:
            return time.astimezone(datetime.UTC)
    except (ValueError, ZeroDivisionError, OverflowError):
        pass
    raise RehearsalError(
        f"{text[:40]!r} is no point of a night; expected a share such as 40% or a time with its zone such as 2030-04-01T19:30:00Z.",
        code="seek",
    )
