"""The threat model is whole: every threat has an owner that exists and tests that exist, and nothing of value is forgotten."""

import re
from itertools import chain

import pytest

from tests.contract.pages import ROOT, named, rows, section, text

PAGE = "docs/threat-model.md"
SERVER = ROOT / "server" / "skrutinium_server"
THREATS = [row for row in rows(section(text(PAGE), "Threats")) if len(row) == 6]
PARTS = (
    "feed", "release/store", "authority", "ledger", "intake", "tally", "archive", "crisis", "commands", "console", "process", "sdk/skrutinium", "requirements",
)  # fmt: skip


def owner(row: list[str]) -> str:
    """The module that a threat is answered by."""
    (name,) = named(row[3])
    return name


@pytest.mark.parametrize("row", THREATS, ids=[row[0] for row in THREATS])
def test_threat_has_owner_measure_and_tests(row: list[str]) -> None:
    """A threat names its kind, an owner that exists, a measure, and tests that exist."""
    _, kinds, threat, _, measure, _ = row
    assert set(kinds.split(", ")) <= set("STRIDE")
    assert threat.strip()
    assert measure.strip()
    place = owner(row)
    root = ROOT if place.startswith(("sdk/", "requirements/")) else SERVER
    assert (root / place).exists(), f"there is no {place}"
    tests = named(row[5])
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        source = (ROOT / "tests" / file).read_text("utf-8")
        pattern = re.escape(name).replace(r"\*", r"\w+")
        assert re.search(rf"^(?:async )?def {pattern}\(", source, re.MULTILINE), f"there is no {test}"


def test_threats_are_numbered_once_and_cover_everything() -> None:
    """No id stands twice, every row is read, every kind of threat and every part of the server is thought of."""
    ids = [row[0] for row in THREATS]
    assert len(ids) == len(set(ids)) > 60
    assert ids == re.findall(r"^\| ([A-Z]-\d\d) ", text(PAGE), re.MULTILINE)
    assert set(chain.from_iterable(row[1].split(", ") for row in THREATS)) == set("STRIDE")
    owners = [owner(row) for row in THREATS]
    for part in PARTS:
        assert any(one.startswith(part) for one in owners), f"no threat is answered by {part}"


def test_references_within_the_model_hold() -> None:
    """Every threat and boundary that the text refers to is there."""
    page = text(PAGE)
    assert set(re.findall(r"\b[A-Z]-\d\d\b", page)) == {row[0] for row in THREATS}
    boundaries = {row[0] for row in rows(section(page, "Who is trusted with what"))}
    assert set(re.findall(r"\bB\d\b", page)) == boundaries
