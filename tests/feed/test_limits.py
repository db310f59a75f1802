"""Counting what a subscriber asks for, and what is said in the log, with a clock set by hand."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed.limits import SECOND, Limits, Seldom

TICK = SECOND // 5


class Clock:
    """Nanoseconds set by hand."""

    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        return self.time


polls = st.lists(st.tuples(st.integers(SECOND, 20 * SECOND), st.booleans()), max_size=200)


@given(st.integers(1, 60), st.integers(1, 600), polls)
def test_who_polls_every_second_is_never_refused(rate: int, burst: int, told: list[tuple[int, bool]]) -> None:
    """With any limit, who asks once a second on condition is answered, whether or not there is something new each time."""
    clock = Clock()
    usage = Limits(rate, burst, clock).usage("radio")
    for gap, new in told:
        clock.time += gap
        assert not new or usage.take()


@given(
    st.integers(1, 60),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 150)), max_size=30),
)
def test_nobody_gets_more_than_the_limit(rate: int, burst: int, told: list[tuple[int, int]]) -> None:
    """In any span at most the burst, what comes each second, and what a tick may add are answered."""
    clock = Clock()
    limits = Limits(rate, burst, clock)
    usage = limits.usage("radio")
    taken: list[int] = []
    due = TICK
    for gap, asked in told:
        clock.time += gap
        while due <= clock.time:
            now, clock.time = clock.time, due
            limits.refill()
            clock.time, due = now, due + TICK
        taken += [clock.time for _ in range(asked) if usage.take()]
    for at, first in enumerate(taken):
        for count, last in enumerate(taken[at:], 1):
            assert count <= burst + -(-(last - first + TICK) * rate // SECOND) + 1


def test_all_connections_of_a_subscriber_share_one_count() -> None:
    """A subscriber has one count, another has its own; without a limit nobody is refused."""
    limits = Limits(1, 2, Clock())
    assert limits.usage("radio") is limits.usage("radio")
    assert [limits.usage("radio").take() for _ in range(3)] == [True, True, False]
    assert limits.usage("tv").take()
    free = Limits(0, 1, Clock()).usage("radio")
    assert all(free.take() for _ in range(10_000))


def test_refusal_tells_how_long_to_wait() -> None:
    """After the seconds that Retry-After tells a request is answered."""
    clock = Clock()
    limits = Limits(2, 10, clock)
    usage = limits.usage("radio")
    while usage.take():
        pass
    assert limits.refusal(usage).lines == (
        b'Retry-After: 1\r\nRateLimit-Policy: "subscriber";q=10;w=5\r\nRateLimit: "subscriber";r=0;t=1\r\n'
    )
    clock.time += usage.wait() * SECOND
    assert usage.take()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What was logged."""
    caplog.set_level(logging.INFO)
    return caplog


def test_log_says_how_much_it_left_out(said: pytest.LogCaptureFixture) -> None:
    """An address is spoken of once a minute, then with the number of times left out; a neighbour in the same /64 is the same."""
    clock = Clock()
    seldom = Seldom(logging.getLogger("test"), clock=clock)
    for _ in range(5):
        seldom.say("2001:db8::1", "refused one")
        seldom.say("2001:db8::2", "refused one")
    clock.time += 60 * SECOND
    seldom.say("2001:db8::1", "refused one")
    assert [record.getMessage() for record in said.records] == [
        "refused one",
        "refused one (left out before: 9 of this address, 0 of others)",
    ]


def test_flood_from_many_addresses_does_not_fill_the_log(said: pytest.LogCaptureFixture) -> None:
    """From any number of addresses at most ten lines a second are written, and little is remembered."""
    clock = Clock()
    seldom = Seldom(logging.getLogger("test"), held=50, clock=clock)
    for number in range(20_000):
        clock.time += SECOND // 10_000
        seldom.say(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "refused")
    assert 10 <= len(said.records) <= 31
    assert len(seldom._said) <= 50
    assert "of others" in said.records[-1].getMessage()
