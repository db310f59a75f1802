"""Named cases of the municipal seat rule: thresholds, lists that run out, lots, order of candidates, bad numbers."""

import itertools
import tomllib
from importlib.resources import files

import msgspec
import pytest

from skrutinium_server.election.seat_law import SeatLaw, SeatLawError
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.errors import SeatsError
from skrutinium_server.tally.seats.model import (
    Allocated,
    CandidateStanding,
    ListStanding,
    LotNeeded,
    Outcome,
    Tie,
    Undecided,
)
from skrutinium_server.tally.seats.order import award_order

TABLE = {
    "method": "dhondt",
    "threshold": 5,
    "threshold_base": "candidates-over-seats",
    "lower_until": 2,
    "lower_step": 1,
    "order_factor": "11/10",
    "tie": ["votes", "lot"],
}
LAW = msgspec.convert(TABLE, SeatLaw)


def lists(*rows: tuple[int, int]) -> list[ListStanding]:
    """Lists numbered from 1, each given as (votes, candidates)."""
    return [ListStanding(number, votes, candidates) for number, (votes, candidates) in enumerate(rows, 1)]


def listed(votes: list[int]) -> ListStanding:
    """List 1 whose candidates have these votes, in ballot order."""
    standing = tuple(CandidateStanding(number, own) for number, own in enumerate(votes, 1))
    return ListStanding(1, sum(votes), len(votes), standing)


def seats(outcome: Outcome) -> list[int]:
    """Seats of the lists, by number."""
    assert not isinstance(outcome, Undecided)
    return [row.seats for row in outcome.lists]


class TestOfficialExample:
    """The Czech Statistical Office's published worked example: seven seats, four lists, one with a single candidate."""

    VOTES = (
        [85, 67, 92, 65, 88, 90, 83, 88, 68],
        [77, 88, 105, 110, 113, 112, 109, 110],
        [65, 68, 68, 66, 66, 70, 65],
        [85],
    )

    def test_seats_and_persons(self) -> None:
        """Seats go 3, 3, 1, 0; in the first list those with 88 votes reach 1.1 times 80, the whole mean of 80.67."""
        given = [msgspec.structs.replace(listed(votes), number=n) for n, votes in enumerate(self.VOTES, 1)]

        outcome = allocate(LAW, 7, given)

        assert isinstance(outcome, Allocated)
        assert outcome.threshold_percent == 5
        assert all(row.passed for row in outcome.lists)
        assert [row.elected for row in outcome.lists] == [(3, 6, 5), (1, 2, 3), (1,), ()]


