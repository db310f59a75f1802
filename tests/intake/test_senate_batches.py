"""Batches of the Senate: persons on list 0, the round, keys of its own and those of councils."""

import datetime

import msgspec
import pytest

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import ContestFirstRound, Definition, FirstRound, Runoff
from skrutinium_server.election.second_round import second_round
from skrutinium_server.intake.door import admit, check_event
from skrutinium_server.intake.errors import BallotError, ReadError, RuleError, TimeError
from skrutinium_server.intake.formats.volby_batches import Batch, Unavailable, read_batch
from skrutinium_server.intake.model import ListVotes, Origin, Protocol
from skrutinium_server.intake.reading import read_protocol
from tests.tally.persons import SENATE, definition

RECORD = (
    '<OKRSEK CIS_OBEC="500011" CIS_OKRSEK="1" CIS_OBVOD="4" PORADI_ZPRAC="7" '
    'DATUM_CAS_ZPRAC="2030-10-05T14:31:34" OPAKOVANE="0">\n'
    '<UCAST_OKRSEK ZAPSANI_VOLICI="100" VYDANE_OBALKY="50" ODEVZDANE_OBALKY="49" PLATNE_HLASY="30"/>\n'
    '<HLASY_OKRSEK PORADOVE_CISLO="2" HLASY="10"/>\n<HLASY_OKRSEK PORADOVE_CISLO="1" HLASY="20"/>\n</OKRSEK>'
)
KEYS_OF_COUNCILS = (
    RECORD.replace("CIS_OBVOD=", "CIS_OBVODU=")
    .replace("PORADOVE_CISLO", "POR_STR_HLAS_LIST")
    .replace(" PORADI_ZPRAC", ' KODZASTUP="500011" OZNAC_TYPU="OBEC" PORADI_ZPRAC')
)
MADE = definition({"4": {1: "A", 2: "B"}}, {"500011": {"4": [1]}})
INDEX = DefinitionIndex(MADE)


def batch(record: str, head: str = 'DATUMVOLEB="20301004" KOLO="1" ', namespace: str = "senat/") -> bytes:
    where = namespace if namespace.startswith("http") else f"http://www.volby.cz/{namespace}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<VYSLEDKY_OKRSKY xmlns="{where}" '
        f'DATUM_CAS_GENEROVANI="2030-10-05T14:34:00">\n<DAVKA {head}PORADI_DAVKY="1" OKRSKY_DAVKA="1" '
        f'OKRSKY_CELKEM="9" OKRSKY_ZPRAC="1"/>\n{record}\n</VYSLEDKY_OKRSKY>\n'
    ).encode()


def read(data: bytes) -> Batch:
    found = read_batch(data, "1.xml", SENATE)
    assert isinstance(found, Batch)
    return found


@pytest.mark.parametrize("record", [RECORD, KEYS_OF_COUNCILS], ids=["own keys", "keys of councils"])
@pytest.mark.parametrize("namespace", ["senat/", "se/", "http://www.w3.org/namespace/"])
def test_record_tells_persons(record: str, namespace: str) -> None:
    """The constituency is the contest, candidates stand on list 0 by number, its votes are their sum."""
    found = read(batch(record, namespace=namespace))
    (received,) = found.records
    assert received.protocol == Protocol(
        "500011-1",
        "4",
        "4.1",
        7,
        datetime.datetime(2030, 10, 5, 12, 31, 34, tzinfo=datetime.UTC),
        {"eligible": 100, "issued": 50, "returned": 49, "valid-votes": 30},
        (ListVotes(0, 30, ((1, 20), (2, 10))),),
    )
    assert received.taken_over.data == record.encode()
    assert read_protocol(received.taken_over, SENATE) == received.protocol


def test_batch_tells_round_and_date_or_not() -> None:
    """The round is read when it is given; a batch that tells neither round nor date is still a batch."""
    assert (read(batch(RECORD)).round, read(batch(RECORD)).date) == (1, datetime.date(2030, 10, 4))
    silent = read(batch(RECORD, head=""))
    assert (silent.round, silent.date) == (None, None)


def test_error_of_the_source_is_told() -> None:
    """A `CHYBA` in the Senate's namespace is no batch."""
    data = b'<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/senat/"><CHYBA KOD_CHYBY="10"/></VYSLEDKY_OKRSKY>'
    assert read_batch(data, "1.xml", SENATE) == Unavailable("1.xml", "10")


