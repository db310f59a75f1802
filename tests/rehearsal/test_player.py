"""The player of a night: everything comes in once and in order, at any speed, through pauses, seeks and loops."""

import asyncio
import datetime
import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.commands.replay import obey
from skrutinium_server.intake.model import TakenOver
from skrutinium_server.process.errors import CountingRefused, ProcessError
from skrutinium_server.rehearsal.errors import RehearsalError
from skrutinium_server.rehearsal.playing import Player, play_through, read_speed
from skrutinium_server.rehearsal.playing.model import (
    CHUNK,
    CHUNK_BYTES,
    LONGEST_STEP,
    Ended,
    Paused,
    Playing,
    State,
    at_speed,
    begins,
    count_at,
    deliveries,
    going,
    next_time,
    paused,
    position,
    read_point,
    time_at,
)
from skrutinium_server.rehearsal.playing.player import TICK
from skrutinium_server.rehearsal.replay import Due

START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
SECONDS = st.floats(0, 10_000, allow_nan=False)
SPEEDS = st.fractions(Fraction(1, 10), Fraction(1000), max_denominator=100)


def due(second: int, reason: str | None = None, size: int = 4) -> Due:
    data = str(second).encode().rjust(size)
    taken = TakenOver(data, "csv", "UTF-8", "a", "0" * 64, second)
    return Due(START + datetime.timedelta(seconds=second), taken, reason, "somebody" if reason else None)


