"""Reading a document strictly: the children of its root one after the other, and nothing handed on before all of it is valid.

A large document is validated while it is parsed, and each child dropped after use: it never stands in memory as a whole. Up to
:data:`WHOLE` bytes a tree is faster and tells the line of a fault; ``tests/bench/test_documents.py`` measures both.

A document of a later minor version of the schema (1.x) is read without the schema: what it adds is passed over and named.
"""

import io
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from lxml import etree

from skrutinium.documents.additions import Additions, Known, attribute_additions, child_additions, vocabulary
from skrutinium.documents.attributes import moment, number, text
from skrutinium.documents.parsing import (
    NAMESPACE,
    SCHEMA,
    check_heading,
    refuse_at_sight,
    valid,
    well_formed,
)
from skrutinium.documents.parsing import schema as compiled
from skrutinium.documents.stamp import StampValues
from skrutinium.errors import SchemaError

WHOLE = 1024 * 1024
"""Up to this size, in bytes, a document is parsed into a tree; a larger one is read by pieces."""

T = TypeVar("T")

_log = logging.getLogger("skrutinium")
_told: set[tuple[str, str]] = set()
_END = re.compile(rb"(?:</[^<>]+|/)>\Z")
_LONGEST_END = 200
_FED = 64 * 1024
_HARDENED: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_VERSION = re.compile(r"1\.[1-9][0-9]{0,3}")


class Take(Protocol):
    """What is done with a child of the root."""

    def __call__(self, element: etree._Element, /) -> None:
        """Take it; it is gone afterwards."""


@dataclass(frozen=True, slots=True)
class Head:
    """The root of a document, its children gone, and the additions that were passed over."""

    root: etree._Element
    additions: tuple[str, ...]

    def stamp(self) -> StampValues:
        """What every root of results carries."""
        root = self.root
        return StampValues(
            event=text(root, "event"),
            run=text(root, "run"),
            phase=text(root, "phase"),
            release=number(root, "release"),
            time=moment(root, "time"),
            schema=text(root, "schema"),
            codebook=number(root, "codebook"),
            additions=self.additions,
        )


def into(rows: list[T], read: Callable[[etree._Element], T]) -> Take:
    """Take an element by reading it into ``rows``."""
    return lambda element: rows.append(read(element))


def stream(
    data: bytes,
    name: str,
    where: str,
    takes: Mapping[str, Take],
    *,
    validate: bool = True,
    schema: str = SCHEMA,
) -> Head:
    """Read a document whose root is ``name``: each child of the root goes to the one of ``takes`` that has its name.

    ``where`` says in errors what is read. Raises :class:`SchemaError` when the document is not plain, whole XML in UTF-8, has
    another root, is not valid by ``schema``, or when one of ``takes`` finds it wrong.
    """
    by_tag = {NAMESPACE + one: take for one, take in takes.items()}
    try:
        if len(data) > WHOLE:
            head = _by_pieces(data, name, where, by_tag, schema, validate=validate)
        else:
            head = _as_tree(data, name, where, by_tag, schema, validate=validate)
    except SchemaError as error:
        if error.address is not None:
            raise
        raise SchemaError(error.message, address=where) from error
    # A parser that validates as it goes does not tell what was cut off after the end of the root.
    if _END.search(data.rstrip()[-_LONGEST_END:]) is None:
        raise SchemaError("something follows the end of the root", address=where)
    return head


def _as_tree(
    data: bytes, name: str, where: str, by_tag: Mapping[str, Take], schema: str, *, validate: bool
) -> Head:
    root = well_formed(data, where)
    known = _vocabulary(root, name, schema)
    if validate and known is None:
        valid(root, where, schema)
    for child in root.iterchildren(etree.Element):
        if (take := by_tag.get(str(child.tag))) is not None:
            take(child)
    if known is None:
        return Head(root, ())
    found = Additions()
    for child in root.iterchildren(etree.Element):
        found.take(child_additions(child, known))
    return _head(root, known, found)


def _by_pieces(
    data: bytes, name: str, where: str, by_tag: Mapping[str, Take], schema: str, *, validate: bool
) -> Head:
    refuse_at_sight(data, where)
    try:
        known = _vocabulary(_beginning(data, where), name, schema)
        tags = (NAMESPACE + name, *by_tag) if known is None else None
        judge = compiled(schema) if validate and known is None else None
        found, root = Additions(), None
        for _, element in etree.iterparse(
            io.BytesIO(data), events=("end",), tag=tags, schema=judge, recover=False, **_HARDENED
        ):
            above = element.getparent()
            if above is None:
                root = element
            elif above.getparent() is None:
                if known is not None:
                    found.take(child_additions(element, known))
                if (take := by_tag.get(str(element.tag))) is not None:
                    take(element)
                element.clear()
                while element.getprevious() is not None:
                    del above[0]
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SchemaError(f"not well-formed, not valid, or cut off: {error}") from error
    if root is None:  # a parser that validates as it goes does not tell that the document was cut off
        raise SchemaError("not well-formed, or cut off: the root does not end")
    check_heading(root, where)  # only now the parser tells the encoding
    return _head(root, known, found)


def _beginning(data: bytes, where: str) -> etree._Element:
    """The root as it begins, with its attributes; nothing after it is parsed."""
    steps = etree.XMLPullParser(events=("start",), **_HARDENED)
    for start in range(0, len(data), _FED):
        steps.feed(data[start : start + _FED])
        for _, element in steps.read_events():
            check_heading(element, where)
            return element
    raise SchemaError("not well-formed, or cut off: no root begins")


def _vocabulary(root: etree._Element, name: str, schema: str) -> Known | None:
    """What the schema at hand knows, when the document is of a later minor version; raises when the root is another one."""
    if root.tag != NAMESPACE + name:
        raise SchemaError(f"the root is {root.tag!r}; expected {NAMESPACE}{name}")
    return vocabulary(schema)[NAMESPACE + name] if _VERSION.fullmatch(root.get("schema", "")) else None


def _head(root: etree._Element, known: Known | None, found: Additions) -> Head:
    if known is not None:
        found.take(attribute_additions(root, known))
        _tell(root, found.named)
    return Head(root, found.named)


def _tell(root: etree._Element, added: tuple[str, ...]) -> None:
    """Say once for each version and kind of document what is passed over."""
    name, version = etree.QName(root).localname, str(root.get("schema"))
    if (name, version) not in _told:
        _told.add((name, version))
        passed = ", ".join(added) or "nothing"
        _log.warning("%s of schema %s: read without validation, passed over: %s", name, version, passed)
