"""The part of the documents that a definition fixes, escaped once: names, numbers, and what lies in what.

A fragment here is the beginning of an element's tag, up to where the figures follow. Contests are prepared when they are
first written, because a release usually touches few of them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    ContestForm,
    ContestKind,
    Definition,
    District,
    List,
    Precinct,
    Runoff,
    UnnumberedList,
)
from skrutinium_server.election.placeholders import is_placeholder
from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.figures import Figures

KINDS: Final[tuple[ContestKind, ...]] = (
    "municipal-council",
    "ward-council",
    "regional-council",
    "senate",
    "mayor",
    "referendum",
)
"""Kinds of contest in the order in which documents name them."""

_ALWAYS: Final = ("country", "region", "county")


@dataclass(slots=True, frozen=True)
class AreaOutline:
    """An area: ``root`` and ``row`` as attributes; ``ancestors`` from itself up to the country; what its document lists."""

    root: str
    row: str
    ancestors: tuple[str, ...]
    children: tuple[str, ...]
    contests: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class ListOutline:
    """A list: the beginning of its tag, and those of its candidates by number."""

    head: str
    candidates: dict[int, str]


@dataclass(slots=True, frozen=True)
class DistrictOutline:
    """A district: its attributes, its lists by number (for the form ``persons`` one list, 0), its unnumbered lists.

    ``first_round`` is the whole element of what the first round ended with, empty where there was none.
    """

    id: str
    head: str
    lists: dict[int, ListOutline]
    unnumbered: str
    first_round: str


@dataclass(slots=True, frozen=True)
class ContestOutline:
    """A contest: attributes at the root, its form, and its districts in the order of their numbers.

    ``parent`` are the contest's attributes at the root of a district's document; ``divided`` says that there are such.
    """

    root: str
    parent: str
    form: ContestForm
    districts: tuple[DistrictOutline, ...]

    @property
    def divided(self) -> bool:
        """Whether the contest has more than one district: then each has a document of its own."""
        return len(self.districts) > 1


@dataclass(slots=True, frozen=True)
class PrecinctOutline:
    """A precinct: attributes at the root, and the contest and district of each protocol expected from it."""

    root: str
    polls: tuple[tuple[str, str], ...]


class Outline:
    """Everything fixed about the documents of one event.

    ``areas``, ``contest_rows`` (attributes of a contest in a list of contests), ``contest_areas``, ``precincts`` and
    ``committees`` (the beginning of a committee's tag, in the order of the definition) are by id, as ``committee_names`` are
    (None: not known); ``documents`` holds the areas that have a document; ``country`` is the id of the area without a parent.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` unless there is exactly one country, and when a
    contest is a question, and :class:`~skrutinium_server.release.errors.ForbiddenCharacter` for a name that XML cannot carry.
    """

    def __init__(self, index: DefinitionIndex, figures: Figures) -> None:
        definition = index.definition
        self.definition: Definition = definition
        self._index = index
        self._figures = figures
        self.country = _country(definition.areas)
        self.documents = area_documents(index)
        self.contest_rows: dict[str, str] = {}
        self.contest_areas: dict[str, str] = {}
        self._outlines: dict[str, ContestOutline] = {}
        for contest in definition.contests:
            if contest.form == "question":
                raise NotIssuable(
                    f"contest {contest.id} is a question, and a definition cannot hold the text of a question yet; "
                    "expected contests of the forms lists and persons"
                )
            self.contest_rows[contest.id] = _contest_row(contest)
            self.contest_areas[contest.id] = contest.area
        self.areas = _areas(index, self.documents)
        self.precincts = {id: _precinct(index, row) for id, row in index.precincts.items()}
        self.committees = {
            committee.id: f'id="{attribute(committee.id)}"{_named("name", _told_name(committee))}'
            for committee in definition.committees
        }
        self.committee_names = {committee.id: _told_name(committee) for committee in definition.committees}
        self._unnumbered: defaultdict[str, list[UnnumberedList]] = defaultdict(list)
        for row in definition.unnumbered_lists:
            self._unnumbered[row.district].append(row)

        stood = definition.first_round.candidates if definition.first_round else ()
        self._stood = {(row.contest, row.number): _candidate_head(row) for row in stood}

    def contest_ids(self) -> Iterable[str]:
        """Ids of all contests in the order of the definition."""
        return self.contest_rows.keys()

    def contest(self, id: str) -> ContestOutline:
        """The contest with that id; raises KeyError when the definition has none."""
        outline = self._outlines.get(id)
        if outline is None:
            outline = self._outlines[id] = self._outline(self._index.contests[id])
        return outline

    def candidate_names(self, district: str) -> dict[int, str]:
        """Given and family names of the single persons who stand in a district, by number; empty where not told."""
        return {
            row.number: f"{row.given_name} {row.family_name}".strip()
            for row in self._index.candidates_of(district, 0)
        }

    def _outline(self, contest: Contest) -> ContestOutline:
        made_up = ' made-up="true"' if self.definition.made_up else ""
        root = (
            f'id="{contest.id}" kind="{contest.kind}" area="{contest.area}" name="{attribute(contest.name)}"'
            f'{_optional("seats", contest.seats)} round="{contest.round}"{made_up}'
        )
        parent = (
            f'contest="{contest.id}" kind="{contest.kind}" area="{contest.area}" '
            f'contest-name="{attribute(contest.name)}" round="{contest.round}"{made_up}'
        )
        districts = sorted(self._index.districts_of_contest(contest.id), key=lambda district: district.number)
        return ContestOutline(root, parent, contest.form, tuple(map(self._district, districts)))

    def _district(self, district: District) -> DistrictOutline:
        head = (
            f'id="{district.id}" number="{district.number}" name="{attribute(district.name)}"'
            f"{_optional('seats', district.seats)}"
        )
        lists = {
            row.number: ListOutline(_list_head(row), self._candidates(district.id, row.number))
            for row in self._index.lists_of_district(district.id)
        }
        persons = self._candidates(district.id, 0)
        if persons:
            lists[0] = ListOutline("", persons)
        unnumbered = "".join(map(_unnumbered, self._unnumbered[district.id]))
        return DistrictOutline(
            district.id, head, lists, unnumbered, self._first_round(district.contest, persons)
        )

    def _first_round(self, contest: str, persons: dict[int, str]) -> str:
        """What the first round ended with; names as far as its facts, or this definition, tell them."""
        facts, first = self._index.first_round(contest), self.definition.first_round
        if facts is None or first is None:
            return ""
        again = facts.outcome.candidates if isinstance(facts.outcome, Runoff) else ()
        rows = []
        for number, votes in sorted(facts.candidates.items()):
            stood = self._stood.get((contest, number)) or persons.get(number)
            head = stood or f'<candidate number="{number}"'
            mark = ' runoff="true"' if number in again else ""
            rows.append(f'   {head} votes="{votes}"{mark}/>\n')
        return (
            f'  <first-round event="{first.event}" date="{first.date.isoformat()}">\n'
            f"{self._figures.rows(facts.figures, '   ')}{''.join(rows)}  </first-round>\n"
        )

    def _candidates(self, district: str, number: int) -> dict[int, str]:
        return {row.number: _candidate_head(row) for row in self._index.candidates_of(district, number)}


def area_documents(index: DefinitionIndex) -> frozenset[str]:
    """Ids of the areas that have a document of their own.

    The country, regions and counties always; smaller ones when they consist of smaller areas or when people there vote
    in more than one contest.
    """
    definition = index.definition
    held: defaultdict[str, set[str]] = defaultdict(set)
    for poll in definition.polls:
        held[index.precincts[poll.precinct].area].add(poll.contest)
    for contest in definition.contests:
        held[contest.area].add(contest.id)
    return frozenset(
        area.id
        for area in definition.areas
        if area.kind in _ALWAYS or index.children(area.id) or len(held[area.id]) > 1
    )


def _country(areas: tuple[Area, ...]) -> str:
    countries = [area.id for area in areas if area.kind == "country"]
    if len(countries) != 1:
        raise NotIssuable(
            f"countries of the definition: {', '.join(countries) or 'none'}; expected exactly one"
        )
    return countries[0]


def _areas(index: DefinitionIndex, documents: frozenset[str]) -> dict[str, AreaOutline]:
    listed: defaultdict[str, list[str]] = defaultdict(list)
    for contest in index.contests.values():
        # A contest whose area has no document would be found nowhere: the next larger unit lists it.
        home = next(area for area in index.ancestors(contest.area) if area in documents)
        listed[home].append(contest.id)
    outlines = {}
    for area in index.areas.values():
        row = f'id="{area.id}" kind="{area.kind}" name="{attribute(area.name)}"'
        root = row + _optional("parent", area.parent)
        children = tuple(child.id for child in index.children(area.id))
        outlines[area.id] = AreaOutline(root, row, index.ancestors(area.id), children, tuple(listed[area.id]))
    return outlines


def _precinct(index: DefinitionIndex, precinct: Precinct) -> PrecinctOutline:
    root = (
        f'id="{precinct.id}" area="{precinct.area}" number="{precinct.number}" '
        f'kind="{attribute(precinct.kind)}"{_named("name", precinct.name)}'
    )
    polls = index.polls_of_precinct(precinct.id)
    return PrecinctOutline(root, tuple((poll.contest, poll.district) for poll in polls))


def _contest_row(contest: Contest) -> str:
    return f'id="{contest.id}" kind="{contest.kind}" name="{attribute(contest.name)}"'


def _list_head(row: List) -> str:
    return (
        f'<list number="{row.number}"{_optional("committee", row.committee)}{_named("name", row.name)}'
        f"{_optional('candidates', row.candidates)}{_standing(row.active)}"
    )


def _candidate_head(candidate: Candidate) -> str:
    return (
        f'<candidate number="{candidate.number}"{_named("given-name", candidate.given_name)}'
        f"{_named('family-name', candidate.family_name)}{_named('title-before', candidate.title_before)}"
        f"{_named('title-after', candidate.title_after)}{_optional('committee', candidate.committee)}"
        f"{_standing(candidate.active)}"
    )


def _unnumbered(row: UnnumberedList) -> str:
    return f'  <unnumbered-list{_optional("committee", row.committee)} name="{attribute(row.name)}"/>\n'


def _standing(active: bool) -> str:
    return "" if active else ' active="false"'


def _optional(name: str, value: str | int | None) -> str:
    return "" if value is None else f' {name}="{value}"'


def _told_name(committee: Committee) -> str | None:
    """The name, or the short one where no source told the long one, or None: a placeholder is no name."""
    return committee.short if is_placeholder(committee.name) else committee.name


def _named(name: str, value: str | None) -> str:
    return f' {name}="{attribute(value)}"' if value else ""
