"""Districts, single persons, second rounds, holds, summaries and lasting states in the format skrutinium."""

import datetime

import msgspec
import pytest
from lxml import etree

from skrutinium_server.election.model import (
    Candidate,
    Contest,
    ContestFirstRound,
    Definition,
    District,
    Elected,
    FirstRound,
    List,
    Poll,
    Precinct,
    Runoff,
)
from skrutinium_server.election.seat_law import MajorityLaw
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA
from skrutinium_server.release.formats.skrutinium.summary import share
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.model import Changes
from tests.release.publishing import Documents, Night
from tests.release.town import DEFINITION, protocol
from tests.tally.made import LAW

NAMESPACE = {"s": "urn:skrutinium:1"}
VALIDATOR = Validator()
SENATE = msgspec.structs.replace(LAW, seats=None, majority=MajorityLaw("majority-two-rounds"))
DIVIDED: Definition = msgspec.structs.replace(
    DEFINITION,
    contests=(*DEFINITION.contests, Contest("D", "municipal-council", "lists", "V", "Divided", 2)),
    districts=(
        *DEFINITION.districts,
        District("D.1", "D", 1, "North", 1),
        District("D.2", "D", 2, "South", 1),
    ),
    precincts=(*DEFINITION.precincts, Precinct("V-2", "V", 2), Precinct("V-3", "V", 3)),
    polls=(*DEFINITION.polls, Poll("V-2", "D", "D.1", 30), Poll("V-3", "D", "D.2", 20)),
    lists=(*DEFINITION.lists, List("D", "D.1", 1, "A", "Alpha", 2), List("D", "D.2", 1, "B", "Beta", 2)),
)


def read(documents: Documents, path: str) -> etree._Element:
    VALIDATOR.validate(path, documents[path], SCHEMA)
    return etree.fromstring(documents[path])


def one(element: etree._Element, path: str) -> etree._Element:
    (found,) = element.findall(path, NAMESPACE)
    return found


def senate_night(*rows: tuple[int, int, int], definition: Definition = DEFINITION) -> Night:
    """Both precincts of the city voted for three candidates, so often in each."""
    third = Candidate("S", "S.1", 0, 3, "Third", "Runner", committee="B")
    people = tuple(
        msgspec.structs.replace(row, committee="A") if row.district == "S.1" and row.number == 1 else row
        for row in definition.candidates
    )
    night = Night(msgspec.structs.replace(definition, candidates=(*people, third)), SENATE)
    night.cut()
    for precinct, votes in zip(("C1-1", "C2-1"), rows, strict=False):
        night.take(protocol(precinct, "S", ListVotes(0, sum(votes), tuple(enumerate(votes, 1)))))
    return night


def marks(contest: etree._Element) -> list[tuple[str | None, str | None]]:
    rows = contest.findall("s:district/s:candidate", NAMESPACE)
    return [(row.get("elected"), row.get("runoff")) for row in rows]


def test_majority() -> None:
    """Who has more than half of the votes is elected, by votes, and counts for the committee that put the person up."""
    documents = senate_night((10, 2, 1), (10, 2, 1)).cut()
    contest = read(documents, "contest/S.xml")

    assert one(contest, "s:district").get("outcome") == "decided"
    assert marks(contest) == [("1", None), (None, None), (None, None)]
    assert contest.xpath("//s:candidate[1]/@way", namespaces=NAMESPACE) == ["G"]
    assert contest.xpath("//s:candidate/@committee", namespaces=NAMESPACE) == ["A", "B"]
    kind = one(read(documents, "area/C.xml"), "s:kind[@id='senate']")
    rows = kind.findall("s:committee", NAMESPACE)
    assert {row.get("id"): (row.get("votes")) for row in rows} == {"A": "20", "B": "2", None: "4"}
    city = one(read(documents, "event.xml"), "s:kind[@id='senate']")
    assert {row.get("id"): row.get("seats") for row in city.findall("s:committee", NAMESPACE)} == {
        "A": "1",
        "B": "0",
        None: "0",
    }


def test_second_round_follows() -> None:
    """Without a majority the two first go into a second round."""
    contest = read(senate_night((5, 4, 3), (5, 4, 3)).cut(), "contest/S.xml")

    assert one(contest, "s:district").get("outcome") == "runoff"
    assert marks(contest) == [(None, "true"), (None, "true"), (None, None)]


def test_lot_for_the_second_round() -> None:
    """Equal votes for the second place are a lot that is needed; who goes into the second round for certain is marked."""
    contest = read(senate_night((5, 4, 4), (5, 4, 4)).cut(), "contest/S.xml")
    district = one(contest, "s:district")

    assert (district.get("outcome"), district.get("threshold")) == ("lot", None)
    assert marks(contest) == [(None, "true"), (None, None), (None, None)]
    assert one(district, "s:lot").get("places") == "1"
    assert [dict(row.attrib) for row in one(district, "s:lot")] == [{"candidate": "2"}, {"candidate": "3"}]


