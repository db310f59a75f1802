"""Made-up elections to the Senate: both rounds, told apart from real ones, counted to the end."""

import contextlib
import datetime
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from skrutinium_server.election.canonical import canonical, read, sha256
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import SecondRoundError
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition, Elected, Runoff
from skrutinium_server.election.second_round import second_round
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.model import Origin, Protocol
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.rehearsal.made_up import (
    FULL,
    MARK,
    SMALL,
    made_up_definition,
    made_up_night,
    made_up_protocols,
    made_up_second_round,
)
from skrutinium_server.tally.first_round import first_round_facts
from skrutinium_server.tally.model import Outcome
from skrutinium_server.tally.tally import Tally
from tests.tally.made import counted

SENATE = load_law("cz-senate-2018")
SEED = 2030
START = datetime.datetime(2030, 4, 2, 12, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
SEEDS = st.integers(0, 2**64 - 1)
PINNED = (
    "84cd6a22f74a8af433c03bcc2ad8b970c716d354c34310ec668b49ff88fcd988",
    "56be7320820746e2b04cdf173c3c30c4d56d26a43c9d960c8650141c2d64806d",
)


@pytest.fixture(scope="module")
def first() -> Definition:
    return made_up_definition(SEED, SMALL, SENATE.id)


@pytest.fixture(scope="module")
def again(first: Definition) -> Definition:
    return made_up_second_round(first, SEED)


def tally_of(definition: Definition, seed: int, resends: int = 26) -> Tally:
    protocols: Sequence[Protocol] = list(made_up_protocols(definition, seed, START, HOUR, resends))
    return counted(definition, protocols, SENATE)


def outcomes(tally: Tally) -> dict[str, Outcome]:
    return {id: contest.districts[f"{id}.1"].outcome for id, contest in tally.contests.items()}


@given(SEEDS)
@settings(max_examples=20)
def test_every_name_says_that_it_is_made_up(seed: int) -> None:
    """Areas, constituencies, committees and persons of a sound definition all hold a word that marks them."""
    made = made_up_definition(seed, SMALL, SENATE.id)
    check(made)
    assert read(canonical(made)) == made
    texts = [made.name, *(row.name for row in made.areas), *(row.name for row in made.contests)]
    texts += [row.name for row in made.districts] + [row.name for row in made.committees]
    texts += [row.family_name for row in made.candidates]
    assert [text for text in texts if not MARK.search(text)] == []
    assert made.made_up


def test_constituencies_cut_across_municipalities(first: Definition) -> None:
    """Three small contests numbered as every third constituency; precincts are those of the councils, with their voters."""
    assert [row.id for row in first.contests] == ["1", "4", "7"]
    councils = made_up_definition(SEED, SMALL)
    assert set(first.precincts) < set(councils.precincts)
    voters = {poll.precinct: poll.eligible for poll in councils.polls}
    assert all(voters[poll.precinct] == poll.eligible for poll in first.polls)
    areas = {(poll.contest, poll.precinct.rpartition("-")[0]) for poll in first.polls}
    assert max(Counter(contest for contest, _ in areas).values()) > 1
    assert [row.active for row in first.candidates if row.contest == "1"].count(False) == 1


def test_full_election_has_27_contests() -> None:
    """The size of the country: 27 contests in a third of the precincts."""
    full = made_up_definition(SEED, FULL, SENATE.id)
    assert len(full.contests) == 27
    assert 4_900 <= len(full.precincts) <= 5_100


def test_other_laws_are_refused() -> None:
    """There is no made-up election by a law that nothing is written for."""
    with pytest.raises(ValueError, match="'pl-mayor-2014'; expected cz-municipal-2018 or cz-senate-2018"):
        made_up_definition(SEED, SMALL, "pl-mayor-2014")


@given(SEEDS)
@example(SEED)
@example(172489)
@settings(max_examples=8)
def test_protocols_pass_the_door(seed: int) -> None:
    """Both nights' protocols, read from their bytes, are admitted without a single finding."""
    made = made_up_definition(seed, SMALL, SENATE.id)
    nights = [made]
    # By some seeds everybody is elected at once.
    with contextlib.suppress(SecondRoundError):
        nights.append(made_up_second_round(made, seed))
    event(f"{len(nights)} rounds")
    for definition in nights:
        index = DefinitionIndex(definition)
        for due in made_up_night(definition, seed, START, HOUR):
            protocol = read_protocol(due.taken_over, SENATE)
            admission = admit(protocol, due.taken_over, Origin("made-up", "replay"), index, SENATE)
            assert admission.findings == ()


def test_second_round_follows_from_the_night(first: Definition, again: Definition) -> None:
    """The facts in the second round's definition are those of the counted first night, re-sends and all."""
    tally = tally_of(first, SEED)
    lots = {
        id: row for id, row in _chosen(again).items() if not isinstance(outcomes(tally)[id], Elected | Runoff)
    }
    facts = first_round_facts(tally, first.date or START.date(), lots)
    assert again.date is not None
    assert again == second_round(first, facts, again.date)
    assert again.date == datetime.date(2030, 4, 8)


def _chosen(again: Definition) -> dict[str, Elected | Runoff]:
    assert again.first_round is not None
    return {row.contest: row.outcome for row in again.first_round.contests}


def test_both_rounds_are_counted_to_the_end() -> None:
    """In 27 contests some are elected at once, the others in the second round; every seat is filled."""
    full = made_up_definition(SEED, FULL, SENATE.id)
    again = made_up_second_round(full, SEED)
    first = _chosen(again)
    at_once = [id for id, row in first.items() if isinstance(row, Elected)]
    assert 1 <= len(at_once) <= 13
    assert {row.id for row in again.contests} == first.keys() - set(at_once)
    second = outcomes(tally_of(again, SEED, resends=0))
    assert {type(row) for row in second.values()} == {Elected}
    turned = [
        id for id, row in second.items() if isinstance(row, Elected) and row.candidate != _leader(first[id])
    ]
    assert turned


def _leader(outcome: Elected | Runoff) -> int:
    return outcome.candidates[0] if isinstance(outcome, Runoff) else outcome.candidate


def test_seed_gives_the_pinned_bytes(first: Definition, again: Definition) -> None:
    """The definitions of a seed have the bytes they always had, on every machine and version."""
    assert (sha256(canonical(first)), sha256(canonical(again))) == PINNED
