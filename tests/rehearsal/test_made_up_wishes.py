"""Ties and lots come true where they are wished for, and nothing else changes."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Elected, Runoff
from skrutinium_server.intake.rules import check
from skrutinium_server.rehearsal.made_up import QUIET, MadeUp, Settings, WishError, Wishes, made_up_election
from skrutinium_server.tally.model import Outcome
from skrutinium_server.tally.seats.model import Allocated, LotNeeded
from skrutinium_server.tally.tally import Tally
from tests.tally.made import counted

SEEDS = st.integers(0, 2**64 - 1)
COUNCILS = "cz-municipal-2018"
SENATE = "cz-senate-2018"


def election(law: str, precincts: int, seed: int, round_: int = 1, **wishes: int) -> MadeUp:
    wanted = Settings(
        law=law, precincts=precincts, seed=seed, round=round_, rates=QUIET, wishes=Wishes(**wishes)
    )
    return made_up_election(wanted)


def tally_of(made: MadeUp) -> Tally:
    """The counted night; no protocol of it has a finding."""
    law = load_law(made.definition.law)
    index = DefinitionIndex(made.definition)
    protocols = [one.protocol for one in made.coming]
    assert not any(check(protocol, law, index)[0] for protocol in protocols)
    return counted(made.definition, protocols, law)


def outcomes(tally: Tally) -> dict[str, Outcome]:
    return {id: contest.districts[f"{id}.1"].outcome for id, contest in tally.contests.items()}


@given(SEEDS, st.integers(1, 3))
@settings(max_examples=12)
def test_councils_end_in_lots(seed: int, lots: int) -> None:
    """So many councils have two lists with equal votes and one seat left for them; the others are as without the wish."""
    plain = tally_of(election(COUNCILS, 60, seed))
    assume(not any(isinstance(row, LotNeeded) for row in outcomes(plain).values()))
    found = outcomes(tally_of(election(COUNCILS, 60, seed, lots=lots)))
    tied = {id: row for id, row in found.items() if isinstance(row, LotNeeded)}
    assert len(tied) == lots
    for row in tied.values():
        (tie,) = row.ties
        assert (tie.places, len(tie.lists), row.vacant) == (1, 2, 0)
    others = outcomes(plain)
    assert all(found[id] == others[id] for id in found.keys() - tied.keys())


@given(SEEDS)
@settings(max_examples=12)
def test_councils_end_in_ties_that_the_law_decides(seed: int) -> None:
    """Two lists have equal quotients for the last seat: the one with more votes has it, and no lot is needed."""
    made = election(COUNCILS, 60, seed, ties=2)
    tally = tally_of(made)
    assert sum(_tied(made, tally, id) for id in tally.contests) >= 2


def _tied(made: MadeUp, tally: Tally, contest: str) -> bool:
    """Whether the last seat and the first that is not given away have equal quotients of different votes."""
    district = tally.contests[contest].districts[f"{contest}.1"]
    outcome = district.outcome
    if not isinstance(outcome, Allocated):
        return False
    votes = district.votes
    index = DefinitionIndex(made.definition)
    most = {row.number: row.candidates or 0 for row in index.lists_of_district(f"{contest}.1")}
    last = min((Fraction(votes[row.number], row.seats), row.number) for row in outcome.lists if row.seats)
    won = next(row.seats for row in outcome.lists if row.number == last[1])
    return any(
        votes[row.number] * won == votes[last[1]] * (row.seats + 1) and votes[row.number] < votes[last[1]]
        for row in outcome.lists
        if row.passed and row.number != last[1] and row.seats < most[row.number]
    )


@given(SEEDS)
@settings(max_examples=12)
def test_senate_ends_in_a_lot_for_the_second_place(seed: int) -> None:
    """In one constituency second and third have equal votes, in another the two in front; the rest is as it was."""
    before = tally_of(election(SENATE, 200, seed))
    plain = outcomes(before)
    assume(not any(isinstance(row, LotNeeded) or _level(before, id) for id, row in plain.items()))
    tally = tally_of(election(SENATE, 200, seed, lots=1, ties=1))
    found = outcomes(tally)
    (lot,) = (id for id, row in found.items() if isinstance(row, LotNeeded))
    row = found[lot]
    assert isinstance(row, LotNeeded)
    assert (row.ties[0].places, len(row.candidates)) == (1, 1)
    changed = [id for id in found if found[id] != plain[id] and id != lot]
    level = [id for id in found if id != lot and _level(tally, id)]
    assert len(level) == 1
    assert set(changed) <= set(level)
    assert isinstance(found[level[0]], Runoff)


def _level(tally: Tally, contest: str) -> bool:
    votes = tally.contests[contest].districts[f"{contest}.1"].candidate_votes[0]
    front = sorted(votes.values(), reverse=True)[:2]
    return front[0] == front[1]


@given(SEEDS)
@settings(max_examples=8)
def test_second_round_ends_in_a_lot(seed: int) -> None:
    """In one runoff at least both have equal votes: nobody is elected before a lot is drawn; others are elected."""
    found = Counter(type(row) for row in outcomes(tally_of(election(SENATE, 200, seed, 2, lots=1))).values())
    assert found[LotNeeded] >= 1
    assert found.keys() <= {LotNeeded, Elected}


def test_more_than_can_be_is_refused() -> None:
    """Where too few contests can end so, it is said how many can, and what to do."""
    with pytest.raises(WishError, match=r"lots: 99 wished for; only [0-9]+ contests.*Wish for fewer"):
        election(COUNCILS, 60, 1, lots=99)
    with pytest.raises(WishError, match=r"ties: 5 wished for; only 2 contests"):
        election(SENATE, 60, 1, ties=5)


@given(SEEDS)
@settings(max_examples=12)
def test_even_one_constituency_ends_as_wished(seed: int) -> None:
    """With a single constituency, whoever would have been elected at once, the lot comes."""
    (row,) = outcomes(tally_of(election(SENATE, 24, seed, lots=1))).values()
    assert isinstance(row, LotNeeded)
