"""Contests of lists that end in equal numbers at the last seat.

Two lists get votes, or lose some, one by one in all precincts, until it is so; the others keep theirs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations, product

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Poll
from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.rehearsal.made_up.generator import Ballots, Lists
from skrutinium_server.rehearsal.made_up.scale import apportion
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.model import Allocated, ListStanding, LotNeeded, Outcome


def lots(index: DefinitionIndex, law: Law, contest: str, ballots: Ballots) -> Iterator[dict[Poll, Lists]]:
    """Two lists end with equal votes, and the last seat belongs to one of them."""
    counted = _Counted(index, law, contest, ballots)
    for one, other in counted.pairs():
        for votes in _around((counted.votes[one] + counted.votes[other]) // 2):
            wanted = {one: votes, other: votes}
            outcome = counted.outcome(wanted)
            if isinstance(outcome, LotNeeded) and outcome.ties[0].lists == (one, other):
                yield from counted.changed(wanted)


def ties(index: DefinitionIndex, law: Law, contest: str, ballots: Ballots) -> Iterator[dict[Poll, Lists]]:
    """Two lists have equal quotients for the last seat, and the one with more votes gets it."""
    counted = _Counted(index, law, contest, ballots)
    found = counted.outcome({})
    if not isinstance(found, Allocated):
        return
    won = {row.number: row.seats for row in found.lists}
    for one, other in counted.pairs():
        places = product((won[one], won[one] + 1), (won[other], won[other] + 1))
        for place, other_place in places:
            if place == other_place or not (counted.has(one, place) and counted.has(other, other_place)):
                continue
            divisors = counted.law.divisor(place), counted.law.divisor(other_place)
            for quotient in _around((counted.votes[one] + counted.votes[other]) // sum(divisors)):
                wanted = {one: quotient * divisors[0], other: quotient * divisors[1]}
                more = max(wanted, key=wanted.__getitem__)
                seats = {one: place - (one != more), other: other_place - (other != more)}
                outcome = counted.outcome(wanted)
                if (
                    isinstance(outcome, Allocated)
                    and seats.items()
                    <= {row.number: row.seats for row in outcome.lists if row.passed}.items()
                ):
                    yield from counted.changed(wanted)


def _around(middle: int) -> Iterator[int]:
    """Whole numbers from the middle outwards, up to two fifths away."""
    yield middle
    step = max(1, middle // 200)
    for away in range(step, middle * 2 // 5, step):
        yield middle + away
        yield middle - away


class _Counted:
    """A contest of one district with the votes of its lists."""

    def __init__(self, index: DefinitionIndex, law: Law, contest: str, ballots: Ballots) -> None:
        assert law.seats is not None
        (district,) = index.districts_of_contest(contest)
        self.law: SeatLaw = law.seats
        self.votes: Counter[int] = Counter()
        self._seats = district.seats or 0
        self._ballots = ballots
        self._candidates = {row.number: row.candidates or 0 for row in index.lists_of_district(district.id)}
        for _, lists in ballots.values():
            self.votes.update({row.number: row.votes for row in lists})

    def pairs(self) -> list[tuple[int, int]]:
        """Every two lists, those with nearly equal votes first."""
        found = combinations(sorted(self.votes), 2)
        return sorted(found, key=lambda pair: (abs(self.votes[pair[0]] - self.votes[pair[1]]), pair))

    def has(self, number: int, place: int) -> bool:
        """Whether a list has a candidate for its seat of that number."""
        return 0 < place <= self._candidates[number]

    def outcome(self, wanted: Mapping[int, int]) -> Outcome:
        """The outcome if those lists had so many votes."""
        votes = {**self.votes, **wanted}
        standing = [
            ListStanding(number, votes[number], candidates) for number, candidates in self._candidates.items()
        ]
        return allocate(self.law, self._seats, standing)

    def changed(self, wanted: Mapping[int, int]) -> Iterator[dict[Poll, Lists]]:
        """The votes of all polls with which those lists have so many; nothing when there is no room for it."""
        changed = {poll: lists for poll, (_, lists) in self._ballots.items()}
        for number, votes in wanted.items():
            if not self._change(changed, number, votes - self.votes[number]):
                return
        yield changed

    def _change(self, changed: dict[Poll, Lists], number: int, more: int) -> bool:
        """Give a list so many votes more (or fewer, below 0), nobody more than there are envelopes; False without room."""
        cells = [
            (poll, place, candidate, votes)
            for poll, lists in changed.items()
            for place, row in enumerate(lists)
            if row.number == number
            for candidate, votes in row.candidates or ()
        ]
        room = [votes if more < 0 else self._ballots[poll][0].returned - votes for poll, _, _, votes in cells]
        if sum(room) < abs(more):
            return False
        moved = apportion(abs(more), room) if more else [0] * len(cells)
        rows: dict[tuple[Poll, int], list[tuple[int, int]]] = {}
        for (poll, place, candidate, votes), by in zip(cells, moved, strict=True):
            rows.setdefault((poll, place), []).append((candidate, votes + (by if more > 0 else -by)))
        for (poll, place), candidates in rows.items():
            row = ListVotes(number, sum(votes for _, votes in candidates), tuple(candidates))
            changed[poll] = (*changed[poll][:place], row, *changed[poll][place + 1 :])
        return True
