"""The one parser for XML from outside: it resolves nothing, loads nothing, and has limits."""

import io
from functools import lru_cache

from lxml import etree


@lru_cache(maxsize=8)
def xml_parser(encoding: str | None = None) -> etree.XMLParser:
    """A hardened parser, kept; ``encoding`` overrides what the document declares. For one thread at a time.

    It does not refuse a document type declaration by itself: whoever reads looks for one before parsing.
    """
    return etree.XMLParser(
        encoding=encoding, resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
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
