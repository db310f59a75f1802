"""Reading the bytes of a protocol as they were taken over, independently of those who took them over.

Two formats are read: ``volby-batches``, one element ``OKRSEK`` of a Czech batch (Czech Statistical Office), and ``csv``, the
lines of one protocol of the project's own set (``docs/csv-protocols.md``). Times are not compared: a Czech source tells
them without a zone.
"""

import re
from dataclasses import dataclass

from lxml import etree

from skrutinium.documents.attributes import flag, number, text
from skrutinium.documents.parsing import parser
from skrutinium.documents.protocols import Protocol, TakenOver
from skrutinium.errors import SchemaError

FIELDS = {
    "ZAPSANI_VOLICI": "eligible",
    "VYDANE_OBALKY": "issued",
    "ODEVZDANE_OBALKY": "returned",
    "PLATNE_HLASY": "valid-votes",
}
_ENCODING = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,30}")


@dataclass(frozen=True, slots=True)
class Reread:
    """What the bytes say."""

    precinct: str
    contest: str
    district: str
    sequence: int
    repeated: bool
    figures: dict[str, int]
    lists: dict[int, int]
    candidates: dict[tuple[int, int], int]


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname


def reread(taken: TakenOver) -> Reread:
    """Read the bytes; raises :class:`SchemaError` when they are not one precinct's protocol in a format of :data:`FORMATS`."""
    return _READERS[taken.format](taken)


def _reread_csv(taken: TakenOver) -> Reread:
    """The protocol's line, then a line for each list (no candidate) and each candidate."""
    try:
        first, *rest = [line.split(",") for line in taken.data.decode("ascii").split("\n")]
    except UnicodeDecodeError as error:
        raise SchemaError(f"a letter outside ASCII: {error}") from error
    if len(first) != 6 + len(FIELDS) or any(len(row) != 5 or row[:2] != first[:2] for row in rest):
        raise SchemaError("not the lines of one protocol")
    figures = {name: _whole(value) for name, value in zip(FIELDS.values(), first[6:], strict=True) if value}
    return Reread(
        precinct=first[0],
        contest=first[1],
        district=first[2],
        sequence=_whole(first[3]),
        repeated=first[5] == "true",
        figures=figures,
        lists={_whole(row[2]): _whole(row[4]) for row in rest if not row[3]},
        candidates={(_whole(row[2]), _whole(row[3])): _whole(row[4]) for row in rest if row[3]},
    )


def _whole(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise SchemaError(f"{value[:40]!r} is no whole number")
    return int(value)


def _reread_batch(taken: TakenOver) -> Reread:
    if not _ENCODING.fullmatch(taken.encoding):
        raise SchemaError(f"no encoding: {taken.encoding!r}")
    if b"<!DOCTYPE" in taken.data:
        raise SchemaError("holds a DOCTYPE, which is never accepted")
    declaration = f'<?xml version="1.0" encoding="{taken.encoding}"?>'.encode("ascii")
    try:
        root = etree.fromstring(declaration + taken.data.lstrip(), parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SchemaError(f"not well-formed: {error}") from error
    if _local(root) != "OKRSEK":
        raise SchemaError(f"the element is {_local(root)}; expected OKRSEK")
    contest = text(root, "KODZASTUP")
    figures: dict[str, int] = {}
    lists: dict[int, int] = {}
    for child in root.iterchildren("{*}*"):
        if _local(child) == "UCAST_OKRSEK":
            figures = {
                ours: number(child, theirs) for theirs, ours in FIELDS.items() if theirs in child.attrib
            }
        elif _local(child) == "HLASY_OKRSEK":
            lists[number(child, "POR_STR_HLAS_LIST")] = number(child, "HLASY")
    return Reread(
        precinct=f"{text(root, 'CIS_OBEC')}-{text(root, 'CIS_OKRSEK')}",
        contest=contest,
        district=f"{contest}.{text(root, 'CIS_OBVODU')}",
        sequence=number(root, "PORADI_ZPRAC"),
        repeated=flag(root, "OPAKOVANE"),
        figures=figures,
        lists=lists,
        candidates={},
    )


_READERS = {"volby-batches": _reread_batch, "csv": _reread_csv}
FORMATS = frozenset(_READERS)
"""Formats whose bytes are read again."""


def compare(protocol: Protocol, read: Reread) -> list[tuple[str, object, object]]:
    """What differs between a published protocol and its bytes: (what, published, read)."""
    pairs: list[tuple[str, object, object]] = [
        (name, getattr(protocol, name), getattr(read, name))
        for name in ("precinct", "contest", "district", "sequence", "repeated")
    ]
    known = set(FIELDS.values())
    fields = sorted((protocol.figures.keys() & known) | read.figures.keys())
    pairs += [(name, protocol.figures.get(name), read.figures.get(name)) for name in fields]
    votes = {one.number: one.votes for one in protocol.lists}
    pairs += [
        (f"votes of list {one}", votes.get(one), read.lists.get(one))
        for one in sorted(votes.keys() | read.lists.keys())
    ]
    persons = {
        (one.number, person): count for one in protocol.lists for person, count in one.candidates.items()
    }
    pairs += [
        (f"votes of candidate {one[1]} of list {one[0]}", persons.get(one), read.candidates.get(one))
        for one in sorted(persons.keys() | read.candidates.keys())
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]
