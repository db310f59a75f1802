"""Seats given again by the SDK against the server's own allocation: two programs, one act."""

from hypothesis import given
from hypothesis import strategies as st

from skrutinium.verifying import seats
from skrutinium_server.election.law import load_law
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.model import (
    Allocated,
    CandidateStanding,
    ListStanding,
    LotNeeded,
    Undecided,
)

LAW = load_law("cz-municipal-2018").seats


@st.composite
def standings(draw: st.DrawFn) -> tuple[int, dict[int, seats.Standing]]:
    """Seats, and lists with so few different numbers of votes that ties are common."""
    places = draw(st.integers(1, 15))
    lists = {}
    for number in range(1, draw(st.integers(1, 7)) + 1):
        candidates = draw(st.integers(1, places + 2))
        persons = draw(st.lists(st.integers(0, 40), min_size=candidates, max_size=candidates))
        known = draw(st.booleans())
        lists[number] = seats.Standing(
            sum(persons), candidates, dict(enumerate(persons, 1)) if known else None
        )
    return places, lists


@given(standings())
def test_both_programs_give_the_same_seats(case: tuple[int, dict[int, seats.Standing]]) -> None:
    """Threshold, who takes part, seats, vacant ones, ties and who is elected are the same, whatever the votes."""
    places, lists = case
    assert LAW is not None
    theirs = allocate(
        LAW,
        places,
        [
            ListStanding(
                number,
                one.votes,
                one.candidates,
                None
                if one.persons is None
                else tuple(CandidateStanding(who, votes) for who, votes in one.persons.items()),
            )
            for number, one in lists.items()
        ],
    )
    ours = seats.give(places, lists)
    if isinstance(theirs, Undecided):
        assert ours is None
        return
    assert isinstance(theirs, Allocated | LotNeeded)
    assert ours is not None
    ties = theirs.ties if isinstance(theirs, LotNeeded) else ()
    assert ours.percent == theirs.threshold_percent
    assert ours.passed == {row.number for row in theirs.lists if row.passed}
    assert ours.won == {row.number: row.seats for row in theirs.lists}
    assert ours.vacant == theirs.vacant
    assert ours.places == sum(tie.places for tie in ties)
    assert ours.tied == {number for tie in ties for number in tie.lists}
    for row in theirs.lists:
        elected = ours.elected[row.number]
        assert (None if elected is None else tuple(elected)) == row.elected


def test_equal_quotients_go_to_more_votes_and_then_to_a_lot() -> None:
    """§ 45: of equal quotients the list with more votes wins; with equal votes a lot is needed, and nobody is guessed."""
    by_votes = seats.give(3, {1: seats.Standing(200, 3, None), 2: seats.Standing(100, 3, None)})
    assert by_votes is not None
    assert by_votes.won == {1: 2, 2: 1}
    assert by_votes.places == 0
    lot = seats.give(1, {1: seats.Standing(100, 1, None), 2: seats.Standing(100, 1, None)})
    assert lot is not None
    assert lot.won == {1: 0, 2: 0}
    assert lot.tied == frozenset({1, 2})
    assert lot.places == 1
    assert seats.give(3, {1: seats.Standing(0, 3, None)}) is None
