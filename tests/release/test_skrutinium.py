"""What each document of the format skrutinium says, on a small made-up country."""

import msgspec
import pytest
from lxml import etree

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Area, Candidate, Contest, District, Poll, Precinct
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.release.errors import ForbiddenCharacter, NotIssuable
from skrutinium_server.release.formats.skrutinium.outline import area_documents
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA
from skrutinium_server.release.formats.skrutinium.writer import SkrutiniumWriter
from skrutinium_server.release.model import Arrival
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.model import Changes
from tests.release.publishing import Documents, Night
from tests.release.town import DEFINITION, protocol
from tests.tally.made import LAW, accepted

NAMESPACE = {"s": "urn:skrutinium:1"}
VALIDATOR = Validator()


def read(documents: Documents, path: str) -> etree._Element:
    """The document, once it proved valid."""
    VALIDATOR.validate(path, documents[path], SCHEMA)
    return etree.fromstring(documents[path])


def one(element: etree._Element, path: str) -> etree._Element:
    """The only element at that path."""
    (found,) = element.findall(path, NAMESPACE)
    return found


def town_night() -> Night:
    """The town has reported: 1 takes two seats of three, with candidates, 2 one."""
    night = Night(DEFINITION)
    night.cut()
    night.take(
        protocol("T-1", "T", ListVotes(1, 30, ((1, 10), (2, 20), (3, 0))), ListVotes(2, 20, ((1, 20),)))
    )
    return night


def test_first_release() -> None:
    """The first release has every document, and nothing is reported in any of them."""
    documents = Night(DEFINITION).cut()

    assert sorted(documents) == [
        *(f"area/{id}.xml" for id in ("C", "C1", "C2", "CZ", "K", "R")),
        *(f"contest/{id}.xml" for id in ("C", "C1", "S", "T", "V")),
        "event.xml",
        *(f"precinct/{id}.xml" for id in ("C1-1", "C2-1", "T-1", "T-2", "V-1")),
        "summary.xml",
    ]
    for path in documents:
        root = read(documents, path)
        assert not root.xpath("//@votes | //@seats[parent::s:list] | //@elected", namespaces=NAMESPACE)
        assert not root.findall(".//s:figure", NAMESPACE)
        assert set(root.xpath("//@reporting")) <= {"none"}
        assert set(root.xpath("//@outcome")) <= {"open"}


def test_root_carries_the_stamp() -> None:
    """Every root names event, run, phase, release, time, schema and codebook version."""
    documents = Night(DEFINITION).cut()
    for path in documents:
        root = read(documents, path)
        told = [root.get(name) for name in ("event", "run", "phase", "release", "time", "schema", "codebook")]

        assert told == ["mu2030", "night", "test", "1", "2030-10-05T14:00:01Z", "1.0", "1"]


def test_only_what_changed() -> None:
    """A release holds the precinct and contest that came in, the areas around them, the event and the batch."""
    night = town_night()

    assert sorted(night.cut()) == [
        "area/CZ.xml",
        "area/K.xml",
        "area/R.xml",
        "batch/2.xml",
        "contest/T.xml",
        "event.xml",
        "precinct/T-1.xml",
        "summary.xml",
    ]
    assert night.cut() == {}


def test_part_reported() -> None:
    """A contest with protocols out tells votes and sums so far, what is out, and no outcome."""
    night = town_night()
    contest = read(night.cut(), "contest/T.xml")
    count = one(contest, "s:count")

    assert dict(count.attrib) == {"reporting": "part", "expected": "2", "reported": "1", "eligible-out": "60"}
    assert [(row.get("field"), row.get("value")) for row in count] == [
        ("registered", "40"),
        ("issued", "30"),
        ("valid", "60"),
    ]
    assert contest.xpath("//s:list/@votes", namespaces=NAMESPACE) == ["30", "20", "0"]
    assert contest.xpath("//s:list[@number=1]/s:candidate/@votes", namespaces=NAMESPACE) == ["10", "20", "0"]
    assert one(contest, "s:district").get("outcome") == "open"
    assert contest.get("state") == "interim"


