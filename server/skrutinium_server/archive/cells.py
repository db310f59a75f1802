"""Tables as CSV: UTF-8, RFC 4180, and no cell that a spreadsheet would take for a formula.

A text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break gets an apostrophe in front; numbers never begin so and
stay as they are.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TextIO

Cell = str | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(cell: Cell) -> str:
    """A cell as written: empty for what is not told."""
    if cell is None:
        return ""
    text = str(cell)
    return "'" + text if text.startswith(_FORMULA) else text


class TableWriter:
    """Writes one table: the header at once, then row by row."""

    def __init__(self, target: TextIO, header: Sequence[str]) -> None:
        self._writer = csv.writer(target, lineterminator="\r\n")
        self._columns = len(header)
        self._writer.writerow(header)

    def row(self, cells: Sequence[Cell]) -> None:
        """Write one row; raises ValueError unless it has a cell for every column."""
        if len(cells) != self._columns:
            raise ValueError(f"{len(cells)} cells for {self._columns} columns")
        self._writer.writerow([safe(cell) for cell in cells])


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A whole table at once."""
    text = io.StringIO(newline="")
    writer = TableWriter(text, header)
    for row in rows:
        writer.row(row)
    return text.getvalue().encode()
