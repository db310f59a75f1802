"""What holds for every allocation of seats, and agreement with two independent computations."""

import itertools
from collections import Counter
from fractions import Fraction
from random import Random

import msgspec
import votelib.component.divisor
import votelib.evaluate.core
import votelib.evaluate.proportional
from hypothesis import given, settings
from hypothesis import strategies as st

from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.model import (
    Allocated,
    CandidateStanding,
    ListSeats,
    ListStanding,
    LotNeeded,
    Undecided,
)

LAW = SeatLaw(
    method="dhondt",
    threshold=5,
    threshold_base="candidates-over-seats",
    lower_until=2,
    order_factor="11/10",
    tie=("votes", "lot"),
)
METHODS = ("dhondt", "sainte-lague", "sainte-lague-modified")

SEATS = st.integers(1, 25)


@st.composite
def districts(draw: st.DrawFn, most: int = 400) -> list[ListStanding]:
    """One to eight lists with small numbers, so that ties, thresholds and short lists all happen often."""
    numbers = draw(st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True))
    result = []
    for number in numbers:
        own = draw(st.lists(st.integers(0, most), min_size=1, max_size=9))
        known = draw(st.booleans())
        standing = (
            tuple(CandidateStanding(place, votes) for place, votes in enumerate(own, 1)) if known else None
        )
        result.append(ListStanding(number, sum(own), len(own), standing))
    return result


def by_number(rows: tuple[ListSeats, ...]) -> dict[int, ListSeats]:
    """Results by the number of the list."""
    return {row.number: row for row in rows}


def open_places(outcome: Allocated | LotNeeded) -> int:
    """Seats that wait for a lot."""
    return sum(tie.places for tie in outcome.ties) if isinstance(outcome, LotNeeded) else 0


class TestAlways:
    """Laws of the allocation."""

    @given(SEATS, districts())
    def test_seats_add_up(self, seats: int, lists: list[ListStanding]) -> None:
        """Certain seats, places of the lot and vacant seats make up the district; no list exceeds its candidates."""
        outcome = allocate(LAW, seats, lists)

        if isinstance(outcome, Undecided):
            assert sum(row.votes for row in lists) == 0
            return
        assert sum(row.seats for row in outcome.lists) + open_places(outcome) + outcome.vacant == seats
        rows = by_number(outcome.lists)
        assert rows.keys() == {row.number for row in lists}
        for row in lists:
            result = rows[row.number]
            assert result.seats <= row.candidates
            assert result.passed or result.seats == 0
            if row.standing is not None:
                assert result.order is not None
                assert sorted(result.order) == list(range(1, row.candidates + 1))
                assert result.elected == result.order[: result.seats]

    @given(SEATS, districts())
    def test_vacant_only_when_all_are_elected(self, seats: int, lists: list[ListStanding]) -> None:
        """A seat stays vacant only when every candidate of every passed list has one."""
        outcome = allocate(LAW, seats, lists)

        if not isinstance(outcome, Undecided) and outcome.vacant:
            rows = by_number(outcome.lists)
            assert all(rows[row.number].seats == row.candidates for row in lists if rows[row.number].passed)

    @given(SEATS, districts(), st.randoms(use_true_random=False))
    def test_anonymity(self, seats: int, lists: list[ListStanding], random: Random) -> None:
        """The order in which lists are handed in changes nothing."""
        shuffled = list(lists)
        random.shuffle(shuffled)

        assert allocate(LAW, seats, shuffled) == allocate(LAW, seats, lists)

    @given(SEATS, districts(), st.sampled_from(METHODS))
    def test_house_monotonicity(self, seats: int, lists: list[ListStanding], method: str) -> None:
        """With the same lists taking part one more seat takes no certain seat from any list."""
        law = msgspec.structs.replace(LAW, method=method, threshold=0, lower_until=0)
        smaller, larger = allocate(law, seats, lists), allocate(law, seats + 1, lists)

        if isinstance(smaller, Undecided) or isinstance(larger, Undecided):
            assert smaller == larger
            return
        after = by_number(larger.lists)
        assert all(row.seats <= after[row.number].seats for row in smaller.lists)

    @given(SEATS, districts())
    def test_more_votes_never_fewer_seats(self, seats: int, lists: list[ListStanding]) -> None:
        """Of two passed lists with candidates to spare, the one with more votes has no fewer seats, lot or not."""
        outcome = allocate(LAW, seats, lists)

        if isinstance(outcome, Undecided):
            return
        rows = by_number(outcome.lists)
        free = [row for row in lists if rows[row.number].passed and row.candidates > rows[row.number].seats]
        free.sort(key=lambda row: row.votes)
        for fewer, more in itertools.pairwise(free):
            if fewer.votes < more.votes:
                assert rows[fewer.number].seats <= rows[more.number].seats

    @given(SEATS, districts())
    def test_threshold_is_the_highest_that_does(self, seats: int, lists: list[ListStanding]) -> None:
        """Exactly the lists with a vote and enough of them pass; a point more would have left fewer than two."""
        outcome = allocate(LAW, seats, lists)

        if isinstance(outcome, Undecided):
            return
        total = sum(row.votes for row in lists)

        def reach(percent: int) -> set[int]:
            return {
                row.number
                for row in lists
                if row.votes
                and row.votes >= Fraction(percent, 100) * total * min(row.candidates, seats) / seats
            }

        assert {row.number for row in outcome.lists if row.passed} == reach(outcome.threshold_percent)
        if outcome.threshold_percent < LAW.threshold:
            assert len(reach(outcome.threshold_percent + 1)) < min(2, sum(row.votes > 0 for row in lists))

    @given(SEATS, districts(most=6))
    @settings(max_examples=200)
    def test_a_lot_is_needed_only_for_an_exact_tie(self, seats: int, lists: list[ListStanding]) -> None:
        """Lists in a lot have equal votes and the same next quotient, more of them than places, and room for a seat."""
        outcome = allocate(LAW, seats, lists)

        if not isinstance(outcome, LotNeeded):
            return
        given_lists = {row.number: row for row in lists}
        rows = by_number(outcome.lists)
        (tie,) = outcome.ties
        assert 0 < tie.places < len(tie.lists)
        assert outcome.vacant == 0
        assert len({(given_lists[n].votes, rows[n].seats) for n in tie.lists}) == 1
        assert all(rows[n].passed and rows[n].seats < given_lists[n].candidates for n in tie.lists)


