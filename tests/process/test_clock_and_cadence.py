"""The run's clock, and when a cut is due."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.election.law import load_law
from skrutinium_server.process.cadence import Waiting, boundary_after, boundary_at, volby_due
from skrutinium_server.process.clock import PAST, STANDS, RunClock, clock_start
from skrutinium_server.process.settings import Settings

NOON = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
MOMENTS = st.integers(0, 10**9).map(lambda seconds: NOON - datetime.timedelta(days=9000) + seconds * SECOND)
LAW = load_law("cz-municipal-2018")


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> datetime.datetime:
        return NOON + datetime.timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def test_clock_is_the_walls_until_told() -> None:
    """A run's time is the wall's until a replay tells another, then goes on at its speed."""
    hand = Hand()
    clock = RunClock(hand.wall, hand.monotonic)
    hand.seconds = 5
    assert clock.now() == NOON + 5 * SECOND
    clock.follow(NOON - datetime.timedelta(days=4000), 60)
    hand.seconds = 7
    assert clock.now() == NOON - datetime.timedelta(days=4000) + 120 * SECOND


def test_wall_clock_set_back_does_not_turn_the_run_back() -> None:
    """When somebody sets the wall clock back, or the ledger is ahead of it, the run's time stands until it is passed."""
    hand = Hand()
    clock = RunClock(hand.wall, hand.monotonic)
    hand.seconds = 100
    assert clock.now() == NOON + 100 * SECOND
    hand.seconds = 40
    assert clock.now() == NOON + 100 * SECOND
    clock.not_before(NOON + 130 * SECOND)
    assert clock.now() == NOON + 130 * SECOND
    hand.seconds = 131
    assert clock.now() == NOON + 131 * SECOND


def test_clock_told_to_stand_goes_on_by_itself() -> None:
    """A replay that ended does not stop its run's time for good."""
    hand = Hand()
    clock = RunClock(hand.wall, hand.monotonic)
    clock.follow(NOON, 0)
    hand.seconds = STANDS
    assert clock.now() == NOON
    hand.seconds = STANDS + 60
    assert clock.now() == NOON + 60 * SECOND


@given(st.lists(st.tuples(MOMENTS, st.integers(0, 1000), st.integers(0, 100)), min_size=1))
def test_clock_never_goes_back_once_it_follows(steps: list[tuple[datetime.datetime, int, int]]) -> None:
    """Whatever a replay says, and however long it takes, time does not go back."""
    hand = Hand()
    clock = RunClock(hand.wall, hand.monotonic)
    clock.follow(steps[0][0], 0)
    last = clock.now()
    for moment, speed, pause in steps:
        clock.follow(moment, speed)
        hand.seconds += pause
        assert clock.now() >= last
        last = clock.now()


@given(MOMENTS, st.integers(1, 3600))
def test_boundaries_enclose_the_moment(moment: datetime.datetime, seconds: int) -> None:
    """The boundary at a moment is not after it, the one after it is, and they are one step apart."""
    at, after = boundary_at(moment, seconds), boundary_after(moment, seconds)
    assert at <= moment < after
    assert after - at == datetime.timedelta(seconds=seconds)


def test_batch_is_due_after_its_boundary() -> None:
    """What came in at the boundary still belongs to the batch that closes there; nothing new makes no batch."""
    settings, aggregate, batch = Settings(), Waiting(), Waiting()
    late = NOON + datetime.timedelta(hours=1)
    assert volby_due(settings, late, aggregate, batch) is None
    batch.add(1, NOON)
    assert volby_due(settings, NOON, aggregate, batch) is None
    assert volby_due(settings, NOON + SECOND, aggregate, batch) == (NOON, True)
    batch.clear()
    batch.add(3, NOON + SECOND)
    boundary = NOON + datetime.timedelta(minutes=5)
    assert volby_due(settings, boundary, aggregate, batch) is None
    assert volby_due(settings, late, aggregate, batch) == (boundary, True)


def test_aggregates_are_due_each_minute() -> None:
    """Aggregates carry the newest whole minute; at a batch's boundary the batch goes first and holds both."""
    settings, aggregate, batch = Settings(), Waiting(), Waiting()
    aggregate.add(1, NOON + SECOND)
    assert volby_due(settings, NOON + 30 * SECOND, aggregate, batch) is None
    assert volby_due(settings, NOON + 150 * SECOND, aggregate, batch) == (NOON + 120 * SECOND, False)
    batch.add(1, NOON + SECOND)
    assert volby_due(settings, NOON + 301 * SECOND, aggregate, batch) == (NOON + 300 * SECOND, True)


def test_past_night_starts_on_its_day() -> None:
    """The clock of an event long past starts on its first day, of one under way or to come at the wall's time."""
    day = datetime.date(2018, 10, 5)
    midnight = datetime.datetime(2018, 10, 4, 22, 0, tzinfo=datetime.UTC)
    assert clock_start(day, LAW, None, NOON) == midnight
    assert clock_start(day, LAW, None, midnight + PAST) == midnight + PAST
    assert clock_start(datetime.date(2031, 1, 1), LAW, None, NOON) == NOON
    assert clock_start(None, LAW, None, NOON) == NOON


@given(st.dates(datetime.date(2010, 1, 1), datetime.date(2039, 1, 1)), MOMENTS, MOMENTS)
def test_clock_that_starts_again_is_not_before_the_ledger(
    day: datetime.date, last: datetime.datetime, wall: datetime.datetime
) -> None:
    """After a restart the clock is never before the newest entry."""
    assert clock_start(day, LAW, last, wall) >= last
