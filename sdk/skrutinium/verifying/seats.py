"""Seats of lists, given again from the votes added up here; who is elected on each list follows from them.

A list takes part with 5 % of the votes for each full share of its candidates in the seats, less if fewer than two do; the
highest quotients of votes by 1, 2, 3 … win; who has a tenth more than the list's mean comes first, the rest as printed.
Source: act 491/2001, § 45; the mean is a whole number (``docs/decisions/0004-whole-number-mean.md``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

LAWS = frozenset({"cz-municipal-2018"})
"""The laws that give seats so."""

_PERCENT = 5
_TAKING_PART = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """A list that stands: its votes, how many candidates it has, and their votes by number (None: not known)."""

    votes: int
    candidates: int
    persons: Mapping[int, int] | None


@dataclass(slots=True)
class Seats:
    """Seats by list for certain; ``elected`` in the order of winning (None: not known), ``tied`` lists share ``places`` by lot."""

    percent: int
    passed: frozenset[int]
    won: dict[int, int]
    vacant: int = 0
    tied: frozenset[int] = frozenset()
    places: int = 0
    elected: dict[int, Sequence[int] | None] = field(default_factory=dict)


def give(seats: int, lists: Mapping[int, Standing]) -> Seats | None:
    """Give ``seats`` to lists by number; None when nobody has a vote, for which the act has no rule."""
    if not any(one.votes for one in lists.values()):
        return None
    percent, passed = _passing(seats, lists)
    given = Seats(percent, passed, dict.fromkeys(lists, 0))
    left = seats
    while left:
        # One round of the highest quotient: all lists that share it win, or a lot has to choose among them.
        ranks = {
            number: (Fraction(lists[number].votes, given.won[number] + 1), lists[number].votes)
            for number in passed
            if given.won[number] < lists[number].candidates
        }
        if not ranks:
            given.vacant = left
            break
        highest = max(ranks.values())
        next_ones = [number for number, rank in ranks.items() if rank == highest]
        if len(next_ones) > left:
            given.tied, given.places = frozenset(next_ones), left
            break
        for number in next_ones:
            given.won[number] += 1
        left -= len(next_ones)
    given.elected = {number: _elected(lists[number], count) for number, count in given.won.items()}
    return given


def _passing(seats: int, lists: Mapping[int, Standing]) -> tuple[int, frozenset[int]]:
    """The percentage in the end, and who takes part."""
    could = {number: one for number, one in lists.items() if one.votes and one.candidates}
    every = sum(one.votes for one in lists.values())
    percent = _PERCENT
    while True:
        passed = frozenset(
            number
            for number, one in could.items()
            if Fraction(one.votes)
            >= Fraction(percent, 100) * every * Fraction(min(one.candidates, seats), seats)
        )
        if len(passed) >= min(_TAKING_PART, len(could)) or not percent:
            return percent, passed
        percent -= 1


def _elected(one: Standing, seats: int) -> Sequence[int] | None:
    if not seats:
        return ()
    if one.persons is None:
        return None
    mean = one.votes // len(one.persons)
    ahead = [who for who, votes in one.persons.items() if 10 * votes >= 11 * mean]
    ahead.sort(key=lambda who: (-(one.persons or {})[who], who))
    return [*ahead, *sorted(one.persons.keys() - set(ahead))][:seats]
