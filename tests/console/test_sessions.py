"""Sessions: who is logged in, and for how long."""

import datetime
import itertools

from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.authority.model import Person
from skrutinium_server.console.sessions import IDLE, LONGEST, MOST, Sessions

PERSON = Person("j.novakova", "operator", "0" * 64, datetime.datetime(2030, 9, 1, tzinfo=datetime.UTC))


class Clock:
    """Seconds, as told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_session_ends_when_idle() -> None:
    """A session lasts for as long as its person does something, and ends half an hour after that."""
    clock = Clock()
    sessions = Sessions(clock)
    id = sessions.begin(PERSON)
    for _ in range(3):
        clock.now += IDLE - 1
        found = sessions.find(id)
        assert found is not None
        assert found.person == "j.novakova"
    clock.now += IDLE
    assert sessions.find(id) is None
    assert sessions.find(id) is None


def test_refreshing_does_not_keep_a_session() -> None:
    """A page that refreshes itself is nobody: the session ends as if it had not asked."""
    clock = Clock()
    sessions = Sessions(clock)
    id = sessions.begin(PERSON)
    clock.now += IDLE - 1
    assert sessions.find(id, used=False) is not None
    clock.now += 1
    assert sessions.find(id, used=False) is None


def test_session_ends_after_its_longest_time() -> None:
    """Twelve hours after log-in a session ends, whatever was done."""
    clock = Clock()
    sessions = Sessions(clock)
    id = sessions.begin(PERSON)
    for _ in range(LONGEST // 1000):
        clock.now += 1000
        assert (sessions.find(id) is None) == (clock.now - 1000 >= LONGEST)
    clock.now += 1000
    assert sessions.find(id) is None


def test_log_out_ends_one_session_only() -> None:
    """Who logs out at one browser stays logged in at another."""
    sessions = Sessions(Clock())
    first, second = sessions.begin(PERSON), sessions.begin(PERSON)
    assert first != second
    sessions.end(first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None


def test_sessions_are_bounded() -> None:
    """Beyond the most sessions the one that was idle longest ends."""
    clock = Clock()
    sessions = Sessions(clock)
    first, *others = [sessions.begin(PERSON) for _ in range(MOST)]
    assert sessions.find(first) is not None  # used: it is not the idlest any more
    sessions.begin(PERSON)
    assert sessions.find(first) is not None
    assert sessions.find(others[0]) is None
    assert all(sessions.find(id) is not None for id in others[1:])


def test_ids_are_random_and_long() -> None:
    """Ids are what 32 random bytes make, each once."""
    counter = itertools.count(1)
    sessions = Sessions(Clock(), lambda size: next(counter).to_bytes(size, "big"))
    ids = {sessions.begin(PERSON) for _ in range(10)}
    assert len(ids) == 10
    assert {len(id) for id in ids} == {64}


@given(st.text(max_size=80))
def test_no_other_token_proves_a_form(told: str) -> None:
    """Only the token that was made for an id proves a form of it; another console makes other ones."""
    sessions = Sessions(Clock())
    id, other = sessions.begin(PERSON), sessions.begin(PERSON)
    token = sessions.token(id)
    assert sessions.proves(id, token)
    assert not sessions.proves(other, token)
    assert sessions.proves(id, told) == (told == token)
    assert not Sessions(Clock()).proves(id, token)


def test_saying_is_said_once() -> None:
    """What is said on the next page is not said on the one after it."""
    sessions = Sessions(Clock())
    session = sessions.find(sessions.begin(PERSON))
    assert session is not None
    session.say("Done.")
    assert session.said() == ["Done."]
    assert session.said() == []
