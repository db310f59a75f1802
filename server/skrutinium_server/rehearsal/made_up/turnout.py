"""Who comes to vote: the figures of a precinct, the same in all contests held in it."""

from collections import Counter
from typing import Final, NamedTuple

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Poll
from skrutinium_server.rehearsal.made_up.chance import below, between, branch

_TURNOUT: Final = ((500, 610), (1_500, 570), (6_000, 500), (40_000, 440), (10**9, 420))
"""Of 1,000 voters so many come, by how many voters a municipality has at most (2018)."""

HANDFUL: Final = 10


class Figures(NamedTuple):
    """The figures of a precinct, the same in all contests held in it: there is one envelope for all ballots."""

    eligible: int
    issued: int
    returned: int


def turnouts(index: DefinitionIndex, seed: int) -> dict[str, int]:
    """How many of 1,000 voters come, by municipality or ward: more in villages than in cities; to a second round far fewer."""
    voters = {poll.precinct: poll.eligible or 0 for poll in index.definition.polls}
    of_town: Counter[str] = Counter()
    for precinct, number in voters.items():
        of_town[_town(index, precinct.rpartition("-")[0])] += number
    again = next((contest.round for contest in index.contests.values() if contest.round > 1), None)
    found = {}
    for area in {precinct.rpartition("-")[0]: None for precinct in voters}:
        chance = branch(seed, "turnout", area, *(() if again is None else (again,)))
        usual = next(usual for most, usual in _TURNOUT if of_town[_town(index, area)] <= most)
        here = usual + between(chance, -90, 90) + between(chance, -60, 60)
        found[area] = here if again is None else 50 + here * 3 // 10
    return found


def _town(index: DefinitionIndex, area: str) -> str:
    here = index.areas[area]
    return here.parent or area if here.kind == "ward" else area


def figures(poll: Poll, turnout: int, seed: int, round_: int = 1) -> Figures:
    """Eligible, issued and returned envelopes of a precinct; some voters were added to the roll on the day.

    ``turnout`` is that of its area, of 1,000 voters.
    """
    chance = branch(seed, "turnout", poll.precinct, *(() if round_ == 1 else (round_,)))
    eligible = (poll.eligible or 0) + below(chance, 4)
    issued = eligible * (turnout + between(chance, -80, 80)) // 1000
    # One envelope of a handful that is not brought back would be a tenth, which the law warns of.
    return Figures(eligible, issued, issued - (1 if below(chance, 8) == 0 and issued >= HANDFUL else 0))