def test_field_told_by_some() -> None:
    """A sum over fewer protocols than are reported says how many it covers."""
    night = town_night()
    night.take(protocol("T-2", "T", ListVotes(1, 0), ListVotes(2, 1), figures=(60,)))
    count = one(read(night.cut(), "contest/T.xml"), "s:count")

    assert [(row.get("field"), row.get("value"), row.get("protocols")) for row in count] == [
        ("registered", "100", None),
        ("issued", "30", "1"),
        ("valid", "60", "1"),
    ]


def test_decided() -> None:
    """A decided council tells threshold, seats, who passed, and the elected in their order with their way."""
    night = town_night()
    night.take(protocol("T-2", "T", ListVotes(1, 9, ((1, 4), (2, 5), (3, 0))), ListVotes(2, 6, ((1, 6),))))
    contest = read(night.cut(), "contest/T.xml")
    district = one(contest, "s:district")

    assert (district.get("outcome"), district.get("threshold"), district.get("vacant")) == (
        "decided",
        "5",
        None,
    )
    assert contest.xpath("//s:list/@seats", namespaces=NAMESPACE) == ["2", "1"]
    assert contest.xpath("//s:list/@passed", namespaces=NAMESPACE) == ["true", "true"]
    elected = contest.xpath("//s:list[@number=1]/s:candidate", namespaces=NAMESPACE)
    assert [(row.get("elected"), row.get("way")) for row in elected] == [("2", "G"), ("1", "G"), (None, None)]
    assert contest.get("state") == "complete"
    kind = one(read(night.snapshot, "event.xml"), "s:kind[@id='municipal-council']")
    assert (kind.get("contests"), kind.get("decided"), kind.get("seats-decided")) == ("3", "1", "3")


def test_lot() -> None:
    """Equal votes for the last seat are a lot that is needed, not a guess."""
    night = Night(DEFINITION)
    for precinct in ("C1-1", "C2-1"):
        night.take(protocol(precinct, "C", ListVotes(1, 10), ListVotes(2, 10)))
    night.take(protocol("C1-1", "C1", ListVotes(1, 5)))
    both = read(night.cut(), "contest/C.xml")
    assert both.xpath("//s:list/@seats", namespaces=NAMESPACE) == ["1", "1"]

    one_seat = msgspec.structs.replace(
        DEFINITION,
        contests=tuple(
            msgspec.structs.replace(row, seats=1) if row.id == "C" else row for row in DEFINITION.contests
        ),
        districts=tuple(
            msgspec.structs.replace(row, seats=1) if row.id == "C.1" else row for row in DEFINITION.districts
        ),
    )
    night = Night(one_seat)
    for precinct in ("C1-1", "C2-1"):
        night.take(protocol(precinct, "C", ListVotes(1, 10), ListVotes(2, 10)))
    district = one(read(night.cut(), "contest/C.xml"), "s:district")

    assert district.get("outcome") == "lot"
    assert one(district, "s:lot").get("places") == "1"
    assert [row.get("list") for row in district.findall("s:lot/s:tied", NAMESPACE)] == ["1", "2"]
    assert not district.xpath(".//@elected")


def test_unknown_outcome() -> None:
    """Where the law needs what the source lacks, the outcome is unknown and says what is missing."""
    night = Night(DEFINITION)
    night.take(protocol("V-1", "V", ListVotes(1, 5), ListVotes(4, 2)))
    contest = read(night.cut(), "contest/V.xml")
    district = one(contest, "s:district")

    assert district.get("outcome") == "unknown"
    assert "number of seats" in district.get("missing", "")
    assert district.get("seats") is None
    assert [dict(row.attrib) for row in district.findall("s:list", NAMESPACE)] == [
        {"number": "1", "votes": "5"},
        {"number": "4", "votes": "2"},
    ]
    assert dict(one(district, "s:unnumbered-list").attrib) == {
        "committee": "B",
        "name": "Beta of the village",
    }


