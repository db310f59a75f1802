"""What the voters of a precinct do: figures and votes of one protocol that agree with each other and with the law.

A voter may mark a whole list, which gives a vote to as many of its first candidates as there are seats, or single persons
on any lists, one vote each, at most as many as there are seats. So it is here, envelope by envelope in sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import List, Poll
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.rehearsal.made_up.chance import below, between, branch, noise
from skrutinium_server.rehearsal.made_up.scale import apportion

LANDSLIDE: Final = 3000
"""Strength of a list that wins nearly everything; the other lists of its council have 20 to 45."""

WEAK: Final = 10
"""Strength of the list that stays below the threshold where there are five lists or more; others have 75 to 1,000."""

ENOUGH: Final = 500
"""Voters of a precinct in which a landslide is sure to lower the threshold."""

_BEATEN: Final = 60
"""Of so many ballots that name a whole list in a landslide, one at least is for each of the beaten lists."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """A list as the voters like it: its strength, and how well known each of its candidates is."""

    number: int
    strength: int
    known: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mood:
    """What the voters of one district think, the same in all its precincts."""

    seats: int
    lists: tuple[_Standing, ...]
    landslide: bool


def landslides(index: DefinitionIndex, seed: int) -> frozenset[str]:
    """Councils where one list wins nearly everything: some by chance, and always one of few voters.

    Lists with fewer candidates than seats have a lower threshold of their own, so only ballots of whole lists count.
    """
    voters: dict[str, list[int]] = {}
    for poll in index.definition.polls:
        voters.setdefault(poll.contest, []).append(poll.eligible or 0)
    fit = [id for id in index.contests if _whole(index, id)]
    chosen = {id for id in fit if below(branch(seed, "landslide", id), 16) == 0}
    if fit:
        # With a handful of voters in a precinct one ballot more would be enough for a second list.
        chosen.add(min(fit, key=lambda id: (min(voters[id]) < ENOUGH, sum(voters[id]), id)))
    return frozenset(chosen)


def _whole(index: DefinitionIndex, contest: str) -> bool:
    seats = index.contests[contest].seats or 0
    lists = [
        row
        for district in index.districts_of_contest(contest)
        for row in index.lists_of_district(district.id)
    ]
    return len(lists) > 2 and all((row.candidates or 0) >= seats for row in lists)


def mood(index: DefinitionIndex, district: str, seed: int, *, landslide: bool) -> Mood:
    """What the voters of a district think. Raises KeyError when there is no such district."""
    chance = branch(seed, "mood", district)
    lists = index.lists_of_district(district)
    odd = below(chance, max(1, len(lists)))
    standing = []
    for place, row in enumerate(lists):
        party = branch(seed, "party", row.committee or "", row.name or "")
        usual = between(party, 25, 100) * between(chance, 30, 100) // 10
        if landslide:
            usual = LANDSLIDE if place == odd else between(chance, 20, 45)
        elif place == odd and len(lists) >= 5:
            usual = WEAK
        standing.append(_Standing(row.number, usual, _known(index, row, seed)))
    seats = index.districts[district].seats
    return Mood(seats or 1, tuple(standing), landslide)


def _known(index: DefinitionIndex, row: List, seed: int) -> tuple[int, ...]:
    """How well known each candidate is: the first more than the rest, and here and there one lower down."""
    chance = branch(seed, "known", row.district, row.number)
    people = index.candidates_of(row.district, row.number)
    # In a village people know each other; on the long list of a town they know the first and few others.
    least, most, one_in = (10, 40, 6) if len(people) < 13 else (22, 28, 15)
    known = []
    for place, _ in enumerate(people):
        factor = 2 if place == 0 else 3 if below(chance, one_in) == 0 else 1
        known.append(between(chance, least, most) * factor)
    return tuple(known)


def votes(poll: Poll, mood: Mood, returned: int, seed: int) -> tuple[ListVotes, ...]:
    """The votes of every list and candidate from that many envelopes; a few of them are empty or invalid."""
    chance = branch(seed, "votes", poll.precinct, poll.contest)
    valid = returned - returned * between(chance, 0, 30) // 1000
    whole = valid * between(chance, 42, 66) // 100
    single = valid - whole
    marks = single * mood.seats * between(chance, 55, 90) // 100
    liked = [row.strength * between(chance, 80, 120) for row in mood.lists]
    whole_of = apportion(whole, liked)
    if mood.landslide and whole >= _BEATEN:
        beaten = [max(1, ballots) for ballots in whole_of]
        beaten[whole_of.index(max(whole_of))] -= sum(beaten) - whole
        whole_of = beaten
    weights = [
        [
            share * known * (160 + extra)
            for known, extra in zip(row.known, noise(chance, len(row.known)), strict=True)
        ]
        for share, row in zip(liked, mood.lists, strict=True)
    ]
    return tuple(
        _list_votes(row.number, mood.seats, ballots, single, marks, of_list, total)
        for total in [sum(map(sum, weights)) or 1]
        for row, ballots, of_list in zip(mood.lists, whole_of, weights, strict=True)
    )


def _list_votes(
    number: int, seats: int, ballots: int, single: int, marks: int, weights: Sequence[int], total: int
) -> ListVotes:
    """``ballots`` marked the whole list; of ``marks`` for persons it gets its share, no candidate two from one envelope."""
    counts = [marks * weight // total for weight in weights]
    if max(counts, default=0) > single:
        counts = [min(single, count) for count in counts]
    for place in range(min(seats, len(counts))):
        counts[place] += ballots
    return ListVotes(number, sum(counts), tuple(enumerate(counts, 1)))
