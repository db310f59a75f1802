"""The tally of the real night of 2018, against plain sums taken from the files with the standard library alone."""

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from skrutinium_server.election.formats import volby_batches, volby_registers
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.merge import merge
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.formats.volby_batches import Batch, read_folder
from skrutinium_server.intake.model import Origin, Protocol
from skrutinium_server.tally.model import Count, Open, Unknown
from skrutinium_server.tally.tally import Tally
from tests.tally.made import accepted

NAMESPACE = "{http://www.volby.cz/kv/}"
FIELDS = {
    "ZAPSANI_VOLICI": "eligible",
    "VYDANE_OBALKY": "issued",
    "ODEVZDANE_OBALKY": "returned",
    "PLATNE_HLASY": "valid-votes",
}
KINDS = {"OBEC": "municipal-council", "MCMO": "ward-council"}
ORIGIN = Origin("source", "import")


class Record(NamedTuple):
    """One ``OKRSEK`` as it stands in a file."""

    sequence: int
    attributes: dict[str, str]
    figures: Counter[str]
    votes: Counter[int]


class Night(NamedTuple):
    """The tally, the records that count by (area, precinct, contest), the protocols, and the register's counties."""

    tally: Tally
    records: dict[tuple[str, str, str], Record]
    protocols: list[Protocol]
    counties: dict[str, str]


def _records(folder: Path) -> tuple[dict[tuple[str, str, str], Record], int]:
    """The newest record of each precinct and contest, and how many records there are."""
    newest: dict[tuple[str, str, str], Record] = {}
    number = 0
    for file in folder.glob("*.xml"):
        for element in ET.parse(file).getroot().iter(f"{NAMESPACE}OKRSEK"):
            number += 1
            told = element.attrib
            turnout = element.find(f"{NAMESPACE}UCAST_OKRSEK")
            assert turnout is not None
            record = Record(
                int(told["PORADI_ZPRAC"]),
                told,
                Counter({field: int(turnout.attrib[name]) for name, field in FIELDS.items()}),
                Counter(
                    {
                        int(row.attrib["POR_STR_HLAS_LIST"]): int(row.attrib["HLASY"])
                        for row in element.iter(f"{NAMESPACE}HLASY_OKRSEK")
                    }
                ),
            )
            key = (told["CIS_OBEC"], told["CIS_OKRSEK"], told["KODZASTUP"])
            if key not in newest or record.sequence > newest[key].sequence:
                newest[key] = record
    return newest, number


@pytest.fixture(scope="module")
def night(shared_data: Path) -> Night:
    """All hundred batches through the definition's readers, the door and the tally."""
    folder = shared_data / "volby" / "kv2018"
    law = load_law("cz-municipal-2018")
    registers = volby_registers.read_paths(law, [folder / "registers"])
    index = DefinitionIndex(merge(registers, volby_batches.read_paths(law, [folder / "batches"])))
    tally = Tally(index, law)
    protocols = []
    for batch in read_folder(folder / "batches", law):
        assert isinstance(batch, Batch)
        for row in batch.records:
            protocols.append(admit(row.protocol, row.taken_over, ORIGIN, index, law).protocol)
            tally.apply(len(protocols), accepted(protocols[-1]))
    with (folder / "registers" / "kvrzcoco.csv").open(encoding="cp1250", newline="") as file:
        counties = {row["KODZASTUP"]: row["OKRES"] for row in csv.DictReader(file, delimiter=";")}
    records, number = _records(folder / "batches")
    assert number == len(protocols)
    return Night(tally, records, protocols, counties)


def _figures(count: Count) -> Counter[str]:
    return Counter(count.figures)


def test_every_record_counts_once(night: Night) -> None:
    """16,090 records leave 16,065 that count, the highest PORADI_ZPRAC each, of 16,903 expected."""
    assert len(night.protocols) == 16_090
    assert len(night.records) == night.tally.reported == 16_065
    assert night.tally.expected == 16_903
    assert not night.tally.complete
    for (area, number, contest), record in night.records.items():
        current = night.tally.current(f"{area}-{number}", contest)
        assert current is not None
        assert current[1].protocol.sequence == record.sequence


def test_contests_and_lists(night: Night) -> None:
    """Every council, every district of it and every list has the votes of a plain re-addition, and no other has any."""
    figures: dict[str, Counter[str]] = {}
    votes: dict[str, Counter[int]] = {}
    reported: Counter[str] = Counter()
    for (_, _, contest), record in night.records.items():
        place = f"{contest}.{record.attributes['CIS_OBVODU']}"
        for unit in (contest, place):
            figures.setdefault(unit, Counter()).update(record.figures)
            reported[unit] += 1
        votes.setdefault(place, Counter()).update(record.votes)
    for row in night.tally.contests.values():
        assert row.count.reported == reported[row.id]
        assert _figures(row.count) == figures.get(row.id, Counter())
        for district in row.districts.values():
            assert district.count.reported == reported[district.id]
            assert _figures(district.count) == figures.get(district.id, Counter())
            assert Counter(district.votes) == votes.get(district.id, Counter())
    assert set(reported) <= {*night.tally.contests} | {
        id for row in night.tally.contests.values() for id in row.districts
    }


def test_counties_and_country(night: Night) -> None:
    """Each of 77 counties and the country have the plain sums, by kind of council; so have the committees together."""
    figures: dict[tuple[str, str], Counter[str]] = {}
    votes: Counter[tuple[str, str]] = Counter()
    reported: Counter[tuple[str, str]] = Counter()
    for (_, _, contest), record in night.records.items():
        for area in (night.counties[contest], "CZ"):
            key = (area, KINDS[record.attributes["OZNAC_TYPU"]])
            figures.setdefault(key, Counter()).update(record.figures)
            votes[key] += record.votes.total()
            reported[key] += 1
    assert len({area for area, _ in reported}) == 78
    for (area, kind), sums in figures.items():
        total = night.tally.areas[area].kinds[kind]
        assert total.count.reported == reported[area, kind]
        assert _figures(total.count) == sums
        assert sum(row.votes for row in total.committees.values()) == votes[area, kind]
        assert total.count.told == dict.fromkeys(FIELDS.values(), reported[area, kind])
    assert night.tally.country.count.reported == 16_065


def test_no_seats_are_made_up(night: Night) -> None:
    """Numbers of candidates are unknown, so no council has seats; each complete one says what is missing."""
    for contest in night.tally.contests.values():
        for district in contest.districts.values():
            if district.count.reporting == "all":
                assert isinstance(district.outcome, Unknown)
                assert "number of candidates" in district.outcome.missing
            else:
                assert district.outcome == Open()
    kinds = [kind for area in night.tally.areas.values() for kind in area.kinds.values()]
    assert not any(kind.decided or kind.seats_decided for kind in kinds)
    assert not any(row.seats for kind in kinds for row in kind.committees.values())


def test_order_of_arrival(night: Night) -> None:
    """The same protocols in the opposite order of arrival give the same tally."""
    tally = Tally(night.tally.index, night.tally.law)
    for position, protocol in enumerate(reversed(night.protocols), 1):
        tally.apply(position, accepted(protocol))
    assert tally.contests == night.tally.contests
    assert tally.areas == night.tally.areas
