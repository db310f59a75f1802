"""Registrations in a CSV file: one row a subscriber, under the header ``id,name,email,telephone,live,test,events,until``.

UTF-8, comma or semicolon; several ranges or events in one field are separated by blanks. ``test``, ``events`` and
``until`` (``2030-12-31`` or ``2030-12-31T18:00:00Z``) may be empty, and their columns may be left out.
"""

import csv
import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.authority.errors import SubscriberError
from skrutinium_server.authority.examining import Application
from skrutinium_server.authority.model import State

COLUMNS: Final = ("id", "name", "email", "telephone", "live", "test", "events", "until")
NEEDED: Final = ("id", "name", "email", "telephone", "live")

LARGEST: Final = 4 * 1024 * 1024
"""No file of registrations is larger, in bytes."""

MOST_ROWS: Final = 10_000


class Row(NamedTuple):
    """One row and the line of the file it stands in."""

    line: int
    application: Application


def read_rows(file: str, data: bytes) -> tuple[Row, ...]:
    """The applications in a CSV file; raises :class:`SubscriberError` naming the lines that cannot be read."""
    if len(data) > LARGEST:
        raise _refused(file, [f"it has {len(data)} bytes; at most {LARGEST} are read"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refused(file, [f"line {line}: not UTF-8. Save the file as CSV UTF-8"]) from error
    header = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text), delimiter=";" if header.count(";") > header.count(",") else ",", strict=True
    )
    faults: list[str] = []
    rows: list[Row] = []
    try:
        columns = _columns(file, next(reader, []))
        for fields in reader:
            if any(field.strip() for field in fields):
                rows += _row(reader.line_num, columns, fields, faults)
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")
    if len(rows) > MOST_ROWS:
        faults.append(f"it has {len(rows)} rows; at most {MOST_ROWS} are read")
    if faults:
        raise _refused(file, faults)
    return tuple(rows)


def moment(text: str) -> datetime.datetime:
    """``2030-12-31`` (the end of that day, UTC) or ``2030-12-31T18:00:00Z``, to the second, as the access list has it.

    Raises ValueError saying what is expected.
    """
    try:
        if len(text) == 10:
            day = datetime.date.fromisoformat(text)
            start = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
            return start + datetime.timedelta(days=1)
        found = datetime.datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(datetime.UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text!r} is no time; expected 2030-12-31 (all of that day), or 2030-12-31T18:00:00Z")


def write_rows(state: State) -> str:
    """The registrations that hold ranges, in the form that :func:`read_rows` takes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for subscriber in sorted(state.subscribers.values(), key=lambda one: one.id):
        told = subscriber.registration
        if subscriber.holds_ranges:
            until = "" if told.until is None else f"{told.until:%Y-%m-%dT%H:%M:%SZ}"
            many = (" ".join(told.live), " ".join(told.test), " ".join(told.events))
            writer.writerow((told.id, told.name, told.email, told.telephone, *many, until))
    return out.getvalue()


def _columns(file: str, header: Sequence[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    missing = [name for name in NEEDED if name not in columns]
    strange = [name for name in columns if name not in COLUMNS]
    double = sorted({name for name in columns if columns.count(name) > 1})
    faults = [f"line 1: the column {name} is missing" for name in missing]
    faults += [f"line 1: the column {name!r} is not known" for name in strange]
    faults += [f"line 1: the column {name} stands there twice" for name in double]
    if faults:
        raise _refused(file, [*faults, f"expected the header {','.join(COLUMNS)}"])
    return columns


def _row(line: int, columns: list[str], fields: Sequence[str], faults: list[str]) -> Iterator[Row]:
    if len(fields) != len(columns):
        faults.append(f"line {line}: {len(fields)} fields, expected {len(columns)} as in the header")
        return
    told = {name: field.strip() for name, field in zip(columns, fields, strict=True)}
    until = None
    if told.get("until"):
        try:
            until = moment(told["until"])
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            return
    yield Row(
        line,
        Application(
            id=told["id"],
            name=told["name"],
            email=told["email"],
            telephone=told["telephone"],
            live=tuple(told["live"].split()),
            test=tuple(told.get("test", "").split()),
            events=tuple(told.get("events", "").split()),
            until=until,
        ),
    )


def _refused(file: str, faults: list[str]) -> SubscriberError:
    return SubscriberError(f"{file}: nothing was taken over:", faults, code="subscriber-rows")
