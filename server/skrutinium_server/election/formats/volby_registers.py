"""Definitions from the registers of Czech elections, each in CSV or in XML; here those of councils.

``kvrzcoco`` (councils, required), ``kvros`` (lists, required), ``cpp`` and ``cvs`` (parties) and ``kvrk`` (candidates) as described
for volby.cz; those of the Senate are in :mod:`.volby_senate_registers`. Councils are held against the codebooks that lie beside them. What the
registers do not tell stays unknown: the date where they tell none, numbers that were not drawn yet, names of committees that stand under many names.

Traps of the format, all met in 2018: a divided council has a summary row (``OBVODY`` 1) besides its district rows (2);
the council of a city with wards has one row a ward (``OBEC`` is the ward); ``STAV_OBCE`` 1 means that no election is
held, such councils are left out with their lists; columns of the tenth precinct range are spelled ``MINOKRSE10``.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats.csv_table import Row
from skrutinium_server.election.formats.czech_areas import COUNTRY, counties, regions
from skrutinium_server.election.formats.register_tables import CODEBOOKS, RegisterTables, read_files
from skrutinium_server.election.formats.volby_candidates import CANDIDATE_COLUMNS, read_candidates
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    ContestKind,
    Definition,
    District,
    List,
    Poll,
    Precinct,
    UnnumberedList,
)
from skrutinium_server.election.placeholders import placeholder

_RANGES: Final = (*((f"MINOKRSEK{n}", f"MAXOKRSEK{n}") for n in range(1, 10)), ("MINOKRSE10", "MAXOKRSE10"))
_COUNCIL_COLUMNS: Final = (
    *(
        "KRAJ",
        "OKRES",
        "TYPZASTUP",
        "KODZASTUP",
        "NAZEVZAST",
        "OBEC",
        "NAZEVOBCE",
        "OBVODY",
        "COBVODU",
        "MANDATY",
    ),
    *(column for pair in _RANGES for column in pair),
    "STAV_OBCE",
)
_LIST_COLUMNS: Final = (
    *("KODZASTUP", "COBVODU", "POR_STR_HL", "OSTRANA", "VSTRANA", "NAZEVCELK", "ZKRATKAO8"),
    *("POCSTR_SLO", "SLOZENI"),
)
_PARTY_COLUMNS: Final = ("PSTRANA", "NAZEV_STRP", "ZKRATKAP8")
_COMMITTEE_COLUMNS: Final = ("VSTRANA", "NAZEVCELK", "ZKRATKAV8")
_KINDS: Final[Mapping[str, ContestKind]] = {"1": "municipal-council", "2": "ward-council"}
_MOST_IN_RANGE: Final = 2000
_Thing = TypeVar("_Thing", Area, Contest, District)
_TABLES: Final = ("kvrzcoco", "kvros", "cpp", "kvrk", "cvs")
NAMES: Final = (*_TABLES, *CODEBOOKS)
"""The registers and codebooks that are read; the first two must be there."""


@dataclass(slots=True)
class _Councils:
    """What the rows of councils told so far; ``without`` are the councils that hold no election."""

    areas: dict[str, Area] = field(default_factory=dict)
    contests: dict[str, Contest] = field(default_factory=dict)
    divided: dict[str, int] = field(default_factory=dict)
    districts: dict[str, District] = field(default_factory=dict)
    precincts: dict[str, Precinct] = field(default_factory=dict)
    polls: dict[tuple[str, str], Poll] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the lists' register; ``number`` is 0 when it is not drawn or not told without doubt."""

    row: Row
    contest: str
    district: str
    number: int
    own_number: str
    committee: str | None
    name: str | None


def read_paths(
    law: Law, paths: Sequence[Path], *, event: str | None = None, date: datetime.date | None = None
) -> Definition:
    """:func:`read_registers` of files, or of a folder that holds them; names are compared without case."""
    return read_registers(law, read_files(paths, NAMES), event=event, date=date)


def read_registers(
    law: Law, tables: Mapping[str, bytes], *, event: str | None = None, date: datetime.date | None = None
) -> Definition:
    """A definition from the registers' bytes by file name (see :data:`NAMES`; ``.csv`` or ``.xml``).

    ``date`` (first day of voting) chooses the election where they tell of several, and is the date where they tell none.
    Raises :class:`SourceError` naming file, line and column; nothing is taken over then.
    """
    found = RegisterTables(tables, NAMES, NAMES[:2])
    day = found.choose(NAMES[0], date)
    found.only(_TABLES, day)
    found.hold_against_codebooks(NAMES[0])
    councils = _read_councils(found)
    entries = _read_lists(found, councils)
    parties = _read_parties(found) if NAMES[2] in found else {}
    candidates: tuple[Candidate, ...] = ()
    standing = None
    if NAMES[3] in found:
        people = found.rows(NAMES[3], CANDIDATE_COLUMNS)
        numbers = {(entry.district, entry.own_number): entry.number for entry in entries}
        candidates, standing = read_candidates(people, numbers, councils.without)
    lists, unnumbered = _lists(entries, standing)
    return in_order(
        Definition(
            event=f"{law.prefix}{day.year if day else ''}" if event is None else event,
            name=law.name_cs,
            date=day,
            law=law.id,
            version=1,
            areas=tuple(councils.areas.values()),
            contests=tuple(councils.contests.values()),
            districts=tuple(councils.districts.values()),
            precincts=tuple(councils.precincts.values()),
            polls=tuple(councils.polls.values()),
            committees=_committees(entries, parties, _read_committees(found)),
            lists=lists,
            unnumbered_lists=unnumbered,
            candidates=candidates,
        )
    )