def test_vacant_seats() -> None:
    """Seats for which no candidate is left are told as vacant."""
    night = town_night()
    lists = tuple(
        msgspec.structs.replace(row, candidates=1) if row.district == "C.1" else row
        for row in DEFINITION.lists
    )
    districts = tuple(
        msgspec.structs.replace(row, seats=4) if row.id == "C.1" else row for row in DEFINITION.districts
    )
    night = Night(msgspec.structs.replace(DEFINITION, lists=lists, districts=districts))
    for precinct in ("C1-1", "C2-1"):
        night.take(protocol(precinct, "C", ListVotes(1, 10), ListVotes(2, 9)))

    assert one(read(night.cut(), "contest/C.xml"), "s:district").get("vacant") == "2"


def test_candidates_not_told_by_all() -> None:
    """One protocol without candidates is enough to leave out the votes of all candidates, not to show a part as the whole."""
    night = town_night()
    night.take(protocol("T-2", "T", ListVotes(1, 9), ListVotes(2, 6)))
    contest = read(night.cut(), "contest/T.xml")

    assert contest.xpath("//s:list/@votes", namespaces=NAMESPACE) == ["39", "26", "0"]
    assert not contest.xpath("//s:candidate/@votes", namespaces=NAMESPACE)
    assert contest.xpath("//s:list/@seats", namespaces=NAMESPACE) == ["2", "1"]
    assert not contest.xpath("//@elected")


def test_names_of_the_definition() -> None:
    """Names, titles and who no longer stands come from the definition; what it does not tell is left out."""
    contest = read(Night(DEFINITION).cut(), "contest/T.xml")

    assert [dict(row.attrib) for row in contest.findall(".//s:list", NAMESPACE)] == [
        {"number": "1", "committee": "A", "name": "Alpha's list", "candidates": "3"},
        {"number": "2", "name": "Nobody's list", "candidates": "1"},
        {"number": "3", "committee": "B", "name": "Beta", "candidates": "3", "active": "false"},
    ]
    assert [dict(row.attrib) for row in contest.findall(".//s:list[@number='1']/s:candidate", NAMESPACE)] == [
        {"number": "1", "given-name": "Ada", "family-name": "O'Never", "title-before": "Ing."},
        {"number": "2", "family-name": "Chimera", "title-after": "Ph.D."},
        {"number": "3", "given-name": "Phantom", "family-name": "Mirage", "active": "false"},
    ]


def test_persons() -> None:
    """A contest of single persons has its candidates in the district, with votes once something is reported."""
    night = Night(DEFINITION)
    night.take(protocol("C1-1", "S", ListVotes(0, 12, ((1, 5), (2, 7)))))
    contest = read(night.cut(), "contest/S.xml")

    assert [
        (row.get("family-name"), row.get("votes"))
        for row in contest.findall("s:district/s:candidate", NAMESPACE)
    ] == [
        ("Saga", "5"),
        ("Story", "7"),
    ]
    assert one(contest, "s:district").find("s:list", NAMESPACE) is None


def test_committees() -> None:
    """Committees stand by id with their names, and a row without id holds the lists of unknown committees."""
    night = town_night()
    event = read(night.cut(), "event.xml")
    rows = one(event, "s:kind[@id='municipal-council']").findall("s:committee", NAMESPACE)

    assert [dict(row.attrib) for row in rows] == [
        {"id": "A", "name": 'Alpha & "Co"', "votes": "30"},
        {"id": "B", "name": "Beta", "votes": "0"},
        {"votes": "20"},
    ]
    ward = one(event, "s:kind[@id='ward-council']").findall("s:committee", NAMESPACE)
    assert [dict(row.attrib) for row in ward] == [{"id": "A", "name": 'Alpha & "Co"'}]


def test_event() -> None:
    """The event tells name, date, that it is made up, and its largest units."""
    event = read(Night(DEFINITION).cut(), "event.xml")

    assert (event.get("name"), event.get("date"), event.get("made-up")) == (
        "Made-up election",
        "2030-10-05",
        "true",
    )
    assert [row.get("id") for row in event.findall("s:area", NAMESPACE)] == ["R"]


def test_event_without_date() -> None:
    """A date that is not known is left out."""
    night = Night(msgspec.structs.replace(DEFINITION, date=None, made_up=False))
    event = read(night.cut(), "event.xml")

    assert event.get("date") is None
    assert event.get("made-up") is None


