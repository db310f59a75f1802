"""What the voters of a constituency do: one ballot for one person, in either round."""

from dataclasses import dataclass
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Poll
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.rehearsal.made_up.chance import below, between, branch
from skrutinium_server.rehearsal.made_up.scale import apportion

CLEAR: Final = 3000
"""Strength of somebody who is elected at once; the others of that contest have together at most 11 times 60 to 120."""


@dataclass(frozen=True, slots=True)
class Liking:
    """What the voters of a constituency think, the same in all its precincts: strength by candidate number."""

    strengths: dict[int, int]
    withdrawn: tuple[int, ...]


def liking(index: DefinitionIndex, contest: str, seed: int) -> Liking:
    """The constituency's; in one of five contests somebody is elected in the first round.

    In a second round the finalists keep their voters and share the others, nobody knows how beforehand.
    """
    people = index.candidates_of(f"{contest}.1", 0)
    standing = [row.number for row in people if row.active]
    withdrawn = tuple(row.number for row in people if not row.active)
    first = index.first_round(contest)
    chance = branch(seed, "liking", contest, index.contests[contest].round)
    if first is not None:
        others = sum(votes for number, votes in first.candidates.items() if number not in standing)
        share = between(chance, 20, 80)
        parts = [share, 100 - share]
        return Liking(
            {
                number: first.candidates[number] * 100 + others * part + 1
                for number, part in zip(standing, parts, strict=True)
            },
            withdrawn,
        )
    strengths = {number: between(chance, 60, 400) for number in standing}
    if below(chance, 5) == 0:
        strengths = dict.fromkeys(standing, 60) | {standing[below(chance, len(standing))]: CLEAR}
    return Liking(strengths, withdrawn)


def votes_for_persons(
    poll: Poll, liking: Liking, returned: int, seed: int, round_: int
) -> tuple[ListVotes, ...]:
    """The votes of every candidate from that many envelopes; a few are invalid, those who withdrew get none."""
    chance = branch(seed, "votes for persons", poll.precinct, poll.contest, round_)
    valid = returned - returned * between(chance, 0, 40) // 1000
    weights = [strength * between(chance, 60, 140) for strength in liking.strengths.values()]
    shares = zip(liking.strengths, apportion(valid, weights), strict=True)
    given = {**dict(shares), **dict.fromkeys(liking.withdrawn, 0)}
    return (ListVotes(0, valid, tuple(sorted(given.items()))),)