BROKEN = {
    "no constituency": (' CIS_OBVOD="4"', "", "CIS_OBVOD or CIS_OBVODU"),
    "two constituencies": (' CIS_OBVOD="4"', ' CIS_OBVOD="4" CIS_OBVODU="5"', "CIS_OBVOD or CIS_OBVODU"),
    "unknown attribute": (' CIS_OBVOD="4"', ' CIS_OBVOD="4" HMOTNOST="1"', "HMOTNOST"),
    "missing order": (' PORADI_ZPRAC="7"', "", "no attribute PORADI_ZPRAC"),
    "candidate twice": ('CISLO="2"', 'CISLO="1"', "PORADOVE_CISLO 1 stands twice"),
    "candidate without number": ('PORADOVE_CISLO="2" ', "", "PORADOVE_CISLO or POR_STR_HLAS_LIST"),
    "no votes": (' HLASY="10"', "", "no attribute HLASY"),
}


@pytest.mark.parametrize(("old", "new", "told"), BROKEN.values(), ids=BROKEN)
def test_broken_record_is_refused(old: str, new: str, told: str) -> None:
    """What lacks, stands twice or is unknown is named."""
    assert old in RECORD
    with pytest.raises(ReadError, match=told):
        read(batch(RECORD.replace(old, new, 1)))


def test_round_out_of_range_and_councils_namespace_are_refused() -> None:
    """There are two rounds; a batch of councils is none of the Senate."""
    with pytest.raises(ReadError, match="KOLO is '3'"):
        read(batch(RECORD, head='KOLO="3" '))
    with pytest.raises(ReadError, match="the root is"):
        read(batch(RECORD, namespace="kv/"))


def _second() -> Definition:
    row = ContestFirstRound("4", {}, {1: 5, 2: 5}, Runoff((1, 2)))
    first = FirstRound(MADE.event, datetime.date(2030, 10, 4), (row,))
    started = msgspec.structs.replace(MADE, date=datetime.date(2030, 10, 4))
    return second_round(started, first, datetime.date(2030, 10, 11))


def test_batches_of_the_other_round_are_refused() -> None:
    """A second round takes batches named by the first round's date with round 2, and none of round 1."""
    second = DefinitionIndex(_second())
    check_event(datetime.date(2030, 10, 4), 2, "1.xml", second)
    check_event(datetime.date(2030, 10, 11), 2, "1.xml", second)
    check_event(None, None, "1.xml", second)
    with pytest.raises(TimeError, match="round 1"):
        check_event(datetime.date(2030, 10, 4), 1, "1.xml", second)
    with pytest.raises(TimeError, match="2030-10-04"):
        check_event(datetime.date(2030, 10, 4), None, "1.xml", second)
    with pytest.raises(TimeError, match="round 2"):
        check_event(MADE.date, 2, "1.xml", INDEX)


class TestDoor:
    """What the Senate's law says of a protocol."""

    def admit(self, **changed: object) -> tuple[str, ...]:
        (received,) = read(batch(RECORD)).records
        changed_one = msgspec.structs.replace(received.protocol, **changed)
        admission = admit(changed_one, received.taken_over, Origin("volby.cz", "import"), INDEX, SENATE)
        return tuple(finding.rule for finding in admission.findings)

    def test_sound_protocol_passes(self) -> None:
        """No rule fires for figures and votes that agree."""
        assert self.admit() == ()

    @pytest.mark.parametrize(
        ("figures", "rule"),
        [
            ({"valid-votes": 31}, "votes-add-up"),
            ({"valid-votes": 30, "returned": 29}, "votes-within-returned"),
            ({"eligible": 4, "issued": 5}, "issued-within-eligible"),
            ({"eligible": 100_000}, "eligible-of-one-precinct"),
        ],
    )
    def test_arithmetic_bars(self, figures: dict[str, int], rule: str) -> None:
        """What cannot be is refused by the rule that says so."""
        with pytest.raises(RuleError) as caught:
            self.admit(figures=figures)
        assert caught.value.rules == (rule,)

    @pytest.mark.parametrize(
        ("figures", "rule"),
        [
            ({"issued": 48, "returned": 49}, "returned-within-issued"),
            ({"issued": 60, "returned": 50}, "returned-near-issued"),
            ({"returned": 61, "valid-votes": 30}, "votes-not-few"),
        ],
    )
    def test_strange_figures_are_findings(self, figures: dict[str, int], rule: str) -> None:
        """What is odd is taken over with a finding."""
        assert self.admit(figures=figures) == (rule,)

    def test_lists_are_not_on_the_ballot(self) -> None:
        """Persons stand on list 0 and on no other; a candidate who does not stand is refused."""
        with pytest.raises(BallotError, match="list 0"):
            self.admit(lists=(ListVotes(1, 30),), figures={})
        with pytest.raises(BallotError, match="candidate 9"):
            self.admit(lists=(ListVotes(0, 30, ((9, 30),)),), figures={})
