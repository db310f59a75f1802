"""Definitions from the registers of Czech elections to the Senate: ``serk`` and what goes with it.

``serk`` (candidates, required) tells which constituencies vote and who stands; ``secobv`` names the constituencies,
``cvs`` and ``cns`` give the parties their names and abbreviations, ``cnumnuts`` proves the county that a constituency
has its seat in. No register tells which precinct votes where: that comes from the batches. Where councils are elected
on the same day, their ``kvrzcoco`` tells the municipalities, wards and counties that the precincts lie in.

Traps: ``PLATNOST`` is 0 for those who stand in registers of 2014 and ``A`` in later ones; a party's name stands beside
each of its candidates (``NAZEV_VS``), and candidates of independents share a code under different names.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.formats.csv_table import Row
from skrutinium_server.election.formats.czech_areas import COUNTRY, counties
from skrutinium_server.election.formats.register_tables import RegisterTables, read_files
from skrutinium_server.election.formats.volby_candidates import STANDING
from skrutinium_server.election.formats.volby_registers import read_areas
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Area, Candidate, Committee, Contest, Definition, District
from skrutinium_server.election.placeholders import placeholder

CANDIDATES: Final = "serk"
CONSTITUENCIES: Final = "secobv"
COMMITTEES: Final = "cvs"
PARTIES: Final = "cns"
UNITS: Final = "cnumnuts"
COUNCILS: Final = "kvrzcoco"
NAMES: Final = (CANDIDATES, CONSTITUENCIES, COMMITTEES, PARTIES, UNITS, COUNCILS)
"""The registers that are read; the first one must be there."""

_COUNTY: Final = "101"
_CANDIDATE_COLUMNS: Final = (
    "OBVOD",
    "CKAND",
    "VSTRANA",
    "JMENO",
    "PRIJMENI",
    "TITULPRED",
    "TITULZA",
    "VEK",
    "PLATNOST",
)


def read_paths(
    law: Law, paths: Sequence[Path], *, event: str | None = None, date: datetime.date | None = None
) -> Definition:
    """:func:`read_registers` of files, or of a folder that holds them; names are compared without case."""
    return read_registers(law, read_files(paths, NAMES), event=event, date=date)


def read_registers(
    law: Law, tables: Mapping[str, bytes], *, event: str | None = None, date: datetime.date | None = None
) -> Definition:
    """A definition from the registers' bytes by file name (see :data:`NAMES`); raises ``SourceError``.

    ``date`` (first day of voting) chooses the election where they tell of several, and is the date where they tell none.
    """
    found = RegisterTables(tables, NAMES, NAMES[:1])
    day = found.choose(CANDIDATES, date)
    found.only([CANDIDATES], day)
    people = list(found.rows(CANDIDATES, _CANDIDATE_COLUMNS))
    names = _constituencies(found)
    voting = sorted({row.number("OBVOD", least=1, most=999) for row in people})
    called = {number: names.get(number) or placeholder("CIS_OBVOD", str(number)) for number in voting}
    return in_order(
        Definition(
            event=f"{law.prefix}{day.year if day else ''}" if event is None else event,
            name=law.name_cs,
            date=day,
            law=law.id,
            version=1,
            areas=_areas(found, day),
            contests=tuple(
                Contest(str(number), "senate", "persons", COUNTRY.id, name, 1)
                for number, name in called.items()
            ),
            districts=tuple(
                District(f"{number}.1", str(number), 1, name, 1) for number, name in called.items()
            ),
            committees=_committees(found, people),
            candidates=tuple(map(_candidate, people)),
        )
    )


def _candidate(row: Row) -> Candidate:
    contest = str(row.number("OBVOD", least=1, most=999))
    return Candidate(
        contest=contest,
        district=f"{contest}.1",
        list=0,
        number=row.number("CKAND", least=1, most=999),
        given_name=row.maybe("JMENO") or "",
        family_name=row.text("PRIJMENI"),
        title_before=row.maybe("TITULPRED") or "",
        title_after=row.maybe("TITULZA") or "",
        age=None if row.maybe("VEK") is None else row.number("VEK", most=150),
        active=STANDING[row.one_of("PLATNOST", STANDING)],
        committee=None if row.maybe("VSTRANA") is None else str(row.number("VSTRANA", least=1)),
    )


def _constituencies(found: RegisterTables) -> dict[int, str]:
    """Names by number, of all that there are; the county of the seat must be one that exists."""
    if CONSTITUENCIES not in found:
        return {}
    known = counties().keys() | _counties(found)
    names: dict[int, str] = {}
    for row in found.rows(CONSTITUENCIES, ("OBVOD", "NAZEV_OBV")):
        number = row.number("OBVOD", least=1, most=999)
        if number in names:
            raise row.error("OBVOD", f"constituency {number} stands twice", "each once")
        county = row.maybe("OKRES")
        if county is not None and county not in known:
            raise row.error("OKRES", f"{county!r} is no county", "a county's code in the registers")
        names[number] = row.text("NAZEV_OBV")
    return names


def _counties(found: RegisterTables) -> set[str]:
    if UNITS not in found:
        return set()
    return {
        row.text("NUMNUTS")
        for row in found.rows(UNITS, ("NUMNUTS", "KODCIS"))
        if row.text("KODCIS") == _COUNTY
    }


def _areas(found: RegisterTables, day: datetime.date | None) -> tuple[Area, ...]:
    """The areas of the councils elected on the same day, else of the election of councils before it."""
    if COUNCILS not in found:
        return (COUNTRY,)
    days = found.days(COUNCILS)
    if days:
        found.only([COUNCILS], max((one for one in days if day is None or one <= day), default=days[0]))
    return read_areas(found)


def _committees(found: RegisterTables, people: Sequence[Row]) -> tuple[Committee, ...]:
    """A name that more than half of its candidates bear, else the register's; short names from the registers."""
    by_code: defaultdict[str, list[Row]] = defaultdict(list)
    for row in people:
        if row.maybe("VSTRANA") is not None:
            by_code[str(row.number("VSTRANA", least=1))].append(row)
    committees = _table(found, COMMITTEES, "VSTRANA", ("NAZEVCELK", "ZKRATKAV8"))
    parties = _table(found, PARTIES, "NSTRANA", ("NAZEV_STRN", "ZKRATKAN8"))
    made = []
    for code, rows in by_code.items():
        # A party that stands alone has the same code in both registers.
        alone = all(row.maybe("NSTRANA") == code for row in rows)
        name, short = committees.get(code) or (parties.get(code) if alone else None) or (None, None)
        own, times = Counter(row.maybe("NAZEV_VS") for row in rows).most_common(1)[0]
        if own is not None and 2 * times > len(rows):
            name = own
        made.append(Committee(code, name or placeholder("VSTRANA", code), short))
    return tuple(made)


def _table(
    found: RegisterTables, register: str, key: str, columns: tuple[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    if register not in found:
        return {}
    name, short = columns
    return {
        str(row.number(key, least=1)): (row.maybe(name), row.maybe(short))
        for row in found.rows(register, (key, *columns))
    }
