"""Seats and totals against computations written here from the words of the law and the design, with fractions."""

import random
from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from skrutinium.documents.protocols import ListVotes as Published
from skrutinium.documents.protocols import Protocol as PublishedProtocol
from skrutinium.verifying.recount import EVENT, Recount, Sum, votes_of
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Definition
from skrutinium_server.election.seat_law import METHODS, THRESHOLD_BASES, SeatLaw
from skrutinium_server.intake.model import Protocol
from skrutinium_server.tally.model import Count
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.model import (
    Allocated,
    CandidateStanding,
    ListStanding,
    LotNeeded,
    Undecided,
)
from skrutinium_server.tally.tally import Tally
from tests.tally.adding import Addition, counting
from tests.tally.made import LAW, TIME, Night, accepted, nights

LAWS = st.builds(
    SeatLaw,
    method=st.sampled_from(METHODS),
    threshold=st.sampled_from((0, 3, 5, 10, 50, 100)),
    threshold_base=st.sampled_from(THRESHOLD_BASES),
    lower_until=st.integers(0, 3),
    lower_step=st.sampled_from((1, 2, 7)),
    order_factor=st.sampled_from((None, "11/10", "1", "3/2")),
    order_mean=st.sampled_from(("whole", "exact")),
    tie=st.sampled_from((("votes", "lot"), ("lot",))),
)


@st.composite
def standings(draw: st.DrawFn) -> list[ListStanding]:
    """Lists with small numbers, so that ties are common, or with those of a capital."""
    most = draw(st.sampled_from((3, 60, 5_000_000)))
    rows = []
    for number in draw(st.lists(st.integers(1, 99), min_size=1, max_size=9, unique=True)):
        votes = draw(st.lists(st.integers(0, most), max_size=12))
        known = draw(st.booleans())
        standing = (
            tuple(CandidateStanding(place, count) for place, count in enumerate(votes, 1)) if known else None
        )
        rows.append(ListStanding(number, sum(votes), len(votes), standing))
    return rows


class Naive:
    """The allocation as one would do it by hand: one seat after the other to the highest quotient left."""

    def __init__(self, law: SeatLaw, seats: int, lists: list[ListStanding]) -> None:
        self.law, self.seats, self.lists = law, seats, lists
        self.total = sum(row.votes for row in lists)
        self.percent, self.passed = self.threshold()
        self.won: Counter[int] = Counter()
        self.tied: list[int] = []
        self.places = 0
        self.award()

    def needed(self, percent: int, row: ListStanding) -> Fraction:
        """The votes that a percentage asks of a list."""
        share = Fraction(percent, 100) * self.total
        if self.law.threshold_base == "valid-votes":
            return share
        return share / self.seats * min(row.candidates, self.seats)

    def threshold(self) -> tuple[int, set[int]]:
        """Lower the threshold until enough lists pass, or all that ever could."""
        could = [row for row in self.lists if row.votes and row.candidates]
        percent = self.law.threshold
        while True:
            passed = {row.number for row in could if row.votes >= self.needed(percent, row)}
            if percent == 0 or len(passed) >= self.law.lower_until or len(passed) == len(could):
                return percent, passed
            percent = max(0, percent - self.law.lower_step)

    def quotient(self, row: ListStanding) -> tuple[Fraction, int]:
        """The quotient of a list's next seat, and what decides between equal ones."""
        place = self.won[row.number] + 1
        divisor = Fraction(place)
        if self.law.method != "dhondt":
            divisor = (
                Fraction(7, 5)
                if place == 1 and self.law.method == "sainte-lague-modified"
                else Fraction(2 * place - 1)
            )
        return row.votes / divisor, row.votes if "votes" in self.law.tie else 0

    def award(self) -> None:
        """One rank of equal quotients after the other; where the places do not suffice for a rank, it is a lot."""
        left = self.seats
        while left:
            open_ = [
                row
                for row in self.lists
                if row.number in self.passed and self.won[row.number] < row.candidates
            ]
            if not open_:
                return
            best = max(map(self.quotient, open_))
            rank = [row.number for row in open_ if self.quotient(row) == best]
            if len(rank) > left:
                self.tied, self.places = sorted(rank), left
                return
            self.won.update(rank)
            left -= len(rank)

    def order(self, row: ListStanding) -> tuple[int, ...] | None:
        """Candidates in the order of award."""
        if row.standing is None:
            return None
        if self.law.order_factor is None or not row.standing:
            return tuple(one.number for one in row.standing)
        mean = Fraction(row.votes, len(row.standing))
        bound = Fraction(self.law.order_factor) * (
            mean.numerator // mean.denominator if self.law.order_mean == "whole" else mean
        )
        front = sorted((-one.votes, one.number) for one in row.standing if one.votes >= bound)
        return tuple(
            [number for _, number in front] + [one.number for one in row.standing if one.votes < bound]
        )


@given(LAWS, st.integers(1, 30), standings(), st.randoms(use_true_random=False))
def test_seats_equal_a_hand_count(
    law: SeatLaw, seats: int, lists: list[ListStanding], chance: random.Random
) -> None:
    """Threshold, seats, lots, vacant seats and elected persons equal the naive allocation, under every law that is known."""
    outcome = allocate(law, seats, chance.sample(lists, len(lists)))
    if not sum(row.votes for row in lists):
        assert outcome == Undecided("no-votes")
        return
    naive = Naive(law, seats, lists)
    assert isinstance(outcome, Allocated | LotNeeded)
    assert outcome.threshold_percent == naive.percent
    assert {row.number for row in outcome.lists if row.passed} == naive.passed
    assert {row.number: row.seats for row in outcome.lists} == {
        row.number: naive.won[row.number] for row in lists
    }
    assert isinstance(outcome, LotNeeded) == bool(naive.tied)
    if isinstance(outcome, LotNeeded):
        assert [(tie.lists, tie.places) for tie in outcome.ties] == [(tuple(naive.tied), naive.places)]
    assert outcome.vacant == seats - naive.won.total() - naive.places
    by_number = {row.number: row for row in lists}
    for row in outcome.lists:
        assert Fraction(*row.threshold) == naive.needed(naive.percent, by_number[row.number])
        order = naive.order(by_number[row.number])
        assert row.order == order
        assert row.elected == (() if not row.seats else None if order is None else order[: row.seats])


