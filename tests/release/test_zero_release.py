"""The first release of a night, before anything is in: every unit says that it is not yet reported."""

import pytest
from lxml import etree

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from skrutinium_server.release.formats.volby.writer import VolbyWriter
from skrutinium_server.tally.tally import Tally
from tests.release.publishing import Night

MADE = made_up_definition(5, SMALL)
LAW = load_law(MADE.law)
SKR = "{urn:skrutinium:1}"


def tree(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return etree.fromstring(data, parser)


@pytest.fixture(scope="module")
def zero() -> dict[str, bytes]:
    return Night(MADE, LAW).cut()


def test_every_unit_says_not_yet_reported(zero: dict[str, bytes]) -> None:
    """Wherever a document tells how much is reported, it is none of more than none; no vote, figure or seat is told."""
    told = 0
    for path, data in zero.items():
        for element in tree(data).iter():
            if element.get("reporting") is not None:
                assert element.get("reporting") == "none", path
                assert element.get("reported", "0") == "0", path
                told += 1
            assert element.get("votes") is None, path
            assert element.tag != f"{SKR}figure", path
            assert element.get("decided", "0") == "0", path
            assert element.get("outcome", "open") == "open", path
    assert told > len(MADE.contests) * 2 + len(MADE.areas)


def test_every_unit_has_its_document(zero: dict[str, bytes]) -> None:
    """Every contest, every precinct and every larger area can be read before the first protocol, in the state interim."""
    assert {f"contest/{row.id}.xml" for row in MADE.contests} <= zero.keys()
    assert {f"precinct/{row.id}.xml" for row in MADE.precincts} <= zero.keys()
    larger = {row.id for row in MADE.areas if row.kind in ("country", "region", "county")}
    assert {f"area/{id}.xml" for id in larger} <= zero.keys()
    for path in ("event.xml", *(f"contest/{row.id}.xml" for row in MADE.contests)):
        root = tree(zero[path])
        expected = {count.get("expected") for count in root.iter(f"{SKR}count")}
        assert root.get("state", "interim") == "interim"
        assert expected
        assert "0" not in expected


def test_every_precinct_is_awaited(zero: dict[str, bytes]) -> None:
    """The document of a precinct names every contest whose protocol is awaited, and holds no protocol."""
    for row in MADE.precincts:
        children = list(tree(zero[f"precinct/{row.id}.xml"]))
        assert {child.tag for child in children} == {f"{SKR}awaited"}
        due = {poll.contest for poll in MADE.polls if poll.precinct == row.id}
        assert {child.get("contest") for child in children} == due


def test_volby_counts_no_precinct() -> None:
    """In the format volby every turnout of the first release has precincts, none of them counted, and no list has votes."""
    night = Night(MADE, LAW)
    tally = Tally(DefinitionIndex(MADE), LAW)
    writer = VolbyWriter(DefinitionIndex(MADE), LAW)
    turnouts = 0
    for document in writer.documents(tally, tally.take_changes(), night.cutting()):
        for element in tree(document.data).iter():
            if element.get("OKRSKY_ZPRAC") is not None:
                assert element.get("OKRSKY_ZPRAC") == "0", document.path
                assert element.get("OKRSKY_CELKEM") != "0", document.path
                turnouts += 1
            assert element.get("HLASY", "0") == "0", document.path
    assert turnouts >= len(MADE.contests)
