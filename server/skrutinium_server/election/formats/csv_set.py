"""Our own readable set of CSV files for any election: one file a table, described in ``docs/csv-set.md``.

UTF-8 (a byte order mark is read over), ``,``, a header line with exactly the fields of the model, an empty value where nothing is told. What is written
reads back as the same definition. Only ``event.csv`` must be there; an absent table has no rows.
"""

import csv
import datetime
import io
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats import csv_first_round
from skrutinium_server.election.formats.csv_table import MOST_BYTES, Row, rows
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    Definition,
    District,
    List,
    Poll,
    Precinct,
    UnnumberedList,
)

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "areas": Area,
    "contests": Contest,
    "districts": District,
    "precincts": Precinct,
    "polls": Poll,
    "committees": Committee,
    "lists": List,
    "unnumbered_lists": UnnumberedList,
    "candidates": Candidate,
}
_MAY_BE_EMPTY: Final = frozenset({"given_name", "title_before", "title_after"})
"""Texts for which empty means that there is none; elsewhere it means that nothing is told."""

EVENT_COLUMNS: Final = ("event", "name", "date", "law", "version", "made_up")

_Read = Callable[[Row, str], Any]
_INTEGER: Final = re.compile(r"-?[0-9]{1,9}")


def read_paths(law: Law, paths: Sequence[Path], *, event: str | None = None) -> Definition:
    """:func:`read_set` of the files of a folder, or of the files themselves; its law must be ``law``."""
    tables: dict[str, bytes] = {}
    for file in (
        file for path in paths for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path])
    ):
        if file.stat().st_size > MOST_BYTES:
            raise SourceError(file.name, None, None, "the file is too large", f"at most {MOST_BYTES} bytes")
        if file.name in tables:
            raise SourceError(file.name, None, None, "the table is given twice", "each table once")
        tables[file.name] = file.read_bytes()
    definition = read_set(tables)
    if definition.law != law.id:
        raise SourceError("event.csv", 2, "law", repr(definition.law), law.id)
    return definition if event is None else msgspec.structs.replace(definition, event=event)


def write_folder(definition: Definition, folder: Path) -> None:
    """Write the set of a definition into a folder; files of the same names are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in write_set(definition).items():
        (folder / name).write_bytes(data)


def read_set(tables: Mapping[str, bytes]) -> Definition:
    """The definition in a set of files by name; raises :class:`SourceError` naming file, line and column."""
    known = ("event.csv", *(f"{name}.csv" for name in _READERS))
    for name in tables:
        if name not in known:
            raise SourceError(name, None, None, "not a table of the set", f"one of {', '.join(known)}")
    if "event.csv" not in tables:
        raise SourceError("event.csv", None, None, "the file is missing", "it, with one row")
    event = _read_table("event.csv", tables["event.csv"], _EVENT_READERS)
    if len(event) != 1:
        raise SourceError("event.csv", None, None, f"{len(event)} rows", "one row")
    found = {
        name: _read_table(f"{name}.csv", tables[f"{name}.csv"], readers)
        for name, readers in _READERS.items()
        if f"{name}.csv" in tables
    }
    read: dict[str, Any] = {
        name: tuple(struct(**row) for row in found.pop(name, ())) for name, struct in TABLES.items()
    }
    return in_order(Definition(**event[0], **read, first_round=csv_first_round.join(found)))


def write_set(definition: Definition) -> dict[str, bytes]:
    """The files of a definition by name, every table in order of its key."""
    definition = in_order(definition)
    files = {"event.csv": _write_table(EVENT_COLUMNS, (definition,))}
    for name, struct in TABLES.items():
        files[f"{name}.csv"] = _write_table(struct.__struct_fields__, getattr(definition, name))
    if definition.first_round is not None:
        for name, rows_ in csv_first_round.split(definition.first_round).items():
            columns = csv_first_round.TABLES[name].__struct_fields__
            files[f"{name}.csv"] = _write_table(columns, rows_)
    return files


def _write_table(columns: Sequence[str], table: Sequence[Any]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_spell(getattr(row, column)) for column in columns] for row in table)
    return text.getvalue().encode("utf-8")


def _spell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _read_table(file: str, data: bytes, readers: Mapping[str, _Read]) -> list[dict[str, Any]]:
    found = rows(file, data, tuple(readers), encoding="utf-8-sig", delimiter=",", exact=True)
    return [{column: read(row, column) for column, read in readers.items()} for row in found]


def _reader(kind: Any, *, may_be_empty: bool = False) -> _Read:
    """How a value of that type in the model is read."""
    if get_origin(kind) in (Union, types.UnionType):
        (inner,) = (part for part in get_args(kind) if part is not types.NoneType)
        told = _reader(inner)
        return lambda row, column: None if row.raw(column) == "" else told(row, column)
    if get_origin(kind) is Literal:
        known = get_args(kind)
        return lambda row, column: row.one_of(column, known)
    if kind is str:
        return Row.raw if may_be_empty else _text
    return {int: _integer, bool: _yes, datetime.date: _date}[kind]


def _text(row: Row, column: str) -> str:
    if row.raw(column) == "":
        raise row.error(column, "nothing is told", "a text")
    return row.raw(column)


def _integer(row: Row, column: str) -> int:
    value = row.raw(column)
    if not _INTEGER.fullmatch(value):
        raise row.error(column, repr(value), "a whole number")
    return int(value)


def _yes(row: Row, column: str) -> bool:
    return row.one_of(column, ("yes", "no")) == "yes"


def _date(row: Row, column: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(row.raw(column), "%Y-%m-%d").replace(tzinfo=datetime.UTC).date()
    except ValueError as error:
        raise row.error(column, repr(row.raw(column)), "a date as 2018-10-05") from error


def _readers(struct: type[msgspec.Struct], columns: Sequence[str]) -> dict[str, _Read]:
    hints = get_type_hints(struct)
    return {column: _reader(hints[column], may_be_empty=column in _MAY_BE_EMPTY) for column in columns}


_EVENT_READERS: Final = _readers(Definition, EVENT_COLUMNS)
_READERS: Final = {
    name: _readers(struct, struct.__struct_fields__)
    for name, struct in {**TABLES, **csv_first_round.TABLES}.items()
}
