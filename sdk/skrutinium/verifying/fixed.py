"""What is fixed while a run is open: names, seats, who stands. A short mark of it for every version of a document.

The marks are hashes of this process (keyed at its start), good for comparing and for nothing else.
"""

from collections.abc import Iterator, Mapping

from lxml import etree

from skrutinium.documents.parsing import NAMESPACE
from skrutinium.verifying.volby_comparing import NAMESPACE as VOLBY
from skrutinium.verifying.volby_senate import NAMESPACE as SENATE

Attributes = Mapping[str, tuple[str, ...]]

_PERSON = ("number", "given-name", "family-name", "title-before", "title-after")
_SKRUTINIUM: Attributes = {
    "event-results": ("name", "date", "made-up"),
    "area-results": ("id", "kind", "name", "parent", "made-up"),
    "contest-results": ("id", "kind", "area", "name", "seats", "round", "made-up"),
    "district-results": (
        "id",
        "number",
        "name",
        "seats",
        "contest",
        "kind",
        "area",
        "contest-name",
        "round",
        "made-up",
    ),
    "summary": ("name",),
    "precinct-results": ("id", "area", "number", "kind", "name", "made-up"),
    "kind": ("id", "contests"),
    "committee": ("id", "name"),
    "area": ("id", "kind", "name"),
    "contest": ("id", "kind", "name"),
    "district": ("id", "number", "name", "seats"),
    "list": ("number", "committee", "name", "candidates", "active"),
    "unnumbered-list": ("committee", "name"),
    "candidate": (*_PERSON, "committee", "active"),
    "first-round": ("event", "date"),
    "question": ("number", "text"),
}
_VOLBY: Attributes = {
    "OBEC": ("KODZASTUP", "NAZEVZAST", "OZNAC_TYPU", "VOLENO_ZASTUP", "POCET_OBVODU"),
    "OBVOD": ("CIS_OBVODU", "VOLENO_ZASTUP"),
    "VOLEBNI_STRANA": ("POR_STR_HLAS_LIST", "VSTRANA", "NAZEV_STRANY", "KANDIDATU_POCET"),
    "TYP_ZASTUP": ("OZNAC_TYPU", "NAZ_TYPU"),
}
_SENATE: Attributes = {
    "OBVOD": ("CISLO", "NAZEV"),
    "OBEC": ("CIS_OBEC", "NAZ_OBEC"),
}
_BY_TAG = {NAMESPACE + tag: names for tag, names in _SKRUTINIUM.items()} | {
    VOLBY + tag: names for tag, names in _VOLBY.items()
}
_BY_TAG |= {SENATE + tag: names for tag, names in _SENATE.items()}
_BY_TAG[SENATE + "KANDIDAT"] = ("PORADOVE_CISLO", "JMENO", "PRIJMENI", "TITULPRED", "TITULZA")
# Rows that a protocol alone brings into a document, in the middle of the night.
_LIST, _COMMITTEE, _PARTY = NAMESPACE + "list", NAMESPACE + "committee", VOLBY + "VOLEBNI_STRANA"
_PRECINCT = NAMESPACE + "precinct-results"
# Who was withdrawn comes into a document with the first vote that a protocol has for them: each row has a mark of its own.
PERSON = SENATE + "KANDIDAT"


def mark(root: etree._Element) -> int:
    """The mark of a document or element; equal marks mean equal names and constants."""
    alone = root.tag in (_PRECINCT, PERSON)
    elements: Iterator[etree._Element] = iter((root,)) if alone else root.iter(*_BY_TAG)
    return hash(tuple(_said(element) for element in elements if alone or not _brought(element)))


def _said(element: etree._Element) -> tuple[str | None, ...]:
    tag = str(element.tag)
    return (tag, *map(element.get, _BY_TAG[tag]))


def _brought(element: etree._Element) -> bool:
    if element.tag == PERSON:
        return True
    if element.tag == _LIST:
        return element.get("committee") is None and element.get("name") is None
    if element.tag == _COMMITTEE:
        return element.get("id") is None
    return element.tag == _PARTY and element.get("VSTRANA") == "0"


class Fixed:
    """The marks of all documents so far."""

    def __init__(self) -> None:
        self._marks: dict[str, tuple[int, int, int]] = {}

    def first(self, path: str, codebook: int) -> bool:
        """Whether no document of that path was met under that codebook yet."""
        known = self._marks.get(path)
        return known is None or known[0] != codebook

    def changed(self, path: str, root: etree._Element, codebook: int, release: int) -> int | None:
        """The release that said something else about what is fixed under the same codebook; None when none did."""
        now = mark(root)
        book, before, number = self._marks.setdefault(path, (codebook, now, release))
        if book == codebook:
            return None if before == now else number
        self._marks[path] = (codebook, now, release)
        return None
