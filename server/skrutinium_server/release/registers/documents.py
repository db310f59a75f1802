"""The registers of an event as XML of ours: areas, contests, districts, precincts, committees, lists, candidates.

Pure. What the definition does not know is left out. The candidates of a whole country are some 25 MB: they are split by
county, so that a newsroom can read its own. Source: requirement M7.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.model import Area, Candidate, Committee, Definition, Poll
from skrutinium_server.election.placeholders import is_placeholder
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.registers.model import SCHEMA, Paper, root


def registers(definition: Definition) -> Iterator[Paper]:
    """All registers of a definition, by path. Raises :class:`~skrutinium_server.release.errors.ForbiddenCharacter`."""
    definition = in_order(definition)
    yield _paper(definition, "areas", _areas(definition))
    for area, rows in _candidates(definition):
        head = root(
            "candidates", definition.event, made_up=definition.made_up, more=f' area="{attribute(area)}"'
        )
        yield Paper(f"registers/candidates/{area}.xml", SCHEMA, head, _body("candidates", rows))
    yield _paper(definition, "committees", map(_committee, definition.committees))
    yield _paper(definition, "contests", _contests(definition))
    yield _paper(definition, "districts", _districts(definition))
    yield _paper(definition, "lists", _lists(definition))
    yield _paper(definition, "precincts", _precincts(definition))


def county_of(areas: dict[str, Area], area: str) -> str:
    """The county that an area lies in, or is; the area itself when it is larger than that."""
    above: str | None = area
    while above is not None:
        if areas[above].kind == "county":
            return above
        above = areas[above].parent
    return area


def _paper(definition: Definition, name: str, rows: Iterable[str]) -> Paper:
    head = root(name, definition.event, made_up=definition.made_up)
    return Paper(f"registers/{name}.xml", SCHEMA, head, _body(name, rows))


def _body(name: str, rows: Iterable[str]) -> bytes:
    return "".join((*rows, f"</{name}>\n")).encode()


def _areas(definition: Definition) -> Iterator[str]:
    for row in definition.areas:
        yield (
            f'<area id="{row.id}" kind="{row.kind}" name="{attribute(row.name)}"'
            f"{_optional('parent', row.parent)}{_optional('nuts', row.nuts)}/>\n"
        )


def _contests(definition: Definition) -> Iterator[str]:
    for row in definition.contests:
        yield (
            f'<contest id="{row.id}" kind="{row.kind}" form="{row.form}" area="{row.area}" '
            f'name="{attribute(row.name)}"{_optional("seats", row.seats)} round="{row.round}"/>\n'
        )


def _districts(definition: Definition) -> Iterator[str]:
    for row in definition.districts:
        yield (
            f'<district id="{row.id}" contest="{row.contest}" number="{row.number}" '
            f'name="{attribute(row.name)}"{_optional("seats", row.seats)}/>\n'
        )


def _precincts(definition: Definition) -> Iterator[str]:
    polls: defaultdict[str, list[Poll]] = defaultdict(list)
    for poll in definition.polls:
        polls[poll.precinct].append(poll)
    for row in definition.precincts:
        yield (
            f'<precinct id="{row.id}" area="{row.area}" number="{row.number}" '
            f'kind="{attribute(row.kind)}"{_named("name", row.name)}>'
        )
        for poll in polls[row.id]:
            yield (
                f'<poll contest="{poll.contest}" district="{poll.district}"'
                f"{_optional('eligible', poll.eligible)}/>"
            )
        yield "</precinct>\n"


def _committee(row: Committee) -> str:
    name = None if is_placeholder(row.name) else row.name
    return f'<committee id="{attribute(row.id)}"{_named("name", name)}{_named("short", row.short)}/>\n'


def _lists(definition: Definition) -> Iterator[str]:
    for row in definition.lists:
        yield (
            f'<list contest="{row.contest}" district="{row.district}" number="{row.number}"'
            f"{_named('committee', row.committee)}{_named('name', row.name)}"
            f"{_optional('candidates', row.candidates)}{_standing(row.active)}/>\n"
        )
    for without in definition.unnumbered_lists:
        yield (
            f'<unnumbered-list contest="{without.contest}" district="{without.district}"'
            f'{_named("committee", without.committee)} name="{attribute(without.name)}"/>\n'
        )


def _candidates(definition: Definition) -> Iterator[tuple[str, Iterator[str]]]:
    areas = {area.id: area for area in definition.areas}
    counties = {contest.id: county_of(areas, contest.area) for contest in definition.contests}
    split: defaultdict[str, defaultdict[tuple[str, str, int], list[Candidate]]]
    split = defaultdict(lambda: defaultdict(list))
    for row in definition.candidates:
        split[counties[row.contest]][row.contest, row.district, row.list].append(row)
    for area, ballots in sorted(split.items()):
        yield area, _ballots(ballots)


def _ballots(ballots: dict[tuple[str, str, int], list[Candidate]]) -> Iterator[str]:
    for (contest, district, number), rows in ballots.items():
        yield f'<ballot contest="{contest}" district="{district}" list="{number}">\n'
        yield from map(_candidate, rows)
        yield "</ballot>\n"


def _candidate(row: Candidate) -> str:
    return (
        f'<candidate number="{row.number}"{_named("given-name", row.given_name)}'
        f"{_named('family-name', row.family_name)}{_named('title-before', row.title_before)}"
        f"{_named('title-after', row.title_after)}{_optional('age', row.age)}"
        f"{_named('committee', row.committee)}{_standing(row.active)}/>\n"
    )


def _standing(active: bool) -> str:
    return "" if active else ' active="false"'


def _optional(name: str, value: str | int | None) -> str:
    return "" if value is None else f' {name}="{value}"'


def _named(name: str, value: str | None) -> str:
    return f' {name}="{attribute(value)}"' if value else ""
