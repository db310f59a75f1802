"""What does not change during a night of the Senate: the constituencies, who stands there, and the first round where this is the second."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Candidate, ContestFirstRound, Elected, FirstRound, Runoff
from skrutinium_server.release.formats.volby.collation import czech_order
from skrutinium_server.release.formats.volby.errors import NotExpressible
from skrutinium_server.release.formats.volby.plan import check_precincts, shortened
from skrutinium_server.tally.model import Count

KIND: Final = "senate"
"""The contests that these documents hold."""

# The longest names that the schemas allow.
NAME: Final = 40
TITLE: Final = 40


@dataclass(frozen=True, slots=True)
class RoundResult:
    """How one round stands in a constituency or municipality: sums, votes by candidate, and the outcome once it is known."""

    count: Count
    votes: Mapping[int, int]
    outcome: Elected | Runoff | None = None


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """A candidate; ``opening`` are the fixed attributes, ``active`` is False for who was withdrawn."""

    number: int
    opening: str
    active: bool


@dataclass(frozen=True, slots=True)
class PlacePlan:
    """A municipality, or a ward where there are wards, as far as it votes in one constituency.

    ``precincts`` are the ids of its precincts there; ``first`` is the first round, None in a first round.
    """

    opening: str
    precincts: tuple[str, ...]
    first: RoundResult | None


@dataclass(frozen=True, slots=True)
class ConstituencyPlan:
    """One constituency; ``held`` says that it votes in this event, ``first`` is the first round where that is over."""

    id: str
    opening: str
    persons: tuple[PersonPlan, ...]
    held: bool
    first: RoundResult | None
    places: tuple[PlacePlan, ...]


@dataclass(frozen=True, slots=True)
class SenatePlan:
    """All constituencies of both rounds by id, in the order of their numbers; ``round`` is the one of this event."""

    round: int
    constituencies: dict[str, ConstituencyPlan]
    first: Count | None
    """The sums of the whole first round, None in a first round."""

    @property
    def held(self) -> frozenset[str]:
        """Ids of the constituencies that vote in this event."""
        return frozenset(id for id, plan in self.constituencies.items() if plan.held)


def make_senate_plan(index: DefinitionIndex) -> SenatePlan:
    """The plan of an event. Raises :class:`~.errors.NotExpressible` when a contest's id is no number of a constituency."""
    definition = index.definition
    check_precincts(definition)
    first = definition.first_round
    held = {contest.id: contest.name for contest in definition.contests if contest.kind == KIND}
    told = {} if first is None else {row.contest: row for row in first.contests}
    names = {id: row.name for id, row in told.items()} | held
    stood: dict[str, list[Candidate]] = defaultdict(list)
    for row in definition.candidates if first is None or not first.candidates else first.candidates:
        stood[row.contest].append(row)
    places = _places(index, held, first)
    return SenatePlan(
        round=1 if first is None else 2,
        constituencies={
            id: ConstituencyPlan(
                id=id,
                opening=_opening(id, names[id]),
                persons=tuple(_persons(stood[id], told.get(id))),
                held=id in held,
                first=_result(told[id]) if id in told else None,
                places=places.get(id, ()),
            )
            for id in sorted(names, key=_number)
        },
        first=None if first is None else _together(first.contests),
    )


def _number(contest: str) -> int:
    if not (contest.isascii() and contest.isdigit() and len(contest) <= 3 and contest[0] != "0"):
        raise NotExpressible(f"The contest {contest!r}", "the number of a constituency (CISLO), such as 81")
    return int(contest)


def _opening(contest: str, name: str) -> str:
    return f'<OBVOD CISLO="{contest}" NAZEV="{shortened(name or contest, NAME)}">\n'


def _persons(stood: Iterable[Candidate], first: ContestFirstRound | None) -> Iterable[PersonPlan]:
    """Who stands, by number; of a first round that does not tell the persons, numbers with votes are all that is known."""
    known = {row.number: row for row in stood}
    numbers = known.keys() | (first.candidates.keys() if first is not None else ())
    for number in sorted(numbers):
        row = known.get(number)
        opening = f'<KANDIDAT PORADOVE_CISLO="{number}"{"" if row is None else _name(row)}'
        yield PersonPlan(number, opening, row is None or row.active)


def _name(row: Candidate) -> str:
    return (
        f' JMENO="{shortened(row.given_name, NAME)}" PRIJMENI="{shortened(row.family_name, NAME)}"'
        f' TITULPRED="{shortened(row.title_before, TITLE)}" TITULZA="{shortened(row.title_after, TITLE)}"'
    )


def _result(row: ContestFirstRound) -> RoundResult:
    return RoundResult(_complete(row.protocols, row.figures), row.candidates, row.outcome)


def _complete(protocols: int, figures: Mapping[str, int]) -> Count:
    return Count(protocols, protocols, dict(figures), told=dict.fromkeys(figures, protocols))


def _together(rows: Iterable[ContestFirstRound]) -> Count:
    """The sums over constituencies; a figure that one of them does not tell is not told in all."""
    whole = Count()
    for row in rows:
        whole.expected += row.protocols
        whole.reported += row.protocols
        for name, value in row.figures.items():
            whole.figures[name] = whole.figures.get(name, 0) + value
            whole.told[name] = whole.told.get(name, 0) + row.protocols
    return whole


def _places(
    index: DefinitionIndex, held: Iterable[str], first: FirstRound | None
) -> dict[str, tuple[PlacePlan, ...]]:
    """The municipalities of each constituency that votes, in the order of Czech names."""
    precincts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for poll in index.definition.polls:
        precincts[poll.contest, index.precincts[poll.precinct].area].append(poll.precinct)
    before = _first_of_places(first)
    areas = {area.id: area for area in index.definition.areas}
    by_contest: dict[str, list[str]] = {id: [] for id in held}
    for contest, area in precincts:
        if contest in by_contest:
            by_contest[contest].append(area)
    return {
        contest: tuple(
            PlacePlan(
                f'<OBEC CIS_OBEC="{area}" NAZ_OBEC="{shortened(areas[area].name, NAME)}">\n',
                tuple(precincts[contest, area]),
                before.get((contest, area)),
            )
            for area in sorted(ids, key=lambda id: (czech_order(areas[id].name), id))
        )
        for contest, ids in by_contest.items()
    }


def _first_of_places(first: FirstRound | None) -> dict[tuple[str, str], RoundResult]:
    protocols: dict[tuple[str, str], int] = {}
    figures: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    votes: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for row in first.areas if first is not None else ():
        key = row.contest, row.area
        if row.figure is not None:
            figures[key][row.figure] = row.value
        elif row.candidate is not None:
            votes[key][row.candidate] = row.value
        else:
            protocols[key] = row.value
    return {
        key: RoundResult(_complete(number, figures[key]), votes[key]) for key, number in protocols.items()
    }
