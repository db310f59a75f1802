"""The check of a definition tells every fault."""

import time
from typing import Any

import msgspec
import pytest

from skrutinium_server.election.check import check
from skrutinium_server.election.errors import DefinitionError
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Contest,
    Definition,
    District,
    List,
    Poll,
    Precinct,
)
from tests.election.made import SMALL


def changed(table: str, place: int, **values: Any) -> Definition:
    rows = list(getattr(SMALL, table))
    rows[place] = msgspec.structs.replace(rows[place], **values)
    return msgspec.structs.replace(SMALL, **{table: tuple(rows)})


def more(table: str, row: Any) -> Definition:
    return msgspec.structs.replace(SMALL, **{table: (*getattr(SMALL, table), row)})


def test_good_definition_passes() -> None:
    """A definition that agrees with itself has no fault."""
    check(SMALL)


FAULTS = {
    "identifier": (changed("committees", 1, id="ž"), "committees: id 'ž'"),
    "event": (msgspec.structs.replace(SMALL, event="a/b"), "event 'a/b'"),
    "version": (msgspec.structs.replace(SMALL, version=0), "version 0"),
    "same area": (more("areas", SMALL.areas[0]), "areas: 100 stands twice"),
    "parent": (changed("areas", 0, parent="999"), "the parent 999 of 100 is not among"),
    "no parent": (changed("areas", 0, parent=None), "100 is a municipality without a parent"),
    "cycle": (changed("areas", 0, parent="101"), "the municipality 100 lies in the ward 101"),
    "itself": (changed("areas", 1, parent="101"), "the ward 101 lies in the ward 101"),
    "two countries": (more("areas", Area("PL", "country", "Polska")), "2 countries"),
    "empty name": (changed("contests", 0, name=" "), "contests: name of 100 is empty"),
    "long name": (changed("areas", 0, name="x" * 501), "name of 100 has 501 characters"),
    "control": (changed("candidates", 0, family_name="a\x00b"), "family_name of 100.1 1 1 holds a control"),
    "contest's area": (changed("contests", 0, area="7"), "the area 7 of 100 is not among"),
    "no district": (more("contests", Contest("9", "mayor", "persons", "100", "M", 1)), "9 has no district"),
    "seats": (changed("districts", 0, seats=0), "100.1 has number 1, seats 0"),
    "district's contest": (changed("districts", 0, contest="7"), "the contest 7 of 100.1 is not among"),
    "district number": (
        more("districts", District("x", "100", 1, "x")),
        "number 1 stands twice in contest 100",
    ),
    "precinct's area": (changed("precincts", 0, area="7"), "the area 7 of 101-1 is not among"),
    "precinct kind": (changed("precincts", 0, kind="moon"), "'moon'"),
    "precinct number": (changed("precincts", 0, number=2), "number 2 stands twice in area 101"),
    "poll's precinct": (changed("polls", 0, precinct="7-7"), "7-7 in contest 100: the precinct is not among"),
    "poll's district": (changed("polls", 0, district="101.1"), "101.1 is no district of that contest"),
    "same poll": (more("polls", SMALL.polls[0]), "polls: ('101-1', '100') stands twice"),
    "eligible": (changed("polls", 0, eligible=-1), "-1 eligible"),
    "list's district": (changed("lists", 0, district="7.7"), "7.7 is no district of contest 100"),
    "list's committee": (changed("lists", 0, committee="7"), "the committee 7 is not among"),
    "list number": (changed("lists", 1, number=1), "lists: ('100', '100.1', 1) stands twice"),
    "list zero": (changed("lists", 2, number=0), "101.1 0 has None candidates"),
    "unnumbered": (changed("unnumbered_lists", 0, committee="7"), "the committee 7 is not among"),
    "candidate's list": (changed("candidates", 0, list=7), "list 7 is not among the lists of district 100.1"),
    "candidate alone": (changed("candidates", 0, list=0), "list 0 is for contests of the form persons"),
    "same candidate": (changed("candidates", 0, number=2), "candidates: ('100', '100.1', 1, 2) stands twice"),
    "age": (changed("candidates", 0, age=200), "200 years"),
}


@pytest.mark.parametrize(("definition", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_is_told(definition: Definition, told: str) -> None:
    """Each broken reference, key, identifier or text is named."""
    with pytest.raises(DefinitionError) as caught:
        check(definition)
    assert any(told in fault for fault in caught.value.faults), caught.value.faults


def test_every_fault_is_told_at_once() -> None:
    """All faults are listed in the error; its message shows the first ones and counts the rest."""
    rows = tuple(Poll(f"7-{n}", "100", "100.1") for n in range(50))
    with pytest.raises(DefinitionError) as caught:
        check(msgspec.structs.replace(SMALL, polls=rows))
    assert len(caught.value.faults) == 50
    assert "has 50 faults" in str(caught.value)
    assert "and 30 more" in str(caught.value)


def large() -> Definition:
    """15,000 precincts, 6,250 councils, 200,000 candidates."""
    councils = range(100_000, 106_250)
    return Definition(
        event="kv2030",
        name="Made-up election",
        date=None,
        law="cz-municipal-2018",
        version=1,
        areas=(
            Area("CZ", "country", "Česko"),
            *(Area(f"{n}", "municipality", f"Obec {n}", "CZ") for n in councils),
        ),
        contests=tuple(
            Contest(f"{n}", "municipal-council", "lists", f"{n}", f"Obec {n}", 15) for n in councils
        ),
        districts=tuple(District(f"{n}.1", f"{n}", 1, f"Obec {n}", 15) for n in councils),
        precincts=tuple(Precinct(f"{n}-{k}", f"{n}", k) for n in councils for k in (1, 2, 3)),
        polls=tuple(Poll(f"{n}-{k}", f"{n}", f"{n}.1") for n in councils for k in (1, 2, 3)),
        lists=tuple(List(f"{n}", f"{n}.1", k, None, "Made-up", 8) for n in councils for k in (1, 2, 3, 4)),
        candidates=tuple(
            Candidate(f"{n}", f"{n}.1", k, c, "Jan", "Smyšlený")
            for n in councils
            for k in (1, 2, 3, 4)
            for c in range(1, 9)
        ),
    )


def test_whole_country_is_checked_and_indexed_in_seconds() -> None:
    """200,000 candidates are checked in 2 s and indexed in 1 s (with room: the machine has other work)."""
    from skrutinium_server.election.index import DefinitionIndex

    definition = large()
    assert len(definition.candidates) == 200_000
    began = time.process_time()
    check(definition)
    checked = time.process_time()
    index = DefinitionIndex(definition)
    indexed = time.process_time()
    print(f"check {checked - began:.2f} s, index {indexed - checked:.2f} s")
    assert checked - began < 4
    assert indexed - checked < 2
    assert len(index.candidates_of("100000.1", 4)) == 8
