"""Wrong passphrases are limited, without locking anybody out from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.console.errors import TooManyTries
from skrutinium_server.console.tries import ADDRESS, BOTH, HELD, PERSON, WINDOW, Tries
from tests.console.test_sessions import Clock


def test_wrong_passphrases_of_a_person_at_an_address() -> None:
    """After five wrong ones no further is looked at for a quarter of an hour; the wait is told."""
    clock = Clock()
    tries = Tries(clock)
    for _ in range(BOTH):
        tries.take("novak", "192.0.2.1")
    clock.now += 60
    with pytest.raises(TooManyTries) as refused:
        tries.take("Novak", "192.0.2.1")  # another spelling is the same person
    assert WINDOW - 60 <= refused.value.wait <= WINDOW - 58
    assert refused.value.code == "too-many-tries"
    tries.take("novak", "192.0.2.2")
    tries.take("dvorak", "192.0.2.1")
    clock.now += WINDOW - 60 + 1
    tries.take("novak", "192.0.2.1")


def test_right_one_forgets_the_wrong_ones_before() -> None:
    """Who gets it right after four mistakes has five tries again."""
    tries = Tries(Clock())
    for _ in range(BOTH - 1):
        tries.take("novak", "192.0.2.9")
    tries.take("novak", "192.0.2.9")
    tries.right("novak", "192.0.2.9")
    for _ in range(BOTH):
        tries.take("novak", "192.0.2.9")
    with pytest.raises(TooManyTries):
        tries.take("novak", "192.0.2.9")


def test_one_address_tries_many_names() -> None:
    """An address has twenty wrong passphrases, whatever the names; that of IPv6 is the whole /64."""
    tries = Tries(Clock())
    for number in range(ADDRESS):
        tries.take(f"person{number}", f"2001:db8::{number:x}")
    with pytest.raises(TooManyTries):
        tries.take("another", "2001:db8::ffff:1")
    tries.take("another", "2001:db8:0:1::1")


def test_many_addresses_try_one_name() -> None:
    """A name has a hundred wrong passphrases from everywhere together: who means ill cannot lock it out quickly."""
    tries = Tries(Clock())
    for number in range(PERSON):
        tries.take("novak", f"10.0.{number}.1")
    with pytest.raises(TooManyTries):
        tries.take("novak", "192.0.2.1")
    tries.take("dvorak", "192.0.2.1")


def test_right_tries_count_for_nothing() -> None:
    """A thousand right passphrases from one address are no reason to refuse the next one."""
    tries = Tries(Clock())
    for number in range(1000):
        tries.take(f"person{number % 3}", "192.0.2.1")
        tries.right(f"person{number % 3}", "192.0.2.1")
    tries.take("novak", "192.0.2.1")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 600)), max_size=60))
def test_never_more_than_told(tried: list[tuple[str, int, int]]) -> None:
    """Whatever is tried when, in no quarter of an hour are more than five taken of one name at one address."""
    clock = Clock()
    tries = Tries(clock)
    taken: dict[tuple[str, int], list[float]] = {}
    for name, place, pause in tried:
        clock.now += pause
        try:
            tries.take(name, f"192.0.2.{place}")
        except TooManyTries:
            continue
        taken.setdefault((name, place), []).append(clock.now)
    for moments in taken.values():
        assert all(len([one for one in moments if last - WINDOW < one <= last]) <= BOTH for last in moments)


def test_memory_is_bounded() -> None:
    """Names that nobody has, from everywhere, fill no more than so much memory."""
    tries = Tries(Clock())
    for number in range(HELD):
        tries.take(f"person{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(tries._wrong) <= HELD