def test_area_lists_what_lies_in_it() -> None:
    """An area lists its units, and the contests held in it or in a unit that has no document of its own."""
    documents = Night(DEFINITION).cut()
    county, city = read(documents, "area/K.xml"), read(documents, "area/C.xml")

    assert county.get("parent") == "R"
    assert [row.get("id") for row in county.findall("s:area", NAMESPACE)] == ["C", "T", "V"]
    assert [row.get("id") for row in county.findall("s:contest", NAMESPACE)] == ["T", "V"]
    assert [row.get("id") for row in city.findall("s:area", NAMESPACE)] == ["C1", "C2"]
    assert [row.get("id") for row in city.findall("s:contest", NAMESPACE)] == ["C"]
    assert [row.get("id") for row in read(documents, "area/CZ.xml").findall("s:contest", NAMESPACE)] == ["S"]


def test_area_documents() -> None:
    """Large areas always have a document, small ones when they are divided or vote in more than one contest."""
    assert area_documents(DefinitionIndex(DEFINITION)) == {"CZ", "R", "K", "C", "C1", "C2"}


def test_area_without_polls_is_not_applicable() -> None:
    """Where nobody votes, nothing is awaited: not applicable, which is not the same as none."""
    night = Night(
        msgspec.structs.replace(DEFINITION, areas=(*DEFINITION.areas, Area("R2", "region", "Empty", "CZ")))
    )
    documents = night.cut()

    row = one(read(documents, "event.xml"), "s:area[@id='R2']")
    assert (row.get("reporting"), row.get("expected")) == ("not-applicable", "0")
    assert read(documents, "area/R2.xml").get("state") == "complete"


def test_contest_outside_its_area() -> None:
    """A contest whose voters live elsewhere still brings the documents of its own area up to date."""
    elsewhere = msgspec.structs.replace(
        DEFINITION,
        areas=(*DEFINITION.areas, Area("R2", "region", "Other region", "CZ")),
        contests=(
            *DEFINITION.contests,
            Contest("X", "senate", "persons", "R2", "Senator for the other region", 1),
        ),
        districts=(*DEFINITION.districts, District("X.1", "X", 1, "One", 1)),
        precincts=(*DEFINITION.precincts, Precinct("V-2", "V", 2)),
        polls=(*DEFINITION.polls, Poll("V-2", "X", "X.1")),
    )
    night = Night(elsewhere)
    night.cut()
    night.take(protocol("V-2", "X", ListVotes(0, 3)))
    row = one(read(night.cut(), "area/R2.xml"), "s:contest")

    assert row.get("reporting") == "all"


def test_precinct() -> None:
    """A precinct tells the protocols that count and the contests that are awaited."""
    night = Night(DEFINITION)
    night.take(protocol("C1-1", "C1", ListVotes(1, 5)))
    night.cut()
    precinct = read(night.snapshot, "precinct/C1-1.xml")

    assert (precinct.get("area"), precinct.get("number"), precinct.get("kind")) == ("C1", "1", "permanent")
    assert one(precinct, "s:protocol").get("contest") == "C1"
    assert precinct.find(".//s:taken-over", NAMESPACE) is None
    assert [row.get("contest") for row in precinct.findall("s:awaited", NAMESPACE)] == ["C", "S"]
    assert read(night.snapshot, "precinct/T-1.xml").get("name") == "Fire station"
    assert read(night.snapshot, "precinct/C2-1.xml").get("kind") == "hospital"


