"""From a complete first round to the definition of the second."""

import datetime

import msgspec
import pytest

from skrutinium_server.election.canonical import canonical, read
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import DefinitionError, SecondRoundError, SourceError
from skrutinium_server.election.formats.csv_set import read_set, write_set
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import ContestFirstRound, Definition, Elected, FirstRound, Runoff
from skrutinium_server.election.second_round import second_round
from skrutinium_server.tally.errors import TallyError
from skrutinium_server.tally.first_round import first_round_facts
from skrutinium_server.tally.tally import Tally
from tests.tally.made import TIME, counted
from tests.tally.persons import SENATE, definition, votes

AGAIN = TIME.date() + datetime.timedelta(days=7)
TOWNS = {"M0": {"1": [1, 2], "4": [3]}, "M1": {"4": [1]}, "M2": {"7": [1]}}
FIRST = definition(
    {"1": {1: "A", 2: "B", 3: None}, "4": {1: "A", 2: "C"}, "7": {2: "A", 4: "B", 6: "C"}}, TOWNS
)
GIVEN = {"1": {1: 3, 2: 5, 3: 4}, "4": {1: 9, 2: 1}, "7": {2: 4, 4: 4, 6: 4}}


def complete() -> Tally:
    return counted(FIRST, [votes(poll, GIVEN[poll.contest]) for poll in FIRST.polls], SENATE)


@pytest.fixture
def facts() -> FirstRound:
    return first_round_facts(complete(), TIME.date(), {"7": Runoff((6, 4))})


@pytest.fixture
def again(facts: FirstRound) -> Definition:
    return second_round(FIRST, facts, AGAIN)


def test_facts_of_every_contest(facts: FirstRound) -> None:
    """Figures, votes of all candidates and the outcome of each contest, lots as they were drawn."""
    assert facts.event == "se2030"
    assert [(row.contest, row.outcome) for row in facts.contests] == [
        ("1", Runoff((2, 3))),
        ("4", Elected(1)),
        ("7", Runoff((6, 4))),
    ]
    assert facts.contests[0].candidates == {1: 6, 2: 10, 3: 8}
    assert facts.contests[0].figures == {"eligible": 200, "issued": 24, "returned": 24, "valid-votes": 24}


def test_facts_need_a_complete_and_decided_round() -> None:
    """A protocol that is out, a lot that nobody drew and a decision about no contest are told."""
    with pytest.raises(TallyError, match="1 of 5 protocols are out"):
        first_round_facts(
            counted(FIRST, [votes(poll, GIVEN[poll.contest]) for poll in FIRST.polls[1:]], SENATE),
            TIME.date(),
        )
    with pytest.raises(TallyError, match=r"contest 7 has neither .*LotNeeded"):
        first_round_facts(complete(), TIME.date())
    with pytest.raises(TallyError, match="no contest 9"):
        first_round_facts(complete(), TIME.date(), {"9": Elected(1, "L")})


def test_second_round_holds_what_runs_again(again: Definition) -> None:
    """Only contests with a runoff, only the finalists with their numbers, only precincts and areas that vote."""
    assert (again.event, again.date, again.version) == ("se2030-2", AGAIN, 1)
    assert [(row.id, row.round) for row in again.contests] == [("1", 2), ("7", 2)]
    assert [(row.contest, row.number) for row in again.candidates] == [("1", 2), ("1", 3), ("7", 4), ("7", 6)]
    assert [row.id for row in again.precincts] == ["M0-1", "M0-2", "M2-1"]
    assert "M1" not in {area.id for area in again.areas}
    assert [row.id for row in again.committees] == ["B", "C"]


def test_second_round_is_counted(again: Definition) -> None:
    """The tally of the second round elects whoever has more votes."""
    given = {"1": {2: 1, 3: 2}, "7": {4: 3, 6: 1}}
    tally = counted(again, [votes(poll, given[poll.contest]) for poll in again.polls], SENATE)
    found = {id: row.districts[f"{id}.1"].outcome for id, row in tally.contests.items()}
    assert found == {"1": Elected(3), "7": Elected(4)}
    assert tally.country.kinds["senate"].seats_decided == 2


def test_bytes_and_tables_hold_the_first_round(again: Definition) -> None:
    """Canonical bytes and the CSV set read back as the same definition; the order of its facts makes no difference."""
    first = again.first_round
    assert first is not None
    assert read(canonical(again)) == again
    assert read_set(write_set(again)) == again
    turned = msgspec.structs.replace(first, contests=first.contests[::-1])
    assert canonical(msgspec.structs.replace(again, first_round=turned)) == canonical(again)
    assert merge(msgspec.structs.replace(again, first_round=None), again) == again


def test_definitions_without_a_first_round_keep_their_bytes() -> None:
    """What was stored before there were second rounds is still canonical: nothing is said where nothing is told."""
    data = canonical(msgspec.structs.replace(FIRST, candidates=FIRST.candidates[2:3]))
    assert b"first_round" not in data
    assert b'"active":true}' in data
    assert read(canonical(FIRST)) == msgspec.structs.replace(FIRST, areas=read(canonical(FIRST)).areas)


BROKEN = {
    "elected and finalists": (
        "first_round_contests.csv",
        b"4,1,G,,",
        b"4,1,G,1,2",
        "elected and way, or two finalists",
    ),
    "vote twice": ("first_round_votes.csv", b"1,2,10", b"1,1,10", "1 1 stands twice"),
    "no contest": ("first_round_votes.csv", b"1,2,10", b"2,2,10", "2 is missing"),
    "no event": ("first_round.csv", b"se2030,", b"#", "2 values|1 values|0 rows"),
}


@pytest.mark.parametrize(("file", "old", "new", "told"), BROKEN.values(), ids=BROKEN)
def test_broken_tables_are_told(again: Definition, file: str, old: bytes, new: bytes, told: str) -> None:
    """A fault in the tables of the first round names the file and what was expected."""
    files = write_set(again)
    assert old in files[file]
    files[file] = files[file].replace(old, new)
    with pytest.raises(SourceError, match=told) as caught:
        read_set(files)
    assert "first_round" in str(caught.value)


def test_contradictions_are_faults(again: Definition) -> None:
    """Another date, candidates who are not the finalists, a contest that is decided: each is told."""
    first = again.first_round
    assert first is not None

    def faults(**changed: object) -> str:
        with pytest.raises(DefinitionError) as caught:
            check(msgspec.structs.replace(again, **changed))
        return str(caught.value)

    late = msgspec.structs.replace(first, date=AGAIN)
    assert "expected one before" in faults(first_round=late)
    assert "expected the id of another event" in faults(event="se2030")
    assert "expected the finalists [2, 3]" in faults(candidates=again.candidates[1:])
    decided = ContestFirstRound("1", {}, {2: 1}, Elected(5))
    assert "outcome names (5,)" in faults(first_round=msgspec.structs.replace(first, contests=(decided,)))
    assert "expected the two who run again" in faults(first_round=msgspec.structs.replace(first, contests=()))


def test_second_round_of_nothing_is_refused(facts: FirstRound) -> None:
    """Facts of another event, or without anybody who runs again, make no second round."""
    with pytest.raises(SecondRoundError, match="expected those of all 3 contests of se2030"):
        second_round(FIRST, msgspec.structs.replace(facts, event="se2028"), AGAIN)
    decided = tuple(msgspec.structs.replace(row, outcome=Elected(2)) for row in facts.contests)
    with pytest.raises(SecondRoundError, match="nobody runs again"):
        second_round(FIRST, msgspec.structs.replace(facts, contests=decided), AGAIN)