def test_second_round_tells_the_first() -> None:
    """Documents of a second round tell what the first one ended with, and names as far as they are known."""
    first = FirstRound(
        "se2030",
        datetime.date(2030, 9, 28),
        (
            ContestFirstRound("S", {"issued": 90, "valid": 88}, {1: 40, 2: 30, 9: 18}, Runoff((1, 2))),
            ContestFirstRound("X", {"issued": 9}, {1: 9}, Elected(1)),
        ),
    )
    second = msgspec.structs.replace(
        DEFINITION,
        contests=tuple(
            msgspec.structs.replace(row, round=2) if row.id == "S" else row for row in DEFINITION.contests
        ),
        first_round=first,
    )
    contest = read(Night(second, SENATE).cut(), "contest/S.xml")
    told = one(contest, "s:district/s:first-round")

    assert dict(told.attrib) == {"event": "se2030", "date": "2030-09-28"}
    assert [(row.get("field"), row.get("value")) for row in told.findall("s:figure", NAMESPACE)] == [
        ("issued", "90"),
        ("valid", "88"),
    ]
    assert [
        (row.get("number"), row.get("family-name"), row.get("votes"), row.get("runoff"))
        for row in told.findall("s:candidate", NAMESPACE)
    ] == [("1", "Saga", "40", "true"), ("2", "Story", "30", "true"), ("9", None, "18", None)]

    stood = (
        Candidate("S", "S.1", 0, 1, "Ann", "Saga"),
        Candidate("S", "S.1", 0, 9, "Eve", "Fable", active=False),
        Candidate("X", "X.1", 0, 2, "Somebody", "Else"),
    )
    whole = msgspec.structs.replace(second, first_round=msgspec.structs.replace(first, candidates=stood))
    told = one(read(Night(whole, SENATE).cut(), "contest/S.xml"), "s:district/s:first-round")
    assert [
        (
            row.get("number"),
            row.get("given-name"),
            row.get("family-name"),
            row.get("active"),
            row.get("votes"),
        )
        for row in told.findall("s:candidate", NAMESPACE)
    ] == [
        ("1", "Ann", "Saga", None, "40"),
        ("2", "Tale", "Story", None, "30"),
        ("9", "Eve", "Fable", "false", "18"),
    ]


def test_districts_have_documents() -> None:
    """Each district of a divided contest has a document that says what the contest's says; the only one of its contest has none."""
    night = Night(DIVIDED)
    first = night.cut()
    assert sorted(path for path in first if path.startswith("district/")) == [
        "district/D.1.xml",
        "district/D.2.xml",
    ]
    night.take(protocol("V-2", "D", ListVotes(1, 7)))
    documents = night.cut()
    district, contest = read(documents, "district/D.1.xml"), read(documents, "contest/D.xml")
    row = one(contest, "s:district[@id='D.1']")

    assert (district.get("contest"), district.get("contest-name")) == ("D", "Divided")
    assert (district.get("state"), contest.get("state")) == ("complete", "interim")
    assert {name: district.get(name) for name in row.attrib} == dict(row.attrib)
    assert [etree.tostring(part, method="c14n").split() for part in district] == [
        etree.tostring(part, method="c14n").split() for part in row
    ]
    assert one(read(documents, "district/D.2.xml"), "s:count").get("eligible-out") == "20"


def test_precincts_still_out() -> None:
    """Areas and the event tell how many precincts are out, and their voters; a precinct with two polls is out until both are in."""
    night = Night(DIVIDED)
    before = read(night.cut(), "event.xml")
    night.take(protocol("C1-1", "C", ListVotes(1, 5)))
    partly = read(night.cut(), "area/C1.xml")
    night.take(protocol("C1-1", "C1", ListVotes(1, 5)))
    night.take(protocol("C1-1", "S", ListVotes(0, 5, ((1, 5),))))
    documents = night.cut()
    ward, town = read(documents, "area/C1.xml"), read(night.snapshot, "area/CZ.xml")

    assert (before.get("precincts"), before.get("precincts-out"), before.get("eligible-out")) == (
        "7",
        "7",
        None,
    )
    assert (partly.get("precincts"), partly.get("precincts-out")) == ("1", "1")
    assert (ward.get("precincts"), ward.get("precincts-out")) == ("1", "0")
    assert (town.get("precincts"), town.get("precincts-out")) == ("7", "6")
    row = one(read(documents, "area/K.xml"), "s:area[@id='T']")
    assert [row.get(name) for name in ("precincts", "precincts-out", "eligible-out")] == ["2", "2", "100"]


