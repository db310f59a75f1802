"""Contests of single persons that end in equal votes: voters of one of two persons voted for the other instead."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Elected, Poll, Runoff
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.rehearsal.made_up.generator import Ballots, Lists
from skrutinium_server.rehearsal.made_up.scale import apportion
from skrutinium_server.tally import majority
from skrutinium_server.tally.seats.model import LotNeeded

FRONT: Final = 5
"""Who was elected at once keeps two of so many parts of all votes where somebody else shall run again."""


def lots(index: DefinitionIndex, _law: Law, contest: str, ballots: Ballots) -> Iterator[dict[Poll, Lists]]:
    """Second and third have equal votes and one of them runs again; in a second round both have."""
    votes = _votes(index, contest, ballots)
    ranked = _ranked(votes)
    if index.contests[contest].round > 1:
        changed = _levelled(index, contest, ballots, ranked[0], ranked[1])
        if isinstance(majority.second_round(_votes(index, contest, changed)), LotNeeded):
            yield _lists(changed)
    elif len(ranked) > majority.FINALISTS:
        first, second, third, *_ = ranked
        if isinstance(majority.first_round(votes), Elected):
            surplus = votes[first] - 2 * votes.total() // FRONT
            ballots = _moved(ballots, first, second, surplus // 2)
            ballots = _moved(ballots, first, third, surplus - surplus // 2)
        changed = _levelled(index, contest, ballots, second, third)
        if isinstance(majority.first_round(_votes(index, contest, changed)), LotNeeded):
            yield _lists(changed)


def ties(index: DefinitionIndex, _law: Law, contest: str, ballots: Ballots) -> Iterator[dict[Poll, Lists]]:
    """The two in front have equal votes and run both; a second round knows no equal votes but a lot."""
    one, other, *_ = _ranked(_votes(index, contest, ballots))
    if index.contests[contest].round > 1:
        return
    changed = _levelled(index, contest, ballots, one, other)
    votes = _votes(index, contest, changed)
    if votes[one] == votes[other] and majority.first_round(votes) == Runoff(
        (min(one, other), max(one, other))
    ):
        yield _lists(changed)


def _votes(index: DefinitionIndex, contest: str, ballots: Ballots) -> Counter[int]:
    """The votes of all who stand."""
    votes = Counter({row.number: 0 for row in index.candidates_of(f"{contest}.1", 0) if row.active})
    for _, (row,) in ballots.values():
        votes.update({number: given for number, given in row.candidates or () if number in votes})
    return votes


def _ranked(votes: Counter[int]) -> list[int]:
    return sorted(votes, key=lambda number: (-votes[number], number))


def _levelled(index: DefinitionIndex, contest: str, ballots: Ballots, one: int, other: int) -> Ballots:
    """The ballots with half of the difference between two persons moved, an odd vote taken for invalid."""
    votes = _votes(index, contest, ballots)
    more, fewer = sorted((one, other), key=votes.__getitem__, reverse=True)
    half, odd = divmod(votes[more] - votes[fewer], 2)
    return _moved(_moved(ballots, more, fewer, half), more, None, odd)


def _moved(ballots: Ballots, one: int, other: int | None, number: int) -> Ballots:
    """The ballots with so many votes of one person given to another, or to nobody, in all precincts alike."""
    had = [dict(row.candidates or ())[one] for _, (row,) in ballots.values()]
    by = apportion(number, had) if number > 0 else [0] * len(had)
    changed = {}
    for (poll, (figures, (row,))), move in zip(ballots.items(), by, strict=True):
        given = dict(row.candidates or ())
        given[one] -= move
        if other is not None:
            given[other] += move
        changed[poll] = (figures, (ListVotes(row.number, sum(given.values()), tuple(given.items())),))
    return changed


def _lists(ballots: Ballots) -> dict[Poll, Lists]:
    return {poll: lists for poll, (_, lists) in ballots.items()}
