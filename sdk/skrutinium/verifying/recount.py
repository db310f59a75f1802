"""Adding protocols up again, independently of the publisher: whole numbers only, newest version of each protocol counts.

Holds what the published documents say of the structure (which precinct lies where, which contest is of which kind, which
list belongs to which committee) and the protocols; everything else is added up here.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from skrutinium.documents.protocols import Protocol
from skrutinium.verifying.ballots import Ballot

EVENT = ""
"""Stands for the whole event where an area is named."""


@dataclass(frozen=True, slots=True)
class Votes:
    """A protocol that counts, or counted, as the batch of its release told it."""

    entry: int
    version: int
    sequence: int
    sha256: str
    district: str
    figures: dict[str, int]
    lists: dict[int, int]
    candidates: dict[tuple[int, int], int]
    established: datetime.datetime
    accepted: datetime.datetime
    repeated: bool
    supersedes: int | None
    reason: str | None
    authority: str | None

    def numbers(self) -> dict[tuple[str | None, int | None, int | None], int]:
        """Every number by (field, list, candidate), as a correction names them."""
        told: dict[tuple[str | None, int | None, int | None], int] = {
            (name, None, None): value for name, value in self.figures.items()
        }
        told.update({(None, one, None): value for one, value in self.lists.items()})
        told.update({(None, one, who): value for (one, who), value in self.candidates.items()})
        return told


def votes_of(protocol: Protocol) -> Votes:
    """What counts of a protocol."""
    return Votes(
        protocol.entry,
        protocol.version,
        protocol.sequence,
        protocol.sha256,
        protocol.district,
        dict(protocol.figures),
        {one.number: one.votes for one in protocol.lists},
        {(one.number, who): votes for one in protocol.lists for who, votes in one.candidates.items()},
        protocol.established,
        protocol.accepted,
        protocol.repeated,
        protocol.supersedes,
        protocol.reason,
        protocol.authority,
    )


@dataclass(slots=True)
class Sum:
    """Protocols expected and reported, and sums; ``parts`` are lists in a district and committees in an area.

    ``eligible_out`` are the voters of the precincts still out, None when a register does not tell them.
    ``without_candidates`` counts the protocols that do not tell the candidates of each of their lists; ``touching``
    are, in an area, the contests that are held there.
    """

    expected: int = 0
    reported: int = 0
    figures: dict[str, int] = field(default_factory=dict)
    told_by: dict[str, int] = field(default_factory=dict)
    parts: dict[int | str | None, int] = field(default_factory=dict)
    candidates: dict[tuple[int, int], int] = field(default_factory=dict)
    without_candidates: int = 0
    touching: set[str] = field(default_factory=set)
    eligible_out: int | None = 0

    @property
    def reporting(self) -> str:
        """The word for how much is reported."""
        if not self.expected:
            return "not-applicable"
        if not self.reported:
            return "none"
        return "all" if self.reported >= self.expected else "part"

    def add_figures(self, votes: Votes, sign: int) -> None:
        """Add (or with -1 take away) the figures of a protocol, and count it."""
        self.reported += sign
        for name, value in votes.figures.items():
            self.figures[name] = self.figures.get(name, 0) + sign * value
            self.told_by[name] = self.told_by.get(name, 0) + sign
            if not self.told_by[name]:
                del self.told_by[name], self.figures[name]


@dataclass(frozen=True, slots=True)
class FirstFacts:
    """What a second round's documents say of the first round of one contest: sums, and votes by candidate."""

    figures: dict[str, int]
    votes: dict[int, int]


@dataclass(slots=True)
class Precincts:
    """Precincts of an area, those of them from which a protocol is out, and their voters (None when one is not told)."""

    all: int = 0
    out: int = 0
    eligible_out: int | None = 0


@dataclass(slots=True)
class Touched:
    """Units whose numbers changed since this was last emptied."""

    contests: set[str] = field(default_factory=set)
    precincts: set[str] = field(default_factory=set)
    areas: set[str] = field(default_factory=set)


