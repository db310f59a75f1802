"""A table in CSV, read strictly: every column that is asked for is there, every value is what it should be.

Errors name the file, the line (of the record's end, as editors count), the column and what was expected.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from skrutinium_server.election.errors import SourceError

MOST_BYTES: Final = 256 * 2**20
"""Larger files are refused: a candidates' register of a whole country has about 40 MiB."""


class Row:
    """One record; values are asked for by column name."""

    __slots__ = ("_columns", "_values", "file", "line")

    def __init__(self, file: str, line: int, columns: dict[str, int], values: Sequence[str]) -> None:
        self.file = file
        self.line = line
        self._columns = columns
        self._values = values

    def raw(self, column: str) -> str:
        """The value as it stands."""
        return self._values[self._columns[column]]

    def maybe(self, column: str) -> str | None:
        """The value without blanks around it; None when empty or when the file has no such column."""
        place = self._columns.get(column)
        return None if place is None else self._values[place].strip() or None

    def text(self, column: str) -> str:
        """The value without blanks around it; an empty one is an error."""
        value = self.maybe(column)
        if value is None:
            raise self.error(column, "nothing is told", "a text")
        return value

    def number(self, column: str, *, least: int = 0, most: int = 999_999_999) -> int:
        """A whole number, digits only."""
        value = self._values[self._columns[column]].strip()
        if not (value.isascii() and value.isdigit()) or len(value) > 9 or not least <= int(value) <= most:
            raise self.error(column, f"{value!r}", f"a whole number from {least} to {most}")
        return int(value)

    def one_of(self, column: str, known: Iterable[str]) -> str:
        """One of the known values."""
        value = self._values[self._columns[column]].strip()
        if value not in (choices := tuple(known)):
            raise self.error(column, f"{value!r}", f"one of {', '.join(choices)}")
        return value

    def error(self, column: str | None, problem: str, expected: str) -> SourceError:
        """The error to raise for this record."""
        return SourceError(self.file, self.line, column, problem, expected)


def rows(
    file: str, data: bytes, columns: Sequence[str], *, encoding: str, delimiter: str, exact: bool = False
) -> Iterator[Row]:
    """The records of a CSV file with a header line; ``columns`` must be in it, and no others when ``exact``.

    Raises :class:`SourceError`; a generator, so a fault shows when its record is reached: collect before you store.
    """
    if len(data) > MOST_BYTES:
        raise SourceError(file, None, None, f"{len(data)} bytes", f"at most {MOST_BYTES}")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(file, line, None, f"byte {error.start} is no {encoding}", f"{encoding}") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        places = _places(file, header, columns, exact=exact)
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                problem = f"{len(values)} values"
                raise SourceError(file, reader.line_num, None, problem, f"{len(header)} as in the header")
            yield Row(file, reader.line_num, places, values)
    except csv.Error as error:
        raise SourceError(file, reader.line_num, None, str(error), "CSV as in RFC 4180") from error


def _places(file: str, header: list[str], columns: Sequence[str], *, exact: bool) -> dict[str, int]:
    places = {name: place for place, name in enumerate(header)}
    expected = f"the columns {', '.join(columns)}"
    if len(places) != len(header):
        raise SourceError(file, 1, None, "a column stands twice", expected)
    for name in columns:
        if name not in places:
            raise SourceError(file, 1, name, "the column is missing", expected)
    if exact:
        for name in header:
            if name not in columns:
                raise SourceError(file, 1, name, "the column is unknown", expected)
    return places