class TestThreshold:
    """Who takes part."""

    def test_exactly_five_percent_passes(self) -> None:
        """A list with exactly 5 % of its base passes, one vote less does not."""
        at = allocate(LAW, 15, lists((500, 15), (450, 15), (50, 15)))
        below = allocate(LAW, 15, lists((500, 15), (451, 15), (49, 15)))

        assert isinstance(at, Allocated)
        assert isinstance(below, Allocated)
        assert [row.passed for row in at.lists] == [True, True, True]
        assert [row.passed for row in below.lists] == [True, True, False]
        assert at.lists[2].threshold == (50, 1)

    def test_fewer_candidates_lower_the_base(self) -> None:
        """A list with one candidate for fifteen seats needs a fifteenth of what a full list needs."""
        outcome = allocate(LAW, 15, lists((600, 15), (396, 15), (4, 1)))

        assert isinstance(outcome, Allocated)
        assert outcome.lists[2].passed
        assert outcome.lists[2].threshold == (10, 3)

    def test_more_candidates_than_seats_count_as_seats(self) -> None:
        """A list with nine candidates for seven seats needs no more than a list with seven."""
        outcome = allocate(LAW, 7, lists((500, 9), (450, 7), (50, 9)))

        assert isinstance(outcome, Allocated)
        assert outcome.lists[2].passed
        assert {row.threshold for row in outcome.lists} == {(50, 1)}

    @pytest.mark.parametrize("percent", [4, 3, 2, 1])
    def test_lowered_until_two_pass(self, percent: int) -> None:
        """With one list above 5 %, the threshold drops point by point to what the next list has; a third stays out."""
        second, third = percent * 100, percent * 100 - 1
        outcome = allocate(LAW, 11, lists((10_000 - second - third, 11), (second, 11), (third, 11)))

        assert isinstance(outcome, Allocated)
        assert outcome.threshold_percent == percent
        assert [row.passed for row in outcome.lists] == [True, True, False]
        assert outcome.lists[1].threshold == (second, 1)

    def test_lowered_by_the_step_of_the_law(self) -> None:
        """With a step of two points a list at 4 % passes at 3 %."""
        law = msgspec.structs.replace(LAW, lower_step=2)

        outcome = allocate(law, 11, lists((9600, 11), (400, 11)))

        assert isinstance(outcome, Allocated)
        assert outcome.threshold_percent == 3

    def test_both_at_the_same_lowered_percent(self) -> None:
        """All lists that reach the lowered percentage take part, also when that makes more than two."""
        outcome = allocate(LAW, 11, lists((9300, 11), (350, 11), (350, 11)))

        assert isinstance(outcome, Allocated)
        assert outcome.threshold_percent == 3
        assert [row.passed for row in outcome.lists] == [True, True, True]

    def test_zero_percent_lets_every_vote_in(self) -> None:
        """When nothing reaches 1 %, the threshold ends at 0 % and only lists without a vote stay out."""
        outcome = allocate(LAW, 5, lists((9990, 5), (9, 5), (1, 5), (0, 5)))

        assert isinstance(outcome, Allocated)
        assert outcome.threshold_percent == 0
        assert [row.passed for row in outcome.lists] == [True, True, True, False]

    def test_a_single_list_keeps_five_percent(self) -> None:
        """A district with one list has nobody to lower for: the list passes and fills all it can."""
        outcome = allocate(LAW, 7, lists((420, 9)))

        assert isinstance(outcome, Allocated)
        assert (outcome.threshold_percent, seats(outcome), outcome.vacant) == (5, [7], 0)

    def test_a_list_without_votes_does_not_lower(self) -> None:
        """Beside a list without a vote the threshold stays, since that list could not pass at 0 % either."""
        outcome = allocate(LAW, 7, lists((420, 5), (0, 7)))

        assert isinstance(outcome, Allocated)
        assert (outcome.threshold_percent, seats(outcome), outcome.vacant) == (5, [5, 0], 2)

    def test_never_lowered_when_the_law_does_not(self) -> None:
        """With ``lower_until`` 0 and a base of all valid votes a single passing list takes every seat."""
        law = msgspec.structs.replace(LAW, lower_until=0, threshold_base="valid-votes")

        outcome = allocate(law, 5, lists((960, 5), (40, 1)))

        assert isinstance(outcome, Allocated)
        assert (outcome.threshold_percent, seats(outcome)) == (5, [5, 0])


class TestListsThatRunOut:
    """A list gets no more seats than it has candidates."""

    def test_surplus_goes_to_the_next_quotients(self) -> None:
        """A list with 89 % of the votes and two candidates gets two seats, the others share the rest."""
        outcome = allocate(LAW, 7, lists((8900, 2), (600, 7), (500, 7)))

        assert isinstance(outcome, Allocated)
        assert (seats(outcome), outcome.vacant) == ([2, 3, 2], 0)

    def test_what_nobody_can_fill_is_vacant(self) -> None:
        """Seats beyond all candidates of the passed lists are vacant and said so."""
        outcome = allocate(LAW, 7, lists((300, 2), (200, 1)))

        assert isinstance(outcome, Allocated)
        assert (seats(outcome), outcome.vacant) == ([2, 1], 4)

    def test_a_capped_list_is_not_in_a_lot(self) -> None:
        """Of three equal lists the one whose candidates are used up is not part of the lot for the last seat."""
        outcome = allocate(LAW, 4, lists((100, 1), (100, 4), (100, 4)))

        assert isinstance(outcome, LotNeeded)
        assert outcome.ties == (Tie(places=1, lists=(2, 3)),)


