"""A second way to the same totals, for the tests: no steps and no differences, each unit added up by itself."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from skrutinium_server.election.model import Definition, Poll
from skrutinium_server.intake.model import Protocol
from skrutinium_server.tally.model import AreaTally, ContestTally, Count, DistrictTally
from skrutinium_server.tally.seats.model import Allocated
from skrutinium_server.tally.tally import Tally

Key = tuple[str, str]


def counting(protocols: Sequence[Protocol]) -> dict[Key, Protocol]:
    """The protocol that counts for each precinct and contest, by the rule as the design states it."""
    newest: dict[Key, Protocol] = {}
    for row in protocols:
        key = (row.precinct, row.contest)
        if key not in newest or row.sequence > newest[key].sequence:
            newest[key] = row
    return newest


class Addition:
    """Checks a tally against plain sums over a definition and the protocols that count."""

    def __init__(self, definition: Definition, counts: Mapping[Key, Protocol]) -> None:
        self._definition = definition
        self._counts = counts
        self._parents = {area.id: area.parent for area in definition.areas}
        self._homes = {precinct.id: precinct.area for precinct in definition.precincts}
        self._contests = {contest.id: contest for contest in definition.contests}
        self._committees = {(row.district, row.number): row.committee for row in definition.lists}

    def agree(self, tally: Tally) -> None:
        """Raise AssertionError where the tally differs."""
        assert tally.expected == len(self._definition.polls)
        assert tally.reported == len(self._counts)
        assert tally.complete == (len(self._counts) == len(self._definition.polls))
        assert set(tally.contests) == set(self._contests)
        assert set(tally.areas) == set(self._parents)
        for contest in tally.contests.values():
            self._contest(contest)
        for area in tally.areas.values():
            self._area(tally, area)

    def _contest(self, contest: ContestTally) -> None:
        self._figures(contest.count, [poll for poll in self._definition.polls if poll.contest == contest.id])
        rows = [row for row in self._definition.districts if row.contest == contest.id]
        assert list(contest.districts) == [row.id for row in sorted(rows, key=lambda row: row.number)]
        for district in contest.districts.values():
            self._district(district)

    def _district(self, district: DistrictTally) -> None:
        polls = [poll for poll in self._definition.polls if poll.district == district.id]
        self._figures(district.count, polls)
        votes = {number: 0 for id, number in self._committees if id == district.id}
        told: dict[int, dict[int, int]] = {}
        for row in self._of(polls):
            for given in row.lists:
                votes[given.number] = votes.get(given.number, 0) + given.votes
                if given.candidates is not None:
                    ballot = {
                        candidate.number: 0
                        for candidate in self._definition.candidates
                        if (candidate.district, candidate.list) == (district.id, given.number)
                    }
                    persons = told.setdefault(given.number, ballot)
                    for candidate_number, number in given.candidates:
                        persons[candidate_number] = persons.get(candidate_number, 0) + number
        assert list(district.votes.items()) == sorted(votes.items())
        assert district.candidate_votes == told
        untold = [row for row in self._of(polls) if any(given.candidates is None for given in row.lists)]
        assert district.without_candidates == len(untold)

    def _area(self, tally: Tally, area: AreaTally) -> None:
        polls = [poll for poll in self._definition.polls if self._inside(self._homes[poll.precinct], area.id)]
        kinds = {self._contests[poll.contest].kind for poll in polls}
        assert set(area.kinds) == kinds
        assert (area.count.expected, area.count.reported) == (len(polls), len(list(self._of(polls))))
        assert not area.count.figures
        for kind in kinds:
            of_kind = [poll for poll in polls if self._contests[poll.contest].kind == kind]
            total = area.kinds[kind]
            self._figures(total.count, of_kind)
            assert total.contests == len({poll.contest for poll in of_kind})
            assert {id: row.votes for id, row in total.committees.items()} == self._by_committee(of_kind)
            self._seats(tally, area, kind)

    def _seats(self, tally: Tally, area: AreaTally, kind: str) -> None:
        total = area.kinds[kind]
        seats: Counter[str | None] = Counter()
        decided = 0
        for contest in tally.contests.values():
            row = self._contests[contest.id]
            outcomes = {district.id: district.outcome for district in contest.districts.values()}
            if row.kind != kind or not self._inside(row.area, area.id):
                continue
            if not all(isinstance(outcome, Allocated) for outcome in outcomes.values()):
                continue
            decided += 1
            for id, outcome in outcomes.items():
                assert isinstance(outcome, Allocated)
                for given in outcome.lists:
                    seats[self._committees[id, given.number]] += given.seats
        assert (total.decided, total.seats_decided) == (decided, seats.total())
        assert {id: given.seats for id, given in total.committees.items()} == {
            id: seats[id] for id in total.committees
        }

    def _figures(self, count: Count, polls: Sequence[Poll]) -> None:
        rows = list(self._of(polls))
        assert (count.expected, count.reported) == (len(polls), len(rows))
        names = {name for row in rows for name in row.figures}
        assert count.figures == {name: sum(row.figures.get(name, 0) for row in rows) for name in names}
        assert count.told == {name: sum(name in row.figures for row in rows) for name in names}
        out = [poll.eligible for poll in polls if (poll.precinct, poll.contest) not in self._counts]
        if not polls or any(poll.eligible is None for poll in polls):
            assert count.eligible_out is None
        else:
            assert count.eligible_out == sum(number or 0 for number in out)

    def _by_committee(self, polls: Sequence[Poll]) -> dict[str | None, int]:
        districts = {poll.district for poll in polls}
        votes = {
            committee: 0 for (district, _), committee in self._committees.items() if district in districts
        }
        for row in self._of(polls):
            for given in row.lists:
                committee = self._committees.get((row.district, given.number))
                votes[committee] = votes.get(committee, 0) + given.votes
        return votes

    def _of(self, polls: Iterable[Poll]) -> Iterable[Protocol]:
        keys = [(poll.precinct, poll.contest) for poll in polls]
        return [self._counts[key] for key in keys if key in self._counts]

    def _inside(self, area: str | None, outer: str) -> bool:
        while area is not None and area != outer:
            area = self._parents[area]
        return area == outer
