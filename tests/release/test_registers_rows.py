"""Registers in the row format: what is written reads back as the same definition, in XML and in CSV."""

import os
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from skrutinium_server.election.calendar import Calendar
from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.formats import volby_registers, volby_senate_registers
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Contest, Definition, District, List, Poll, Precinct
from skrutinium_server.election.placeholders import is_placeholder
from skrutinium_server.process.registers import papers
from skrutinium_server.release.registers.publish import edition_of
from skrutinium_server.release.registers.streaming import validate
from skrutinium_server.release.validate import Validator
from tests.release.register_samples import DEFINITION, TIME

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "volby"
LAW = load_law("cz-municipal-2018")
SENATE = load_law("cz-senate-2018")
KV = "{http://www.volby.cz/kv/}"


def real(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is missing")
    return path


def written(definition: Definition, kind: str) -> dict[str, bytes]:
    """The registers in the row format by file name."""
    edition = edition_of(definition, TIME)
    return {
        paper.path.removeprefix("rows/"): paper.written(edition)
        for paper in papers(definition, Calendar())
        if paper.path.startswith("rows/") and paper.path.endswith(kind)
    }


def rows(data: bytes, root: str) -> list[dict[str, str]]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return [
        {etree.QName(field).localname: field.text or "" for field in row}
        for row in etree.fromstring(data, parser).iter(f"{KV}{root}_ROW")
    ]


@pytest.fixture(scope="module")
def councils() -> Definition:
    """The definition of a whole real election."""
    return volby_registers.read_paths(LAW, [real("kv2018/registers")], event="kv2018")


@pytest.mark.parametrize("kind", [".xml", ".csv"])
def test_real_councils_read_back(councils: Definition, kind: str) -> None:
    """The real registers of a whole country, written and read, tell the same areas, contests, districts, precincts, polls, lists.

    So do those that a batch told of alone, whose committee nobody knows, and an empty register of candidates.
    """
    first, *rest = councils.lists
    councils = msgspec.structs.replace(
        councils, lists=(msgspec.structs.replace(first, committee=None, name=None), *rest)
    )
    files = written(councils, kind)
    known = {f"{name}{kind}" for name in volby_registers.NAMES}
    read = volby_registers.read_registers(
        LAW, {name: data for name, data in files.items() if name in known}, event="kv2018"
    )

    for table in ("areas", "contests", "districts", "precincts", "polls", "lists", "unnumbered_lists"):
        assert getattr(read, table) == getattr(councils, table), table
    names = {committee.id: committee for committee in read.committees}
    assert names.keys() == {committee.id for committee in councils.committees}
    for committee in councils.committees:
        assert is_placeholder(names[committee.id].name) or names[committee.id].name == committee.name


@pytest.mark.parametrize("kind", [".xml", ".csv"])
def test_real_senators_read_back(kind: str) -> None:
    """The real register of candidates for the Senate reads back whole."""
    senate = volby_senate_registers.read_paths(SENATE, [real("se2014")], event="se2014")
    files = written(senate, kind)
    names = ("serk", "secobv", "cvs")
    read = volby_senate_registers.read_registers(
        SENATE, {f"{name}{kind}": files[f"{name}{kind}"] for name in names}, event="se2014"
    )

    assert senate.candidates
    assert read == in_order(msgspec.structs.replace(senate, areas=read.areas))


def test_rows_of_a_whole_country_are_valid(councils: Definition) -> None:
    """Every register of a whole real election is valid against our schema."""
    validator = Validator()
    for name, data in written(councils, ".xml").items():
        validate(validator, name, data, f"volby/1/rows/{name.removesuffix('.xml')}.xsd")


def test_divided_council_has_a_summary() -> None:
    """A council with districts has a summary row, which counts districts and tells all seats, and a row a district."""
    told = [
        row
        for row in rows(written(DEFINITION, ".xml")["kvrzcoco.xml"], "KV_RZCOCO")
        if row["KODZASTUP"] == "900002"
    ]

    assert [(row["OBVODY"], row["COBVODU"], row["MANDATY"]) for row in told] == [
        ("1", "2", "15"),
        ("2", "1", "8"),
        ("2", "2", "7"),
    ]
    assert [(row["MINOKRSEK1"], row["MAXOKRSEK1"]) for row in told] == [("1", "2"), ("1", "1"), ("2", "2")]


def test_more_than_ten_ranges_take_another_row() -> None:
    """A council whose precincts make more than ten ranges has as many rows as it needs, and none is lost."""
    numbers = range(1, 43, 2)
    definition = msgspec.structs.replace(
        DEFINITION,
        contests=(Contest("900001", "municipal-council", "lists", "900001", "Town (made up)", 7),),
        districts=(District("900001.1", "900001", 1, "Town (made up)", 7),),
        precincts=tuple(Precinct(f"900001-{number}", "900001", number) for number in numbers),
        polls=tuple(Poll(f"900001-{number}", "900001", "900001.1") for number in numbers),
        lists=(),
        unnumbered_lists=(),
        candidates=(),
    )
    found = rows(written(definition, ".xml")["kvrzcoco.xml"], "KV_RZCOCO")

    told = Counter(row[f"MINOKRSEK{n}" if n < 10 else "MINOKRSE10"] for row in found for n in range(1, 11))
    assert len(found) == 3
    assert told - Counter({"0": 9}) == Counter(map(str, numbers))


def test_empty_fields_are_left_out() -> None:
    """What the definition does not know is no element, and an undrawn number is 0."""
    lists = rows(written(DEFINITION, ".xml")["kvros.xml"], "KV_ROS")
    councils = rows(written(DEFINITION, ".xml")["kvrzcoco.xml"], "KV_RZCOCO")

    undrawn = next(row for row in lists if row["KODZASTUP"] == "900002" and row["COBVODU"] == "2")
    assert (undrawn["POR_STR_HL"], undrawn["OSTRANA"]) == ("0", "1")
    assert all(value for row in (*lists, *councils) for value in row.values())
    assert "MANDATY" not in next(row for row in councils if row["KODZASTUP"] == "900003")
    assert "POCOBYV" not in councils[0]


def test_codes_of_others_make_no_rows() -> None:
    """An event whose codes the row format cannot hold, or of another country's law, has no such registers."""
    committee = DEFINITION.lists[0]
    assert isinstance(committee, List)
    foreign = msgspec.structs.replace(DEFINITION, law="pl-council-2014")
    lettered = msgspec.structs.replace(
        DEFINITION,
        committees=tuple(msgspec.structs.replace(row, id=f"P{row.id}") for row in DEFINITION.committees),
    )

    assert written(foreign, ".xml") == {}
    assert written(lettered, ".xml") == {}
    assert written(DEFINITION, ".xml")


def test_day_of_voting_stands_among_the_days() -> None:
    """The list of days of elections has that of this event once."""
    days = [
        row["DATUMVOLEB"] for row in rows(written(DEFINITION, ".xml")["kvdatumvoleb.xml"], "KVDATUMVOLEB")
    ]

    assert days.count("20300401") == 1
    assert len(days) == len(set(days))
