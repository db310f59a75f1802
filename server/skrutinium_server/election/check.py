"""Whether a definition agrees with itself: every reference, key, identifier and text (requirements C1, C4, X4)."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Final, get_args

from skrutinium_server.election.canonical import KEYS
from skrutinium_server.election.check_first_round import first_round_faults
from skrutinium_server.election.errors import DefinitionError
from skrutinium_server.election.law import PRECINCT_KINDS
from skrutinium_server.election.model import IDENTIFIER, AreaKind, Definition, List, UnnumberedList

MOST_TEXT: Final = 500
"""Characters in a name; longer ones are refused."""

_SIZE: Final = {kind: size for size, kind in enumerate(get_args(AreaKind))}
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# By table: the columns that hold a text, and whether it may be empty.
_TEXTS: Final[dict[str, tuple[tuple[str, bool], ...]]] = {
    "areas": (("name", False), ("nuts", False)),
    "contests": (("name", False),),
    "districts": (("name", False),),
    "precincts": (("name", False),),
    "committees": (("name", False), ("short", False)),
    "lists": (("name", False),),
    "unnumbered_lists": (("name", False),),
    "candidates": (
        ("given_name", True),
        ("family_name", False),
        ("title_before", True),
        ("title_after", True),
    ),
}


def check(definition: Definition) -> None:
    """Return when the definition agrees with itself; else raise :class:`DefinitionError` with every fault."""
    faults = list(_faults(definition))
    if faults:
        raise DefinitionError(faults)


def _faults(definition: Definition) -> Iterator[str]:
    yield from _event(definition)
    for table in ("areas", "contests", "districts", "precincts", "committees"):
        for row in getattr(definition, table):
            if not IDENTIFIER.fullmatch(row.id):
                yield f"{table}: id {row.id!r}; expected 1 to 64 letters, digits, '.' and '-', the first no sign"
    for table, key in KEYS.items():
        if table != "unnumbered_lists":
            yield from _duplicates(table, getattr(definition, table), key)
    for table, columns in _TEXTS.items():
        yield from _texts(table, getattr(definition, table), columns)
    yield from _areas(definition)
    yield from _contests(definition)
    yield from _polls(definition)
    yield from _lists(definition)
    yield from _candidates(definition)
    yield from first_round_faults(definition)


def _event(definition: Definition) -> Iterator[str]:
    for name in ("event", "law"):
        if not IDENTIFIER.fullmatch(getattr(definition, name)):
            yield f"{name} {getattr(definition, name)!r}; expected 1 to 64 letters, digits, '.' and '-'"
    if definition.version < 1:
        yield f"version {definition.version}; expected a number from 1"
    yield from _texts("event", (definition,), (("name", False),))


def _duplicates(table: str, rows: Iterable[Any], key: Callable[[Any], Hashable]) -> Iterator[str]:
    seen = set()
    for row in rows:
        id = key(row)
        if id in seen:
            yield f"{table}: {id} stands twice; expected every key once"
        seen.add(id)


def _texts(table: str, rows: Iterable[Any], columns: tuple[tuple[str, bool], ...]) -> Iterator[str]:
    search = _UNPRINTABLE.search
    for column, empty in columns:
        for row in rows:
            text = getattr(row, column)
            if text is None or (text == "" and empty):
                continue
            if not text.strip():
                yield f"{table}: {column} of {_name(row)} is empty; expected a text, or nothing told"
            elif len(text) > MOST_TEXT:
                yield f"{table}: {column} of {_name(row)} has {len(text)} characters; expected at most {MOST_TEXT}"
            elif search(text):
                yield f"{table}: {column} of {_name(row)} holds a control character; expected printable text"


def _areas(definition: Definition) -> Iterator[str]:
    areas = {area.id: area for area in definition.areas}
    for area in definition.areas:
        if area.parent is None:
            if area.kind != "country":
                yield f"areas: {area.id} is a {area.kind} without a parent; expected the next larger area"
        elif area.parent not in areas:
            yield f"areas: the parent {area.parent} of {area.id} is not among the areas"
        elif _SIZE[areas[area.parent].kind] >= _SIZE[area.kind]:
            # Kinds only grow upwards, so a chain of parents cannot come back to where it began.
            larger = areas[area.parent]
            yield f"areas: the {area.kind} {area.id} lies in the {larger.kind} {larger.id}; expected a larger kind of area"
    countries = [area.id for area in definition.areas if area.kind == "country"]
    if definition.areas and len(countries) != 1:
        yield f"areas: {len(countries)} countries; expected one"


def _contests(definition: Definition) -> Iterator[str]:
    areas = {area.id for area in definition.areas}
    contests = {contest.id for contest in definition.contests}
    for contest in definition.contests:
        if contest.area not in areas:
            yield f"contests: the area {contest.area} of {contest.id} is not among the areas"
        if contest.round < 1 or (contest.seats is not None and contest.seats < 1):
            yield f"contests: {contest.id} has {contest.seats} seats in round {contest.round}; expected both from 1"
    numbers: set[tuple[str, int]] = set()
    divided: set[str] = set()
    for district in definition.districts:
        divided.add(district.contest)
        if district.contest not in contests:
            yield f"districts: the contest {district.contest} of {district.id} is not among the contests"
        if district.number < 1 or (district.seats is not None and district.seats < 1):
            yield f"districts: {district.id} has number {district.number}, seats {district.seats}; expected both from 1"
        if (district.contest, district.number) in numbers:
            yield f"districts: number {district.number} stands twice in contest {district.contest}; expected it once"
        numbers.add((district.contest, district.number))
    for id in sorted(contests - divided):
        yield f"contests: {id} has no district; expected one at least"


def _polls(definition: Definition) -> Iterator[str]:
    areas = {area.id for area in definition.areas}
    contest_of = {district.id: district.contest for district in definition.districts}
    precincts = {precinct.id for precinct in definition.precincts}
    numbers: set[tuple[str, int]] = set()
    for precinct in definition.precincts:
        if precinct.area not in areas:
            yield f"precincts: the area {precinct.area} of {precinct.id} is not among the areas"
        if precinct.number < 1:
            yield f"precincts: {precinct.id} has the number {precinct.number}; expected one from 1"
        if precinct.kind not in PRECINCT_KINDS:
            yield f"precincts: {precinct.id} is of the kind {precinct.kind!r}; expected {', '.join(PRECINCT_KINDS)}"
        if (precinct.area, precinct.number) in numbers:
            yield f"precincts: number {precinct.number} stands twice in area {precinct.area}; expected it once"
        numbers.add((precinct.area, precinct.number))
    for poll in definition.polls:
        name = f"polls: {poll.precinct} in contest {poll.contest}"
        if poll.precinct not in precincts:
            yield f"{name}: the precinct is not among the precincts"
        if contest_of.get(poll.district) != poll.contest:
            yield f"{name}: {poll.district} is no district of that contest"
        if poll.eligible is not None and poll.eligible < 0:
            yield f"{name}: {poll.eligible} eligible; expected a number from 0, or nothing told"


def _lists(definition: Definition) -> Iterator[str]:
    contest_of = {district.id: district.contest for district in definition.districts}
    committees = {committee.id for committee in definition.committees}
    every: tuple[List | UnnumberedList, ...] = (*definition.lists, *definition.unnumbered_lists)
    for row in every:
        if contest_of.get(row.district) != row.contest:
            yield f"lists: {_name(row)}: {row.district} is no district of contest {row.contest}"
        if row.committee is not None and row.committee not in committees:
            yield f"lists: {_name(row)}: the committee {row.committee} is not among the committees"
    for numbered in definition.lists:
        if numbered.number < 1 or (numbered.candidates is not None and numbered.candidates < 0):
            yield f"lists: {_name(numbered)} has {numbered.candidates} candidates; expected a number from 1, candidates from 0"


def _candidates(definition: Definition) -> Iterator[str]:
    contest_of = {district.id: district.contest for district in definition.districts}
    persons = {contest.id for contest in definition.contests if contest.form == "persons"}
    committees = {committee.id for committee in definition.committees}
    lists = {(row.contest, row.district, row.number) for row in definition.lists}
    for row in definition.candidates:
        if row.list == 0:
            if row.contest not in persons or contest_of.get(row.district) != row.contest:
                yield f"candidates: {_name(row)}: list 0 is for contests of the form persons in one of their districts"
        elif (row.contest, row.district, row.list) not in lists:
            yield f"candidates: {_name(row)}: list {row.list} is not among the lists of district {row.district}"
        if row.committee is not None and (row.list != 0 or row.committee not in committees):
            yield f"candidates: {_name(row)}: committee {row.committee}; expected one of the committees, and only with list 0"
        if row.number < 1 or (row.age is not None and not 0 <= row.age <= 150):
            yield f"candidates: {_name(row)} is {row.age} years old; expected a number from 1, an age from 0 to 150"


def _name(row: Any) -> str:
    """What a fault calls a row."""
    if hasattr(row, "id"):
        return str(row.id)
    parts = (getattr(row, name) for name in ("district", "list", "number") if hasattr(row, name))
    return " ".join(map(str, parts)) or str(getattr(row, "event", row))
