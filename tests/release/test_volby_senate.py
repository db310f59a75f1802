"""The writer of volby for the Senate: both rounds, beside the real document of 2014."""

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from lxml import etree

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Contest,
    ContestFirstRound,
    Definition,
    District,
    Elected,
    FirstRound,
    Runoff,
)
from skrutinium_server.intake.formats.volby_batches import Batch, read_batch
from skrutinium_server.intake.model import Protocol
from skrutinium_server.release.formats.volby.errors import NotExpressible
from skrutinium_server.release.formats.volby.senate import constituency, whole
from skrutinium_server.release.formats.volby.senate_plan import RoundResult, make_senate_plan
from skrutinium_server.release.formats.volby.senate_writer import SenateWriter
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.release.model import Document
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.model import Count
from skrutinium_server.tally.seats.model import LotNeeded
from tests.release.volby_event import Night
from tests.release.volby_senate_event import (
    FIRST_VOTES,
    SECOND_VOTES,
    TOWN,
    VILLAGE,
    WARD,
    counted,
    first_definition,
    protocols,
    second_definition,
)
from tests.tally.persons import nights

LAW = load_law("cz-senate-2018")
VALIDATOR = Validator()
ALL = "vysledky.xml"
BATCH = "okrsky/vysledky_okrsky_00001.xml"
FOUR, THIRTEEN = "obvody/vysledky_obce_obvod_4.xml", "obvody/vysledky_obce_obvod_13.xml"


def tree(document: Document) -> etree._Element:
    VALIDATOR.validate(document.path, document.data, document.schema)
    return etree.fromstring(document.data, etree.XMLParser(resolve_entities=False, no_network=True))


def persons(document: Document, constituency: str) -> list[dict[str, str]]:
    """What is told of each candidate of a constituency besides the name."""
    (found,) = [row for row in tree(document).iter("{*}OBVOD") if row.get("CISLO") == constituency]
    return [
        {name: value for name, value in row.attrib.items() if "KOLO" in name}
        for row in found.iter("{*}KANDIDAT")
    ]