def test_held() -> None:
    """A held contest says why in its documents and in lists of contests, and is not complete; the event says how many are held."""
    night = Night(DIVIDED)
    night.take(protocol("V-2", "D", ListVotes(1, 7)))
    night.take(msgspec.structs.replace(protocol("V-3", "D", ListVotes(1, 7)), district="D.2"))
    assert read(night.cut(), "contest/D.xml").get("state") == "complete"
    held = msgspec.structs.replace(night.cutting(), arrivals=(), held={"D": "Recount <ordered>"})
    changes = Changes(everything=False, contests={"D"})
    documents = {row.path: row.data for row in night.writer.documents(night.tally, changes, held)}

    for path in ("contest/D.xml", "district/D.1.xml", "district/D.2.xml"):
        root = read(documents, path)
        assert (root.get("held"), root.get("state")) == ("Recount <ordered>", "interim")
    assert read(documents, "event.xml").get("held") == "1"
    rows = read(documents, "area/V.xml").xpath("//s:contest[@held]/@id", namespaces=NAMESPACE)
    assert rows == ["D"]


@pytest.mark.parametrize("state", ["final", "certified", "corrected"])
def test_lasting_state(state: str) -> None:
    """Final, certified and corrected stand in every document of the release, those of protocols and corrections included."""
    night = senate_night((5, 4, 3), (5, 4, 3))
    night.cut()
    night.take(
        protocol("C1-1", "S", ListVotes(0, 12, ((1, 6), (2, 3), (3, 3))), sequence=2),
    )
    cutting = msgspec.structs.replace(night.cutting(), number=9, state=state)
    documents = {
        row.path: row.data for row in night.writer.documents(night.tally, Changes(everything=True), cutting)
    }

    assert {"batch/9.xml", "corrections/9.xml", "summary.xml", "precinct/C1-1.xml"} <= documents.keys()
    assert {read(documents, path).get("state") for path in documents} == {state}


def test_summary() -> None:
    """The summary has one line a kind of contest: what it is not first, progress, turnout, who is ahead."""
    night = senate_night((5, 4, 3), (5, 4, 3))
    documents = night.cut()
    senate = one(read(documents, "summary.xml"), "s:kind[@id='senate']")

    assert senate.findtext("s:line", namespaces=NAMESPACE) == (
        "TEST, MADE UP: Senate: 2 of 2 protocols (100.00 %), 0 of 1 decided; "
        "ahead: Myth Saga 41.67 %, Tale Story 33.33 %, Third Runner 25.00 %"
    )
    first, *_ = senate.findall("s:leading", NAMESPACE)
    assert dict(first.attrib) == {
        "candidate": "1",
        "name": "Myth Saga",
        "votes": "10",
        "share": "4167",
    }
    council = one(read(documents, "summary.xml"), "s:kind[@id='municipal-council']")
    assert (council.get("share"), council.find("s:leading", NAMESPACE)) == ("0", None)
    night.take(protocol("T-1", "T", ListVotes(1, 30), ListVotes(2, 20)))
    documents = night.cut()
    council = one(read(documents, "summary.xml"), "s:kind[@id='municipal-council']")
    rows = council.findall("s:leading", NAMESPACE)
    assert [(row.get("committee"), row.get("votes"), row.get("share")) for row in rows] == [
        ("A", "30", "6000"),
        (None, "20", "4000"),
    ]
    assert council.get("share") == "2000"


def test_line_is_never_too_long() -> None:
    """However long the names, a line has at most 200 characters and the document stays valid."""
    long = msgspec.structs.replace(
        DEFINITION,
        committees=tuple(
            msgspec.structs.replace(row, name=f"{row.id}\t" + "x" * 900) for row in DEFINITION.committees
        ),
    )
    night = Night(long)
    night.take(protocol("T-1", "T", ListVotes(1, 30), ListVotes(2, 20)))
    lines = read(night.cut(), "summary.xml").xpath("//s:line/text()", namespaces=NAMESPACE)

    assert max(map(len, lines)) <= 200


@pytest.mark.parametrize(
    ("part", "whole", "due"),
    [
        (0, 0, 0),
        (1, 8, 1250),
        (1, 16, 625),
        (1, 3, 3333),
        (2, 3, 6667),
        (1, 20000, 1),
        (1, 20001, 0),
        (7, 7, 10000),
    ],
)
def test_share(part: int, whole: int, due: int) -> None:
    """Shares are hundredths of a percent, halves up."""
    assert share(part, whole) == due
