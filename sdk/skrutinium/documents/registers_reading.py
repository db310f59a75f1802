"""From the bytes of registers, codebooks and the calendar to their dataclasses; each function raises :class:`SchemaError`.

A register is of the event, and written with the definition, that the row of its index says.
"""

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from lxml import etree

from skrutinium.documents import registered as r
from skrutinium.documents.attributes import flag, moment, number, optional_flag, optional_number, text
from skrutinium.documents.parsing import NAMESPACE, children
from skrutinium.documents.registers import SCHEMA, RegisterRow, RegistersIndex
from skrutinium.documents.streaming import Take, into, stream
from skrutinium.errors import SchemaError

RowT = TypeVar("RowT")


def read_index(data: bytes, where: str) -> RegistersIndex:
    """Read ``registers.xml``."""
    rows = list[RegisterRow]()
    head = stream(data, "registers", where, {"document": into(rows, _index_row)}, schema=SCHEMA)
    root = head.root
    return RegistersIndex(
        event=text(root, "event"),
        definition=number(root, "definition"),
        definition_sha256=text(root, "definition-sha256"),
        edition=number(root, "edition"),
        previous=text(root, "previous"),
        made_up=flag(root, "made-up"),
        documents=tuple(rows),
        additions=head.additions,
    )


def _index_row(row: etree._Element) -> RegisterRow:
    return RegisterRow(
        text(row, "path"),
        number(row, "size"),
        text(row, "sha256"),
        row.get("schema"),
        number(row, "definition"),
        text(row, "definition-sha256"),
    )


def _register(
    data: bytes, name: str, event: str, row: RegisterRow, takes: Mapping[str, Take]
) -> etree._Element:
    if row.schema != SCHEMA:
        raise SchemaError(f"the index says schema {row.schema}; expected {SCHEMA}", address=row.path)
    root = stream(data, name, row.path, takes, schema=SCHEMA).root
    told = root.get("event"), root.get("definition"), root.get("definition-sha256")
    due = event, str(row.definition), row.definition_sha256
    if told != due:
        raise SchemaError(
            f"is of {' / '.join(map(str, told))}; the index says {' / '.join(due)}", address=row.path
        )
    return root


def _rows(
    data: bytes, name: str, event: str, row: RegisterRow, tag: str, read: Callable[[etree._Element], RowT]
) -> tuple[RowT, ...]:
    rows = list[RowT]()
    _register(data, name, event, row, {tag: into(rows, read)})
    return tuple(rows)


def read_areas(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredArea, ...]:
    """Read ``registers/areas.xml``."""
    return _rows(data, "areas", event, row, "area", _area)


def read_contests(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredContest, ...]:
    """Read ``registers/contests.xml``."""
    return _rows(data, "contests", event, row, "contest", _contest)


def read_districts(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredDistrict, ...]:
    """Read ``registers/districts.xml``."""
    return _rows(data, "districts", event, row, "district", _district)


def read_committees(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredCommittee, ...]:
    """Read ``registers/committees.xml``."""
    return _rows(data, "committees", event, row, "committee", _committee)


def read_lists(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredList, ...]:
    """Read ``registers/lists.xml``; lists without a number stand last."""
    numbered, others = list[r.RegisteredList](), list[r.RegisteredList]()
    takes = {"list": into(numbered, _list), "unnumbered-list": into(others, _list)}
    _register(data, "lists", event, row, takes)
    return (*numbered, *others)


def read_precincts(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredPrecinct, ...]:
    """Read ``registers/precincts.xml``."""
    return _rows(data, "precincts", event, row, "precinct", _precinct)


def read_candidates(data: bytes, event: str, row: RegisterRow) -> tuple[r.RegisteredCandidate, ...]:
    """Read ``registers/candidates/AREA.xml``, in the order of the ballots."""
    ballots = _rows(data, "candidates", event, row, "ballot", _ballot)
    return tuple(one for ballot in ballots for one in ballot)


