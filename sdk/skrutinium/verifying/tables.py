"""Comparing the tables of an archive with its documents, row by row. Columns: ``docs/public-folder.md``, and each ``README.txt``.

Every row stands for one element; a cell is the attribute as it is, empty when there is none. A text that a spreadsheet
would take for a formula has an apostrophe in front (RFC 4180 says nothing of it).
"""

import csv
from collections.abc import Iterator, Mapping

from lxml import etree

from skrutinium.documents import parsing
from skrutinium.documents.parsing import children
from skrutinium.documents.series import Document
from skrutinium.errors import SkrutiniumError
from skrutinium.sources.zipped import Zipped
from skrutinium.verifying.report import Report

Row = tuple[str, list[str | None]]

_PERSON = ("given_name", "family_name", "title_before", "title_after", "committee", "votes")
_PROGRESS = ("reporting", "expected", "reported")
_OF_PROTOCOL = ("entry", "version", "sequence", "established", "accepted", "sha256", "repeated")
_OF_CHANGE = ("supersedes", "reason", "authority")

COLUMNS: dict[str, tuple[str, ...]] = {
    "events": ("event", "run", "phase", "release", "time", "codebook", "name", "date", "state", "made_up"),
    "committees": ("kind", "committee", "name", "votes", "seats"),
    "areas": ("area", "kind", "name", "parent", *_PROGRESS),
    "contests": ("contest", "kind", "area", "name", "seats", "round", "state", "held", *_PROGRESS),
    "districts": (
        *("district", "contest", "number", "name", "seats", "outcome", "threshold", "vacant", "missing"),
        *_PROGRESS,
    ),
    "district_figures": ("district", "field", "value", "protocols"),
    "lists": ("district", "list", "committee", "name", "candidates", "votes", "active", "passed", "seats"),
    "candidates": ("district", "list", "candidate", *_PERSON, "active", "elected", "way", "runoff"),
    "questions": ("district", "question", "text", "yes", "no", "answer"),
    "first_round": ("district", "event", "date", "candidate", *_PERSON, "runoff"),
    "first_round_figures": ("district", "field", "value"),
    "precincts": ("precinct", "area", "number", "kind", "name"),
    "protocols": ("precinct", "contest", "district", "reporting", *_OF_PROTOCOL, *_OF_CHANGE),
    "protocol_figures": ("precinct", "contest", "field", "value"),
    "list_votes": ("precinct", "contest", "district", "list", "votes"),
    "candidate_votes": ("precinct", "contest", "district", "list", "candidate", "votes"),
    "corrections": (
        *("release", "precinct", "contest", "entry", *_OF_CHANGE, "time"),
        *("field", "list", "candidate", "old", "new"),
    ),
}
"""Every table and its columns."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def compare_tables(
    archive: Zipped, tables: Zipped, documents: Mapping[str, Document], report: Report
) -> None:
    """Compare the tables with the documents of ``archive``; differences go into the report, of each table the first one."""
    due = {f"{name}.csv" for name in COLUMNS} | {"README.txt", "SHA256SUMS"}
    for name in sorted(due ^ set(tables.names)):
        report.differs("table", None, name, "in the zip", name in tables.names, name in due)
    read = {name: _Table(name, tables, report) for name in COLUMNS if f"{name}.csv" in tables.names}
    for path in sorted(documents):
        if path.startswith("batch/"):
            continue  # their protocols stand in the documents of their precincts
        try:
            root = parsing.well_formed(archive.read(path), path)
        except SkrutiniumError:
            continue  # told where the documents were checked
        for name, cells in rows(root):
            if name in read:
                read[name].expect(path, cells)
    for table in read.values():
        table.end()


class _Table:
    """One table, read along with the documents; after its first difference it is left alone."""

    def __init__(self, name: str, tables: Zipped, report: Report) -> None:
        self._path = f"{name}.csv"
        self._columns = COLUMNS[name]
        self._report = report
        self._rows = csv.reader(tables.lines(self._path), strict=True)
        self._number = 0
        self._lost = False
        if (header := self._next()) != list(self._columns):
            self._differs("columns", header, list(self._columns))

    def _next(self) -> list[str] | None:
        self._number += 1
        try:
            return next(self._rows, None)
        except csv.Error as error:
            self._differs("cannot be read", error, "")
            return None

    def _differs(self, what: str, told: object, due: object) -> None:
        if not self._lost:
            self._report.differs("table", None, self._path, f"row {self._number}: {what}", told, due)
        self._lost = True

    def expect(self, path: str, cells: list[str | None]) -> None:
        """The next row has to be this one."""
        if self._lost:
            return
        due = [_cell(cell) for cell in cells]
        told = self._next()
        if told is None or len(told) != len(due):
            self._differs(f"of {path}", told, due)
        elif told != due:
            at = next(index for index, cell in enumerate(due) if told[index] != cell)
            self._differs(f"{self._columns[at]} (of {path})", told[at], due[at])
        else:
            self._report.rows += 1

    def end(self) -> None:
        """There is no further row."""
        if not self._lost and (told := self._next()) is not None:
            self._differs("of no document", told, None)


def _cell(value: str | None) -> str:
    if value is None:
        return ""
    return "'" + value if value.startswith(_FORMULA) else value


def _told(element: etree._Element, *columns: str) -> list[str | None]:
    return [element.get(column.replace("_", "-")) for column in columns]


def rows(root: etree._Element) -> Iterator[Row]:
    """The rows that a document gives, in their order."""
    read = _READERS.get(etree.QName(root).localname)
    if read is not None:
        yield from read(root)


def _event(root: etree._Element) -> Iterator[Row]:
    yield "events", _told(root, *COLUMNS["events"])
    for kind in children(root, "kind"):
        for one in children(kind, "committee"):
            yield "committees", [kind.get("id"), *_told(one, "id", "name", "votes", "seats")]


def _area(root: etree._Element) -> Iterator[Row]:
    if root.get("parent") is None:  # the country is in no other's rows: it stands for itself, over all kinds
        counts = [count for kind in children(root, "kind") for count in children(kind, "count")]
        expected, reported = (
            sum(int(str(count.get(name))) for count in counts) for name in ("expected", "reported")
        )
        word = "not-applicable" if not expected else "none" if not reported else "part"
        word = "all" if expected and reported >= expected else word
        yield "areas", [*_told(root, "id", "kind", "name"), None, word, str(expected), str(reported)]
    for one in children(root, "area"):
        yield "areas", [*_told(one, "id", "kind", "name"), root.get("id"), *_told(one, *_PROGRESS)]


def _contest(root: etree._Element) -> Iterator[Row]:
    count = next(children(root, "count"))
    yield "contests", [*_told(root, "id", *COLUMNS["contests"][1:8]), *_told(count, *_PROGRESS)]
    for district in children(root, "district"):
        yield from _district(root.get("id"), district)


def _district(contest: str | None, district: etree._Element) -> Iterator[Row]:
    id, count = district.get("id"), next(children(district, "count"))
    yield (
        "districts",
        [id, contest, *_told(district, *COLUMNS["districts"][2:9]), *_told(count, *_PROGRESS)],
    )
    for figure in children(count, "figure"):
        yield "district_figures", [id, *_told(figure, "field", "value", "protocols")]
    for one in children(district, "list"):
        yield "lists", [id, *_told(one, "number", *COLUMNS["lists"][2:])]
        for person in children(one, "candidate"):
            yield (
                "candidates",
                [id, one.get("number"), *_told(person, "number", *COLUMNS["candidates"][3:])],
            )
    for person in children(district, "candidate"):
        yield "candidates", [id, "0", *_told(person, "number", *COLUMNS["candidates"][3:])]
    for question in children(district, "question"):
        yield "questions", [id, *_told(question, "number", "text", "yes", "no", "answer")]
    for first in children(district, "first-round"):
        for figure in children(first, "figure"):
            yield "first_round_figures", [id, *_told(figure, "field", "value")]
        for person in children(first, "candidate"):
            told = _told(person, "number", *COLUMNS["first_round"][4:])
            yield "first_round", [id, *_told(first, "event", "date"), *told]


def _precinct(root: etree._Element) -> Iterator[Row]:
    precinct = root.get("id")
    yield "precincts", _told(root, "id", *COLUMNS["precincts"][1:])
    for one in children(root, "protocol"):
        contest, district = one.get("contest"), one.get("district")
        told = _told(one, *_OF_PROTOCOL, *_OF_CHANGE)
        yield "protocols", [precinct, contest, district, "reported", *told]
        for figure in children(one, "figure"):
            yield "protocol_figures", [precinct, contest, *_told(figure, "field", "value")]
        for votes in children(one, "list"):
            number = votes.get("number")
            yield "list_votes", [precinct, contest, district, number, votes.get("votes")]
            for person in children(votes, "candidate"):
                yield (
                    "candidate_votes",
                    [precinct, contest, district, number, *_told(person, "number", "votes")],
                )
    for one in children(root, "awaited"):
        blank: list[str | None] = [None] * len((*_OF_PROTOCOL, *_OF_CHANGE))
        yield "protocols", [precinct, one.get("contest"), one.get("district"), "awaited", *blank]


def _corrections(root: etree._Element) -> Iterator[Row]:
    for one in children(root, "correction"):
        head = [root.get("release"), *_told(one, *COLUMNS["corrections"][1:8])]
        changes = list(children(one, "change"))
        for change in changes:
            yield "corrections", [*head, *_told(change, *COLUMNS["corrections"][8:])]
        if not changes:  # a protocol was replaced by one with the same numbers
            yield "corrections", [*head, None, None, None, None, None]


_READERS = {
    "event-results": _event,
    "area-results": _area,
    "contest-results": _contest,
    "precinct-results": _precinct,
    "corrections": _corrections,
}