def published(position: int, protocol: Protocol, version: int) -> PublishedProtocol:
    """A protocol as the SDK reads it."""
    return PublishedProtocol(
        precinct=protocol.precinct,
        contest=protocol.contest,
        district=protocol.district,
        entry=position,
        version=version,
        sequence=protocol.sequence,
        established=TIME,
        accepted=TIME,
        sha256="0" * 64,
        repeated=False,
        supersedes=None,
        reason=None,
        authority=None,
        figures=protocol.figures,
        lists=tuple(Published(row.number, row.votes, dict(row.candidates or ())) for row in protocol.lists),
        taken_over=None,
    )


def structured(definition: Definition) -> Recount:
    """A recount that knows the structure, as the documents of the first release tell it."""
    recount = Recount()
    for area in definition.areas:
        if area.parent is not None:
            assert recount.set_parent(area.id, area.parent)
    for contest in definition.contests:
        lists = {
            (row.district, row.number): row.committee for row in definition.lists if row.contest == contest.id
        }
        nominees = {
            (row.district, row.number): row.committee
            for row in definition.candidates
            if row.contest == contest.id and row.list == 0
        }
        recount.set_committees(contest.id, contest.kind, lists, nominees)
    for precinct in definition.precincts:
        polls = {poll.contest: poll.district for poll in definition.polls if poll.precinct == precinct.id}
        assert recount.set_polls(precinct.id, precinct.area, polls)
        recount.expect(precinct.id)
    return recount


def same(ours: Sum, theirs: Count) -> None:
    """One sum of the SDK against one of the server."""
    assert (ours.expected, ours.reported, ours.reporting) == (
        theirs.expected,
        theirs.reported,
        theirs.reporting,
    )
    assert ours.figures == theirs.figures
    assert ours.told_by == theirs.told


def positive(votes: dict[int, int]) -> dict[int, int]:
    """Without the zeros, which only say what is on the ballot."""
    return {number: value for number, value in votes.items() if value}


@given(nights(), st.randoms(use_true_random=False))
def test_recount_of_the_sdk_equals_the_tally(night: Night, chance: random.Random) -> None:
    """Tally, the SDK's recount and a plain addition agree after every protocol, in whatever order the night comes in."""
    definition, protocols = night
    protocols = chance.sample(protocols, len(protocols))
    tally, recount = Tally(DefinitionIndex(definition), LAW), structured(definition)
    versions: Counter[tuple[str, str]] = Counter()
    for position, protocol in enumerate(protocols, 2):
        key = (protocol.precinct, protocol.contest)
        versions[key] += 1
        tally.apply(position, accepted(protocol))
        recount.take(key, votes_of(published(position, protocol, versions[key])))
        agree(recount, tally, definition)
    Addition(definition, counting(protocols)).agree(tally)


def agree(recount: Recount, tally: Tally, definition: Definition) -> None:
    """Every sum that both know."""
    assert recount.expected == tally.expected
    assert len(recount.current) == tally.reported
    kinds = {contest.id: contest.kind for contest in definition.contests}
    for contest in tally.contests.values():
        same(recount.contests.get(contest.id, Sum()), contest.count)
        for district in contest.districts.values():
            ours = recount.districts.get(district.id, Sum())
            same(ours, district.count)
            # A list of nobody looks like one whose candidates are not told.
            assert ours.without_candidates >= district.without_candidates
            assert positive({int(number or 0): votes for number, votes in ours.parts.items()}) == positive(
                district.votes
            )
            told = {
                (one, who): votes
                for one, row in district.candidate_votes.items()
                for who, votes in row.items()
                if votes
            }
            assert {place: votes for place, votes in ours.candidates.items() if votes} == told
    event = recount.areas.get(EVENT, {})
    assert sum(one.reported for one in event.values()) == tally.reported
    for area in tally.areas.values():
        for kind, total in area.kinds.items():
            assert kind in kinds.values()
            sums = recount.area(area.id, kind)
            same(sums, total.count)
            committees = {id: row.votes for id, row in total.committees.items() if row.votes}
            assert {id: votes for id, votes in sums.parts.items() if votes} == committees


@given(nights(distinct=True), st.randoms(use_true_random=False))
def test_last_word_does_not_depend_on_the_order(night: Night, chance: random.Random) -> None:
    """However corrections and first versions are shuffled, tally and recount end at the same numbers."""
    definition, protocols = night
    ends = []
    for order in (protocols, chance.sample(protocols, len(protocols))):
        tally, recount = Tally(DefinitionIndex(definition), LAW), structured(definition)
        for position, protocol in enumerate(order, 2):
            tally.apply(position, accepted(protocol))
            recount.take((protocol.precinct, protocol.contest), votes_of(published(position, protocol, 1)))
        agree(recount, tally, definition)
        numbers = {key: votes.numbers() for key, votes in recount.current.items()}
        ends.append(
            (
                numbers,
                [
                    (one.id, one.votes, one.outcome)
                    for row in tally.contests.values()
                    for one in row.districts.values()
                ],
            )
        )
    assert ends[0] == ends[1]
