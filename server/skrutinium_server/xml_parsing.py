"""The one parser for XML from outside: it resolves nothing, loads nothing, and has limits."""

import io

from lxml import etree


def xml_parser(encoding: str | None = None, *, remove_comments: bool = False) -> etree.XMLParser:
    """A hardened parser, which costs nothing to make; ``encoding`` overrides what the document declares.

    It does not refuse a document type declaration by itself: whoever reads looks for one before parsing.
    """
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=remove_comments,
    )


def xml_events(data: bytes) -> "etree.iterparse[tuple[str, etree._Element]]":
    """Starts and ends of elements one after the other, as hardened as the parser, for documents too large for a tree."""
    return etree.iterparse(
        io.BytesIO(data),
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