class TestFirstRound:
    """Releases of a first round."""

    def test_before_counting(self) -> None:
        """The first release has every constituency by number, everybody with zeros, no word about anybody, one round."""
        first = Night(first_definition()).cut()

        assert set(first) == {ALL, FOUR, THIRTEEN}
        root = tree(first[ALL])
        assert [row.get("CISLO") for row in root.iter("{*}OBVOD")] == ["4", "13"]
        assert persons(first[ALL], "13") == [{"HLASY_1KOLO": "0", "HLASY_PROC_1KOLO": "0.00"}] * 3
        turnouts = list(root.iter("{*}UCAST"))
        assert [row.get("KOLO") for row in turnouts] == ["1"] * 3
        assert {row.get("OKRSKY_ZPRAC") for row in turnouts} == {"0"}
        assert turnouts[-1].get("OKRSKY_CELKEM") == "4"
        assert {row.get("PLATNE_HLASY_PROC") for row in turnouts} == {"0.00"}

    def test_complete(self) -> None:
        """More than half elects at once, else two run again; shares of persons are cut off, those of turnout rounded."""
        released = counted(first_definition(), FIRST_VOTES).cut(1)

        assert persons(released[ALL], "4") == [
            {"HLASY_1KOLO": "39", "HLASY_PROC_1KOLO": "35.13", "ZVOLEN_1KOLO": "2.KOLO"},
            {"HLASY_1KOLO": "48", "HLASY_PROC_1KOLO": "43.24", "ZVOLEN_1KOLO": "2.KOLO"},
            {"HLASY_1KOLO": "24", "HLASY_PROC_1KOLO": "21.62", "ZVOLEN_1KOLO": "NEZVOLEN"},
        ]
        assert [row["ZVOLEN_1KOLO"] for row in persons(released[ALL], "13")] == [
            "NEZVOLEN",
            "ZVOLEN",
            "NEZVOLEN",
        ]
        (whole_,) = tree(released[ALL]).iter("{*}CELKEM")
        assert dict(whole_[0].attrib) == {
            "KOLO": "1",
            "OKRSKY_CELKEM": "4",
            "OKRSKY_ZPRAC": "4",
            "OKRSKY_ZPRAC_PROC": "100.00",
            "ZAPSANI_VOLICI": "648",
            "VYDANE_OBALKY": "260",
            "UCAST_PROC": "40.12",
            "ODEVZDANE_OBALKY": "256",
            "PLATNE_HLASY": "248",
            "PLATNE_HLASY_PROC": "96.88",
        }

    def test_only_what_changed(self) -> None:
        """A protocol changes the document of all and the municipalities of its constituency; a cut without news has nothing."""
        event = first_definition()
        night = Night(event)
        night.cut()
        night.take(protocols(event, {f"{WARD}-7": {1: 1, 2: 2, 3: 3}})[0])

        assert set(night.cut()) == {ALL, THIRTEEN}
        assert night.cut() == {}

    def test_municipalities(self) -> None:
        """Each constituency has its part of each municipality, in the order of Czech names; the parts add up."""
        released = counted(first_definition(), FIRST_VOTES).cut()
        whole_, *places = tree(released[FOUR])

        assert [(row.get("CIS_OBEC"), row.get("NAZ_OBEC")) for row in places] == [
            (VILLAGE, "Čistá Smyšlenka"),
            (TOWN, "Vymyšlená Lhota"),
        ]
        votes = [
            [int(row.get("HLASY_1KOLO", "")) for row in unit.iter("{*}HLASY")] for unit in (whole_, *places)
        ]
        assert votes == [[39, 48, 24], [9, 8, 4], [30, 40, 20]]
        assert [
            [row.get("OKRSKY_CELKEM") for row in unit.iter("{*}UCAST")] for unit in (whole_, *places)
        ] == [
            ["2"],
            ["1"],
            ["1"],
        ]

    def test_batch_is_read_back(self) -> None:
        """A batch tells its round and, in records that our own import reads back as they were, everybody's votes."""
        event = first_definition()
        released = counted(event, FIRST_VOTES).cut(1)
        head = tree(released[BATCH])[0]
        read = read_batch(released[BATCH].data, "1.xml", LAW)

        assert dict(head.attrib) == {
            "KOLO": "1",
            "PORADI_DAVKY": "1",
            "OKRSKY_DAVKA": "4",
            "OKRSKY_CELKEM": "4",
            "OKRSKY_ZPRAC": "4",
        }
        assert isinstance(read, Batch)
        assert read.round == 1
        assert [row.protocol for row in read.records] == protocols(event, FIRST_VOTES)

    def test_interim_says_nothing_of_who_is_elected(self) -> None:
        """While a protocol is out nobody is elected, whoever leads; a lot that is needed is no word either."""
        event = first_definition()
        night = counted(event, {f"{TOWN}-1": {1: 90, 2: 1, 3: 1}})
        assert not any("ZVOLEN_1KOLO" in row for row in persons(night.cut()[ALL], "4"))
        night.take(protocols(event, {f"{VILLAGE}-1": {1: 10, 2: 50, 3: 50}}, start=9)[0])
        assert isinstance(night.tally.contests["4"].districts["4.1"].outcome, LotNeeded)
        assert not any("ZVOLEN_1KOLO" in row for row in persons(night.cut()[ALL], "4"))

    def test_withdrawn_person(self) -> None:
        """Who was withdrawn has no row, unless a protocol has votes for them."""
        event = first_definition(withdrawn=True)
        night = counted(event, {f"{TOWN}-1": {1: 1, 2: 2, 3: 0}})
        assert len(persons(night.cut()[ALL], "4")) == 2
        night.take(protocols(event, {f"{VILLAGE}-1": {1: 1, 2: 2, 3: 1}}, start=9)[0])
        released = night.cut()
        assert len(persons(released[ALL], "4")) == 3
        assert [row.get("PORADOVE_CISLO") for row in tree(released[FOUR])[0].iter("{*}HLASY")] == [
            "1",
            "2",
            "3",
        ]

    def test_restarted_writer(self) -> None:
        """A writer that joins later writes the same bytes as one that was there from the start."""
        event = first_definition()
        night = Night(event)
        for row in protocols(event, FIRST_VOTES):
            night.cut()
            night.take(row)
        changes, cutting = night.tally.take_changes(), night.cutting(3)
        there = list(night.writer.documents(night.tally, changes, cutting))
        later = list(SenateWriter(night.tally.index, LAW).documents(night.tally, changes, cutting))

        assert there == later
        assert len(there) == 3