# ------------------------------------------------------------------ the model
@given(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 60), st.integers(0, 30), st.integers(0, 30))
def test_everything_due_is_delivered_and_nothing_else(
    seconds: list[int], now: int, start: int, upto: int
) -> None:
    """What is delivered at a moment is exactly what came in up to then, up to that number, and was not delivered yet."""
    night = [due(second) for second in sorted(seconds)]
    moment = START + datetime.timedelta(seconds=now)
    expected = [one for one in night[start:upto] if one.at <= moment]
    assert list(deliveries(night, moment, start, upto)) == expected[:CHUNK]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([4, CHUNK_BYTES // 3])), min_size=1, max_size=12))
def test_corrections_come_alone_and_no_delivery_is_too_large(rows: list[tuple[bool, int]]) -> None:
    """Delivery by delivery the whole night comes in its order; a correction is alone, and none has too many bytes."""
    night = [due(second, "recount" if wrong else None, size) for second, (wrong, size) in enumerate(rows)]
    came: list[Due] = []
    while len(came) < len(night):
        part = deliveries(night, night[-1].at, len(came))
        assert part
        assert len(part) == 1 or not any(one.reason for one in part)
        assert sum(len(one.taken_over.data) for one in part) <= CHUNK_BYTES
        came += part
    assert came == night


@given(SECONDS, SECONDS, SPEEDS, SPEEDS)
def test_time_never_goes_back_whatever_is_done(
    first: float, later: float, speed: Fraction, other: Fraction
) -> None:
    """Pausing, going on and other speeds leave the night's time where it is, and from there it goes on."""
    state: State = Playing(0, START, speed)
    clock = first
    at = position(state, clock)
    for done in (paused(state, clock), going(paused(state, clock), clock), at_speed(state, clock, other)):
        assert position(done, clock) == at
        assert position(done, clock + later) >= at
    assert position(paused(state, clock), clock + later) == at
    assert at_speed(paused(state, clock), clock, other) == Paused(at, other)
    assert isinstance(paused(Ended(at, speed, clock), clock), Paused)


@given(SECONDS, SPEEDS)
def test_night_slows_down_where_counting_cannot_keep_up(clock: float, speed: Fraction) -> None:
    """However long a delivery took, the night goes on by one step at most."""
    now = next_time(Playing(0, START, speed), clock, START)
    assert datetime.timedelta() <= now - START
    assert (now - START) / datetime.timedelta(seconds=1) <= LONGEST_STEP * speed + Fraction(1, 1000)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.integers(0, 100))
def test_share_of_a_night_is_a_number_of_protocols(seconds: list[int], percent: int) -> None:
    """A share is rounded up to a whole number of protocols, and its time is when the last of them came."""
    night = [due(second) for second in sorted(seconds)]
    count = count_at(night, Fraction(percent, 100))
    assert count - 1 < len(night) * Fraction(percent, 100) <= count
    assert time_at(night, Fraction(percent, 100)) == (night[count - 1].at if count else begins(night))


@pytest.mark.parametrize("text", ["", "0", "0.05", "1001", "fast", "1/0", "-1", "9" * 30])
def test_speed_that_is_none(text: str) -> None:
    """Only numbers from a tenth to a thousand are speeds."""
    with pytest.raises(RehearsalError, match=r"from 0\.1 to 1000"):
        read_speed(text)


@pytest.mark.parametrize(
    "text", ["", "40", "101%", "-1%", "2030-10-05T14:00:00", "%", "1/0%", "noon", "9" * 50]
)
def test_point_that_is_none(text: str) -> None:
    """Only shares with their sign and times with their zone are points of a night."""
    with pytest.raises(RehearsalError, match="expected a share such as 40%"):
        read_point(text)


def test_points_and_speeds() -> None:
    """Shares, times and speeds are read exactly."""
    assert read_point(" 12.5% ") == Fraction(1, 8)
    assert read_point("2030-10-05T14:00:00+02:00") == START
    assert (read_speed("0.1"), read_speed("1/2"), read_speed("1000")) == (
        Fraction(1, 10),
        Fraction(1, 2),
        Fraction(1000),
    )


# ------------------------------------------------------------------ the player
class Recorded:
    """Passages that write down what they are told; a clock goes on by a tick whenever a command comes."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.passages: list[int] = []
        self.held: list[bytes] = []
        self.seconds = 0.0
        self.fail = 0

    def clock(self) -> float:
        return self.seconds

    async def begin(self, passage: int) -> int:
        if passage not in self.passages:
            self.passages.append(passage)
            self.held = []
        return len(self.held)

    async def ask(self, **request: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.seconds += TICK
        if self.fail and request.get("records"):
            self.fail -= 1
            self.held += [one.data for one in request["records"]]  # it arrived, the answer did not
            raise ProcessError("The counting process ended.")
        self.told.append({**request, "passage": self.passages[-1]})
        records = request.get("records") or ()
        self.held += [one.data for one in records]
        return {"accepted": len(records), "duplicates": 0, "refused": 0}

    def takes(self) -> list[dict[str, Any]]:
        return [one for one in self.told if one["do"] == "take"]


def times(told: Sequence[dict[str, Any]]) -> list[str]:
    return [one["now"] for one in told if "now" in one]


async def test_clock_of_the_run_goes_on_between_protocols() -> None:
    """Every tick tells the run's time, also when nothing came in; at the end everything is cut."""
    passages = Recorded()
    night = [due(0), due(4 * 3600)]
    passages.passages.append(1)
    end = await play_through(passages.ask, "night", night, 36_000, "test", clock=passages.clock)
    takes = passages.takes()
    assert times(takes) == sorted(times(takes))
    assert [len(one["records"]) for one in takes] == [0, 1, 0, 0, 0, 1]
    assert {key: passages.told[-1][key] for key in ("do", "run")} == {"do": "cut", "run": "night"}
    assert end.accepted == 2


async def test_slow_counting_house_slows_the_night() -> None:
    """However long a delivery takes, the night's clock goes on by one step at most, and ends with its last protocol."""
    passages = Recorded()
    night = [due(0), due(900)]

    async def slow(**request: Any) -> dict[str, Any]:
        passages.seconds += 10
        return await passages.ask(**request)

    passages.passages.append(1)
    await play_through(slow, "night", night, 600, "test", clock=passages.clock)
    told = [datetime.datetime.fromisoformat(now) for now in times(passages.takes())]
    step = datetime.timedelta(seconds=LONGEST_STEP * 600)
    assert all(after - before <= step for before, after in itertools.pairwise(told))
    assert night[-1].at <= told[-1] < night[-1].at + step


async def until(player: Player, condition: Any) -> None:
    """Wait until a condition of a player holds, looked at whenever something changes."""
    changed = asyncio.Event()
    before, player.changed = player.changed, changed.set
    try:
        async with asyncio.timeout(60):
            while not condition():
                await changed.wait()
                changed.clear()
    finally:
        player.changed = before


async def test_seek_forward_brings_what_lies_between_in_one_release() -> None:
    """Everything up to the point comes quietly, one cut follows, and what was paused stays paused."""
    passages = Recorded()
    night = [due(second, "recount" if second == 3 else None) for second in range(10)]
    player = Player(night, passages, passages.clock, is_paused=True)
    await player.seek(Fraction(1, 2))
    brought = [one for one in passages.told if one.get("records")]
    assert [one["do"] for one in brought] == ["take", "correct", "take"]
    assert all(one["quiet"] for one in brought)
    assert [one["do"] for one in passages.told].count("cut") == 1
    assert passages.told[-1]["do"] == "cut"
    assert (player.delivered, player.time, player.paused) == (5, night[4].at, True)
    await player.seek(night[7].at)
    assert (player.delivered, passages.passages) == (8, [1])


async def test_seek_back_begins_a_run_of_its_own() -> None:
    """Numbers never go back: what lies before the point comes into a new run, and is released there at once."""
    passages = Recorded()
    night = [due(second) for second in range(10)]
    player = Player(night, passages, passages.clock, is_paused=True)
    await player.seek(Fraction(1))
    await player.seek(Fraction(3, 10))
    assert passages.passages == [1, 2]
    assert passages.held == [one.taken_over.data for one in night[:3]]
    assert (player.passage, player.delivered, player.paused) == (2, 3, True)
    second = [one for one in passages.told if one["passage"] == 2]
    assert [one["do"] for one in second].count("cut") == 1


async def test_pause_stops_the_night_and_keeps_its_clock() -> None:
    """While it is paused nothing comes in, and the run is told the same time again and again."""
    passages = Recorded()
    night = [due(0), due(600)]
    player = Player(night, passages, passages.clock, speed=Fraction(50))
    playing = asyncio.create_task(player.run())
    try:
        await until(player, lambda: player.delivered == 1)
        player.pause()
        count = len(passages.told)
        player.set_speed(Fraction(1000))
        passages.seconds += 1000
        async with asyncio.timeout(60):
            while len(passages.told) < count + 2:
                await asyncio.sleep(0)
                player.pause()  # it is asked to look again
        assert len({one["now"] for one in passages.takes()[-2:]}) == 1
        assert player.delivered == 1
        player.go()
        async with asyncio.timeout(60):
            await playing
        assert player.ended
    finally:
        playing.cancel()


async def test_night_loops_in_new_runs() -> None:
    """With ``again`` each passage begins when the rest after the one before is over, and brings the same bytes."""
    passages = Recorded()
    night = [due(second) for second in range(3)]
    player = Player(night, passages, passages.clock, speed=Fraction(1000), again=True, rest=0)
    playing = asyncio.create_task(player.run())
    try:
        await until(player, lambda: player.passage == 4)
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    for passage in (1, 2, 3):
        told = [one for one in passages.told if one["passage"] == passage]
        data = [record.data for one in told for record in one.get("records") or ()]
        assert data == [one.taken_over.data for one in night]
        assert times(told) == sorted(times(told))


async def test_what_arrived_is_looked_up_after_a_failure() -> None:
    """When the counting house breaks off nobody knows what it took; it is asked, and nothing is left out or comes twice."""
    passages = Recorded()
    night = [due(second) for second in range(20)]
    player = Player(night, passages, passages.clock, speed=Fraction(20))
    passages.fail = 2
    failed = 0
    while not player.ended:
        try:
            async with asyncio.timeout(60):
                await player.run()
        except ProcessError:
            failed += 1
    assert failed == 2
    assert passages.held == [one.taken_over.data for one in night]


async def test_night_waits_at_a_point_until_it_is_told_to_go_on() -> None:
    """Whoever does something at a point finds the night exactly there, at any speed, and nothing comes meanwhile."""
    passages = Recorded()
    night = [due(second) for second in range(100)]
    player = Player(night, passages, passages.clock, speed=Fraction(1000))
    seen = []

    async def acts() -> None:
        course = player.course()
        for point in (Fraction(1, 10), night[41].at, Fraction(9, 10), Fraction(1)):
            await course.reach(point)
            seen.append((player.delivered, player.time))
            before = len(passages.held)
            passages.seconds += 5
            await asyncio.sleep(2 * TICK)
            assert len(passages.held) == before
            await course.go_on()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(acts())
        group.create_task(player.run())
    assert seen == [(count, night[count - 1].at) for count in (10, 42, 90, 100)]
    assert player.ended


async def test_point_that_is_past_is_reached_at_once() -> None:
    """Also while the night is paused, or over."""
    passages = Recorded()
    night = [due(second) for second in range(10)]
    player = Player(night, passages, passages.clock, is_paused=True)
    await player.seek(Fraction(1, 2))
    playing = asyncio.create_task(player.run())
    try:
        async with asyncio.timeout(60):
            course = player.course()
            await course.reach(Fraction(1, 5))
            await course.go_on()
    finally:
        playing.cancel()


async def test_correction_that_nobody_takes_any_more_is_left_out() -> None:
    """One that is refused, for a scenario changed the protocol before, is told and the night goes on."""
    passages = Recorded()
    night = [due(0), due(1, "recount"), due(2)]

    async def refusing(**request: Any) -> dict[str, Any]:
        if request["do"] == "correct":
            raise CountingRefused("correction", "The sequence is not later.")
        return await passages.ask(**request)

    passages.passages.append(1)
    end = await play_through(refusing, "night", night, 1000, "test", clock=passages.clock)
    assert (end.accepted, end.refused) == (2, 1)


async def test_keys_steer_a_replay() -> None:
    """In a terminal keys pause, step and seek, and say what they do not understand."""
    passages = Recorded()
    night = [due(second) for second in range(200)]
    player = Player(night, passages, passages.clock, is_paused=True)
    await obey(player, "25%")
    assert player.delivered == 50
    await obey(player, "n")
    assert player.delivered == 52
    await obey(player, f"{night[99].at:%Y-%m-%dT%H:%M:%SZ}")
    assert (player.delivered, player.passage) == (100, 1)
    await obey(player, "b")
    assert (player.delivered, player.passage, passages.passages) == (98, 2, [1, 2])
    await obey(player, "x100000")
    assert player.speed == 100_000
    seen = []
    for _ in range(2):
        await obey(player, "p")
        seen.append(player.paused)
    assert seen == [False, True]
    for order in ("x0", "noon", "40"):
        with pytest.raises(RehearsalError):
            await obey(player, order)
