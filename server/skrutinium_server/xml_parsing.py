"""The one parser for XML from outside: it resolves nothing, loads nothing, and has limits."""

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