class TestSecondRound:
    """Releases of a second round, which stand beside the first."""

    def test_before_counting(self) -> None:
        """All of the first round is there; the two who run again have zeros, the others nothing of the second round."""
        first = Night(second_definition()).cut()

        assert set(first) == {ALL, FOUR}
        assert persons(first[ALL], "4") == [
            {
                "HLASY_1KOLO": "39",
                "HLASY_PROC_1KOLO": "35.13",
                "ZVOLEN_1KOLO": "2.KOLO",
                "HLASY_2KOLO": "0",
                "HLASY_PROC_2KOLO": "0.00",
            },
            {
                "HLASY_1KOLO": "48",
                "HLASY_PROC_1KOLO": "43.24",
                "ZVOLEN_1KOLO": "2.KOLO",
                "HLASY_2KOLO": "0",
                "HLASY_PROC_2KOLO": "0.00",
            },
            {"HLASY_1KOLO": "24", "HLASY_PROC_1KOLO": "21.62", "ZVOLEN_1KOLO": "NEZVOLEN"},
        ]
        four, thirteen = tree(first[ALL]).iter("{*}OBVOD")
        assert [row.get("KOLO") for row in four.iter("{*}UCAST")] == ["1", "2"]
        assert [row.get("KOLO") for row in thirteen.iter("{*}UCAST")] == ["1"]
        (whole_,) = tree(first[ALL]).iter("{*}CELKEM")
        assert [row.get("OKRSKY_CELKEM") for row in whole_] == ["4", "2"]

    def test_first_round_is_as_it_was(self) -> None:
        """What the second round's documents say of the first is what the first round's own last document said."""
        before = counted(first_definition(), FIRST_VOTES).cut()
        after = counted(second_definition(), SECOND_VOTES).cut()

        def of_first(document: Document) -> list[dict[str, str]]:
            return [
                {name: value for name, value in row.attrib.items() if "2KOLO" not in name}
                for row in tree(document).iter()
                if row.get("KOLO") != "2" and row.getparent() is not None
            ]

        assert of_first(before[ALL]) == of_first(after[ALL])
        assert of_first(before[FOUR]) == of_first(after[FOUR])

    def test_complete(self) -> None:
        """Most votes elect; words about the second round stand with the two only, and the batch is one of round 2."""
        event = second_definition()
        released = counted(event, SECOND_VOTES).cut(1)
        one, other, third = persons(released[ALL], "4")

        assert (one["HLASY_2KOLO"], one["HLASY_PROC_2KOLO"], one["ZVOLEN_2KOLO"]) == ("44", "50.57", "ZVOLEN")
        assert (other["HLASY_2KOLO"], other["HLASY_PROC_2KOLO"], other["ZVOLEN_2KOLO"]) == (
            "43",
            "49.42",
            "NEZVOLEN",
        )
        assert "HLASY_2KOLO" not in third
        assert tree(released[BATCH])[0].get("KOLO") == "2"


