"""The schemas of volby and their samples: two validators agree on every one of them."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from tests.release import volby_samples

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = sorted((ROOT / "xsd" / "volby" / "1").glob("*.xsd"))
VALID = sorted((volby_samples.FOLDER / "valid").glob("*.xml"))
INVALID = sorted((volby_samples.FOLDER / "invalid").glob("*.xml"))
XS = "{http://www.w3.org/2001/XMLSchema}"
Name = tuple[str, str]


class Pair:
    """One schema in both validators."""

    def __init__(self, path: Path) -> None:
        self.fast = etree.XMLSchema(parse(path))
        self.thorough = xmlschema.XMLSchema10(str(path), allow="sandbox", defuse="always")


def parse(path: Path) -> etree._ElementTree:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return etree.parse(str(path), parser)


@pytest.fixture(scope="module")
def schemas() -> dict[Name, Pair]:
    return {name_of_schema(path): Pair(path) for path in SCHEMAS}


def name_of_schema(path: Path) -> Name:
    """Namespace and root of the documents that a schema is for: the root is its first element."""
    root = parse(path).getroot()
    return str(root.get("targetNamespace")), str(root.findall(f"{XS}element")[0].get("name"))


def name_of(path: Path) -> Name:
    """Namespace and root of a document."""
    root = etree.QName(parse(path).getroot())
    return str(root.namespace), root.localname


def schema_of(path: Path, schemas: dict[Name, Pair]) -> Pair:
    return schemas[name_of(path)]


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path: Path, schemas: dict[Name, Pair]) -> None:
    """Both validators accept a valid sample."""
    pair = schema_of(path, schemas)
    pair.fast.assertValid(parse(path))
    pair.thorough.validate(str(path), use_location_hints=False)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(path: Path, schemas: dict[Name, Pair]) -> None:
    """Both validators refuse an invalid sample, which is well-formed."""
    pair = schema_of(path, schemas)
    assert not pair.fast.validate(parse(path))
    assert not pair.thorough.is_valid(str(path), use_location_hints=False)


@pytest.mark.parametrize("folder", ["valid", "invalid"])
def test_samples_are_current(folder: str) -> None:
    """The samples in the repository are, byte for byte, what the writer makes today."""
    made = volby_samples.valid() if folder == "valid" else volby_samples.invalid()
    kept = {path.stem: path.read_bytes() for path in (volby_samples.FOLDER / folder).glob("*.xml")}

    assert made == kept


def test_every_schema_has_samples() -> None:
    """Every schema has a valid and an invalid sample."""
    names = {name_of_schema(path) for path in SCHEMAS}
    assert len(names) == len(SCHEMAS)
    for samples in (VALID, INVALID):
        assert {name_of(path) for path in samples} == names


def test_every_simple_type_bites(schemas: dict[Name, Pair]) -> None:
    """Every simple type of the schemas refuses a value in some invalid sample."""
    uses = defaultdict(set)
    for path in SCHEMAS:
        for node in parse(path).iter(f"{XS}attribute", f"{XS}extension"):
            uses[(node.get("type") or node.get("base") or "").partition(":")[2]].add(
                node.get("name") or "CHYBA"
            )
    messages = []
    for path in INVALID:
        fast = schema_of(path, schemas).fast
        fast.validate(parse(path))
        messages += [entry.message for entry in fast.error_log]
    refused = set(re.findall(r"attribute '([^']+)': \[facet", "\n".join(messages)))
    refused |= {"CHYBA"} if any("CHYBA': [facet" in message for message in messages) else set()
    types = {node.get("name") for path in SCHEMAS for node in parse(path).iter(f"{XS}simpleType")}

    assert sorted(name for name in types if name and not uses[name] & refused) == []


def test_everything_is_documented() -> None:
    """Every element, attribute and named type of the schemas says what it is."""
    kinds = [f"{XS}{kind}" for kind in ("element", "attribute", "simpleType")]
    for path in SCHEMAS:
        for node in parse(path).iter(*kinds):
            told = node.findtext(f"{XS}annotation/{XS}documentation") or ""
            assert not node.get("name") or told.strip(), f"{path.name}: {node.get('name')}"


def test_same_words_in_all_schemas() -> None:
    """An element that two schemas of councils share is the same in both."""
    councils = [
        {node.get("name"): etree.tostring(node).strip() for node in parse(path).getroot() if node.get("name")}
        for path in SCHEMAS
        if path.name.startswith("kv_vysledky_ob")
    ]
    shared = councils[0].keys() & councils[1].keys()

    assert {name: councils[0][name] for name in shared} == {name: councils[1][name] for name in shared}
    assert {"OBEC", "OBVOD", "VYSLEDEK", "UCAST", "VOLEBNI_STRANA", "ZASTUPITEL"} <= shared


def test_real_documents_are_valid(shared_data: Path, schemas: dict[Name, Pair]) -> None:
    """Both validators accept the real documents of 2014, 2018 (all 100 batches with one of them) and 2026."""
    volby = shared_data / "volby"
    batches = sorted((volby / "kv2018" / "batches").glob("*.xml"))
    assert len(batches) == 100
    few = [
        volby / "kv2014" / "vysledky.xml",
        volby / "kv2014" / "CZ0202.xml",
        volby / "kv2014" / "senat.xml",
        volby / "kv2026" / "vysledky_okrsky_not_yet.xml",
    ]
    for path in [*few, *batches]:
        schema_of(path, schemas).fast.assertValid(parse(path))
    for path in [*few, volby / "kv2018" / "batches" / "10.xml"]:
        schema_of(path, schemas).thorough.validate(str(path), use_location_hints=False)
