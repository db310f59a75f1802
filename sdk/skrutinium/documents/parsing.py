"""Parsing a document into a tree safely: no entities, no DOCTYPE, no network, valid against its schema.

For those who compare documents; what becomes a dataclass is read by :mod:`skrutinium.documents.streaming`. A document of a later minor version of the schema (1.x) may hold what this package does not know: it is read without the
schema, its additions are passed over, and the log says so once for each version.
"""

import functools
import logging
import re
import threading
from collections.abc import Container, Iterator
from importlib import resources

from lxml import etree

from skrutinium.errors import SchemaError

NAMESPACE = "{urn:skrutinium:1}"
SCHEMA = "skrutinium/1.0/skrutinium.xsd"
LARGEST = 256 * 1024 * 1024
"""No document is larger, in bytes."""

UNICODE = ("UTF-8", "US-ASCII", "ASCII")
"""The encodings of the project's own documents."""

_log = logging.getLogger("skrutinium")
_local = threading.local()
_told_versions: set[str] = set()
_FIRST_ELEMENT = re.compile(rb"<[A-Za-z_]")
_VERSION = re.compile(r"1\.(0|[1-9][0-9]{0,3})")


@functools.cache
def schema_text(name: str) -> bytes:
    """The schema ``name`` as the package holds it; the first call reads a file, so it belongs into a thread."""
    return resources.files("skrutinium").joinpath("_contract", "xsd", *name.split("/")).read_bytes()


def schema(name: str = SCHEMA) -> etree.XMLSchema:
    """The compiled schema ``name``, a path below ``xsd/``; one per thread, because libxml2 keeps state in it."""
    known: dict[str, etree.XMLSchema] | None = getattr(_local, "schemas", None)
    if known is None:
        known = _local.schemas = {}
    if name not in known:
        known[name] = etree.XMLSchema(etree.fromstring(schema_text(name), parser()))
    return known[name]


def parser() -> etree.XMLParser:
    """A parser that resolves nothing and reaches nowhere."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )


def refuse_at_sight(data: bytes, where: str) -> None:
    """Raise :class:`SchemaError` for what is never parsed: too large, no XML in UTF-8, or with a DOCTYPE before its root."""
    if len(data) > LARGEST:
        raise SchemaError(f"{len(data)} bytes; at most {LARGEST} are read", address=where)
    first = _FIRST_ELEMENT.search(data)
    if first is None or not data.startswith(b"<"):
        raise SchemaError("not an XML document in UTF-8", address=where)
    if b"<!DOCTYPE" in data[: first.start()]:
        raise SchemaError("holds a DOCTYPE, which is never accepted", address=where)


def well_formed(data: bytes, where: str, encodings: Container[str] = UNICODE) -> etree._Element:
    """Parse ``data`` and return its root; raises :class:`SchemaError` when it is not plain, whole XML in one of the encodings."""
    refuse_at_sight(data, where)
    try:
        root = etree.fromstring(data, parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SchemaError(f"not well-formed, or cut off: {error}", address=where) from error
    check_heading(root, where, encodings)
    return root


def check_heading(root: etree._Element, where: str, encodings: Container[str] = UNICODE) -> None:
    """Raise :class:`SchemaError` when what stands before a root, by the parser's word, is a DOCTYPE or names another encoding."""
    info = root.getroottree().docinfo
    if info.internalDTD is not None or (info.encoding or "UTF-8").upper() not in encodings:
        raise SchemaError(f"a DOCTYPE, or the encoding {info.encoding!r}; expected neither", address=where)


def document(
    data: bytes, expected: str, where: str, *, validate: bool = True, schema: str = SCHEMA
) -> etree._Element:
    """Parse one document whose root has to be ``expected``, and validate it by ``schema``; raises :class:`SchemaError`."""
    root = well_formed(data, where)
    if root.tag != NAMESPACE + expected:
        raise SchemaError(f"the root is {root.tag!r}; expected {NAMESPACE}{expected}", address=where)
    if validate:
        check(root, where, schema)
    return root


def check(root: etree._Element, where: str, name: str = SCHEMA) -> None:
    """Validate a parsed document; raises :class:`SchemaError` with the first reason and its line."""
    version = root.get("schema")
    if version is not None and version != "1.0":
        if not _VERSION.fullmatch(version):
            raise SchemaError(f"schema version {version!r}; this package reads 1.x", address=where)
        if version not in _told_versions:
            _told_versions.add(version)
            _log.warning(
                "documents of schema %s: read without validation, additions are passed over", version
            )
        return
    valid(root, where, name)


def valid(root: etree._Element, where: str, name: str = SCHEMA) -> None:
    """Validate a parsed document of whatever version; raises :class:`SchemaError` with the first reason and its line."""
    judge = schema(name)
    if not judge.validate(root):
        first = next(iter(judge.error_log))
        raise SchemaError(f"line {first.line}: {first.message}", address=where)


def children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The children of one name."""
    return element.iterchildren(NAMESPACE + name)
