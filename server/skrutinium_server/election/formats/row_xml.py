"""A register in the Czech row format in XML: one ``ROOT_ROW`` a row, fields as child elements, empty ones left out."""

from collections.abc import Iterator, Sequence
from typing import Final

from lxml import etree

from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats.csv_table import MOST_BYTES, Row
from skrutinium_server.xml_parsing import xml_events

_BOM: Final = b"\xef\xbb\xbf"
_MOST_FIELDS: Final = 200


def xml_rows(file: str, data: bytes, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a register, each with the ``columns`` (empty where it has no such field) and its others.

    Raises :class:`SourceError`; a generator, so a fault shows when its row is reached: collect before you store. Row by
    row, so that the candidates of a whole country (110 MB) need no more memory than their bytes.
    """
    if len(data) > MOST_BYTES:
        raise SourceError(file, None, None, f"{len(data)} bytes", f"at most {MOST_BYTES}")
    # The test on bytes holds only for encodings that contain ASCII, so others are refused with it.
    if b"<!DOCTYPE" in data or not data.removeprefix(_BOM).startswith(b"<"):
        raise SourceError(file, 1, None, "a document type or an unknown encoding", "XML without DOCTYPE")
    try:
        yield from _rows(file, xml_events(data), columns)
    except etree.XMLSyntaxError as error:
        raise SourceError(file, error.lineno, None, f"not XML: {error.msg}", "a whole register") from error


def _rows(
    file: str, source: "etree.iterparse[tuple[str, etree._Element]]", columns: Sequence[str]
) -> Iterator[Row]:
    depth = 0
    root = ""
    for event, element in source:
        if event == "start":
            depth += 1
            if depth == 1:
                root = etree.QName(element).localname
            elif depth > 3:
                name = etree.QName(element).localname
                raise SourceError(
                    file, element.sourceline, name, "an element in a field", "fields with text only"
                )
            continue
        depth -= 1
        if depth != 1:
            continue
        if etree.QName(element).localname != f"{root}_ROW":
            name = etree.QName(element).localname
            raise SourceError(file, element.sourceline, name, "the element is unknown", f"{root}_ROW")
        yield _row(file, element, columns)
        element.clear()
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)


def _row(file: str, element: etree._Element, columns: Sequence[str]) -> Row:
    told: dict[str, str] = {}
    line = element.sourceline or 0
    for child in element:
        name = etree.QName(child).localname
        if name in told or len(told) >= _MOST_FIELDS:
            raise SourceError(
                file, line, name, "the field stands twice, or there are too many", "each field once"
            )
        told[name] = child.text or ""
    names = (*columns, *(name for name in told if name not in columns))
    return Row(
        file, line, {name: place for place, name in enumerate(names)}, [told.get(name, "") for name in names]
    )