def read_codebook(data: bytes, event: str, row: RegisterRow) -> r.Codebook:
    """Read ``codebooks/ID.xml``."""
    items = list[tuple[str, dict[str, str]]]()
    root = _register(data, "codebook", event, row, {"item": into(items, _item)})
    return r.Codebook(text(root, "id"), dict(items))


def read_calendar(data: bytes, event: str, row: RegisterRow) -> r.Calendar:
    """Read ``calendar.xml``."""
    entries = list[r.CalendarEntry]()
    root = _register(data, "calendar", event, row, {"entry": into(entries, _entry)})
    return r.Calendar(text(root, "zone"), tuple(entries))


def _item(item: etree._Element) -> tuple[str, dict[str, str]]:
    return text(item, "id"), {text(one, "column"): one.text or "" for one in children(item, "value")}


def _shared(row: etree._Element, name: str) -> str:
    """A required text that many rows have: it is held in memory once."""
    return sys.intern(text(row, name))


def _optional_shared(row: etree._Element, name: str) -> str | None:
    value = row.get(name)
    return None if value is None else sys.intern(value)


def _area(row: etree._Element) -> r.RegisteredArea:
    return r.RegisteredArea(
        text(row, "id"),
        text(row, "kind"),
        text(row, "name"),
        _optional_shared(row, "parent"),
        row.get("nuts"),
    )


def _contest(row: etree._Element) -> r.RegisteredContest:
    return r.RegisteredContest(
        text(row, "id"),
        text(row, "kind"),
        text(row, "form"),
        _shared(row, "area"),
        text(row, "name"),
        optional_number(row, "seats"),
        number(row, "round"),
    )


def _district(row: etree._Element) -> r.RegisteredDistrict:
    return r.RegisteredDistrict(
        text(row, "id"),
        _shared(row, "contest"),
        number(row, "number"),
        text(row, "name"),
        optional_number(row, "seats"),
    )


def _committee(row: etree._Element) -> r.RegisteredCommittee:
    return r.RegisteredCommittee(text(row, "id"), row.get("name"), row.get("short"))


def _list(row: etree._Element) -> r.RegisteredList:
    return r.RegisteredList(
        _shared(row, "contest"),
        _shared(row, "district"),
        number(row, "number") if row.tag == NAMESPACE + "list" else None,
        _optional_shared(row, "committee"),
        row.get("name"),
        optional_number(row, "candidates"),
        optional_flag(row, "active") is not False,
    )


def _precinct(row: etree._Element) -> r.RegisteredPrecinct:
    return r.RegisteredPrecinct(
        text(row, "id"),
        _shared(row, "area"),
        number(row, "number"),
        text(row, "kind"),
        row.get("name"),
        tuple(
            r.RegisteredPoll(
                _shared(poll, "contest"), _shared(poll, "district"), optional_number(poll, "eligible")
            )
            for poll in children(row, "poll")
        ),
    )


def _ballot(ballot: etree._Element) -> tuple[r.RegisteredCandidate, ...]:
    contest, district = _shared(ballot, "contest"), _shared(ballot, "district")
    of_list = number(ballot, "list") or None
    return tuple(
        r.RegisteredCandidate(
            contest,
            district,
            of_list,
            number(row, "number"),
            row.get("given-name"),
            row.get("family-name"),
            row.get("title-before"),
            row.get("title-after"),
            optional_number(row, "age"),
            _optional_shared(row, "committee"),
            optional_flag(row, "active") is not False,
        )
        for row in children(ballot, "candidate")
    )


def _entry(row: etree._Element) -> r.CalendarEntry:
    told = row.findtext(NAMESPACE + "text")
    if not told:
        raise SchemaError(f"an entry of the calendar without a text (line {row.sourceline})")
    return r.CalendarEntry(text(row, "id"), text(row, "kind"), moment(row, "from"), moment(row, "to"), told)
