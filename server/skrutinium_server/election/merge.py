"""Joining what two sources tell of one event: what is known stays and is completed, a contradiction is an error.

The order does not matter: registers and then batches give the same facts as batches and then registers.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from skrutinium_server.election.canonical import KEYS, in_order
from skrutinium_server.election.errors import MergeError
from skrutinium_server.election.model import Area, Candidate, Definition, UnnumberedList
from skrutinium_server.election.placeholders import is_placeholder, placeholder

_Row = TypeVar("_Row", bound=msgspec.Struct)
_Above = defaultdict[str, set[str]]
"""The parents that either source tells of an area."""

_SINGULAR: Final = {
    "areas": "area",
    "contests": "contest",
    "districts": "district",
    "precincts": "precinct",
    "polls": "poll",
    "committees": "committee",
    "lists": "list",
    "candidates": "candidate",
}


def merge(base: Definition | None, facts: Definition) -> Definition:
    """All that ``base`` and ``facts`` tell, in order; the version is that of ``base``.

    A None, a placeholder for a name (see :mod:`.placeholders`) and the country as an area's parent give way to what the
    other source tells. Lists without a number are kept until a list of that committee and name has one. Raises
    :class:`MergeError` naming both facts.
    """
    if base is None:
        return in_order(facts)
    above: _Above = defaultdict(set)
    for area in (*base.areas, *facts.areas):
        if area.parent is not None:
            above[area.id].add(area.parent)
    tables: dict[str, Any] = {
        name: _merge_table(name, getattr(base, name), getattr(facts, name), above) for name in _SINGULAR
    }
    date = _known("date", "the event", base.date, facts.date)
    merged = msgspec.structs.replace(
        base,
        event=_event(base, facts),
        name=_known("name", "the event", base.name, facts.name),
        date=date,
        law=_known("law", "the event", base.law, facts.law),
        first_round=_known("first_round", "the event", base.first_round, facts.first_round),
        made_up=_known("made_up", "the event", base.made_up, facts.made_up),
        **tables,
    )
    return in_order(msgspec.structs.replace(merged, unnumbered_lists=_unnumbered(base, facts, merged)))


def _event(base: Definition, facts: Definition) -> str:
    """The id of a source that knew no date lacks the year; it gives way to the one with it."""
    for one, other in ((base, facts), (facts, base)):
        if one.date is not None and other.date is None and one.event == f"{other.event}{one.date.year}":
            return one.event
    if base.event != facts.event:
        raise MergeError(
            f"One source tells of the event {base.event}, the other of {facts.event}; "
            "expected two sources of one event: give the event's id when you read them"
        )
    return base.event


def _merge_table(name: str, base: Iterable[_Row], facts: Iterable[_Row], above: _Above) -> tuple[_Row, ...]:
    key: Callable[[Any], Any] = KEYS[name]
    known = {key(row): row for row in base}
    for row in facts:
        id = key(row)
        before = known.get(id)
        known[id] = (
            row if before is None else _merge_row(f"{_SINGULAR[name]} {_spell(id)}", before, row, above)
        )
    return tuple(known.values())


def _merge_row(what: str, before: _Row, row: _Row, above: _Above) -> _Row:
    if before == row:
        return before
    if isinstance(before, Candidate) and isinstance(row, Candidate):
        # Somebody known by the number alone: nothing else of that row is told.
        if is_placeholder(row.family_name):
            return before
        if is_placeholder(before.family_name):
            return row
    values = {}
    for field in row.__struct_fields__:
        one, other = getattr(before, field), getattr(row, field)
        if field == "kind" and isinstance(before, Area) and isinstance(row, Area):
            one = other if _of_unknown_kind(before) else one
            other = one if _of_unknown_kind(row) else other
        if field == "parent" and isinstance(row, Area):
            values[field] = _parent(what, one, other, above)
        else:
            values[field] = _known(field, what, one, other)
    return msgspec.structs.replace(before, **values)


def _of_unknown_kind(area: Area) -> bool:
    """Batches of the Senate tell the place of a precinct by its code alone, which may be that of a ward."""
    return area.kind == "municipality" and area.name == placeholder("CIS_OBEC", area.id)


def _known(field: str, what: str, one: Any, other: Any) -> Any:
    if one == other or other is None:
        return one
    if one is None:
        return other
    if field == "name":
        if is_placeholder(other):
            return one
        if is_placeholder(one):
            return other
    raise MergeError(
        f"{field} of {what} is {one!s} in one source and {other!s} in the other; "
        "expected both to say the same: correct the wrong source and read it again"
    )


def _parent(what: str, one: str | None, other: str | None, above: _Above) -> str | None:
    """The nearer of two parents, when the farther one lies above it."""
    if one == other or _deeper(one, other, above):
        return one
    if _deeper(other, one, above):
        return other
    raise MergeError(
        f"{what} lies in {one} in one source and in {other} in the other; "
        "expected one of them to be part of the other: correct the wrong source and read it again"
    )


def _deeper(one: str | None, other: str | None, above: _Above) -> bool:
    """Whether ``one`` is known and lies somewhere in ``other``; None is outside of everything."""
    if one is None or one == other:
        return False
    if other is None:
        return True
    seen: set[str] = set()
    ahead = [one]
    while ahead:
        area = ahead.pop()
        if area == other:
            return True
        if area not in seen:
            seen.add(area)
            ahead.extend(above.get(area, ()))
    return False


def _unnumbered(base: Definition, facts: Definition, merged: Definition) -> tuple[UnnumberedList, ...]:
    """Lists still without a number: as many of a committee and name as one source knows, less those with a number."""
    numbered = Counter(_identity(row) for row in merged.lists)
    wanted: Counter[tuple[str, str, str | None, str | None]] = Counter()
    for source in (base, facts):
        told = Counter(_identity(row) for row in source.unnumbered_lists)
        for row in source.lists:
            if _identity(row) in told:
                told[_identity(row)] += 1
        wanted |= told
    found = {_identity(row): row for row in (*base.unnumbered_lists, *facts.unnumbered_lists)}
    return tuple(row for id, row in found.items() for _ in range(max(0, wanted[id] - numbered[id])))


def _identity(row: Any) -> tuple[str, str, str | None, str | None]:
    return row.contest, row.district, row.committee, row.name


def _spell(id: Any) -> str:
    return " ".join(map(str, id)) if isinstance(id, tuple) else str(id)
