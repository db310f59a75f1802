"""What batches tell of the event, alone and joined with the registers."""

from pathlib import Path

import pytest
from lxml import etree

from skrutinium_server.election.canonical import canonical
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats import READERS
from skrutinium_server.election.formats.volby_batches import read_batches
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import Area, Definition, List

LAW = load_law("cz-municipal-2018")

BATCH = """<?xml version="1.0" encoding="ISO-8859-2"?>
<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/kv/" DATUM_CAS_GENEROVANI="2030-10-05T14:34:00">
<DAVKA DATUMVOLEB="20301004" PORADI_DAVKY="1" OKRSKY_DAVKA="2" OKRSKY_CELKEM="9" OKRSKY_ZPRAC="2"/>
<OKRSEK CIS_OBEC="100003" CIS_OKRSEK="5" KODZASTUP="100002" CIS_OBVODU="1" OZNAC_TYPU="OBEC" PORADI_ZPRAC="1">
<HLASY_OKRSEK POR_STR_HLAS_LIST="1" HLASY="35"/>
<HLASY_OKRSEK POR_STR_HLAS_LIST="3" HLASY="0"/>
</OKRSEK>
<OKRSEK CIS_OBEC="100003" CIS_OKRSEK="5" KODZASTUP="100003" CIS_OBVODU="2" OZNAC_TYPU="MCMO" PORADI_ZPRAC="2">
<HLASY_OKRSEK POR_STR_HLAS_LIST="1" HLASY="7"/>
</OKRSEK>
</VYSLEDKY_OKRSKY>
"""


def test_made_batch() -> None:
    """Date, contests, districts, precincts, polls and list numbers are told; names and seats are unknown."""
    told = read_batches(LAW, [("1.xml", BATCH.encode("iso-8859-2"))])
    definition = told.definition
    check(definition)
    assert told.expected_records == 9
    assert (definition.event, str(definition.date)) == ("kv2030", "2030-10-04")
    assert definition.areas[:2] == (
        Area("100002", "municipality", "KODZASTUP 100002", "CZ"),
        Area("100003", "ward", "KODZASTUP 100003", "100002"),
    )
    assert [(district.id, district.seats) for district in definition.districts] == [
        ("100002.1", None),
        ("100003.2", None),
    ]
    assert [(poll.precinct, poll.district) for poll in definition.polls] == [
        ("100003-5", "100002.1"),
        ("100003-5", "100003.2"),
    ]
    assert definition.lists[1] == List("100002", "100002.1", 3)


