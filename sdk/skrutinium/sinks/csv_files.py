"""One table as a CSV file: rows by owner, in order, so that what did not change is copied in one piece.

RFC 4180 with LF, UTF-8. Empty: nothing is told. ``yes`` and ``no``; dates and times in ISO 8601. No value holds a line break, and the
first column is an id without commas or quotes: where a row begins, and whose it is, can be seen without reading more.
"""

import bisect
import contextlib
import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from skrutinium.errors import SinkError
from skrutinium.tables.columns import Row, Table, Value
from skrutinium.tables.paths import Owner

_PIECE = 4 * 1024 * 1024


def header(table: Table) -> bytes:
    """The first line."""
    return (",".join(table.names) + "\n").encode()


def lines(rows: Iterable[Row]) -> bytes:
    """Rows as they stand in the file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_shown, row) for row in rows)
    return text.getvalue().encode()


def _shown(value: Value) -> str | int:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


def read_table(table: Table, path: Path) -> list[Row]:
    """The rows of a file, as they were written; raises OSError, and :class:`SinkError` when it is another table's."""
    with path.open(encoding="utf-8", newline="") as file:
        read = csv.reader(file)
        if tuple(next(read, ())) != table.names:
            raise SinkError("has other columns", address=str(path))
        return [
            tuple(
                _value(text, column.type, required=column.required)
                for text, column in zip(row, table.columns, strict=True)
            )
            for row in read
        ]


def _value(text: str, kind: str, *, required: bool) -> Value:
    if not text and not (required and kind == "text"):
        return None
    return int(text) if kind == "int" else text == "yes" if kind == "bool" else text


class Extent:
    """Where in a file the rows of each owner stand; owners ascend."""

    def __init__(self, end: int) -> None:
        self.owners: list[Owner] = []
        self.starts: list[int] = []
        self.end = end

    def add(self, owner: Owner, size: int) -> None:
        """So many bytes of an owner come next."""
        self.owners.append(owner)
        self.starts.append(self.end)
        self.end += size

    def range(self, place: int) -> tuple[int, int]:
        """From where to where the owner in that place stands."""
        return self.starts[place], self.starts[place + 1] if place + 1 < len(self.starts) else self.end


def extent_of(table: Table, path: Path) -> Extent:
    """Read through a file once; raises OSError, and :class:`SinkError` when it is another table's or not in order."""
    whole: type[int | str] = int if table.owner.type == "int" else str
    with path.open("rb") as file:
        first = file.readline()
        if first != header(table):
            raise SinkError("has other columns", address=str(path))
        extent, current, size = Extent(len(first)), b"", 0
        for line in file:
            owner = line.partition(b",")[0]
            if owner != current:
                _close(extent, whole, current, size)
                current, size = owner, 0
            size += len(line)
        _close(extent, whole, current, size)
    if extent.owners != sorted(set(extent.owners)):
        raise SinkError("is not in order: it was changed by something else", address=str(path))
    return extent


def _close(extent: Extent, whole: type[int | str], owner: bytes, size: int) -> None:
    if size:
        extent.add(whole(owner.decode()), size)


class Rewriting:
    """A table's next file: nothing is written before the first difference, and without one the file stays the one before."""

    def __init__(self, table: Table, old: Path | None, extent: Extent | None, new: Path) -> None:
        self._table = table
        self._old_path = old
        self._old_extent = extent or Extent(0)
        self._new_path = new
        self._old: BinaryIO | None = None
        self._new: BinaryIO | None = None
        self._begun = False
        self._place = 0
        self.extent = Extent(len(header(table)))

    def put(self, owner: Owner, rows: Sequence[Row]) -> None:
        """Replace the rows of an owner; owners ascend from call to call."""
        data = lines(rows)
        held = self._old_extent
        place = bisect.bisect_left(held.owners, owner)
        there = place < len(held.owners) and held.owners[place] == owner
        if self._new is None:
            if (self._read(place) if there else b"") == data:
                return
            self._begin()
        self._copy(place)
        if data:
            assert self._new is not None
            self._new.write(data)
            self.extent.add(owner, len(data))
        self._place = place + there

    def finish(self) -> bool:
        """Write the rest; whether there is a new file."""
        if self._new is None and self._old_path is None:
            self._begin()
        if self._new is not None:
            self._copy(len(self._old_extent.owners))
            self._new.flush()
            os.fsync(self._new.fileno())
        self.close()
        return self._begun

    def close(self) -> None:
        """Let go of the files."""
        for file in (self._old, self._new):
            if file is not None:
                with contextlib.suppress(
                    OSError
                ):  # finish() synced what counts; what was not finished is thrown away
                    file.close()
        self._old = self._new = None

    def _begin(self) -> None:
        self._begun = True
        self._new = self._new_path.open("xb")
        self._new.write(header(self._table))

    def _opened(self) -> BinaryIO:
        if self._old is None:
            assert self._old_path is not None
            self._old = self._old_path.open("rb")
        return self._old

    def _read(self, place: int) -> bytes:
        start, end = self._old_extent.range(place)
        file = self._opened()
        file.seek(start)
        return file.read(end - start)

    def _copy(self, until: int) -> None:
        """Copy what stands before the owner in that place, from where copying stopped."""
        held = self._old_extent
        if self._place >= until:
            return
        start, end = held.starts[self._place], held.range(until - 1)[1]
        shift = self.extent.end - start
        self.extent.owners += held.owners[self._place : until]
        self.extent.starts += [one + shift for one in held.starts[self._place : until]]
        self.extent.end = end + shift
        self._place = until
        file = self._opened()
        file.seek(start)
        left = end - start
        assert self._new is not None
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise SinkError("is cut off", address=str(self._old_path))
            self._new.write(piece)
            left -= len(piece)
