"""Reading published documents: a hardened parser, and attributes with the words of an error.

What is in the store was validated when it was published; a document that is not what its schema says is damage.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from skrutinium_server.archive.errors import UnreadableDocument
from skrutinium_server.xml_parsing import xml_parser

NAMESPACE: Final = "{urn:skrutinium:1}"


def parse(path: str, data: bytes) -> etree._Element:
    """The root of a document; raises :class:`UnreadableDocument` (a DOCTYPE is never accepted)."""
    if b"<!DOCTYPE" in data[:4096]:
        raise UnreadableDocument(path, "holds a DOCTYPE")
    try:
        return etree.fromstring(data, xml_parser(remove_comments=True))
    except etree.XMLSyntaxError as error:
        raise UnreadableDocument(path, f"is not well-formed ({str(error)[:200]})") from error


def children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The direct children with that name, in order."""
    return element.iterchildren(NAMESPACE + name)


def told(element: etree._Element, name: str) -> str:
    """An attribute; empty when it is not there."""
    return element.get(name, "")


def number(element: etree._Element, name: str) -> int | None:
    """A whole number, None when the document does not tell it; raises :class:`UnreadableDocument`."""
    value = element.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise UnreadableDocument(str(element.tag), f"has {name}={value[:40]!r}, which is no whole number")
    return int(value)


def whole(element: etree._Element, name: str) -> int:
    """A whole number that has to be there; raises :class:`UnreadableDocument`."""
    value = number(element, name)
    if value is None:
        raise UnreadableDocument(str(element.tag), f"lacks the attribute {name}")
    return value
