"""The codebooks say what the code and the schema say."""

import csv
from pathlib import Path
from typing import get_args

import pytest
from lxml import etree

from skrutinium_server.election.formats.czech_areas import counties, regions
from skrutinium_server.election.law import PRECINCT_KINDS, law_ids, load_law
from skrutinium_server.election.model import ContestKind

PLAIN = (
    "contest-kinds",
    "correction-reasons",
    "outcomes",
    "phases",
    "precinct-kinds",
    "reporting",
    "statuses",
    "ways-of-election",
)


def rows(repository: Path, name: str) -> list[dict[str, str]]:
    with (repository / "codebooks" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("name", PLAIN)
def test_codebook_is_complete(repository: Path, name: str) -> None:
    """Every row has an id that stands once, names in three languages and a meaning."""
    found = rows(repository, name)
    assert found
    assert set(found[0]) == {"id", "name_en", "name_cs", "name_pl", "meaning"}
    assert all(value.strip() for row in found for value in row.values())
    assert len({row["id"] for row in found}) == len(found)


def test_kinds_are_those_of_the_code(repository: Path) -> None:
    """Contest kinds are the model's, precinct kinds those that rules may name."""
    assert {row["id"] for row in rows(repository, "contest-kinds")} == set(get_args(ContestKind))
    assert {row["id"] for row in rows(repository, "precinct-kinds")} == set(PRECINCT_KINDS)


@pytest.mark.parametrize(
    ("name", "type_name"),
    [
        ("contest-kinds", "contest-kind"),
        ("outcomes", "outcome"),
        ("phases", "phase"),
        ("reporting", "reporting"),
        ("statuses", "state"),
    ],
)
def test_schema_has_the_same_values(repository: Path, name: str, type_name: str) -> None:
    """What the schema allows is what the codebook explains."""
    schema = etree.parse(repository / "xsd/skrutinium/1.0/skrutinium.xsd")
    xs = {"xs": "http://www.w3.org/2001/XMLSchema"}
    path = f"xs:simpleType[@name='{type_name}']//xs:enumeration"
    allowed = {element.get("value") for element in schema.getroot().iterfind(path, xs)}
    assert {row["id"] for row in rows(repository, name)} == allowed


def test_rule_ids_are_those_of_the_laws(repository: Path) -> None:
    """Every rule of every law stands in the codebook with its severity, texts and paragraph."""
    expected = [
        {
            "law": id,
            "id": rule.id,
            "severity": rule.severity,
            "text_en": rule.text_en,
            "text_cs": rule.text_cs,
            "paragraph": rule.paragraph,
        }
        for id in law_ids()
        for rule in load_law(id).rules
    ]
    assert rows(repository, "rule-ids") == expected


def test_czech_regions_and_counties() -> None:
    """14 regions and 77 counties with unique ids and codes; a county's code begins with its region's."""
    by_region = {region.id: region for region in regions().values()}
    assert len(by_region) == 14
    assert len({county.id for county in counties().values()}) == 77
    assert not set(by_region) & {county.id for county in counties().values()}
    for county in counties().values():
        region = by_region[county.parent or ""]
        assert (county.nuts or "").startswith(region.nuts or "-")
        assert len(county.nuts or "") == 6
    by_code = {code: (county.nuts, county.name) for code, county in counties().items()}
    assert by_code["1100"] == ("CZ0100", "Hlavní město Praha")
    assert by_code["2102"] == ("CZ0202", "Beroun")
    assert by_code["2112"] == ("CZ020C", "Rakovník")
    assert by_code["6202"] == ("CZ0642", "Brno-město")
    assert by_code["8101"] == ("CZ0801", "Bruntál")
