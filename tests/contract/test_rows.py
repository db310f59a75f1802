"""The schemas of the row format hold for the office's own files and refuse what is none."""

import os
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "xsd" / "volby" / "1" / "rows"
SAMPLES = ROOT / "samples" / "volby" / "1" / "rows"
OURS = ROOT / "samples" / "skrutinium" / "1.0" / "registers"
REGISTERS = ROOT / "xsd" / "skrutinium" / "1.0" / "registers.xsd"
REAL = ROOT.parent / "shared" / "data" / "volby"
FILES = (
    "se2014/serk.xml",
    "se2014/cns.xml",
    "kv2026/ctypduvv.xml",
    "kv2026/kvdruhz.xml",
    "kv2026/kvtypzas.xml",
)
INVALID = sorted((SAMPLES / "invalid").glob("*.xml")) + sorted((OURS / "invalid").glob("*.xml"))
VALID = sorted((SAMPLES / "valid").glob("*.xml")) + sorted((OURS / "valid").glob("*.xml"))
XS = "{http://www.w3.org/2001/XMLSchema}"


def parse(path: Path) -> etree._ElementTree:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return etree.parse(str(path), parser)


def schema_of(path: Path) -> Path:
    if OURS in path.parents:
        return REGISTERS
    return FOLDER / f"{path.stem.partition('--')[0]}.xsd"


@pytest.mark.parametrize("file", FILES)
def test_real_files_are_valid(file: str) -> None:
    """A file that the office published is valid against our schema of its kind."""
    path = REAL / file
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is missing")
    etree.XMLSchema(parse(FOLDER / f"{path.stem}.xsd")).assertValid(parse(path))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path: Path) -> None:
    """Both validators accept a valid sample."""
    etree.XMLSchema(parse(schema_of(path))).assertValid(parse(path))
    schema = xmlschema.XMLSchema10(str(schema_of(path)), allow="sandbox", defuse="always")
    schema.validate(str(path), use_location_hints=False)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(path: Path) -> None:
    """Both validators refuse an invalid sample."""
    assert not etree.XMLSchema(parse(schema_of(path))).validate(parse(path))
    schema = xmlschema.XMLSchema10(str(schema_of(path)), allow="sandbox", defuse="always")
    assert not schema.is_valid(str(path), use_location_hints=False)


def test_every_register_has_samples() -> None:
    """Every schema of a row register and every root of our registers has a valid sample and an invalid one."""
    names = {path.stem for path in FOLDER.glob("*.xsd")}
    assert {path.stem for path in (SAMPLES / "valid").glob("*.xml")} == names
    assert {path.stem.partition("--")[0] for path in (SAMPLES / "invalid").glob("*.xml")} == names
    roots = {
        f"{{urn:skrutinium:1}}{top.get('name')}" for top in parse(REGISTERS).getroot().findall(f"{XS}element")
    }
    assert {parse(path).getroot().tag for path in (OURS / "valid").glob("*.xml")} == roots
    assert {parse(path).getroot().tag for path in (OURS / "invalid").glob("*.xml")} == roots