class TestEqualQuotients:
    """Who is first among equals."""

    def test_more_votes_win(self) -> None:
        """With equal quotients at the last seat the list with more votes overall gets it: 200 / 2 before 100 / 1."""
        outcome = allocate(LAW, 2, lists((100, 2), (200, 2)))

        assert isinstance(outcome, Allocated)
        assert seats(outcome) == [0, 2]

    def test_lot_at_once_when_the_law_says_so(self) -> None:
        """Without the rule of votes the same equal quotients need a lot."""
        law = msgspec.structs.replace(LAW, tie=("lot",))

        outcome = allocate(law, 2, lists((100, 2), (200, 2)))

        assert isinstance(outcome, LotNeeded)
        assert outcome.ties == (Tie(places=1, lists=(1, 2)),)
        assert seats(outcome) == [0, 1]

    def test_everything_equal_is_a_lot(self) -> None:
        """Three lists with equal votes and five seats: one seat each is certain, two more are drawn among three."""
        outcome = allocate(LAW, 5, lists((70, 5), (70, 5), (70, 5)))

        assert isinstance(outcome, LotNeeded)
        assert seats(outcome) == [1, 1, 1]
        assert outcome.ties == (Tie(places=2, lists=(1, 2, 3)),)

    def test_equal_lists_without_a_contested_seat(self) -> None:
        """Equal lists need no lot when the seats divide evenly."""
        outcome = allocate(LAW, 6, lists((70, 6), (70, 6), (70, 6)))

        assert isinstance(outcome, Allocated)
        assert seats(outcome) == [2, 2, 2]

    def test_nearly_equal_quotients_are_no_tie(self) -> None:
        """Quotients that differ only beyond the reach of a float are told apart."""
        huge = 3 * 10**17
        outcome = allocate(LAW, 3, lists((huge + 1, 3), (huge, 3)))

        assert isinstance(outcome, Allocated)
        assert seats(outcome) == [2, 1]

    def test_certain_persons_are_named_before_the_lot(self) -> None:
        """Before the lot a list names the persons of its certain seats only."""
        one = listed([30, 20, 20])
        two = msgspec.structs.replace(one, number=2)

        outcome = allocate(LAW, 3, [one, two])

        assert isinstance(outcome, LotNeeded)
        assert [row.elected for row in outcome.lists] == [(1,), (1,)]


class TestNothingToDecide:
    """Districts without votes."""

    @pytest.mark.parametrize("rows", [[], [(0, 5)], [(0, 5), (0, 3)]])
    def test_no_votes_is_a_state(self, rows: list[tuple[int, int]]) -> None:
        """Without a single vote nothing is said about seats, neither won nor vacant."""
        assert allocate(LAW, 5, lists(*rows)) == Undecided("no-votes")

    def test_unknown_candidate_votes(self) -> None:
        """Without candidate votes a list has seats and its persons are unknown; without a seat nobody is elected."""
        outcome = allocate(LAW, 1, lists((60, 1), (40, 1)))

        assert isinstance(outcome, Allocated)
        assert [row.elected for row in outcome.lists] == [None, ()]
        assert [row.order for row in outcome.lists] == [None, None]


