"""Contests of single persons that end in equal votes: voters of one of two persons voted for the other instead."""

from collections import Counter
from collections.abc import Iterator

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Poll, Runoff
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.rehearsal.made_up.generator import Ballots, Lists
from skrutinium_server.rehearsal.made_up.scale import apportion
from skrutinium_server.tally import majority
from skrutinium_server.tally.seats.model import LotNeeded


def lots(index: DefinitionIndex, _law: Law, contest: str, ballots: Ballots) -> Iterator[dict[Poll, Lists]]:
    """Second and third have equal votes and one of them runs again; in a second round both have."""
    votes = _votes(index, contest, ballots)
    ranked = _ranked(votes)
    if index.contests[contest].round > 1:
        changed = _levelled(ballots, ranked[0], ranked[1], votes)
        if isinstance(majority.second_round(_votes(index, contest, changed)), LotNeeded):
            yield _lists(changed)
    elif len(ranked) > majority.FINALISTS:
        changed = _levelled(ballots, ranked[1], ranked[2], votes)
        if isinstance(majority.first_round(_votes(index, contest, changed)), LotNeeded):
            yield _lists(changed)


def ties(index: DefinitionIndex, _law: Law, contest: str, ballots: Ballots) -> Iterator[dict[Poll, Lists]]:
    """The two in front have equal votes and run both; a second round knows no equal votes but a lot."""
    votes = _votes(index, contest, ballots)
    ranked = _ranked(votes)
    if index.contests[contest].round > 1 or not isinstance(majority.first_round(votes), Runoff):
        return
    changed = _levelled(ballots, ranked[0], ranked[1], votes)
    if majority.first_round(_votes(index, contest, changed)) == Runoff((min(ranked[:2]), max(ranked[:2]))):
        yield _lists(changed)


def _votes(index: DefinitionIndex, contest: str, ballots: Ballots) -> Counter[int]:
    """The votes of all who stand."""
    votes = Counter({row.number: 0 for row in index.candidates_of(f"{contest}.1", 0) if row.active})
    for _, (row,) in ballots.values():
        votes.update({number: given for number, given in row.candidates or () if number in votes})
    return votes


def _ranked(votes: Counter[int]) -> list[int]:
    return sorted(votes, key=lambda number: (-votes[number], number))


def _levelled(ballots: Ballots, more: int, fewer: int, votes: Counter[int]) -> Ballots:
    """The ballots with half of the difference moved from one person to the other, an odd vote taken for invalid."""
    moved, odd = divmod(votes[more] - votes[fewer], 2)
    had = [dict(row.candidates or ())[more] for _, (row,) in ballots.values()]
    by = apportion(moved, had) if moved else [0] * len(had)
    changed = {}
    for (poll, (figures, (row,))), move, votes_here in zip(ballots.items(), by, had, strict=True):
        given = dict(row.candidates or ())
        drop, odd = (1, 0) if odd and votes_here > move else (0, odd)
        given[more] -= move + drop
        given[fewer] += move
        changed[poll] = (figures, (ListVotes(row.number, sum(given.values()), tuple(given.items())),))
    return changed


def _lists(ballots: Ballots) -> dict[Poll, Lists]:
    return {poll: lists for poll, (_, lists) in ballots.items()}
