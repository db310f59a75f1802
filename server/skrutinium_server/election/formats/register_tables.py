"""The registers of one election as they lie in a folder: by name, each in CSV or in XML.

Those that the office keeps up to date also hold by-elections, each row under the day of its election (``DATUMVOLEB``).
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats.csv_table import MOST_BYTES, Row, rows
from skrutinium_server.election.formats.row_xml import xml_rows

ENDS: Final = (".csv", ".xml")

ELECTION: Final = "DATUMVOLEB"
"""The first day of voting of the election that a row is of; files of one election alone may lack it."""

CODEBOOKS: Final[Mapping[str, str]] = {
    "kvdruhz": "DRUHZASTUP",
    "kvtypzas": "TYPZASTUP",
    "ctypduvv": "TYPDUVODU",
    "kvdatumvoleb": ELECTION,
}
"""The codebooks by name, each with the column of its codes: whoever reads a register that uses them holds it against them."""


class RegisterTables:
    """Registers by name (``kvros``); ``required`` must be there.

    CSV comes in the office's two flavours: windows-1250 with ``;`` and UTF-8 with ``,``. Raises ``SourceError``.
    """

    def __init__(self, tables: Mapping[str, bytes], known: Sequence[str], required: Sequence[str]) -> None:
        self._files: dict[str, str] = {}
        self._tables = tables
        self._days: dict[str, str] = {}
        for file in tables:
            name = _register(file)
            if name is None or name not in known:
                raise SourceError(file, None, None, "not a register that is known", _named(known))
            if name in self._files:
                raise SourceError(file, None, None, "the register is given twice", "each register once")
            self._files[name] = file
        for name in required:
            if name not in self._files:
                expected = " and ".join(f"{one}.csv or .xml" for one in required)
                raise SourceError(f"{name}.csv", None, None, "the register is missing", expected)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def file(self, name: str) -> str:
        """The name of a register's file."""
        return self._files[name]

    def days(self, name: str) -> list[datetime.date]:
        """The elections that a register tells of by their first days of voting, in order; none when it has no such column."""
        told = {row.maybe(ELECTION): row for row in self._read(name, ())}
        return sorted(_day(row) for value, row in told.items() if value is not None)

    def choose(self, name: str, date: datetime.date | None) -> datetime.date | None:
        """The election that is read: that of ``date``, or the only one that the register tells of; None when neither tells.

        Raises ``SourceError`` when there are several to choose from, or not the one that is wanted.
        """
        days = self.days(name)
        if not days or date in days:
            return date
        several = ", ".join(day.isoformat() for day in days)
        if date is not None:
            raise SourceError(self.file(name), None, ELECTION, f"no row of the election of {date}", several)
        if len(days) > 1:
            problem = f"rows of several elections: {several}"
            raise SourceError(
                self.file(name), None, ELECTION, problem, "one of them, chosen by its date (--date)"
            )
        return days[0]

    def only(self, names: Iterable[str], day: datetime.date | None) -> None:
        """From now on rows of other elections than that of ``day`` are passed over in these registers."""
        if day is not None:
            self._days.update((name, f"{day:%Y%m%d}") for name in names)

    def hold_against_codebooks(self, name: str) -> None:
        """Raise ``SourceError`` when a row has a code that a codebook beside the register lacks; those are read whole."""
        lists = {
            column: (self.file(book), {row.text(column) for row in self._read(book, (column,))})
            for book, column in CODEBOOKS.items()
            if book in self
        }
        if not lists:
            return
        for row in self.rows(name, ()):
            for column, (file, codes) in lists.items():
                value = row.maybe(column)
                if value is not None and value not in codes:
                    raise row.error(
                        column, f"{value!r} is not in {file}", f"one of {', '.join(sorted(codes))}"
                    )

    def rows(self, name: str, columns: Sequence[str]) -> Iterator[Row]:
        """The rows of a register; ``columns`` must be in its header, in XML they may be left out where empty."""
        day = self._days.get(name)
        for row in self._read(name, columns):
            if day is None or row.maybe(ELECTION) in (None, day):
                yield row

    def _read(self, name: str, columns: Sequence[str]) -> Iterator[Row]:
        file = self._files[name]
        data = self._tables[file]
        if file.lower().endswith(".xml"):
            return xml_rows(file, data, columns)
        if b";" in data.partition(b"\n")[0]:
            return rows(file, data, columns, encoding="cp1250", delimiter=";")
        return rows(file, data, columns, encoding="utf-8-sig", delimiter=",")


def read_files(paths: Sequence[Path], known: Sequence[str]) -> dict[str, bytes]:
    """The bytes of registers by file name, of files and of folders that hold them; names are compared without case."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    tables: dict[str, bytes] = {}
    for file in files:
        name = file.name.lower()
        if _register(name) not in known:
            if file in paths:
                raise SourceError(file.name, None, None, "not a register that is known", _named(known))
            continue
        if name in tables:
            raise SourceError(file.name, None, None, "the register is given twice", "each register once")
        if file.stat().st_size > MOST_BYTES:
            raise SourceError(file.name, None, None, "the file is too large", f"at most {MOST_BYTES} bytes")
        tables[name] = file.read_bytes()
    return tables


def _day(row: Row) -> datetime.date:
    value = row.text(ELECTION)
    try:
        return datetime.datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007
    except ValueError as error:
        raise row.error(ELECTION, f"{value!r} is no day", "a day such as 20181005") from error


def _register(file: str) -> str | None:
    name = file.lower()
    return name[:-4] if name.endswith(ENDS) else None


def _named(known: Sequence[str]) -> str:
    return f"{', '.join(known)}, each as .csv or .xml"