@given(nights())
def test_every_night(night: tuple[Definition, list[Protocol]]) -> None:
    """Whatever comes in: every document is valid, the snapshot after all cuts is that of one cut, all votes on the ballot are shown."""
    event, rows = with_codes(night[0]), night[1]
    step, once = Night(event), Night(event)
    step.cut()
    for place, row in enumerate(rows):
        step.take(row)
        once.take(row)
        step.cut(place + 1)
    last = once.cut()

    for path, document in last.items():
        ours = step.documents[path]
        VALIDATOR.validate(path, ours.data, ours.schema)
        assert body(ours) == body(document)
    shown = sum(int(row.get("HLASY_1KOLO", "")) for row in tree(last[ALL]).iter("{*}KANDIDAT"))
    known = {(row.contest, row.number) for row in event.candidates}
    assert shown == sum(
        votes
        for id, contest in once.tally.contests.items()
        for number, votes in contest.districts[f"{id}.1"].candidate_votes.get(0, {}).items()
        if (id, number) in known
    )


def with_codes(event: Definition) -> Definition:
    """The made-up towns with codes as the format wants them."""
    codes = {area.id: area.id.replace("M", "50000") for area in event.areas}
    return msgspec.structs.replace(
        event,
        areas=tuple(msgspec.structs.replace(row, id=codes[row.id]) for row in event.areas),
        precincts=tuple(msgspec.structs.replace(row, area=codes[row.area]) for row in event.precincts),
    )


def test_town_without_code() -> None:
    """A municipality whose id is no code cannot be written in records: that is told before the first release."""
    event = first_definition()
    renamed = msgspec.structs.replace(
        event, precincts=tuple(msgspec.structs.replace(row, area="Lhota") for row in event.precincts)
    )
    with pytest.raises(NotExpressible, match="CIS_OBEC"):
        SenateWriter(DefinitionIndex(renamed), LAW)


def body(document: Document) -> bytes:
    """The document without its stamp."""
    return document.data.partition(b'DATUM_CAS_GENEROVANI="')[2][21:]


def test_encoding_of_older_days() -> None:
    """In ISO-8859-2 declaration and bytes agree, and a character that it lacks is a reference; the facts are the same."""
    event = first_definition()
    event = msgspec.structs.replace(
        event,
        candidates=tuple(msgspec.structs.replace(row, family_name="Smyšlený–Ø") for row in event.candidates),
    )
    plain, older = (Night(event, encoding=encoding).cut() for encoding in ("utf-8", "iso-8859-2"))

    assert older[ALL].data.startswith(b'<?xml version="1.0" encoding="iso-8859-2"?>\n')
    assert b"&#8211;&#216;" in older[ALL].data
    assert "Smyšlený".encode("iso-8859-2") in older[ALL].data
    for path in plain:
        ours, theirs = (
            etree.tostring(tree(document[path]), encoding="unicode") for document in (plain, older)
        )
        assert ours == theirs


def test_contest_without_number() -> None:
    """A contest whose id is no number of a constituency cannot be written."""
    event = first_definition()
    renamed = msgspec.structs.replace(
        event, contests=tuple(msgspec.structs.replace(row, id=f"x{row.id}") for row in event.contests)
    )
    with pytest.raises(NotExpressible, match="CISLO"):
        SenateWriter(DefinitionIndex(renamed), LAW)


# ----------------------------------------------------------------- the real document of 2014
@pytest.fixture(scope="module")
def real(shared_data: Path) -> bytes:
    return (shared_data / "volby" / "kv2014" / "senat.xml").read_bytes()


