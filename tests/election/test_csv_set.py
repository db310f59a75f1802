"""The CSV set: what is written reads back exactly, and a fault is named to the column."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from skrutinium_server.election.canonical import canonical, in_order
from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats import READERS, csv_first_round
from skrutinium_server.election.formats.csv_set import (
    EVENT_COLUMNS,
    TABLES,
    read_set,
    write_folder,
    write_set,
)
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from tests.election.made import SMALL, definitions

LAW = load_law("cz-municipal-2018")


@given(definitions())
def test_set_round_trips(definition: Definition) -> None:
    """Any definition reads back from its tables as the same facts, byte for byte in canonical form."""
    files = write_set(definition)
    assert canonical(read_set(files)) == canonical(definition)
    assert write_set(read_set(files)) == files


def test_folder_round_trips(tmp_path: Path) -> None:
    """The files of a folder are read by the name of the format; the event's id can be given."""
    write_folder(SMALL, tmp_path)
    assert READERS["csv"](LAW, [tmp_path]) == in_order(SMALL)
    assert READERS["csv"](LAW, sorted(tmp_path.iterdir()), event="other").event == "other"


def test_spreadsheets_spelling_is_read() -> None:
    """A byte order mark, CRLF, other order of columns and rows make no difference."""
    files = write_set(SMALL)
    head, *rows = files["polls.csv"].decode().splitlines()
    turned = [",".join(reversed(row.split(","))) for row in (head, *reversed(rows))]
    files["polls.csv"] = "\r\n".join(["\ufeff" + turned[0], *turned[1:], ""]).encode()
    assert read_set(files) == in_order(SMALL)


def test_unknown_and_zero_differ() -> None:
    """An empty value is unknown, a 0 is 0."""
    files = write_set(SMALL)
    assert files["polls.csv"].decode().splitlines()[3] == "101-2,100,100.1,"
    files["polls.csv"] = files["polls.csv"].replace(b"101-2,100,100.1,", b"101-2,100,100.1,0")
    assert [poll.eligible for poll in read_set(files).polls] == [700, 700, 0]


FAULTS = {
    "number": (
        "polls.csv",
        b",700",
        b",7.5",
        ["polls.csv, line 2, field eligible", "'7.5'", "a whole number"],
    ),
    "huge number": ("polls.csv", b",700", b",1234567890", ["field eligible", "a whole number"]),
    "kind": (
        "areas.csv",
        b"ward",
        b"quarter",
        ["areas.csv, line 3, field kind", "'quarter'", "municipality"],
    ),
    "yes": ("lists.csv", b"yes", b"true", ["lists.csv, line 2, field active", "'true'", "yes, no"]),
    "date": ("event.csv", b"2030-10-04", b"4.10.2030", ["event.csv, line 2, field date", "2018-10-05"]),
    "missing text": (
        "areas.csv",
        "Česko".encode(),
        b"",
        ["areas.csv, line 4, field name", "nothing is told"],
    ),
    "values": ("areas.csv", b",CZ,\n", b",CZ\n", ["areas.csv, line 2", "4 values", "5 as in the header"]),
    "missing column": ("polls.csv", b"eligible", b"voters", ["field eligible", "the column is missing"]),
    "unknown column": ("polls.csv", b"contest,", b"contest,x,", ["field x", "the column is unknown"]),
    "column twice": ("polls.csv", b"eligible", b"contest", ["a column stands twice"]),
    "encoding": ("areas.csv", "Česko".encode(), b"\xc8esko", ["areas.csv, line 4", "utf-8"]),
    "quote": ("areas.csv", "Velká Ves,".encode(), b'"Velk', ["areas.csv", "RFC 4180"]),
    "two events": ("event.csv", b"no\n", b"no\nx,y,,z,1,no\n", ["event.csv", "2 rows", "one row"]),
}


@pytest.mark.parametrize(("file", "old", "new", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_names_its_place(file: str, old: bytes, new: bytes, told: list[str]) -> None:
    """A broken value says file, line, column and what was expected."""
    files = write_set(msgspec.structs.replace(SMALL, made_up=False))
    assert old in files[file]
    files[file] = files[file].replace(old, new, 1)
    with pytest.raises(SourceError) as caught:
        read_set(files)
    for part in told:
        assert part in str(caught.value)


def test_missing_and_unknown_files_are_told(tmp_path: Path) -> None:
    """Without an event, with a table that is not of the set, or for another law nothing is read."""
    with pytest.raises(SourceError, match=r"event\.csv: the file is missing"):
        read_set({})
    with pytest.raises(SourceError, match=r"votes\.csv: not a table of the set"):
        read_set({**write_set(SMALL), "votes.csv": b""})
    write_folder(msgspec.structs.replace(SMALL, law="pl-council-2014"), tmp_path)
    with pytest.raises(SourceError, match=r"event\.csv, line 2, field law: 'pl-council-2014'"):
        READERS["csv"](LAW, [tmp_path])


def test_every_column_is_documented(repository: Path) -> None:
    """docs/csv-set.md has a section for each table, and in it each column of the model, no other."""
    text = (repository / "docs/csv-set.md").read_text("utf-8")
    sections = dict(re.findall(r"^## `(\w+)\.csv`[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    expected = {
        "event": EVENT_COLUMNS,
        **{name: struct.__struct_fields__ for name, struct in {**TABLES, **csv_first_round.TABLES}.items()},
    }
    assert set(sections) == set(expected)
    for name, columns in expected.items():
        rows = [row.split("|")[1] for row in sections[name].splitlines() if row.startswith("| `")]
        assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(columns), name