class TestAgainstOthers:
    """The same numbers computed by other means."""

    @given(SEATS, districts(most=8), st.sampled_from(METHODS))
    @settings(max_examples=200)
    def test_one_seat_at_a_time(self, seats: int, lists: list[ListStanding], method: str) -> None:
        """Handing out seats one by one to the highest fraction gives the same certain seats, lot and vacancy."""
        law = msgspec.structs.replace(LAW, method=method)
        outcome = allocate(law, seats, lists)
        if isinstance(outcome, Undecided):
            return
        first = Fraction(14, 10) if method == "sainte-lague-modified" else Fraction(1)
        step = 1 if method == "dhondt" else 2
        won: Counter[int] = Counter()
        passed = {row.number for row in outcome.lists if row.passed}
        left = seats
        while left:
            open_lists = [row for row in lists if row.number in passed and won[row.number] < row.candidates]
            if not open_lists:
                break
            ranks = {
                row.number: (
                    row.votes / (first if won[row.number] == 0 else Fraction(1 + step * won[row.number])),
                    row.votes,
                )
                for row in open_lists
            }
            best = [number for number, rank in ranks.items() if rank == max(ranks.values())]
            if len(best) > left:
                assert isinstance(outcome, LotNeeded)
                assert set(outcome.ties[0].lists) == set(best)
                assert outcome.ties[0].places == left
                break
            won.update(best)
            left -= len(best)

        assert {row.number: row.seats for row in outcome.lists} == {
            row.number: won[row.number] for row in lists
        }
        assert outcome.vacant == (left if isinstance(outcome, Allocated) else 0)

    @given(
        SEATS, st.lists(st.integers(1, 10**6), min_size=1, max_size=10, unique=True), st.sampled_from(METHODS)
    )
    def test_votelib(self, seats: int, votes: list[int], method: str) -> None:
        """Without thresholds and short lists the seats are those of votelib's highest averages."""
        law = SeatLaw(method=method, threshold=0, threshold_base="valid-votes", tie=("lot",))
        outcome = allocate(law, seats, [ListStanding(n, own, seats) for n, own in enumerate(votes, 1)])
        divisor = {
            "dhondt": "d_hondt",
            "sainte-lague": "sainte_lague",
            "sainte-lague-modified": votelib.component.divisor.modified_first_coef(
                votelib.component.divisor.sainte_lague, Fraction(14, 10)
            ),
        }[method]
        other = votelib.evaluate.proportional.HighestAverages(divisor)
        expected = other.evaluate(dict(enumerate(votes, 1)), seats)

        assert not isinstance(outcome, Undecided)
        if any(isinstance(key, votelib.evaluate.core.Tie) for key in expected):
            assert isinstance(outcome, LotNeeded)
        else:
            assert isinstance(outcome, Allocated)
            assert {row.number: row.seats for row in outcome.lists if row.seats} == expected

    def test_votelib_at_the_edge_of_floats(self) -> None:
        """Votes beyond the precision of a float are still ranked by their exact quotients."""
        votes = {1: 10**18 + 1, 2: 10**18, 3: 5 * 10**17}
        expected = votelib.evaluate.proportional.HighestAverages("d_hondt").evaluate(votes, 3)

        outcome = allocate(LAW, 3, [ListStanding(n, own, 3) for n, own in votes.items()])

        assert isinstance(outcome, Allocated)
        assert {row.number: row.seats for row in outcome.lists if row.seats} == expected
