"""The description of the formats: nothing is without meaning, unit and example, and the pages are up to date."""

from pathlib import Path

import pytest
from lxml import etree

from skrutinium_server.archive.contract import descriptions, pages
from skrutinium_server.archive.description import XS, describe, gaps
from skrutinium_server.archive.rendering import html, markdown

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = sorted(str(path.relative_to(ROOT / "xsd")) for path in (ROOT / "xsd").rglob("*.xsd"))

SMALL = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:x" targetNamespace="urn:x">
<xs:element name="a"><xs:annotation><xs:documentation>The root.</xs:documentation></xs:annotation><xs:complexType>
<xs:sequence><xs:element name="b" type="xs:string" maxOccurs="unbounded">
<xs:annotation><xs:documentation>A child. Unit: metres. Example: 12.5 or so.</xs:documentation></xs:annotation></xs:element></xs:sequence>
<xs:attribute name="c" type="xs:string" use="required"><xs:annotation><xs:documentation>Its colour.</xs:documentation></xs:annotation></xs:attribute>
</xs:complexType></xs:element></xs:schema>"""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_everything_has_meaning_unit_and_example(schema: str) -> None:
    """Every element and attribute of every schema says what it means, in which unit, with an example."""
    assert gaps(descriptions()[schema]) == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_everything_is_described(schema: str) -> None:
    """No element or attribute that the schema declares is missing from its description, nor is a schema without a page."""
    tree = etree.parse(str(ROOT / "xsd" / schema)).getroot()
    declared = {node.get("name") for node in tree.iter(f"{XS}element") if node.get("name")}
    declared |= {f"@{node.get('name')}" for node in tree.iter(f"{XS}attribute")}
    told = descriptions()[schema]
    found = {field.path.rpartition("/")[2] for document in told.documents for field in document.fields}

    assert declared <= found | {document.root for document in told.documents}
    assert schema in {one.schema for _, schemas in pages().values() for one in schemas}


@pytest.mark.parametrize("name", sorted(pages()))
def test_pages_are_up_to_date(name: str) -> None:
    """docs/format holds what ``skrutinium-server format describe docs/format`` writes."""
    title, schemas = pages()[name]
    assert (ROOT / "docs" / "format" / f"{name}.md").read_bytes() == markdown(schemas, title), (
        "run: skrutinium-server format describe docs/format"
    )


def test_unit_and_example_are_taken_apart() -> None:
    """Sentences of unit and example leave the meaning; a sample gives the example that the schema does not."""
    told = describe("x.xsd", SMALL, [b'<a xmlns="urn:x" c="red"><b>1</b></a>'])

    (document,) = told.documents
    assert document.fields[0][:2] == ("a/@c", "Its colour.")
    assert document.fields[0].example == "red"
    assert document.fields[1] == ("a/b", "A child.", "string", "metres", "12.5 or so", "1 or more")


def test_gaps_are_found() -> None:
    """Without a sample the attribute lacks an example, and without documentation a meaning."""
    assert gaps(describe("x.xsd", SMALL)) == [
        "a/@c: no example, neither in its documentation nor in a sample"
    ]
    silent = SMALL.replace(b"Its colour.", b"")
    assert "a/@c: no meaning" in gaps(describe("x.xsd", silent))


def test_markup_in_documentation_is_text() -> None:
    """What a schema says is escaped in the page."""
    told = describe("x.xsd", SMALL.replace(b"Its colour.", b"&lt;script&gt; | `x`"))

    assert b"<script>" not in html(told, home="h", home_title="t", xsd=None)
    assert b"<script> \\| 'x'" in markdown([told], "T")
