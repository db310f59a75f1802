"""The tally before the first protocol: every unit of the definition with what is expected in it and nothing reported."""

from collections.abc import Iterator
from dataclasses import dataclass

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Poll
from skrutinium_server.tally.ballot import Ballot, Ballots
from skrutinium_server.tally.decision import ContestTotals
from skrutinium_server.tally.errors import TallyError
from skrutinium_server.tally.model import (
    AreaTally,
    CommitteeTally,
    ContestTally,
    Count,
    DistrictTally,
    KindTally,
    Open,
)
from skrutinium_server.tally.totals import AreaTotals, DistrictTotals, PollTotals

OPEN = Open()


@dataclass(slots=True)
class PrecinctOut:
    """How many protocols a precinct still owes, and its voters (the most that any of its polls tells, None: none does)."""

    areas: tuple[AreaTally, ...]
    owed: int = 0
    eligible: int | None = None

    def report(self) -> None:
        """One protocol more came in; with the last one the precinct is no longer out."""
        self.owed -= 1
        if self.owed:
            return
        for area in self.areas:
            area.precincts_out -= 1
            if area.eligible_out is not None:
                area.eligible_out -= self.eligible or 0


class Frame:
    """All totals of a definition: ``areas``, ``contests`` and ``districts`` by id, ``polls`` by (precinct, contest).

    Raises :class:`TallyError` when the definition has not exactly one country.
    """

    def __init__(self, index: DefinitionIndex) -> None:
        self._index = index
        self._kinds: dict[tuple[str, str], AreaTotals] = {}
        self._chains: dict[tuple[str, str], tuple[AreaTotals, ...]] = {}
        self.areas = {area: AreaTally(id=area, count=Count(), kinds={}) for area in index.areas}
        self.country = self.areas[_country(index)]
        self.districts: dict[str, DistrictTotals] = {}
        self.contests: dict[str, ContestTotals] = {}
        ballots = Ballots(index)
        for contest in index.contests:
            self.contests[contest] = self._contest(contest, ballots)
        self.polls: dict[tuple[str, str], PollTotals] = {}
        for poll in index.definition.polls:
            self.polls[poll.precinct, poll.contest] = self._poll(poll)
        self._touch()
        self._add_expected()
        self.out = self._precincts_out()

    def _contest(self, id: str, ballots: Ballots) -> ContestTotals:
        districts = sorted(self._index.districts_of_contest(id), key=lambda district: district.number)
        for district in districts:
            ballot = ballots.of(district.id)
            row = DistrictTally(
                id=district.id,
                count=Count(),
                votes=dict.fromkeys(ballot.committees, 0),
                candidate_votes={},
                without_candidates=0,
                outcome=OPEN,
            )
            self.districts[district.id] = DistrictTotals(row, ballot)
        totals = {district.id: self.districts[district.id] for district in districts}
        tally = ContestTally(id, Count(), {id: row.tally for id, row in totals.items()})
        return ContestTotals(tally, {id: row.ballot for id, row in totals.items()}, areas=())

    def _poll(self, poll: Poll) -> PollTotals:
        kind = self._index.contests[poll.contest].kind
        areas = self._chain(self._index.precincts[poll.precinct].area, kind)
        district, contest = self.districts[poll.district], self.contests[poll.contest].tally
        counts = (district.tally.count, contest.count, *(area.kind.count for area in areas))
        return PollTotals(poll, district, contest, areas, counts)

    def _chain(self, area: str, kind: str) -> tuple[AreaTotals, ...]:
        """Totals of one kind in an area and all that contain it, the smallest first."""
        if (area, kind) not in self._chains:
            self._chains[area, kind] = tuple(self._area(id, kind) for id in self._index.ancestors(area))
        return self._chains[area, kind]

    def _area(self, id: str, kind: str) -> AreaTotals:
        if (id, kind) not in self._kinds:
            area = self.areas[id]
            area.kinds[kind] = KindTally(count=Count())
            self._kinds[id, kind] = AreaTotals(area, area.kinds[kind])
        return self._kinds[id, kind]

    def _touch(self) -> None:
        """Count the contests of each area and put the committees on their ballots there."""
        ballots: dict[tuple[str, str], tuple[tuple[AreaTotals, ...], Ballot]] = {}
        contests: dict[tuple[str, str], AreaTotals] = {}
        for poll in self.polls.values():
            smallest = poll.areas[0].area.id
            ballots.setdefault((smallest, poll.poll.district), (poll.areas, poll.district.ballot))
            if (smallest, poll.poll.contest) not in contests:
                contests.update({(area.area.id, poll.poll.contest): area for area in poll.areas})
        for contest in self.contests.values():
            contest.areas = self._containing(contest.tally.id)
            contests.update({(area.area.id, contest.tally.id): area for area in contest.areas})
            for row in self._index.polls_of_contest(contest.tally.id):
                ballots.setdefault(("", row.district), (contest.areas, contest.ballots[row.district]))
        for area in contests.values():
            area.kind.contests += 1
        for areas, ballot in ballots.values():
            for area in areas:
                _list_committees(area, ballot)

    def _containing(self, contest: str) -> tuple[AreaTotals, ...]:
        """The areas where the contest's seats count; none when nobody votes in it."""
        if not self._index.polls_of_contest(contest):
            return ()
        row = self._index.contests[contest]
        return self._chain(row.area, row.kind)

    def _add_expected(self) -> None:
        for poll in self.polls.values():
            for total in self._counts(poll):
                total.expected += 1
        unknown: set[int] = set()
        for poll in self.polls.values():
            for total in poll.counts:
                if poll.poll.eligible is None:
                    unknown.add(id(total))
                total.eligible_out = (total.eligible_out or 0) + (poll.poll.eligible or 0)
        for poll in self.polls.values():
            for total in poll.counts:
                if id(total) in unknown:
                    total.eligible_out = None

    def _precincts_out(self) -> "dict[str, PrecinctOut]":
        """What each precinct owes, counted into the areas that it lies in."""
        out: dict[str, PrecinctOut] = {}
        for poll in self._index.definition.polls:
            known = out.get(poll.precinct)
            if known is None:
                above = self._index.ancestors(self._index.precincts[poll.precinct].area)
                known = out[poll.precinct] = PrecinctOut(tuple(self.areas[id] for id in above))
            known.owed += 1
            if poll.eligible is not None:
                known.eligible = max(known.eligible or 0, poll.eligible)
        for known in out.values():
            for area in known.areas:
                area.precincts += 1
                area.precincts_out += 1
                if area.eligible_out is not None:
                    area.eligible_out = None if known.eligible is None else area.eligible_out + known.eligible
        return out

    @staticmethod
    def _counts(poll: PollTotals) -> Iterator[Count]:
        yield from poll.counts
        for area in poll.areas:
            yield area.area.count


def _list_committees(area: AreaTotals, ballot: Ballot) -> None:
    committees = area.kind.committees
    for committee in ballot.standing():
        if committee not in committees:
            committees[committee] = CommitteeTally()
            # A list or person without a committee on a ballot keeps the committee None there for good.
            area.unknown += committee is None


def _country(index: DefinitionIndex) -> str:
    countries = [area.id for area in index.areas.values() if area.kind == "country"]
    if len(countries) != 1:
        named = ", ".join(countries) or "none"
        raise TallyError("tally-country", f"the definition has as countries: {named}; expected exactly one")
    return countries[0]
