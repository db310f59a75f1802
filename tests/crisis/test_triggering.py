"""The machine that begins and ends: what it does in turn, and what holds whatever comes."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.crisis.recipients import Watch
from skrutinium_server.crisis.triggering import (
    WATCH,
    Announced,
    Arm,
    Armed,
    Disarm,
    Disarmed,
    Ending,
    Input,
    Looked,
    Running,
    Start,
    State,
    Stop,
    step,
)
from tests.crisis.night import NOW

RULE = Watch(failed=100, back=200)
SERVES, FAILS, UNCLEAR = (
    Looked("serves", "", {"e/r": 5}),
    Looked("fails", "silence"),
    Looked("unclear", "403"),
)
ARM, DISARM = Arm("a", "why"), Disarm("b", "why")
START, STOP = Start("c", "why"), Stop("d", "why")

INPUTS = st.sampled_from([SERVES, FAILS, UNCLEAR, ARM, DISARM, START, STOP, Announced()])
TIMED = st.lists(st.tuples(INPUTS, st.integers(0, 150)), max_size=40)


def run(state: State, *given: tuple[Input, int]) -> list[State]:
    """The state after each input; each comes so many seconds after the one before."""
    now, states = NOW, []
    for number, (one, seconds) in enumerate(given, 1):
        now += datetime.timedelta(seconds=seconds)
        state = step(state, one, now, RULE, number, {"e/r": 4}).state
        states.append(state)
    return states


def test_a_failure_that_lasts_begins_it() -> None:
    """Armed, it begins at the first look that finds the feed failing for the set time, and not a second earlier."""
    *before, begun = run(Armed(), (FAILS, 0), (FAILS, 99), (FAILS, 1))
    assert all(isinstance(one, Armed) for one in before)
    assert begun == Running(
        3,
        NOW + datetime.timedelta(seconds=100),
        WATCH,
        "the feed has failed for 100 s: silence",
        by_itself=True,
        armed=True,
        seen={"e/r": 4},
    )


def test_one_good_look_clears_the_suspicion() -> None:
    """Failures with a good look between them are not one failure; looks that say nothing change nothing."""
    assert run(Armed(), (FAILS, 0), (SERVES, 60), (FAILS, 30), (FAILS, 60))[-1] == Armed(
        NOW + datetime.timedelta(seconds=90), "silence"
    )
    assert isinstance(run(Armed(), (FAILS, 0), (UNCLEAR, 60), (FAILS, 40))[-1], Running)


def test_what_a_person_began_only_a_person_ends() -> None:
    """A good feed ends only what began by itself; a person who starts that keeps it going."""
    assert isinstance(run(Disarmed(), (START, 0), (SERVES, 9), (SERVES, 900))[-1], Running)
    kept = run(Armed(), (FAILS, 0), (FAILS, 100), (START, 1), (SERVES, 1), (SERVES, 900))
    assert isinstance(kept[-1], Running)


def test_a_stop_keeps_it_from_beginning_again() -> None:
    """After a stop nothing begins by itself until somebody arms it, however the feed fails."""
    stopped = ((FAILS, 0), (FAILS, 100), (STOP, 0), (Announced(), 0), (FAILS, 0), (FAILS, 900))
    assert run(Armed(), *stopped)[-1] == Disarmed()
    assert isinstance(run(Armed(), *stopped, (ARM, 0), (FAILS, 0), (FAILS, 100))[-1], Running)


def test_a_clock_that_is_set_back_hastens_nothing() -> None:
    """A failure that seems to have begun in the future begins anew."""
    state = step(Armed(NOW + datetime.timedelta(hours=1)), FAILS, NOW, RULE, 1, {}).state
    assert state == Armed(NOW, "silence")


@pytest.mark.parametrize(
    ("state", "given", "told"),
    [
        (Disarmed(), START, "started by c"),
        (Disarmed(), ARM, "armed by a"),
        (Armed(), DISARM, "disarmed by b"),
        (Disarmed(), DISARM, ""),
    ],
)
def test_changes_are_told_with_who_made_them(state: State, given: Input, told: str) -> None:
    """Operators learn who did what; what changes nothing is not told."""
    assert told in step(state, given, NOW, RULE, 1, {}).told


@given(TIMED)
def test_disarmed_nothing_begins_by_itself(inputs: list[tuple[Input, int]]) -> None:
    """Without an arming or a start, no sequence of looks begins it."""
    looks = [one for one in inputs if not isinstance(one[0], Start | Arm)]
    assert all(isinstance(one, Disarmed) for one in run(Disarmed(), *looks))


@given(TIMED)
def test_a_crisis_ends_by_its_last_messages_alone(inputs: list[tuple[Input, int]]) -> None:
    """From running it goes nowhere but to ending, and from ending only by the announcement or a new start; numbers only grow."""
    before: State = Armed()
    highest = 0
    for (given_, _), after in zip(inputs, run(Armed(), *inputs), strict=True):
        if isinstance(before, Running):
            assert isinstance(after, Running | Ending)
            assert after.crisis == before.crisis
        if isinstance(before, Ending) and after != before:
            assert isinstance(given_, Announced | Start | Arm | Disarm)
        if isinstance(after, Running) and not isinstance(before, Running):
            assert after.crisis > highest
            highest = after.crisis
        before = after


@given(TIMED)
def test_it_begins_by_itself_only_after_a_whole_failure(inputs: list[tuple[Input, int]]) -> None:
    """When it begins by itself, no look for the set time before was good, and the first of them failed."""
    now, states = NOW, run(Armed(), *inputs)
    first: datetime.datetime | None = None
    before: State = Armed()
    for (given_, seconds), after in zip(inputs, states, strict=True):
        now += datetime.timedelta(seconds=seconds)
        if isinstance(before, Armed) and given_ == FAILS and first is None:
            first = now
        elif given_ == SERVES or not isinstance(before, Armed):
            first = None
        if isinstance(after, Running) and isinstance(before, Armed) and given_ == FAILS:
            assert first is not None
            assert (now - first).total_seconds() >= RULE.failed
        if not isinstance(after, Armed):
            first = None
        before = after
