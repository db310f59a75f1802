"""Contests that end as wished: their votes are changed a little, so that equal numbers are decided by the law or by a lot."""

import datetime
from collections.abc import Iterator
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Poll
from skrutinium_server.intake.model import Protocol
from skrutinium_server.intake.rules import check
from skrutinium_server.rehearsal.made_up.chance import branch, several
from skrutinium_server.rehearsal.made_up.errors import WishError
from skrutinium_server.rehearsal.made_up.generator import Ballots, Ending, Generator, Lists, Voted, Voting
from skrutinium_server.rehearsal.made_up.settings import Wishes

_EPOCH: Final = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
_MANY: Final = 60
"""Contests of more polls than this are taken last: to know their votes takes long."""


def settled(index: DefinitionIndex, law: Law, generator: Generator, seed: int, wishes: Wishes) -> Voting:
    """What voters do so that the wishes come true; raises :class:`WishError` when too few contests can end so."""
    voting = generator.voting(index, seed)
    changed: dict[Poll, Lists] = {}
    ended: set[str] = set()
    for name, number, ending in (
        ("lots", wishes.lots, generator.lots),
        ("ties", wishes.ties, generator.ties),
    ):
        found = _endings(index, law, voting, ending, _order(index, seed, name, ended))
        for done in range(number):
            contest, lists = next(found, (None, {}))
            if contest is None:
                raise WishError(
                    f"{name}: {number} wished for; only {done} contests of {index.definition.event} can end so. "
                    "Wish for fewer, or take more precincts or another seed."
                )
            ended.add(contest)
            changed |= lists

    def voted(poll: Poll) -> Voted:
        figures, lists = voting(poll)
        return figures, changed.get(poll, lists)

    return voted if changed else voting


def _order(index: DefinitionIndex, seed: int, name: str, without: set[str]) -> list[str]:
    """The contests by chance, those of many polls last."""
    contests = [id for id in index.contests if id not in without]
    drawn = several(branch(seed, name), contests, len(contests))
    return sorted(drawn, key=lambda id: len(index.polls_of_contest(id)) > _MANY)


def _endings(
    index: DefinitionIndex, law: Law, voting: Voting, ending: Ending, contests: list[str]
) -> Iterator[tuple[str, dict[Poll, Lists]]]:
    """Contests that can end so, each with the changed votes of its polls; the law finds nothing odd about them."""
    for contest in contests:
        ballots = {poll: voting(poll) for poll in index.polls_of_contest(contest)}
        for lists in ending(index, law, contest, ballots):
            if all(_sound(index, law, poll, ballots, changed) for poll, changed in lists.items()):
                yield contest, lists
                break


def _sound(index: DefinitionIndex, law: Law, poll: Poll, ballots: Ballots, lists: Lists) -> bool:
    figures = ballots[poll][0]
    protocol = Protocol(
        poll.precinct,
        poll.contest,
        poll.district,
        0,
        _EPOCH,
        {**figures._asdict(), "valid-votes": sum(row.votes for row in lists)},
        lists,
    )
    return not check(protocol, law, index)[0]