def test_correction() -> None:
    """A replacement tells every number that changed, old and new, those that came and those that went."""
    night = town_night()
    night.cut()
    night.take(
        protocol(
            "T-1",
            "T",
            ListVotes(1, 29, ((1, 10), (2, 19))),
            ListVotes(4, 3),
            sequence=2,
            figures=(40, 31),
        )
    )
    written = night.cut()
    (correction,) = read(written, "corrections/3.xml")

    assert (correction.get("entry"), correction.get("supersedes")) == ("3", "2")
    assert (correction.get("reason"), correction.get("authority")) == ("source-resend", "source")
    assert [dict(row.attrib) for row in correction] == [
        {"field": "issued", "old": "30", "new": "31"},
        {"field": "valid", "old": "60"},
        {"list": "1", "old": "30", "new": "29"},
        {"list": "1", "candidate": "2", "old": "20", "new": "19"},
        {"list": "1", "candidate": "3", "old": "0"},
        {"list": "2", "old": "20"},
        {"list": "2", "candidate": "1", "old": "20"},
        {"list": "4", "new": "3"},
    ]
    protocols = read(written, "precinct/T-1.xml").findall("s:protocol", NAMESPACE)
    assert [(row.get("version"), row.get("supersedes")) for row in protocols] == [("2", "2")]


def test_correction_without_changes() -> None:
    """A replacement with the same numbers is a correction without a change."""
    night = town_night()
    first = one(read(night.cut(), "batch/2.xml"), "s:protocol")
    again = protocol(
        "T-1", "T", ListVotes(1, 30, ((1, 10), (2, 20), (3, 0))), ListVotes(2, 20, ((1, 20),)), sequence=2
    )
    night.take(again)
    (correction,) = read(night.cut(), "corrections/3.xml")

    assert correction.get("supersedes") == first.get("entry")
    assert len(correction) == 0


def test_older_version_corrects_nothing() -> None:
    """An older version that comes late is in the batch, and that is all it changes."""
    night = Night(DEFINITION)
    night.take(protocol("T-1", "T", ListVotes(1, 30), sequence=5))
    night.cut()
    night.take(protocol("T-1", "T", ListVotes(1, 29), sequence=4))

    assert sorted(night.cut()) == ["batch/2.xml"]


def test_correction_needs_a_reason() -> None:
    """A replacement without reason and authority is refused: a change is never silent."""
    before, now = (accepted(protocol("T-1", "T", ListVotes(1, votes), sequence=votes)) for votes in (1, 2))
    night = Night(DEFINITION)
    cutting = msgspec.structs.replace(
        night.cutting(), number=1, arrivals=(Arrival(3, now, b"", (2, before)),)
    )

    with pytest.raises(NotIssuable, match=r"entry 3 replaces entry 2 .* without a reason"):
        list(night.writer.documents(night.tally, Changes(everything=False), cutting))


@pytest.mark.parametrize("state", ["final", "certified", "corrected"])
def test_state_of_the_event(state: str) -> None:
    """Beyond complete the state is the event's and stands in every document of results."""
    night = Night(DEFINITION)
    cutting = msgspec.structs.replace(night.cutting(), number=1, state=state)
    documents = list(night.writer.documents(night.tally, Changes(everything=True), cutting))
    states = {
        etree.fromstring(row.data).get("state") for row in documents if not row.path.startswith("precinct/")
    }

    assert states == {state}


def test_question_is_refused() -> None:
    """A contest that is a question is refused before anything is written: its text has no place in a definition yet."""
    question = Contest("Q", "referendum", "question", "T", "Question")
    definition = msgspec.structs.replace(DEFINITION, contests=(*DEFINITION.contests, question))

    with pytest.raises(NotIssuable, match="contest Q is a question"):
        SkrutiniumWriter(DefinitionIndex(definition), LAW)


def test_control_character_is_refused() -> None:
    """A name with a control character stops the release and names the character."""
    bad = Candidate("T", "T.1", 1, 4, "Bell\x07", "Ringer")
    night = Night(msgspec.structs.replace(DEFINITION, candidates=(*DEFINITION.candidates, bad)))

    with pytest.raises(ForbiddenCharacter, match=r"U\+0007 at offset 4"):
        night.cut()


def test_placeholder_is_not_published_as_a_name() -> None:
    """A committee whose name no source told goes without one, or by its short name."""
    from skrutinium_server.election.model import Committee
    from skrutinium_server.release.formats.skrutinium.outline import _told_name

    assert _told_name(Committee("90", "VSTRANA 90", "NK")) == "NK"
    assert _told_name(Committee("470", "VSTRANA 470")) is None
    assert _told_name(Committee("1", "Vymyšlená strana", "VS")) == "Vymyšlená strana"
