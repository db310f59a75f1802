"""The SQL that databases share: tables, and replacing the rows of changed documents by what is staged.

Rows are staged first, then taken over set by set: what vanished is deleted, what is new or another is written, what is the same is not
touched. All names are those of :mod:`skrutinium.tables.columns`, never of data.
"""

# ruff: noqa: S608  (names in SQL are those of tables and columns here, never data)
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skrutinium.tables.columns import RELEASES, Column, Table, Type

DOCUMENTS = Table(
    "documents",
    "",
    "A document whose rows are here, and its hash.",
    (Column("path", "text", True), Column("kind", "text", True), Column("sha256", "text", True)),
    ("path",),
)
MISSING = Table(
    "missing",
    "",
    "A document as of the release held that no source delivered yet: rows that come of it are those of an older version, or none.",
    (
        Column("path", "text", True),
        Column("bytes", "int", True),
        Column("sha256", "text", True),
        Column("schema", "text", True),
        Column("codebook", "int", True),
    ),
    ("path",),
)
SINK = "skrutinium_sink"
"""The table of one row that says what all the others hold."""

MARK = "event, run, phase, series, number, manifest, keys, feed_state, feed_states, codebook, listed"
"""The columns of the mark; ``listed`` is 1 where every document that is not there is in ``missing``."""

_SINK_COLUMNS = (
    "one integer PRIMARY KEY CHECK (one = 1), format integer NOT NULL, chosen text NOT NULL, event text, run text, phase text, series text, "
    "number integer, manifest text, keys text, feed_state integer, feed_states text, codebook integer, listed integer"
)


def quoted(name: str) -> str:
    """A name in SQL."""
    return f'"{name}"'


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Names, with commas."""
    return ", ".join(prefix + quoted(name) for name in names)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What databases say differently: ``schema`` and ``stage`` are put before names, ``suffix`` after a table's columns."""

    types: Mapping[Type, str]
    schema: str
    stage: str
    suffix: str
    differs: str

    def table(self, name: str) -> str:
        """A table's whole name."""
        return self.schema + quoted(name)

    def staged(self, name: str) -> str:
        """The whole name of where its rows are staged."""
        return self.stage + quoted(f"staged_{name}")

    # ---------------------------------------------------------------- making
    def make(self, tables: Iterable[Table]) -> list[str]:
        """The tables, the one of the mark last."""
        made = [
            statement for table in (*tables, RELEASES, DOCUMENTS, MISSING) for statement in self._make(table)
        ]
        return [*made, f"CREATE TABLE IF NOT EXISTS {self.table(SINK)} ({_SINK_COLUMNS})"]

    def _make(self, table: Table) -> list[str]:
        columns = ", ".join(self._column(column) for column in table.columns)
        made = (
            f"CREATE TABLE IF NOT EXISTS {self.table(table.name)} "
            f"({columns}, PRIMARY KEY ({listed(table.key)})){self.suffix}"
        )
        if table.owner.name == table.key[0]:
            return [made]
        by = f"{table.name}_{table.owner.name}"
        return [
            made,
            f"CREATE INDEX IF NOT EXISTS {self._index(by)} ON {self.table(table.name)} ({quoted(table.owner.name)})",
        ]

    def _index(self, name: str) -> str:
        return quoted(name)  # an index lies in the schema of its table

    def _column(self, column: Column) -> str:
        return f"{quoted(column.name)} {self.types[column.type]}" + (" NOT NULL" if column.required else "")

    # ---------------------------------------------------------------- taking over
    def drop_vanished(self, table: Table) -> str:
        """Delete the rows of staged documents that are not staged themselves."""
        owner = quoted(table.owner.name)
        same = " AND ".join(f"s.{quoted(name)} = m.{quoted(name)}" for name in table.key)
        return (
            f"DELETE FROM {self.table(table.name)} AS m WHERE m.{owner} IN "
            f"(SELECT CAST(o.owner AS {self.types[table.owner.type]}) FROM {self.staged('owners')} AS o WHERE o.kind = '{table.document}') "
            f"AND NOT EXISTS (SELECT 1 FROM {self.staged(table.name)} AS s WHERE {same})"
        )

    def take_over(self, table: Table) -> str:
        """Write the staged rows that are new or another."""
        rest = [name for name in table.names if name not in table.key]
        columns = listed(table.names)
        start = (
            f"INSERT INTO {self.table(table.name)} AS m ({columns}) SELECT {columns} FROM {self.staged(table.name)} WHERE true "
            f"ON CONFLICT ({listed(table.key)}) DO "
        )
        if not rest:
            return start + "NOTHING"
        changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in rest)
        before, now = listed(rest, "m."), listed(rest, "excluded.")
        return f"{start}UPDATE SET {changes} WHERE ({before}) {self.differs} ({now})"
