"""Reading the bytes of a protocol as they were taken over, independently of those who took them over.

Only ``volby-batches`` is read: a slice of a Czech batch, one element ``OKRSEK`` (Czech Statistical Office, batches of
precincts of municipal elections). Times are not compared: the source tells them without a zone.
"""

import re
from dataclasses import dataclass

from lxml import etree

from skrutinium.attributes import flag, number, text
from skrutinium.documents import Protocol, TakenOver
from skrutinium.errors import SchemaError
from skrutinium.parsing import parser

FORMAT = "volby-batches"
_FIELDS = {
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


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname


def reread(taken: TakenOver) -> Reread:
    """Read the bytes; raises :class:`SchemaError` when they are not one precinct's element."""
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
                ours: number(child, theirs) for theirs, ours in _FIELDS.items() if theirs in child.attrib
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
    )


def compare(protocol: Protocol, read: Reread) -> list[tuple[str, object, object]]:
    """What differs between a published protocol and its bytes: (what, published, read)."""
    pairs: list[tuple[str, object, object]] = [
        (name, getattr(protocol, name), getattr(read, name))
        for name in ("precinct", "contest", "district", "sequence", "repeated")
    ]
    known = set(_FIELDS.values())
    fields = sorted((protocol.figures.keys() & known) | read.figures.keys())
    pairs += [(name, protocol.figures.get(name), read.figures.get(name)) for name in fields]
    votes = {one.number: one.votes for one in protocol.lists}
    pairs += [
        (f"votes of list {one}", votes.get(one), read.lists.get(one))
        for one in sorted(votes.keys() | read.lists.keys())
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]