def read_areas(tables: RegisterTables) -> tuple[Area, ...]:
    """The areas that the register of councils tells, for elections that have none of their own."""
    return tuple(_read_councils(tables).areas.values())


def _read_councils(tables: RegisterTables) -> _Councils:
    read = list(tables.rows(NAMES[0], _COUNCIL_COLUMNS))
    found = _Councils()
    _add(found.areas, COUNTRY)
    for row in read:
        if row.one_of("STAV_OBCE", ("0", "1")) == "1":
            found.without.add(row.text("KODZASTUP"))
            continue
        _read_areas(row, found)
        _read_contest(row, found)
        if row.text("OBVODY") != "1":
            _read_precincts(row, found)
    for contest, seats in found.divided.items():
        told = sum(
            district.seats or 0 for district in found.districts.values() if district.contest == contest
        )
        if told != seats:
            raise SourceError(
                tables.file(NAMES[0]),
                None,
                "MANDATY",
                f"council {contest} has {seats} seats",
                f"{told}, the sum of its districts",
            )
    return found


def _read_areas(row: Row, found: _Councils) -> None:
    region = regions().get(row.text("KRAJ"))
    county = counties().get(row.text("OKRES"))
    if region is None:
        raise row.error("KRAJ", f"{row.text('KRAJ')!r} is no region", f"one of {', '.join(regions())}")
    if county is None or county.parent != region.id:
        raise row.error(
            "OKRES", f"{row.text('OKRES')!r} is no county of {region.name}", "a county of that region"
        )
    _add(found.areas, region)
    _add(found.areas, county)
    council, place = row.text("KODZASTUP"), row.text("OBEC")
    if row.one_of("TYPZASTUP", _KINDS) == "2":
        # The ward's parent is its city, which only the city's own rows tell.
        found.areas.setdefault(council, Area(council, "ward", row.text("NAZEVZAST"), county.id))
        return
    _add(found.areas, Area(council, "municipality", row.text("NAZEVZAST"), county.id), row)
    if place != council:
        ward = Area(place, "ward", row.text("NAZEVOBCE"), council)
        known = found.areas.get(place)
        if known is not None and known.parent not in (county.id, council):
            raise row.error("OBEC", f"ward {place} is in {known.parent} and in {council}", "one city a ward")
        found.areas[place] = ward


def _read_contest(row: Row, found: _Councils) -> None:
    council, number = row.text("KODZASTUP"), row.number("COBVODU", least=1, most=99)
    seats = row.number("MANDATY", least=1, most=999)
    kind, name = _KINDS[row.text("TYPZASTUP")], row.text("NAZEVZAST")
    division = row.one_of("OBVODY", ("0", "1", "2"))
    if division == "1":
        found.divided[council] = seats
        found.contests[council] = Contest(council, kind, "lists", council, name, seats)
        return
    district = f"{council}.{number}"
    if division == "0":
        if number != 1:
            raise row.error("COBVODU", f"{number} in a council without districts", "1")
        _add(found.contests, Contest(council, kind, "lists", council, name, seats), row)
        _add(found.districts, District(district, council, number, name, seats), row)
        return
    if council not in found.contests:
        # The summary row with the seats of the whole council comes before or after; without it they stay unknown.
        found.contests[council] = Contest(council, kind, "lists", council, name)
    _add(found.districts, District(district, council, number, f"{name}, obvod {number}", seats), row)


def _read_precincts(row: Row, found: _Councils) -> None:
    council, place = row.text("KODZASTUP"), row.text("OBEC")
    district = f"{council}.{row.number('COBVODU')}"
    told = False
    for least, most in _RANGES:
        first, last = row.number(least), row.number(most)
        if first == last == 0:
            continue
        told = True
        if not 1 <= first <= last or last - first >= _MOST_IN_RANGE:
            raise row.error(
                most, f"precincts {first} to {last}", f"a range of at most {_MOST_IN_RANGE} numbers from 1"
            )
        for number in range(first, last + 1):
            precinct = f"{place}-{number}"
            found.precincts.setdefault(precinct, Precinct(precinct, place, number))
            if (precinct, council) in found.polls:
                raise row.error(
                    least, f"precinct {number} of {place} is told twice for council {council}", "each once"
                )
            found.polls[precinct, council] = Poll(precinct, council, district)
    if not told:
        raise row.error(_RANGES[0][0], f"council {council} has no precinct in {place}", "at least one range")


