"""The part of the documents that a definition fixes, escaped once: names, numbers, and what lies in what.

A fragment here is the beginning of an element's tag, up to where the figures follow. Contests are prepared when they are
first written, because a release usually touches few of them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Contest,
    ContestForm,
    ContestKind,
    Definition,
    District,
    List,
    Precinct,
    UnnumberedList,
)
from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.escaping import attribute

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
    """An area: ``root`` and ``row`` as attributes, the ids of the areas and contests that its document lists."""

    root: str
    row: str
    parent: str | None
    children: tuple[str, ...]
    contests: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class ListOutline:
    """A list: the beginning of its tag, and those of its candidates by number."""

    head: str
    candidates: dict[int, str]


@dataclass(slots=True, frozen=True)
class DistrictOutline:
    """A district: its attributes, its lists by number (for the form ``persons`` one list, 0), its unnumbered lists."""

    id: str
    head: str
    lists: dict[int, ListOutline]
    unnumbered: str


@dataclass(slots=True, frozen=True)
class ContestOutline:
    """A contest: attributes at the root, its form, and its districts in the order of their numbers."""

    root: str
    form: ContestForm
    districts: tuple[DistrictOutline, ...]


@dataclass(slots=True, frozen=True)
class PrecinctOutline:
    """A precinct: attributes at the root, and the contest and district of each protocol expected from it."""

    root: str
    polls: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Grouped:
    """Rows of the definition by what they belong to; districts are named by contest and id."""

    districts: dict[str, list[District]] = field(default_factory=lambda: defaultdict(list))
    lists: dict[str, list[List]] = field(default_factory=lambda: defaultdict(list))
    unnumbered: dict[str, list[UnnumberedList]] = field(default_factory=lambda: defaultdict(list))
    candidates: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))


class Outline:
    """Everything fixed about the documents of one event.

    ``areas``, ``contest_rows`` (attributes of a contest in a list of contests), ``contest_areas``, ``precincts`` and
    ``committees`` (the beginning of a committee's tag, in the order of the definition) are by id; ``documents`` holds the
    areas that have a document; ``country`` is the id of the area without a parent.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` unless there is exactly one country, and when a
    contest is a question, and :class:`~skrutinium_server.release.errors.ForbiddenCharacter` for a name that XML cannot carry.
    """

    def __init__(self, index: DefinitionIndex) -> None:
        definition = index.definition
        self.definition: Definition = definition
        self.country = _country(definition.areas)
        self.documents = area_documents(index)
        self.contest_rows: dict[str, str] = {}
        self.contest_areas: dict[str, str] = {}
        self._contests: dict[str, Contest] = {}
        self._outlines: dict[str, ContestOutline] = {}
        for contest in definition.contests:
            if contest.form == "question":
                raise NotIssuable(
                    f"contest {contest.id} is a question, and a definition cannot hold the text of a question yet; "
                    "expected contests of the forms lists and persons"
                )
            self.contest_rows[contest.id] = _contest_row(contest)
            self.contest_areas[contest.id] = contest.area
            self._contests[contest.id] = contest
        self.areas = _areas(definition, self.documents)
        self.precincts = _precincts(definition)
        self.committees = {
            committee.id: f'id="{attribute(committee.id)}" name="{attribute(committee.name)}"'
            for committee in definition.committees
        }
        self._grouped = _group(definition)

    def contest_ids(self) -> Iterable[str]:
        """Ids of all contests in the order of the definition."""
        return self._contests.keys()

    def contest(self, id: str) -> ContestOutline:
        """The contest with that id; raises KeyError when the definition has none."""
        outline = self._outlines.get(id)
        if outline is None:
            outline = self._outlines[id] = self._outline(self._contests[id])
        return outline

    def _outline(self, contest: Contest) -> ContestOutline:
        made_up = ' made-up="true"' if self.definition.made_up else ""
        root = (
            f'id="{contest.id}" kind="{contest.kind}" area="{contest.area}" name="{attribute(contest.name)}"'
            f'{_optional("seats", contest.seats)} round="{contest.round}"{made_up}'
        )
        districts = sorted(self._grouped.districts[contest.id], key=lambda district: district.number)
        return ContestOutline(root, contest.form, tuple(map(self._district, districts)))

    def _district(self, district: District) -> DistrictOutline:
        head = (
            f'id="{district.id}" number="{district.number}" name="{attribute(district.name)}"'
            f'{_optional("seats", district.seats)}'
        )
        candidates: dict[int, list[Candidate]] = defaultdict(list)
        for candidate in self._grouped.candidates[district.id]:
            candidates[candidate.list].append(candidate)
        lists = {row.number: ListOutline(_list_head(row), {}) for row in self._grouped.lists[district.id]}
        for number, rows in candidates.items():
            outline = lists.setdefault(number, ListOutline(f'<list number="{number}"', {}))
            for candidate in sorted(rows, key=lambda candidate: candidate.number):
                outline.candidates[candidate.number] = _candidate_head(candidate)
        return DistrictOutline(
            district.id, head, lists, "".join(map(_unnumbered, self._grouped.unnumbered[district.id]))
        )


def area_documents(index: DefinitionIndex) -> frozenset[str]:
    """Ids of the areas that have a document of their own.

    The country, regions and counties always; smaller ones when they consist of smaller areas or when people there vote
    in more than one contest.
    """
    definition = index.definition
    area_of = {precinct.id: precinct.area for precinct in definition.precincts}
    held: dict[str, set[str]] = defaultdict(set)
    for poll in definition.polls:
        held[area_of[poll.precinct]].add(poll.contest)
    for contest in definition.contests:
        held[contest.area].add(contest.id)
    parents = {area.parent for area in definition.areas}
    return frozenset(
        area.id
        for area in definition.areas
        if area.kind in _ALWAYS or area.id in parents or len(held[area.id]) > 1
    )


def _country(areas: tuple[Area, ...]) -> str:
    countries = [area.id for area in areas if area.kind == "country"]
    if len(countries) != 1:
        raise NotIssuable(f"countries of the definition: {', '.join(countries) or 'none'}; expected exactly one")
    return countries[0]


def _group(definition: Definition) -> _Grouped:
    grouped = _Grouped()
    for district in definition.districts:
        grouped.districts[district.contest].append(district)
    for row in definition.lists:
        grouped.lists[row.district].append(row)
    for unnumbered in definition.unnumbered_lists:
        grouped.unnumbered[unnumbered.district].append(unnumbered)
    for candidate in definition.candidates:
        grouped.candidates[candidate.district].append(candidate)
    return grouped


def _areas(definition: Definition, documents: frozenset[str]) -> dict[str, AreaOutline]:
    children: dict[str, list[str]] = defaultdict(list)
    listed: dict[str, list[str]] = defaultdict(list)
    parent_of = {area.id: area.parent for area in definition.areas}
    for area in definition.areas:
        if area.parent is not None:
            children[area.parent].append(area.id)
    for contest in definition.contests:
        # A contest whose area has no document would be found nowhere: the next larger unit lists it.
        home: str | None = contest.area
        while home is not None and home not in documents:
            home = parent_of[home]
        if home is not None:
            listed[home].append(contest.id)
    outlines = {}
    for area in definition.areas:
        row = f'id="{area.id}" kind="{area.kind}" name="{attribute(area.name)}"'
        root = row + _optional("parent", area.parent)
        outlines[area.id] = AreaOutline(root, row, area.parent, tuple(children[area.id]), tuple(listed[area.id]))
    return outlines


def _precincts(definition: Definition) -> dict[str, PrecinctOutline]:
    polls: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for poll in definition.polls:
        polls[poll.precinct].append((poll.contest, poll.district))
    return {
        precinct.id: PrecinctOutline(_precinct_root(precinct), tuple(sorted(polls[precinct.id])))
        for precinct in definition.precincts
    }


def _precinct_root(precinct: Precinct) -> str:
    name = "" if not precinct.name else f' name="{attribute(precinct.name)}"'
    return (
        f'id="{precinct.id}" area="{precinct.area}" number="{precinct.number}" '
        f'kind="{attribute(precinct.kind)}"{name}'
    )


def _contest_row(contest: Contest) -> str:
    return f'id="{contest.id}" kind="{contest.kind}" name="{attribute(contest.name)}"'


def _list_head(row: List) -> str:
    return (
        f'<list number="{row.number}"{_optional("committee", row.committee)}{_named("name", row.name)}'
        f'{_optional("candidates", row.candidates)}{_standing(row.active)}'
    )


def _candidate_head(candidate: Candidate) -> str:
    return (
        f'<candidate number="{candidate.number}"{_named("given-name", candidate.given_name)}'
        f'{_named("family-name", candidate.family_name)}{_named("title-before", candidate.title_before)}'
        f'{_named("title-after", candidate.title_after)}{_standing(candidate.active)}'
    )


def _unnumbered(row: UnnumberedList) -> str:
    return f'  <unnumbered-list{_optional("committee", row.committee)} name="{attribute(row.name)}"/>\n'


def _standing(active: bool) -> str:
    return "" if active else ' active="false"'


def _optional(name: str, value: str | int | None) -> str:
    return "" if value is None else f' {name}="{value}"'


def _named(name: str, value: str | None) -> str:
    return f' {name}="{attribute(value)}"' if value else ""
