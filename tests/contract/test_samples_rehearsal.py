"""The samples of receipts and scorecards: both validators accept every valid one and refuse every invalid one."""

import re
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from tests.contract.test_samples import XS, parse

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "xsd" / "skrutinium" / "1.0" / "rehearsal.xsd"
SAMPLES = ROOT / "samples" / "skrutinium" / "1.0" / "rehearsal"
VALID = sorted((SAMPLES / "valid").glob("*.xml"))
INVALID = sorted((SAMPLES / "invalid").glob("*.xml"))


@pytest.fixture(scope="module")
def fast() -> etree.XMLSchema:
    return etree.XMLSchema(parse(SCHEMA))


@pytest.fixture(scope="module")
def thorough() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(SCHEMA), allow="sandbox", defuse="always")


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path: Path, fast: etree.XMLSchema, thorough: xmlschema.XMLSchema10) -> None:
    """Both validators accept a valid sample."""
    fast.assertValid(parse(path))
    thorough.validate(str(path), use_location_hints=False)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(path: Path, fast: etree.XMLSchema, thorough: xmlschema.XMLSchema10) -> None:
    """Both validators refuse an invalid sample."""
    assert not fast.validate(parse(path))
    assert not thorough.is_valid(str(path), use_location_hints=False)


def test_every_document_has_samples() -> None:
    """Every root element of the schema has a valid and an invalid sample."""
    roots = {str(one.get("name")) for one in parse(SCHEMA).getroot().findall(f"{XS}element")}
    assert {path.stem.split("--")[0] for path in VALID} == roots
    assert {path.stem.split("--")[0] for path in INVALID} == roots


def test_every_constraint_and_type_bites(fast: etree.XMLSchema) -> None:
    """Every unique constraint and every simple type refuses something in an invalid sample."""
    tree = parse(SCHEMA)
    lines = []
    for path in INVALID:
        fast.validate(parse(path))
        lines += [entry.message for entry in fast.error_log]
    said = "\n".join(lines)
    constraints = {node.get("name") for node in tree.iter(f"{XS}unique", f"{XS}key", f"{XS}keyref")}
    assert constraints == set(re.findall(r"identity-constraint '\{urn:skrutinium:1\}([^']+)'", said))
    refused = set(
        re.findall(
            r"(?:attribute '|Element '\{urn:skrutinium:1\})([^']+)': (?:\[facet|'.*' is not a valid value)",
            said,
        )
    )
    for kind in {str(node.get("name")) for node in tree.iter(f"{XS}simpleType")}:
        carriers = {
            str(node.get("name"))
            for node in tree.iter(f"{XS}attribute", f"{XS}element")
            if node.get("type") == kind
        }
        assert carriers & refused, kind


def test_everything_is_documented() -> None:
    """Every element, attribute and type says what it is; every attribute has an example."""
    kinds = ("element", "attribute", "simpleType", "complexType")
    for node in parse(SCHEMA).iter(*(f"{XS}{kind}" for kind in kinds)):
        told = node.findtext(f"{XS}annotation/{XS}documentation") or ""
        assert not node.get("name") or told.strip(), node.get("name")
        assert node.tag != f"{XS}attribute" or " Example: " in told, node.get("name")
