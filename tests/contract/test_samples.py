"""The samples of the format skrutinium: both validators accept every valid one and refuse every invalid one."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "xsd" / "skrutinium" / "1.0" / "skrutinium.xsd"
SAMPLES = ROOT / "samples" / "skrutinium" / "1.0"
VALID = sorted((SAMPLES / "valid").glob("*.xml"))
INVALID = sorted((SAMPLES / "invalid").glob("*.xml"))
XS = "{http://www.w3.org/2001/XMLSchema}"
NO_UNIT = ("number", "list", "sequence")
"""Numbers that count nothing: they name or order something."""
MODELS = (
    "contest-council",
    "contest-held",
    "contest-lot",
    "contest-mayor",
    "contest-one-seat",
    "contest-referendum",
    "contest-runoff",
    "contest-runoff-lot",
    "contest-second-round",
    "district",
    "district-persons",
    "district-question",
    "turnout",
)


def parse(path: Path) -> etree._ElementTree:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return etree.parse(str(path), parser)


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


def test_every_document_has_samples(fast: etree.XMLSchema) -> None:
    """Every root element of the schema has a valid and an invalid sample."""
    roots = {
        f"{{urn:skrutinium:1}}{element.get('name')}"
        for element in parse(SCHEMA).getroot().findall(f"{XS}element")
    }

    assert {parse(path).getroot().tag for path in VALID} == roots
    assert roots <= {parse(path).getroot().tag for path in INVALID}


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_samples(model: str) -> None:
    """Each kind of contest and state the schema models has a valid and an invalid sample."""
    assert model in {path.stem for path in VALID}
    assert model in {path.stem.split("--")[0] for path in INVALID}


def test_every_identity_constraint_bites(fast: etree.XMLSchema) -> None:
    """Every unique constraint refuses a sample: one whose selector matches nothing would accept everything."""
    constraints = {node.get("name") for node in parse(SCHEMA).iter(f"{XS}unique", f"{XS}key", f"{XS}keyref")}

    assert constraints == set(re.findall(r"identity-constraint '\{urn:skrutinium:1\}([^']+)'", reasons(fast)))


def test_every_simple_type_bites(fast: etree.XMLSchema) -> None:
    """Every simple type refuses the value of some attribute or element in an invalid sample."""
    carriers = defaultdict(set)
    for node in parse(SCHEMA).iter(f"{XS}attribute", f"{XS}element"):
        carriers[node.get("type")].add(node.get("name"))
    refused = set(
        re.findall(
            r"(?:attribute '|Element '\{urn:skrutinium:1\})([^']+)': (?:\[facet|'.*' is not a valid value)",
            reasons(fast),
        )
    )
    types = {node.get("name") for node in parse(SCHEMA).iter(f"{XS}simpleType")}

    assert not [name for name in types if not carriers[name] & refused]


def test_everything_is_documented() -> None:
    """Every element, attribute and named type of the schema says what it is."""
    named = parse(SCHEMA).iter(
        *(f"{XS}{kind}" for kind in ("element", "attribute", "simpleType", "complexType"))
    )
    silent = [
        node.get("name")
        for node in named
        if node.get("name") and not (node.findtext(f"{XS}annotation/{XS}documentation") or "").strip()
    ]

    assert silent == []


def test_every_attribute_has_an_example() -> None:
    """Every attribute gives an example, and those that count something also say what they count."""
    counts = {"number", "share"}
    lacking = [
        ([one.get("name") for one in node.iterancestors() if one.get("name")], node.get("name"))
        for node in parse(SCHEMA).iter(f"{XS}attribute")
        for told in [node.findtext(f"{XS}annotation/{XS}documentation") or ""]
        if " Example: " not in told
        or (node.get("type") in counts and " Unit: " not in told and node.get("name") not in NO_UNIT)
    ]

    assert lacking == []


def reasons(schema: etree.XMLSchema) -> str:
    lines = []
    for path in INVALID:
        schema.validate(parse(path))
        lines += [entry.message for entry in schema.error_log]
    return "\n".join(lines)
