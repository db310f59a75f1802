"""The tables of the archive: which columns each has, and how documents become their rows.

Every row stands for one element of a published document; what a document does not tell is an empty cell, never a zero.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from lxml import etree

from skrutinium_server.archive.cells import Cell
from skrutinium_server.archive.reading import children, told, whole

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "events": ("event", "run", "phase", "release", "time", "codebook", "name", "date", "state", "made_up"),
    "committees": ("kind", "committee", "name", "votes", "seats"),
    "areas": ("area", "kind", "name", "parent", "reporting", "expected", "reported"),
    "contests": (
        *("contest", "kind", "area", "name", "seats", "round", "state", "held"),
        *("reporting", "expected", "reported"),
    ),
    "districts": (
        *("district", "contest", "number", "name", "seats", "outcome", "threshold", "vacant", "missing"),
        *("reporting", "expected", "reported"),
    ),
    "district_figures": ("district", "field", "value", "protocols"),
    "lists": ("district", "list", "committee", "name", "candidates", "votes", "active", "passed", "seats"),
    "candidates": (
        *("district", "list", "candidate", "given_name", "family_name", "title_before", "title_after"),
        *("committee", "votes", "active", "elected", "way", "runoff"),
    ),
    "questions": ("district", "question", "text", "yes", "no", "answer"),
    "first_round": (
        *(
            "district",
            "event",
            "date",
            "candidate",
            "given_name",
            "family_name",
            "title_before",
            "title_after",
        ),
        *("committee", "votes", "runoff"),
    ),
    "first_round_figures": ("district", "field", "value"),
    "precincts": ("precinct", "area", "number", "kind", "name"),
    "protocols": (
        *("precinct", "contest", "district", "reporting", "entry", "version", "sequence", "established"),
        *("accepted", "sha256", "repeated", "supersedes", "reason", "authority"),
    ),
    "protocol_figures": ("precinct", "contest", "field", "value"),
    "list_votes": ("precinct", "contest", "district", "list", "votes"),
    "candidate_votes": ("precinct", "contest", "district", "list", "candidate", "votes"),
    "corrections": (
        *("release", "precinct", "contest", "entry", "supersedes", "reason", "authority", "time"),
        *("field", "list", "candidate", "old", "new"),
    ),
}
"""Name of each table and its columns."""

Row = tuple[str, Sequence[Cell]]
"""A table and the cells of one of its rows."""


def _of(element: etree._Element, *names: str) -> list[Cell]:
    return [element.get(name.replace("_", "-")) for name in names]


def event_rows(root: etree._Element) -> Iterator[Row]:
    """``event.xml``."""
    yield "events", _of(root, *TABLES["events"])
    for kind in children(root, "kind"):
        for committee in children(kind, "committee"):
            yield "committees", [kind.get("id"), *_of(committee, "id", "name", "votes", "seats")]


def area_rows(root: etree._Element) -> Iterator[Row]:
    """``area/ID.xml``: the units that lie in it; the country, which lies in none, stands for itself."""
    if root.get("parent") is None:
        progress = _summed([count for kind in children(root, "kind") for count in children(kind, "count")])
        yield "areas", [*_of(root, "id", "kind", "name"), None, *progress]
    for area in children(root, "area"):
        yield (
            "areas",
            [
                *_of(area, "id", "kind", "name"),
                root.get("id"),
                *_of(area, "reporting", "expected", "reported"),
            ],
        )


def _summed(counts: Sequence[etree._Element]) -> list[Cell]:
    """Progress over all kinds of contests, as the rows of the other areas tell it."""
    expected = sum(whole(count, "expected") for count in counts)
    reported = sum(whole(count, "reported") for count in counts)
    if not expected:
        return ["not-applicable", 0, 0]
    reporting = "none" if not reported else "all" if reported >= expected else "part"
    return [reporting, expected, reported]


def contest_rows(root: etree._Element) -> Iterator[Row]:
    """``contest/ID.xml``."""
    contest = root.get("id")
    count = next(children(root, "count"))
    progress = _of(count, "reporting", "expected", "reported")
    yield (
        "contests",
        [contest, *_of(root, "kind", "area", "name", "seats", "round", "state", "held"), *progress],
    )
    for district in children(root, "district"):
        yield from _district_rows(contest, district)


def _district_rows(contest: Cell, district: etree._Element) -> Iterator[Row]:
    id = district.get("id")
    count = next(children(district, "count"))
    yield (
        "districts",
        [
            id,
            contest,
            *_of(district, "number", "name", "seats", "outcome", "threshold", "vacant", "missing"),
            *_of(count, "reporting", "expected", "reported"),
        ],
    )
    for figure in children(count, "figure"):
        yield "district_figures", [id, *_of(figure, "field", "value", "protocols")]
    for one in children(district, "list"):
        yield "lists", [id, *_of(one, "number", *TABLES["lists"][2:])]
        for candidate in children(one, "candidate"):
            yield "candidates", [id, one.get("number"), *_of(candidate, "number", *TABLES["candidates"][3:])]
    for candidate in children(district, "candidate"):  # a contest of persons: no list
        yield "candidates", [id, 0, *_of(candidate, "number", *TABLES["candidates"][3:])]
    for question in children(district, "question"):
        yield "questions", [id, *_of(question, "number", *TABLES["questions"][2:])]
    for first in children(district, "first-round"):
        yield from _first_round_rows(id, first)


def _first_round_rows(id: Cell, first: etree._Element) -> Iterator[Row]:
    for figure in children(first, "figure"):
        yield "first_round_figures", [id, *_of(figure, "field", "value")]
    for candidate in children(first, "candidate"):
        told_of = _of(candidate, "number", *TABLES["first_round"][4:])
        yield "first_round", [id, *_of(first, "event", "date"), *told_of]


def precinct_rows(root: etree._Element) -> Iterator[Row]:
    """``precinct/ID.xml``: what it is, its protocols that count, and those still awaited."""
    precinct = root.get("id")
    yield "precincts", _of(root, "id", "area", "number", "kind", "name")
    for protocol in children(root, "protocol"):
        contest, district = protocol.get("contest"), protocol.get("district")
        yield (
            "protocols",
            [precinct, contest, district, "reported", *_of(protocol, *TABLES["protocols"][4:])],
        )
        for figure in children(protocol, "figure"):
            yield "protocol_figures", [precinct, contest, *_of(figure, "field", "value")]
        for one in children(protocol, "list"):
            number = one.get("number")
            yield "list_votes", [precinct, contest, district, number, one.get("votes")]
            for candidate in children(one, "candidate"):
                yield (
                    "candidate_votes",
                    [precinct, contest, district, number, *_of(candidate, "number", "votes")],
                )
    for awaited in children(root, "awaited"):
        empty: list[Cell] = [None] * (len(TABLES["protocols"]) - 4)
        yield "protocols", [precinct, awaited.get("contest"), awaited.get("district"), "awaited", *empty]


def correction_rows(root: etree._Element) -> Iterator[Row]:
    """``corrections/N.xml``: a row for each number that changed, one without numbers when none did."""
    for correction in children(root, "correction"):
        head = [told(root, "release"), *_of(correction, *TABLES["corrections"][1:8])]
        changes = list(children(correction, "change"))
        for change in changes:
            yield "corrections", [*head, *_of(change, "field", "list", "candidate", "old", "new")]
        if not changes:
            yield "corrections", [*head, None, None, None, None, None]


READERS: Final[dict[str, Callable[[etree._Element], Iterator[Row]]]] = {
    "event-results": event_rows,
    "area-results": area_rows,
    "contest-results": contest_rows,
    "precinct-results": precinct_rows,
    "corrections": correction_rows,
}
"""By the name of the root element. Documents of other kinds give no rows."""
