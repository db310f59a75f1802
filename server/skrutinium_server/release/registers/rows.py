"""The registers of a Czech event in the row format: what newsrooms that read volby.cz read before the night.

``kvrzcoco kvros kvrk cns cvs cpp cnumnuts kvdruhz kvtypzas ctypduvv kvdatumvoleb serk secobv``. Pure. What the definition
does not know (parties that propose or that people belong to, inhabitants, occupations) is left out, so ``cns`` and ``cpp`` have
no rows. Source: requirement M7.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.formats.czech_areas import counties, regions
from skrutinium_server.election.model import Candidate, Contest, Definition, District
from skrutinium_server.election.placeholders import is_placeholder
from skrutinium_server.release.registers.model import Paper
from skrutinium_server.release.registers.row_format import Entity, Values, papers

_RANGES: Final = (
    *(column for n in range(1, 10) for column in (f"MINOKRSEK{n}", f"MAXOKRSEK{n}")),
    *("MINOKRSE10", "MAXOKRSE10"),
)
_MOST_RANGES: Final = 10

COUNCILS: Final = Entity(
    "kvrzcoco",
    "KV_RZCOCO",
    "kv",
    (
        *(
            "DATUMVOLEB",
            "KRAJ",
            "OKRES",
            "TYPZASTUP",
            "DRUHZASTUP",
            "KODZASTUP",
            "NAZEVZAST",
            "OBEC",
            "NAZEVOBCE",
        ),
        *("OBVODY", "COBVODU", "MANDATY", *_RANGES, "POCET_VS", "STAV_OBCE"),
    ),
)
LISTS: Final = Entity(
    "kvros",
    "KV_ROS",
    "kv",
    (
        *("DATUMVOLEB", "OKRES", "KODZASTUP", "NAZEVZAST", "COBVODU", "POR_STR_HL", "OSTRANA", "VSTRANA"),
        *("NAZEVCELK", "ZKRATKAO8", "POCSTR_SLO", "SLOZENI"),
    ),
)
CANDIDATES: Final = Entity(
    "kvrk",
    "KV_REGKAND",
    "kv",
    (
        *(
            "DATUMVOLEB",
            "OKRES",
            "KODZASTUP",
            "COBVODU",
            "POR_STR_HL",
            "OSTRANA",
            "PORCISLO",
            "JMENO",
            "PRIJMENI",
        ),
        *("TITULPRED", "TITULZA", "VEK", "PLATNOST"),
    ),
)
SENATORS: Final = Entity(
    "serk",
    "SE_REGKAND",
    "se",
    (
        *("DATUMVOLEB", "OBVOD", "CKAND", "VSTRANA", "JMENO", "PRIJMENI", "TITULPRED", "TITULZA", "VEK"),
        *("PLATNOST", "NAZEV_VS"),
    ),
)
CONSTITUENCIES: Final = Entity("secobv", "SE_COBV", "se", ("OBVOD", "NAZEV_OBV", "OKRES"))
PARTIES: Final = Entity("cvs", "CVS", "vol", ("VSTRANA", "NAZEVCELK", "ZKRATKAV8"))
UNITS: Final = Entity("cnumnuts", "CNUMNUTS", "vol", ("NUMNUTS", "NUTS", "NAZEVNUTS", "KODCIS"))
PROPOSING: Final = Entity("cns", "CNS", "vol", ("NSTRANA", "NAZEV_STRN", "ZKRATKAN30", "ZKRATKAN8"))
BELONGING: Final = Entity("cpp", "CPP", "vol", ("PSTRANA", "NAZEV_STRP", "ZKRATKAP30", "ZKRATKAP8"))
_DAYS: Final = "kvdatumvoleb"
_SMALL: Final = {
    "kvdruhz": ("KVDRUHZ", "kv"),
    "kvtypzas": ("KVTYPZAS", "kv"),
    "ctypduvv": ("CTYPDUVV", "vol"),
    _DAYS: ("KVDATUMVOLEB", "kv"),
}
_CODE: Final = re.compile(r"[0-9]{1,6}")
_PARTY: Final = re.compile(r"[0-9]{1,4}")
_NAME: Final = 40
_LIST_NAME: Final = 250
_TITLE: Final = 25
_SHORT: Final = 20


def row_registers(definition: Definition, small: Mapping[str, bytes]) -> Iterator[Paper]:
    """The registers of a Czech event, none of another, nor of one with codes that are not the office's; ``small`` are the CSV files of ``codebooks/volby`` by name.

    Raises :class:`~skrutinium_server.release.errors.ForbiddenCharacter`.
    """
    if not definition.law.startswith("cz-") or not _expressible(definition):
        return
    definition = in_order(definition)
    facts = _Facts(definition)
    made_up = definition.made_up
    if any(contest.form == "lists" for contest in definition.contests):
        yield from papers(COUNCILS, list(_councils(facts)), made_up=made_up)
        yield from papers(LISTS, list(_lists(facts)), made_up=made_up)
        yield from papers(CANDIDATES, list(_candidates(facts)), made_up=made_up)
    if any(contest.form == "persons" for contest in definition.contests):
        yield from papers(SENATORS, list(_senators(facts)), made_up=made_up)
        yield from papers(CONSTITUENCIES, list(_constituencies(facts)), made_up=made_up)
    yield from papers(PARTIES, list(_parties(definition)), made_up=made_up)
    yield from papers(PROPOSING, [], made_up=made_up)
    yield from papers(BELONGING, [], made_up=made_up)
    yield from papers(UNITS, list(_units(definition)), made_up=made_up)
    for name, data in sorted(small.items()):
        yield from _small(name, data, definition)


def _expressible(definition: Definition) -> bool:
    """Whether every code is one that the row format has room for, as those of the Czech registers are."""
    forms = {contest.id: contest.form for contest in definition.contests}
    places = {precinct.area for precinct in definition.precincts}
    councils = {id for id, form in forms.items() if form == "lists"}
    committees = {committee.id for committee in definition.committees}
    return (
        all(_CODE.fullmatch(id) for id in councils)
        and all(_CODE.fullmatch(id) for id in places)
        and all(_PARTY.fullmatch(id) for id in committees)
    )


class _Facts:
    """The definition by contest and district, and the codes that registers use."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.day = definition.date.strftime("%Y%m%d") if definition.date else None
        self.areas = {area.id: area for area in definition.areas}
        self.contests = {contest.id: contest for contest in definition.contests}
        self.committees = {committee.id: committee for committee in definition.committees}
        self.districts: dict[str, list[District]] = defaultdict(list)
        for district in definition.districts:
            self.districts[district.contest].append(district)
        self.numbers = {district.id: district.number for district in definition.districts}
        self.lists: dict[str, int] = defaultdict(int)
        for row in definition.lists:
            self.lists[row.district] += 1
        for without in definition.unnumbered_lists:
            self.lists[without.district] += 1
        self._regions = {area.id: code for code, area in regions().items()}
        self._counties = {area.id: code for code, area in counties().items()}

    def region(self, area: str) -> str | None:
        """``KRAJ`` of an area; None when it lies in none, or has no number."""
        return self._above(area, "region", self._regions)

    def county(self, area: str) -> str | None:
        """``OKRES`` of an area."""
        return self._above(area, "county", self._counties)

    def _above(self, area: str, kind: str, codes: Mapping[str, str]) -> str | None:
        above: str | None = area
        while above is not None:
            if self.areas[above].kind == kind:
                return codes.get(above, above if above.isdecimal() and len(above) <= 4 else None)
            above = self.areas[above].parent
        return None