FAULTS = {
    "date": ('DATUMVOLEB="20301004"', 'DATUMVOLEB="4.10.2030"', ["line 3, field DATUMVOLEB", "YYYYMMDD"]),
    "code": (
        'CIS_OBEC="100003" CIS_OKRSEK="5" KODZASTUP="100002"',
        'CIS_OBEC="17"',
        ["line 4, field CIS_OBEC", "'17'"],
    ),
    "level": ('"MCMO"', '"KRAJ"', ["line 8, field OZNAC_TYPU", "'KRAJ'", "OBEC, MCMO"]),
    "precinct": ('CIS_OKRSEK="5"', 'CIS_OKRSEK="0"', ["line 4, field CIS_OKRSEK", "from 1"]),
    "list": ('LIST="3"', 'LIST="-3"', ["line 6, field POR_STR_HLAS_LIST", "'-3'"]),
    "missing": (' CIS_OBVODU="1"', "", ["line 4, field CIS_OBVODU", "''"]),
    "expected": ('OKRSKY_CELKEM="9"', 'OKRSKY_CELKEM="many"', ["line 3, field OKRSKY_CELKEM", "'many'"]),
    "two levels": (
        'KODZASTUP="100003"',
        'KODZASTUP="100002"',
        ["line 8, field OZNAC_TYPU", "100002 is told as"],
    ),
    "no head": ("<DAVKA", "<!-- --><OKRSEK", ["field CIS_OBEC"]),
    "unknown element": ("<DAVKA", "<DAVKY", ["line 3, field DAVKY", "DAVKA or OKRSEK"]),
    "cut": ("</VYSLEDKY_OKRSKY>", "", ["not XML", "a whole batch"]),
    "other root": ("VYSLEDKY_OKRSKY", "VYSLEDKY", ["the root is", "VYSLEDKY_OKRSKY"]),
    "document type": (
        "<VYSLEDKY_OKRSKY",
        '<!DOCTYPE x [<!ENTITY e "">]><VYSLEDKY_OKRSKY',
        ["without DOCTYPE"],
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_names_its_place(old: str, new: str, told: list[str]) -> None:
    """A broken batch says file, line, attribute and what was expected."""
    assert old in BATCH
    times = -1 if old == "VYSLEDKY_OKRSKY" else 1
    with pytest.raises(SourceError) as caught:
        read_batches(LAW, [("7.xml", BATCH.replace(old, new, times).encode("iso-8859-2"))])
    assert str(caught.value).startswith("7.xml")
    for part in told:
        assert part in str(caught.value)


def test_error_document_and_other_dates_are_refused(shared_data: Path, tmp_path: Path) -> None:
    """The source's error document is no batch, batches of two elections are no definition, nor is an empty folder."""
    not_yet = (shared_data / "volby/kv2026/vysledky_okrsky_not_yet.xml").read_bytes()
    with pytest.raises(SourceError, match="CHYBA"):
        read_batches(LAW, [("1.xml", not_yet)])
    other = BATCH.replace("20301004", "20341006").encode("iso-8859-2")
    with pytest.raises(SourceError, match="2030-10-04 as in the other batches"):
        read_batches(LAW, [("1.xml", BATCH.encode("iso-8859-2")), ("2.xml", other)])
    with pytest.raises(SourceError, match=r"no \.xml file"):
        READERS["volby-batches"](LAW, [tmp_path])


@pytest.fixture(scope="module")
def night(shared_data: Path) -> Path:
    return shared_data / "volby/kv2018/batches"


@pytest.fixture(scope="module")
def batches(night: Path) -> Definition:
    return READERS["volby-batches"](LAW, [night])


@pytest.fixture(scope="module")
def registers(shared_data: Path) -> Definition:
    return READERS["volby-registers"](LAW, [shared_data / "volby/kv2018/registers"])


def records(night: Path) -> list[tuple[str, str, str, frozenset[int]]]:
    """Precinct, contest, district and lists of each record, read again for this test."""
    return [
        (
            f"{record.get('CIS_OBEC')}-{record.get('CIS_OKRSEK')}",
            str(record.get("KODZASTUP")),
            f"{record.get('KODZASTUP')}.{record.get('CIS_OBVODU')}",
            frozenset(
                int(votes.attrib["POR_STR_HLAS_LIST"]) for votes in record.iterchildren("{*}HLASY_OKRSEK")
            ),
        )
        for file in night.glob("*.xml")
        for record in etree.parse(file).getroot().iterchildren("{*}OKRSEK")
    ]


def test_batches_alone_cover_every_record(night: Path, batches: Definition) -> None:
    """Without a register the batches' own definition agrees with itself and has a poll and all lists of each record."""
    check(batches)
    index = DefinitionIndex(batches)
    told = records(night)
    assert (len(told), len({record[:2] for record in told}), len(batches.polls)) == (16_090, 16_065, 16_065)
    for precinct, contest, district, lists in told:
        poll = index.poll(precinct, contest)
        assert poll is not None
        assert poll.district == district
        assert all(index.list_of(district, number) is not None for number in lists)


def test_registers_expect_every_record(night: Path, registers: Definition, batches: Definition) -> None:
    """Each of the 16,065 records has its poll in the registers, and there are as many polls as the source expects."""
    index = DefinitionIndex(registers)
    for precinct, contest, district, _ in records(night):
        poll = index.poll(precinct, contest)
        assert poll is not None
        assert poll.district == district
    files = ((file.name, file.read_bytes()) for file in night.glob("*.xml"))
    assert read_batches(LAW, files).expected_records == len(registers.polls)
    assert {contest.id for contest in registers.contests} > {contest.id for contest in batches.contests}


def test_registers_and_batches_join_in_either_order(registers: Definition, batches: Definition) -> None:
    """Both orders give the same bytes: the registers' facts, the date, and the numbers that were not drawn."""
    joined = merge(registers, batches)
    assert canonical(joined) == canonical(merge(batches, registers))
    assert merge(joined, batches) == merge(joined, registers) == joined
    check(joined)
    assert (joined.event, str(joined.date)) == ("kv2018", "2018-10-05")
    for table in ("areas", "contests", "districts", "precincts", "polls", "committees", "unnumbered_lists"):
        assert getattr(joined, table) == getattr(registers, table), table
    index = DefinitionIndex(registers)
    added = [row for row in joined.lists if index.list_of(row.district, row.number) is None]
    assert set(joined.lists) - set(added) == set(registers.lists)
    assert len(added) == 10_311
    assert {(row.committee, row.name) for row in added} == {(None, None)}
    waiting = {row.district for row in registers.unnumbered_lists}
    assert {row.district for row in added} <= waiting