def _read_lists(tables: RegisterTables, councils: _Councils) -> list[_Entry]:
    entries = []
    for row in tables.rows(NAMES[1], _LIST_COLUMNS):
        council = row.text("KODZASTUP")
        if council in councils.without:
            continue
        district = f"{council}.{row.number('COBVODU', least=1, most=99)}"
        if district not in councils.districts:
            raise row.error(
                "COBVODU", f"district {district} is not in {NAMES[0]}", "a district of a council there"
            )
        number = row.number("POR_STR_HL", most=999)
        # Ours leave empty what the definition does not know yet; without a number the name is all that tells lists apart.
        unknown = row.maybe("VSTRANA") is None
        committee = None if unknown else str(row.number("VSTRANA", least=1))
        name = row.maybe("NAZEVCELK") if unknown and number else row.text("NAZEVCELK")
        own_number = str(row.number("OSTRANA", least=1))
        entries.append(_Entry(row, council, district, number, own_number, committee, name))
    return _without_doubtful(entries)


def _without_doubtful(entries: list[_Entry]) -> list[_Entry]:
    """A number that two lists of a district share tells of neither which one is meant: both become unnumbered."""
    times = Counter((entry.district, entry.number) for entry in entries)
    return [
        _Entry(entry.row, entry.contest, entry.district, 0, entry.own_number, entry.committee, entry.name)
        if times[entry.district, entry.number] > 1
        else entry
        for entry in entries
    ]


def _lists(
    entries: Iterable[_Entry], standing: Mapping[tuple[str, str], int] | None
) -> tuple[tuple[List, ...], tuple[UnnumberedList, ...]]:
    lists, unnumbered = [], []
    for entry in entries:
        if entry.number == 0:
            name = entry.row.text("NAZEVCELK")
            unnumbered.append(UnnumberedList(entry.contest, entry.district, entry.committee, name))
            continue
        count = None if standing is None else standing.get((entry.district, entry.own_number), 0)
        lists.append(List(entry.contest, entry.district, entry.number, entry.committee, entry.name, count))
    return tuple(lists), tuple(unnumbered)


def _read_parties(tables: RegisterTables) -> dict[str, Row]:
    found = {}
    for row in tables.rows(NAMES[2], _PARTY_COLUMNS):
        row.text("NAZEV_STRP")
        found[str(row.number("PSTRANA", least=1))] = row
    return found


def _read_committees(tables: RegisterTables) -> dict[str, Row]:
    if "cvs" not in tables:
        return {}
    return {str(row.number("VSTRANA")): row for row in tables.rows("cvs", _COMMITTEE_COLUMNS)}


def _committees(
    entries: Iterable[_Entry], parties: Mapping[str, Row], nationwide: Mapping[str, Row]
) -> tuple[Committee, ...]:
    """One committee for each ``VSTRANA``, which is nationwide while its lists bear names of their own.

    Its name is the one that more than half of its lists bear; else that of the party when its lists are put up by that
    one party; else that of ``cvs``; else unknown (``VSTRANA 90`` stands for 8,488 groups of independents, whose names differ).
    """
    by_committee: defaultdict[str, list[Row]] = defaultdict(list)
    for entry in entries:
        if entry.committee is not None:
            by_committee[entry.committee].append(entry.row)
    found = []
    for id, told in by_committee.items():
        alone = all(
            row.maybe("POCSTR_SLO") == "1" and (row.maybe("SLOZENI") or "").lstrip("0") == id for row in told
        )
        party = parties.get(id) if alone else None
        listed = nationwide.get(id)
        name = (
            _of_most(told, "NAZEVCELK")
            or (party.text("NAZEV_STRP") if party else None)
            or (listed.maybe("NAZEVCELK") if listed else None)
            or placeholder("VSTRANA", id)
        )
        short = (
            _of_most(told, "ZKRATKAO8")
            or (party.maybe("ZKRATKAP8") if party else None)
            or (listed.maybe("ZKRATKAV8") if listed else None)
        )
        found.append(Committee(id, name, short))
    return tuple(found)


def _of_most(told: Sequence[Row], column: str) -> str | None:
    value, times = Counter(row.maybe(column) for row in told).most_common(1)[0]
    return value if 2 * times > len(told) else None


def _add(known: dict[str, _Thing], thing: _Thing, row: Row | None = None) -> None:
    """Keep ``thing``; the same thing again is fine, another one under its id is an error of the row."""
    before = known.setdefault(thing.id, thing)
    if before != thing and row is not None:
        raise row.error(
            None, f"{thing.id} is told as {thing} and before as {before}", "the same in every row"
        )