def _councils(facts: _Facts) -> Iterator[Values]:
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    precincts = {precinct.id: precinct for precinct in facts.definition.precincts}
    for poll in facts.definition.polls:
        precinct = precincts[poll.precinct]
        places[poll.district, precinct.area].append(precinct.number)
    by_district: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)
    for (id, place), numbers in places.items():
        by_district[id][place] = sorted(numbers)
    for contest in facts.definition.contests:
        if contest.form != "lists":
            continue
        districts = sorted(facts.districts[contest.id], key=lambda district: district.number)
        if len(districts) > 1:
            whole: defaultdict[str, list[int]] = defaultdict(list)
            for district in districts:
                for place, numbers in by_district[district.id].items():
                    whole[place] += numbers
            lists = sum(facts.lists[district.id] for district in districts)
            yield from _council(facts, contest, 1, len(districts), contest.seats, whole, lists)
        for district in districts:
            seats = contest.seats if district.seats is None and len(districts) == 1 else district.seats
            rest = (seats, by_district[district.id], facts.lists[district.id])
            yield from _council(facts, contest, 2 if len(districts) > 1 else 0, district.number, *rest)


def _council(
    facts: _Facts,
    contest: Contest,
    division: int,
    number: int,
    seats: int | None,
    places: Mapping[str, list[int]],
    lists: int,
) -> Iterator[Values]:
    ward = contest.kind == "ward-council"
    opening = (
        *(facts.day, facts.region(contest.area), facts.county(contest.area), 2 if ward else 1),
        *(5 if ward else None, contest.id, _cut(contest.name, _NAME)),
    )
    for place, numbers in sorted(places.items()):
        where = (place, _cut(facts.areas[place].name, _NAME), division, number, seats)
        for ranges in _tens(_spans(sorted(numbers))):
            yield (*opening, *where, *ranges, lists, 0)