class TestOrder:
    """The order of candidates within a list."""

    def test_front_by_votes_then_ballot(self) -> None:
        """Those who reach 1.1 times the mean come by votes, equal ones as printed, then the rest as printed."""
        # mean 100: 110 reaches, 109 does not
        assert award_order(LAW, 600, listed([90, 109, 110, 61, 110, 120]).standing or ()) == (
            6,
            3,
            5,
            1,
            2,
            4,
        )

    def test_ballot_order_without_the_rule(self) -> None:
        """A law without an order factor keeps the ballot order, whatever the order of the rows."""
        law = msgspec.structs.replace(LAW, order_factor=None)
        rows = [CandidateStanding(3, 900), CandidateStanding(1, 0), CandidateStanding(2, 5)]

        assert award_order(law, 905, rows) == (1, 2, 3)

    def test_order_of_rows_does_not_matter(self) -> None:
        """Every permutation of the rows gives the same order."""
        rows = listed([10, 40, 40, 10]).standing or ()

        assert {award_order(LAW, 100, given) for given in itertools.permutations(rows)} == {(2, 3, 1, 4)}

    def test_one_candidate(self) -> None:
        """A list with one candidate has that order, below its own front or not."""
        assert award_order(LAW, 85, [CandidateStanding(1, 85)]) == (1,)


class TestLawTable:
    """What a ``[seats]`` table may say."""

    def test_the_czech_law_file(self) -> None:
        """The table of ``cz-municipal-2018`` is the one that these tests compute with."""
        source = files("skrutinium_server.election") / "laws" / "cz-municipal-2018.toml"

        assert msgspec.convert(tomllib.loads(source.read_text("utf-8"))["seats"], SeatLaw) == LAW

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"method": "hare"}, "seats.method is 'hare'.*expected one of dhondt"),
            ({"threshold_base": "voters"}, "seats.threshold_base is 'voters'"),
            ({"threshold": 101}, "seats.threshold is 101, expected 0 to 100"),
            ({"lower_step": 0}, "seats.lower_step is 0, expected 1 to 100"),
            ({"lower_until": -1}, "seats.lower_until is -1"),
            ({"order_factor": "1.1"}, "seats.order_factor is '1.1', expected a fraction"),
            ({"order_factor": "11/0"}, "seats.order_factor"),
            ({"order_mean": "rounded"}, "seats.order_mean is 'rounded'"),
            ({"tie": ["lot", "votes"]}, "seats.tie is .*expected"),
            ({"tie": []}, "seats.tie is"),
            ({"treshold": 5}, "unknown field `treshold`"),
        ],
    )
    def test_unknown_values_are_refused(self, change: dict[str, object], said: str) -> None:
        """A value that no rule is written for stops the reading and the message names field, value and choice."""
        with pytest.raises(msgspec.ValidationError, match=said):
            msgspec.convert(TABLE | change, SeatLaw)

    def test_error_has_a_code(self) -> None:
        """Made in code, the same fault is an error of its own with a code for machines."""
        with pytest.raises(SeatLawError) as caught:
            SeatLaw(method="hare", threshold=5, threshold_base="valid-votes")

        assert caught.value.code == "seat-law-method"


class TestBadNumbers:
    """Standings that contradict themselves."""

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ((0, lists((1, 1))), "seats-none"),
            ((1, [ListStanding(1, 5, 1), ListStanding(1, 6, 1)]), "seats-list-twice"),
            ((1, [ListStanding(1, -5, 1)]), "seats-negative"),
            ((1, [ListStanding(1, 5, -1)]), "seats-negative"),
            ((1, [ListStanding(1, 5, 2, (CandidateStanding(1, 5),))]), "seats-candidates"),
            (
                (1, [ListStanding(1, 5, 2, (CandidateStanding(1, 5), CandidateStanding(1, 0)))]),
                "seats-candidates",
            ),
            ((1, [ListStanding(1, 5, 1, (CandidateStanding(1, -5),))]), "seats-negative"),
        ],
    )
    def test_refused_with_a_code(self, given: tuple[int, list[ListStanding]], code: str) -> None:
        """The refusal carries a code and computes nothing."""
        with pytest.raises(SeatsError) as caught:
            allocate(LAW, *given)

        assert caught.value.code == code