class Recount:
    """All sums at one release; ``won`` keeps what :mod:`.outcomes` worked out of a contest until its votes change."""

    def __init__(self, law: str = "") -> None:
        self.law = law
        self.state = "interim"
        self.parent: dict[str, str] = {}
        self.precinct_area: dict[str, str] = {}
        self.kind: dict[str, str] = {}
        self.committee: dict[tuple[str, int], str | None] = {}
        self.nominee: dict[tuple[str, int], str | None] = {}
        self.turn = 1
        self.withdrawn: dict[str, set[int]] = {}
        self.ballots: dict[str, Ballot] = {}
        self.won: dict[str, Mapping[str | None, int] | None] = {}
        self.first: dict[str, FirstFacts] = {}
        self.held: dict[str, str] = {}
        self.precincts: dict[str, Precincts] = {}
        self.owed: dict[str, int] = {}
        self.eligible: Mapping[str, Mapping[str, int | None]] | None = None
        self.polls: dict[str, dict[str, str]] = {}
        self.contest_area: dict[str, str] = {}
        self.divisions: dict[str, dict[int, str]] = {}
        self.precinct_number: dict[str, str] = {}
        self.current: dict[tuple[str, str], Votes] = {}
        self.arrived: dict[tuple[str, str], int] = {}
        self.districts: dict[str, Sum] = {}
        self.contests: dict[str, Sum] = {}
        self.areas: dict[str, dict[str, Sum]] = {}
        self.contest_precincts: dict[str, set[str]] = {}
        self.touched = Touched()
        self.expected = 0

    # ---------------------------------------------------------------- structure
    def above(self, precinct: str) -> Iterator[str]:
        """The areas a precinct lies in, from the smallest, and the whole event."""
        yield from self.around(self.precinct_area.get(precinct))

    def around(self, area: str | None) -> Iterator[str]:
        """An area, those it lies in, and the whole event."""
        seen: set[str] = set()
        while area is not None and area not in seen:
            seen.add(area)
            yield area
            area = self.parent.get(area)
        yield EVENT

    def set_parent(self, area: str, parent: str) -> bool:
        """Say in which larger area one lies; False when votes were already added up otherwise."""
        if self.parent.get(area, parent) != parent:
            return False
        self.parent[area] = parent
        return True

    def set_committees(
        self,
        contest: str,
        kind: str,
        lists: dict[tuple[str, int], str | None],
        nominees: dict[tuple[str, int], str | None],
    ) -> None:
        """Say which committee each (district, list) or (district, single person) belongs to, and the contest's kind."""
        changed = [key for key, committee in lists.items() if self.committee.get(key) != committee]
        changed += [key for key, committee in nominees.items() if self.nominee.get(key) != committee]
        if changed or self.kind.get(contest, kind) != kind:
            counted = [
                (precinct, contest)
                for precinct in self.contest_precincts.get(contest, ())
                if (precinct, contest) in self.current
            ]
            for key in counted:
                self._apply(key, self.current[key], -1)
            self.committee.update(lists)
            self.nominee.update(nominees)
            for key in counted:
                self._apply(key, self.current[key], 1)
        self.kind[contest] = kind

    def set_polls(self, precinct: str, area: str, polls: dict[str, str]) -> bool:
        """Say which protocols a precinct owes; False when that is not what it was before."""
        before = self.polls.get(precinct)
        if before is not None:
            return before == polls and self.precinct_area[precinct] == area
        self.polls[precinct] = polls
        self.precinct_area[precinct] = area
        return True

    def expect(self, precinct: str) -> None:
        """Count what a precinct owes, once the structure around it is known."""
        self.owed[precinct] = len(self.polls[precinct])
        for area in self.above(precinct):
            of_area = self.precincts.setdefault(area, Precincts())
            of_area.all += 1
            of_area.out += 1
            _owe(of_area, self.voters(precinct), 1)
        for contest, district in self.polls[precinct].items():
            self.expected += 1
            self.contest_precincts.setdefault(contest, set()).add(precinct)
            self.won.pop(contest, None)
            for one in self._sums(precinct, contest, district):
                one.expected += 1
                _owe(one, self.voters(precinct, contest), 1)
            kind = self.kind.get(contest, "")
            for area in {*self.above(precinct), *self.around(self.contest_area.get(contest))}:
                self.area(area, kind).touching.add(contest)

    def voters(self, precinct: str, contest: str | None = None) -> int | None:
        """Voters before the election: of one contest, or the most that any contest of the precinct tells."""
        polls = (self.eligible or {}).get(precinct, {})
        if contest is not None:
            return polls.get(contest)
        return max((one for one in polls.values() if one is not None), default=None)

    def set_eligible(self, eligible: Mapping[str, Mapping[str, int | None]] | None) -> None:
        """Say how many voters each precinct has in each contest (None: no register tells), and count those still out anew."""
        self.eligible = eligible
        sums: list[Sum | Precincts] = [
            *self.districts.values(),
            *self.contests.values(),
            *self.precincts.values(),
        ]
        sums += (one for kinds in self.areas.values() for one in kinds.values())
        for one in sums:
            one.eligible_out = 0
        # First all are out, then those come in that are: a sum with an unknown part stays unknown.
        for precinct in self.owed:
            for area in self.above(precinct):
                _owe(self.precincts[area], self.voters(precinct), 1 if self.owed[precinct] else 0)
            for contest, district in self.polls[precinct].items():
                out = 0 if (precinct, contest) in self.current else 1
                for total in self._sums(precinct, contest, district):
                    _owe(total, self.voters(precinct, contest), out)

    def from_start(self) -> "Recount":
        """The same structure without any protocol."""
        other = Recount(self.law)
        other.parent, other.kind, other.committee = self.parent, self.kind, self.committee
        other.nominee = self.nominee
        other.polls, other.precinct_area = self.polls, self.precinct_area
        other.precinct_number, other.contest_area = self.precinct_number, self.contest_area
        other.divisions = self.divisions
        other.turn, other.withdrawn, other.first = self.turn, self.withdrawn, self.first
        other.ballots = self.ballots
        for precinct in self.polls:
            other.expect(precinct)
        return other

    # ---------------------------------------------------------------- protocols
    def take(self, key: tuple[str, str], votes: Votes) -> Votes | None:
        """Take a protocol in; returns the one it replaces. An older or equal sequence changes nothing."""
        self.arrived[key] = self.arrived.get(key, 0) + 1
        before = self.current.get(key)
        if before is not None and votes.sequence <= before.sequence:
            return None
        if before is not None:
            self._apply(key, before, -1)
        else:
            self._came_in(*key, votes.district)
        self._apply(key, votes, 1)
        self.current[key] = votes
        self.touched.precincts.add(key[0])
        if before is None or before.numbers() != votes.numbers() or before.district != votes.district:
            self.touched.contests.add(key[1])
            self.touched.areas.update(self.above(key[0]))
        return before

    def _came_in(self, precinct: str, contest: str, district: str) -> None:
        """One protocol more of a precinct; with the last one it is no longer out."""
        for one in self._sums(precinct, contest, district):
            _owe(one, self.voters(precinct, contest), -1)
        self.owed[precinct] = self.owed.get(precinct, 0) - 1
        if not self.owed[precinct]:
            for area in self.above(precinct):
                self.precincts[area].out -= 1
                _owe(self.precincts[area], self.voters(precinct), -1)

    def area(self, area: str, kind: str) -> Sum:
        """The sum of one kind of contest in an area (or the event)."""
        return self.areas.setdefault(area, {}).setdefault(kind, Sum())

    def _sums(self, precinct: str, contest: str, district: str) -> Iterator[Sum]:
        yield self.districts.setdefault(district, Sum())
        yield self.contests.setdefault(contest, Sum())
        kind = self.kind.get(contest, "")
        for area in self.above(precinct):
            yield self.area(area, kind)

    def _apply(self, key: tuple[str, str], votes: Votes, sign: int) -> None:
        precinct, contest = key
        self.won.pop(contest, None)
        district = self.districts.setdefault(votes.district, Sum())
        for one in self._sums(precinct, contest, votes.district):
            one.add_figures(votes, sign)
        for number, value in votes.lists.items():
            district.parts[number] = district.parts.get(number, 0) + sign * value
        for who, value in votes.candidates.items():
            district.candidates[who] = district.candidates.get(who, 0) + sign * value
        if votes.lists.keys() - {number for number, _ in votes.candidates}:
            district.without_candidates += sign
        by_committee: dict[int | str | None, int] = {}
        for committee, value in self._shares(votes):
            by_committee[committee] = by_committee.get(committee, 0) + value
        kind = self.kind.get(contest, "")
        for area in self.above(precinct):
            parts = self.area(area, kind).parts
            for committee_id, value in by_committee.items():
                parts[committee_id] = parts.get(committee_id, 0) + sign * value

    def _shares(self, votes: Votes) -> Iterator[tuple[str | None, int]]:
        """Votes by committee; where single persons stand (list 0), by who put them up, if the protocol tells the persons."""
        for number, value in votes.lists.items():
            persons = (
                [] if number else [(who, got) for (one, who), got in votes.candidates.items() if not one]
            )
            if persons:
                yield from ((self.nominee.get((votes.district, who)), got) for who, got in persons)
            else:
                yield self.committee.get((votes.district, number)), value


def _owe(total: Sum | Precincts, voters: int | None, sign: int) -> None:
    """Count voters as out (or with -1 as in); one that is not told makes the sum unknown for good."""
    if voters is None:
        total.eligible_out = None
    elif total.eligible_out is not None:
        total.eligible_out += sign * voters
