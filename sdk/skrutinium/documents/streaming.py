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
from typing import Protocol, TypeVar

from lxml import etree

from skrutinium.documents.additions import Additions, Known, attribute_additions, child_additions, vocabulary
from skrutinium.documents.attributes import moment, number, text
from skrutinium.documents.parsing import LARGEST, NAMESPACE, SCHEMA, UNICODE, valid, well_formed
from skrutinium.documents.parsing import schema as compiled
from skrutinium.documents.stamp import StampValues
from skrutinium.errors import SchemaError

WHOLE = 1024 * 1024
"""Up to this size, in bytes, a document is parsed into a tree; a larger one is read by pieces."""

T = TypeVar("T")

_log = logging.getLogger("skrutinium")
_told: set[tuple[str, str]] = set()
_BEFORE_ROOT = re.compile(rb"(?:\s|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_ROOT = re.compile(rb"<(?:[^\s<>/:]+:)?([^\s<>/:]+)((?:\s+[^\s=<>]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*+)")
_END = re.compile(rb"(?:</[^<>]+|/)>\Z")
_LONGEST_END = 200
_VERSION = re.compile(r"1\.[1-9][0-9]{0,3}")
_SCHEMA = re.compile(rb"\sschema\s*=\s*[\"']([^\"']*)[\"']")


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
            return _by_pieces(data, name, by_tag, schema, validate=validate)
        return _as_tree(data, name, where, by_tag, schema, validate=validate)
    except SchemaError as error:
        if error.address is not None:
            raise
        raise SchemaError(error.message, address=where) from error


def _as_tree(
    data: bytes, name: str, where: str, by_tag: Mapping[str, Take], schema: str, *, validate: bool
) -> Head:
    root = well_formed(data, where)
    _check_root(root, name)
    known = vocabulary(schema)[NAMESPACE + name] if _VERSION.fullmatch(root.get("schema", "")) else None
    if validate and known is None:
        valid(root, where, schema)
    found = Additions()
    for child in root.iterchildren(etree.Element):
        if known is not None:
            found.take(child_additions(child, known))
        if (take := by_tag.get(str(child.tag))) is not None:
            take(child)
    return _head(root, known, found)


def _by_pieces(data: bytes, name: str, by_tag: Mapping[str, Take], schema: str, *, validate: bool) -> Head:
    later = _looked_at(data, name)
    known = None if later is None else vocabulary(schema)[NAMESPACE + name]
    steps = etree.iterparse(
        io.BytesIO(data),
        events=("end",),
        tag=(NAMESPACE + name, *by_tag) if known is None else None,
        schema=compiled(schema) if validate and known is None else None,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    found, root = Additions(), None
    try:
        for _, element in steps:
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
    # A parser that validates as it goes does not tell that the document was cut off.
    if root is None or _END.search(data.rstrip()[-_LONGEST_END:]) is None:
        raise SchemaError("not well-formed: cut off, or something follows the end of the root")
    _check_root(root, name)
    if root.get("schema") != (later or root.get("schema")):
        raise SchemaError(f"says schema version {later!r} and {root.get('schema')!r}")
    return _head(root, known, found)


def _looked_at(data: bytes, name: str) -> str | None:
    """Refuse by its beginning what is never read; the version of its schema when that is a later minor one."""
    if len(data) > LARGEST:
        raise SchemaError(f"{len(data)} bytes; at most {LARGEST} are read")
    before = _BEFORE_ROOT.match(data)
    at = before.end() if before else 0
    if data.startswith(b"<!DOCTYPE", at):
        raise SchemaError("holds a DOCTYPE, which is never accepted")
    root = _ROOT.match(data, at)
    if root is None or not data.startswith(b"<"):
        raise SchemaError("not an XML document in UTF-8, or cut off")
    if root[1] != name.encode():
        raise SchemaError(f"the root is {root[1].decode(errors='replace')[:80]!r}; expected {name!r}")
    told = _SCHEMA.search(root[2])
    version = "" if told is None else told[1].decode(errors="replace")
    return version if _VERSION.fullmatch(version) else None


def _check_root(root: etree._Element, name: str) -> None:
    if root.tag != NAMESPACE + name:
        raise SchemaError(f"the root is {root.tag!r}; expected {NAMESPACE}{name}")
    info = root.getroottree().docinfo
    if info.internalDTD is not None or (info.encoding or "UTF-8").upper() not in UNICODE:
        raise SchemaError(f"a DOCTYPE, or the encoding {info.encoding!r}; expected neither")


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
