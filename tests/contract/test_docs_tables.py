"""The page for data desks names every table with its columns, as the code has them; run as a program it writes them."""

import inspect

import skrutinium
from skrutinium.sinks.sink import Sink
from skrutinium.tables.columns import RELEASES, Column, Table
from tests.contract.pages import DOCS, named, rows, section, text

PAGE = DOCS / "data-desk.md"
BEGIN, END = "<!-- made by: python -m tests.contract.test_docs_tables -->\n", "<!-- end -->\n"


def column(table: Table, one: Column) -> str:
    kind = "" if one.type == "text" else f" {one.type}"
    if one.name in table.key:
        return f"**`{one.name}`**{kind}"
    return f"`{one.name}`{kind}" + ("" if one.required else "?")


def made() -> str:
    lines = ["| table | document | a row is | columns |", "| --- | --- | --- | --- |"]
    for table in (*skrutinium.TABLES.values(), RELEASES):
        columns = ", ".join(column(table, one) for one in table.columns)
        lines.append(f"| `{table.name}` | {document(table)} | {table.row} | {columns} |")
    return "\n".join(lines) + "\n"


def document(table: Table) -> str:
    if table.document in ("event", "summary", "turnout"):
        return f"`{table.document}.xml`"
    return "–" if table is RELEASES else f"`{table.document}/ID.xml`"


def test_tables_are_documented() -> None:
    """What the page says of the tables is what the code says."""
    assert text("docs/data-desk.md").partition(BEGIN)[2].partition(END)[0] == made()


def test_sinks_are_documented() -> None:
    """Every public sink stands in the page."""
    sinks = {
        name
        for name in skrutinium.__all__
        if inspect.isclass(one := getattr(skrutinium, name)) and issubclass(one, Sink)
    }
    told = {
        named(row[0])[0].partition("(")[0]
        for row in rows(section(text("docs/data-desk.md"), "Kept equal to the feed"))
    }
    assert told == sinks - {"Sink"}
    assert len(told) == 3


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(page.partition(BEGIN)[0] + BEGIN + made() + END + page.partition(END)[2], "utf-8")
