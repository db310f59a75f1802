"""Look-ups in a definition, each in constant time: what the later stages ask for with every protocol."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from types import MappingProxyType
from typing import Any, Final, TypeVar

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    ContestFirstRound,
    Definition,
    District,
    List,
    Poll,
)

_Row = TypeVar("_Row", bound=Any)


class DefinitionIndex:
    """A definition with its look-ups; ``definition`` must have passed :func:`.check.check`.

    ``areas``, ``contests``, ``districts`` and ``precincts`` are mappings by id in order of id; every tuple that is
    returned is in the order of its table's key. An unknown id gives None where that is said, else an empty tuple.
    """

    def __init__(self, definition: Definition) -> None:
        definition = in_order(definition)
        self.definition: Final = definition
        self.areas: Final = MappingProxyType({area.id: area for area in definition.areas})
        self.contests: Final = MappingProxyType({contest.id: contest for contest in definition.contests})
        self.districts: Final = MappingProxyType({district.id: district for district in definition.districts})
        self.precincts: Final = MappingProxyType({precinct.id: precinct for precinct in definition.precincts})
        self._committees = {committee.id: committee for committee in definition.committees}
        self._polls = {(poll.precinct, poll.contest): poll for poll in definition.polls}
        self._lists = {(row.district, row.number): row for row in definition.lists}
        self._polls_of_contest = _grouped(definition.polls, "contest")
        self._polls_of_precinct = _grouped(definition.polls, "precinct")
        self._lists_of_district = _grouped(definition.lists, "district")
        self._districts_of_contest = _grouped(definition.districts, "contest")
        self._contests_of_area = _grouped(definition.contests, "area")
        self._children = _grouped(definition.areas, "parent")
        candidates: defaultdict[tuple[str, int], list[Candidate]] = defaultdict(list)
        for candidate in definition.candidates:
            candidates[candidate.district, candidate.list].append(candidate)
        self._candidates = {key: tuple(rows) for key, rows in candidates.items()}
        first = definition.first_round
        self._first_round = {} if first is None else {row.contest: row for row in first.contests}
        self._ancestors = {area.id: self._chain(area) for area in definition.areas}

    def poll(self, precinct: str, contest: str) -> Poll | None:
        """What that precinct votes on in that contest; None when it does not."""
        return self._polls.get((precinct, contest))

    def polls_of_contest(self, contest: str) -> tuple[Poll, ...]:
        """The polls of a contest: one protocol is expected for each."""
        return self._polls_of_contest.get(contest, ())

    def polls_of_precinct(self, precinct: str) -> tuple[Poll, ...]:
        """The polls of a precinct, one for each contest that is held there."""
        return self._polls_of_precinct.get(precinct, ())

    def lists_of_district(self, district: str) -> tuple[List, ...]:
        """The lists on the ballot of a district, by number; those without a number are not among them."""
        return self._lists_of_district.get(district, ())

    def list_of(self, district: str, number: int) -> List | None:
        """The list with that number on the ballot of a district."""
        return self._lists.get((district, number))

    def candidates_of(self, district: str, number: int) -> tuple[Candidate, ...]:
        """The candidates of a list in order; ``number`` is the list's, 0 where single persons are voted for."""
        return self._candidates.get((district, number), ())

    def committee(self, id: str) -> Committee | None:
        """The committee with that id."""
        return self._committees.get(id)

    def districts_of_contest(self, contest: str) -> tuple[District, ...]:
        """The districts of a contest by id."""
        return self._districts_of_contest.get(contest, ())

    def first_round(self, contest: str) -> ContestFirstRound | None:
        """What the first round of a contest ended with; None where this event is the first round."""
        return self._first_round.get(contest)

    def contests_of_area(self, area: str) -> tuple[Contest, ...]:
        """The contests that are held for exactly that area."""
        return self._contests_of_area.get(area, ())

    def children(self, area: str) -> tuple[Area, ...]:
        """The areas whose parent that area is."""
        return self._children.get(area, ())

    def ancestors(self, area: str) -> tuple[str, ...]:
        """Ids from the area itself up to the country; empty for an unknown area."""
        return self._ancestors.get(area, ())

    def _chain(self, area: Area) -> tuple[str, ...]:
        chain = [area.id]
        while area.parent is not None:
            area = self.areas[area.parent]
            chain.append(area.id)
        return tuple(chain)


def _grouped(rows: Iterable[_Row], by: str) -> dict[Hashable, tuple[_Row, ...]]:
    groups: defaultdict[Hashable, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, by)].append(row)
    return {key: tuple(group) for key, group in groups.items()}
