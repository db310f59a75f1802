"""The samples of the contract: both validators accept every valid one and refuse every invalid one."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

ROOT = Path(__file__).resolve().parents[2]
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


class Contract:
    """One schema with its samples; ``models``: what is modelled, each with samples; ``counts``: types whose attributes say what they count."""

    def __init__(self, schema: str, samples: str, models: Iterable[str], counts: Iterable[str]) -> None:
        self.path = ROOT / "xsd" / "skrutinium" / "1.0" / schema
        self.schema = parse(self.path)
        self.models = set(models)
        self.counts = set(counts)
        folder = ROOT / "samples" / "skrutinium" / "1.0" / samples
        self.valid = sorted((folder / "valid").glob("*.xml"))
        self.invalid = sorted((folder / "invalid").glob("*.xml"))

    @cached_property
    def fast(self) -> etree.XMLSchema:
        return etree.XMLSchema(self.schema)

    @cached_property
    def thorough(self) -> xmlschema.XMLSchema10:
        return xmlschema.XMLSchema10(str(self.path), allow="sandbox", defuse="always")

    @cached_property
    def reasons(self) -> str:
        """Why the invalid samples are refused."""
        lines = []
        for path in self.invalid:
            self.fast.validate(parse(path))
            lines += [entry.message for entry in self.fast.error_log]
        return "\n".join(lines)


CONTRACTS = {
    "skrutinium": Contract("skrutinium.xsd", ".", MODELS, ("number", "share")),
    "rehearsal": Contract("rehearsal.xsd", "rehearsal", ("closing-report", "receipt", "scorecards"), ()),
}
each = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


@pytest.mark.parametrize(
    ("contract", "path"),
    [(one, path) for one in CONTRACTS.values() for path in one.valid],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_valid(contract: Contract, path: Path) -> None:
    """Both validators accept a valid sample."""
    contract.fast.assertValid(parse(path))
    contract.thorough.validate(str(path), use_location_hints=False)


@pytest.mark.parametrize(
    ("contract", "path"),
    [(one, path) for one in CONTRACTS.values() for path in one.invalid],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_invalid(contract: Contract, path: Path) -> None:
    """Both validators refuse an invalid sample."""
    assert not contract.fast.validate(parse(path))
    assert not contract.thorough.is_valid(str(path), use_location_hints=False)


@each
def test_every_document_has_samples(contract: Contract) -> None:
    """Every root element of the schema has a valid and an invalid sample."""
    roots = {
        f"{{urn:skrutinium:1}}{element.get('name')}"
        for element in contract.schema.getroot().findall(f"{XS}element")
    }

    assert {parse(path).getroot().tag for path in contract.valid} == roots
    assert roots <= {parse(path).getroot().tag for path in contract.invalid}


def test_samples_of_rehearsals_are_named_by_their_documents() -> None:
    """Every root element of the schema of rehearsals, and nothing else, is what its valid and its invalid samples are named by."""
    contract = CONTRACTS["rehearsal"]
    roots = {element.get("name") for element in contract.schema.getroot().findall(f"{XS}element")}

    assert {path.stem.split("--")[0] for path in contract.valid} == roots
    assert {path.stem.split("--")[0] for path in contract.invalid} == roots


@each
def test_every_model_has_samples(contract: Contract) -> None:
    """Each kind of contest and state the schema models has a valid and an invalid sample."""
    assert contract.models <= {path.stem for path in contract.valid}
    assert contract.models <= {path.stem.split("--")[0] for path in contract.invalid}


@each
def test_every_identity_constraint_bites(contract: Contract) -> None:
    """Every unique constraint refuses a sample: one whose selector matches nothing would accept everything."""
    constraints = {
        node.get("name") for node in contract.schema.iter(f"{XS}unique", f"{XS}key", f"{XS}keyref")
    }
    refused = re.findall(r"identity-constraint '\{urn:skrutinium:1\}([^']+)'", contract.reasons)

    assert constraints == set(refused)


@each
def test_every_simple_type_bites(contract: Contract) -> None:
    """Every simple type refuses the value of some attribute or element in an invalid sample."""
    carriers = defaultdict(set)
    for node in contract.schema.iter(f"{XS}attribute", f"{XS}element"):
        carriers[node.get("type")].add(node.get("name"))
    refused = set(
        re.findall(
            r"(?:attribute '|Element '\{urn:skrutinium:1\})([^']+)': (?:\[facet|'.*' is not a valid value)",
            contract.reasons,
        )
    )
    types = {node.get("name") for node in contract.schema.iter(f"{XS}simpleType")}

    assert not [name for name in types if not carriers[name] & refused]


@each
def test_everything_is_documented(contract: Contract) -> None:
    """Every element, attribute and named type of the schema says what it is."""
    named = contract.schema.iter(
        *(f"{XS}{kind}" for kind in ("element", "attribute", "simpleType", "complexType"))
    )
    silent = [
        node.get("name")
        for node in named
        if node.get("name") and not (node.findtext(f"{XS}annotation/{XS}documentation") or "").strip()
    ]

    assert silent == []


@each
def test_every_attribute_has_an_example(contract: Contract) -> None:
    """Every attribute gives an example, and those that count something also say what they count."""
    lacking = [
        ([one.get("name") for one in node.iterancestors() if one.get("name")], node.get("name"))
        for node in contract.schema.iter(f"{XS}attribute")
        for told in [node.findtext(f"{XS}annotation/{XS}documentation") or ""]
        if " Example: " not in told
        or (node.get("type") in contract.counts and " Unit: " not in told and node.get("name") not in NO_UNIT)
    ]

    assert lacking == []