def _spans(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of every unbroken run of numbers."""
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and number <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans


def _tens(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """The ranges of one row after the other: a row has room for ten."""
    for start in range(0, len(spans), _MOST_RANGES):
        told = [number for span in spans[start : start + _MOST_RANGES] for number in span]
        yield tuple(told + [0] * (2 * _MOST_RANGES - len(told)))


def _lists(facts: _Facts) -> Iterator[Values]:
    for row in facts.definition.lists:
        yield _list(facts, row.contest, row.district, row.number, row.number, row.committee, row.name)
    spare: dict[str, int] = defaultdict(int)
    for row in facts.definition.lists:
        spare[row.district] = max(spare[row.district], row.number)
    for without in facts.definition.unnumbered_lists:
        spare[without.district] += 1
        own = spare[without.district]
        yield _list(facts, without.contest, without.district, 0, own, without.committee, without.name)


def _list(
    facts: _Facts, contest: str, district: str, number: int, own: int, committee: str | None, name: str | None
) -> Values:
    told = facts.contests[contest]
    party = facts.committees.get(committee) if committee else None
    opening = (facts.day, facts.county(told.area), contest, _cut(told.name, _NAME), facts.numbers[district])
    shown = name or (party.name if party and not is_placeholder(party.name) else None)
    short = _cut(party.short, _SHORT) if party and party.short else None
    return (*opening, number, own, committee, _cut(shown, _LIST_NAME) if shown else None, short, None, None)


def _candidates(facts: _Facts) -> Iterator[Values]:
    counties_of = {
        contest.id: facts.county(contest.area)
        for contest in facts.definition.contests
        if contest.form == "lists"
    }
    for row in facts.definition.candidates:
        if row.contest not in counties_of:
            continue
        district = facts.numbers[row.district]
        opening = (facts.day, counties_of[row.contest], row.contest, district, row.list, row.list, row.number)
        yield (*opening, *_person(row), row.age, "A" if row.active else "N")


def _person(row: Candidate) -> tuple[str, str, str, str]:
    """Name and titles, shortened to what the format has room for."""
    return (
        _cut(row.given_name, _NAME),
        _cut(row.family_name, _NAME),
        _cut(row.title_before, _TITLE),
        _cut(row.title_after, _TITLE),
    )


def _senators(facts: _Facts) -> Iterator[Values]:
    for row in facts.definition.candidates:
        constituency = _constituency(facts.contests[row.contest])
        if constituency is None:
            continue
        party = facts.committees.get(row.committee) if row.committee else None
        name = None if party is None or is_placeholder(party.name) else _cut(party.name, _LIST_NAME)
        opening = (facts.day, constituency, row.number, row.committee, *_person(row))
        yield (*opening, row.age, "A" if row.active else "N", name)


def _constituencies(facts: _Facts) -> Iterator[Values]:
    for contest in facts.definition.contests:
        constituency = _constituency(contest)
        if constituency is not None and not is_placeholder(contest.name):
            yield constituency, _cut(contest.name, _NAME), facts.county(contest.area)


def _constituency(contest: Contest) -> int | None:
    """The number that ends the id of a contest of persons."""
    if contest.form != "persons":
        return None
    digits = contest.id[len(contest.id.rstrip("0123456789")) :]
    return int(digits) if digits else None


def _parties(definition: Definition) -> Iterator[Values]:
    for row in definition.committees:
        if row.id.isdecimal():
            name = None if is_placeholder(row.name) else _cut(row.name, _LIST_NAME)
            yield int(row.id), name, _cut(row.short, _SHORT) if row.short else None


def _units(definition: Definition) -> Iterator[Values]:
    kinds = {"region": 100, "county": 101}
    for area in definition.areas:
        if area.kind in kinds and area.nuts and area.id.isdecimal():
            yield area.id, area.nuts, area.name, kinds[area.kind]


def _small(name: str, data: bytes, definition: Definition) -> Iterable[Paper]:
    """A small list of the contract; the day of this election stands among the days of elections."""
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
    root, space = _SMALL[name]
    found: list[Values] = [tuple(row) for row in rows]
    lists = any(contest.form == "lists" for contest in definition.contests)
    if name == _DAYS and definition.date is not None and lists:
        day = definition.date.strftime("%Y%m%d")
        if all(row[0] != day for row in found):
            found.append((day, None, definition.name))
    return papers(Entity(name, root, space, tuple(header)), found, made_up=definition.made_up)


def _cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"
