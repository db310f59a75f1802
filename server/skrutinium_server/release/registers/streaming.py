"""Validation of large documents row by row: a register of 70 MB as a tree would take a gigabyte of memory."""

import io
from typing import Any, Final

from lxml import etree

from skrutinium_server.release.errors import DocumentInvalid
from skrutinium_server.release.validate import Validator

LARGE: Final = 8 * 1024 * 1024
"""Documents of more bytes are read row by row; only those in the row format are so large."""

_PARSING: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "huge_tree": False,
    "load_dtd": False,
}
_BEGINNING: Final = 4096


def validate(validator: Validator, path: str, data: bytes, schema: str) -> None:
    """Return when the document at ``path`` is valid against ``schema``; raises as :meth:`.Validator.validate` does.

    The line of a fault is not known for a large document.
    """
    if len(data) <= LARGE:
        validator.validate(path, data, schema)
        return
    compiled = validator.schema(schema)
    ended = False
    try:
        root = _root(path, data)
        rows = etree.iterparse(
            io.BytesIO(data), events=("end",), tag=(root, f"{root}_ROW"), schema=compiled, **_PARSING
        )
        for _, element in rows:
            above = element.getparent()
            if above is None:
                ended = True
            else:
                element.clear()
                while element.getprevious() is not None:
                    del above[0]
    except etree.XMLSyntaxError as error:
        raise DocumentInvalid(path, error.lineno or 0, error.msg or "not valid") from error
    if not ended:
        raise DocumentInvalid(path, 0, "not well-formed: it ends before its root element does")


def _root(path: str, data: bytes) -> str:
    """The name of the root element, found without reading the rest."""
    parser = etree.XMLPullParser(events=("start",), **_PARSING)
    parser.feed(data[:_BEGINNING])
    for _, element in parser.read_events():
        if element.getroottree().docinfo.doctype:
            raise DocumentInvalid(path, 1, "a document type declaration is not allowed")
        return str(element.tag)
    raise DocumentInvalid(path, 1, f"no root element in its first {_BEGINNING} bytes")