def facts(root: etree._Element) -> Iterator[tuple[ContestFirstRound, list[Candidate], RoundResult]]:
    """Each constituency of a real document: the first round, who stood, and the second round."""
    for element in root.iter("{*}OBVOD"):
        id = element.attrib["CISLO"]
        rows = list(element.iter("{*}KANDIDAT"))
        stood = [
            Candidate(
                id,
                f"{id}.1",
                0,
                int(row.attrib["PORADOVE_CISLO"]),
                row.attrib["JMENO"],
                row.attrib["PRIJMENI"],
                row.attrib["TITULPRED"],
                row.attrib["TITULZA"],
            )
            for row in rows
        ]
        finalists = [row for row in rows if row.attrib["ZVOLEN_1KOLO"] == "2.KOLO"]
        one, other = (int(row.attrib["PORADOVE_CISLO"]) for row in finalists)
        winner = next(row for row in finalists if row.attrib["ZVOLEN_2KOLO"] == "ZVOLEN")
        counts = [count_of(row) for row in element.iter("{*}UCAST")]
        first = ContestFirstRound(
            id,
            counts[0].figures,
            {int(row.attrib["PORADOVE_CISLO"]): int(row.attrib["HLASY_1KOLO"]) for row in rows},
            Runoff((one, other)),
            element.attrib["NAZEV"],
            counts[0].expected,
        )
        again = {int(row.attrib["PORADOVE_CISLO"]): int(row.attrib["HLASY_2KOLO"]) for row in finalists}
        yield first, stood, RoundResult(counts[1], again, Elected(int(winner.attrib["PORADOVE_CISLO"])))


def count_of(turnout: etree._Element) -> Count:
    figures = {field.id: int(turnout.attrib[field.volby]) for field in LAW.fields if field.volby is not None}
    expected, reported = (int(turnout.attrib[name]) for name in ("OKRSKY_CELKEM", "OKRSKY_ZPRAC"))
    return Count(expected, reported, figures, told=dict.fromkeys(figures, reported))


def test_real_document(real: bytes) -> None:
    """From its facts the real document of 2014 comes out byte for byte, from the first constituency to the end."""
    # The copy at hand was transcoded: its declaration still names the encoding of the source.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, encoding="utf-8")
    root = etree.fromstring(real, parser)
    rows = list(facts(root))
    assert len(rows) == 27
    day = datetime.date(2014, 10, 10)
    event = Definition(
        "se2014-2",
        "2014",
        day + datetime.timedelta(days=7),
        LAW.id,
        1,
        areas=(Area("CZ", "country", "Country"),),
        contests=tuple(Contest(row.contest, "senate", "persons", "CZ", row.name, 1, 2) for row, _, _ in rows),
        districts=tuple(District(f"{row.contest}.1", row.contest, 1, row.name, 1) for row, _, _ in rows),
        first_round=FirstRound(
            "se2014",
            day,
            tuple(row for row, _, _ in rows),
            tuple(one for _, stood, _ in rows for one in stood),
        ),
    )
    plan = make_senate_plan(DefinitionIndex(event))
    turnout = Turnout(LAW)
    second = {row.contest: result for row, _, result in rows}
    written = "".join(
        part
        for id, one in plan.constituencies.items()
        if one.first is not None
        for part in constituency(one, {1: one.first, 2: second[id]}, turnout)
    )
    assert plan.first is not None
    (last,) = root.iter("{*}CELKEM")
    written += "".join(whole({1: plan.first, 2: count_of(last[1])}, turnout))
    text = real.decode("utf-8").replace("\r\n", "\n")

    assert written == text[text.index("<OBVOD") : text.index("</VYSLEDKY>")]


def test_schema_of_2014_is_that_of_today() -> None:
    """The schema for the namespace of older documents is the same as that of today in all but its name."""
    folder = Path(__file__).resolve().parents[2] / "xsd" / "volby" / "1"
    texts = [(folder / name).read_text("utf-8") for name in ("se_vysledky.xsd", "se_vysledky_2014.xsd")]
    today, older = (
        re.sub(r"<documentation>Elections .*?</documentation>", "", text, count=1) for text in texts
    )

    assert older == today.replace("http://www.volby.cz/senat/", "http://www.w3.org/namespace/")
