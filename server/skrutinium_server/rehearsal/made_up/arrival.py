"""When protocols come in: the small precincts first, the cities last, as fast as on a real night."""

import datetime
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from skrutinium_server.election.model import Poll
from skrutinium_server.rehearsal.made_up.chance import below, between, branch

CURVE: Final = (
    (0, 0),
    (25, 30),
    (55, 120),
    (85, 231),
    (145, 441),
    (205, 621),
    (265, 760),
    (325, 847),
    (445, 954),
    (565, 988),
    (935, 1000),
)
"""Minutes since the first protocol, and how many of 1,000 were in by then: the night of the municipal elections of 2022."""

_MILLION: Final = 10**6


class Arrival(NamedTuple):
    """One protocol on its way: when it comes in, of which poll, how many of that poll came before and come after."""

    at: datetime.datetime
    poll: Poll
    before: int
    after: int


def arrivals(
    polls: Sequence[Poll],
    candidates: dict[str, int],
    seed: int,
    start: datetime.datetime,
    duration: datetime.timedelta,
    resends: int,
) -> list[Arrival]:
    """A protocol for each poll, and some once or twice more, in the order they come in, whole seconds in UTC.

    ``candidates`` tells how many stand in each contest. Of 10,000 polls ``resends`` are sent again (3 at least, when
    not 0), the first of them twice.
    """
    start = start.astimezone(datetime.UTC).replace(microsecond=0)
    length = duration // datetime.timedelta(microseconds=1)
    order = sorted(polls, key=lambda poll: (_effort(poll, candidates, seed), poll.precinct, poll.contest))
    due = dict(
        zip(((poll.precinct, poll.contest) for poll in order), moments(len(order), length), strict=True)
    )
    found: list[tuple[int, int, int, Poll]] = []
    again = _again(order, seed, resends)
    for poll in order:
        key = (poll.precinct, poll.contest)
        times = [due[key]]
        chance = branch(seed, "again", *key)
        for _ in range(again.get(key, 0)):
            times.append(times[-1] + (length - times[-1]) * between(chance, 10, 80) // 100)
        found += [(at, place, len(times) - 1 - place, poll) for place, at in enumerate(times)]
    found.sort(key=lambda row: (row[0], row[1], row[3].precinct, row[3].contest))
    return [
        Arrival(start + datetime.timedelta(seconds=at // _MILLION), poll, before, after)
        for at, before, after, poll in found
    ]


def moments(number: int, length: int) -> list[int]:
    """Microseconds from the first (0) to the last (``length``) of that many protocols, along the curve."""
    if number == 0:
        return []
    # With few protocols the last one stays out of the curve's tail, where hardly one in a hundred comes.
    reached = [_minutes(place * _MILLION // (number + 2)) for place in range(1, number + 1)]
    whole = max(1, reached[-1] - reached[0])
    return [(at - reached[0]) * length // whole for at in reached]


def _minutes(share: int) -> int:
    """When that many of a million are in, in millionths of a minute."""
    for (since, had), (until, has) in pairwise(CURVE):
        if share <= has * 1000:
            return since * _MILLION + (share - had * 1000) * (until - since) * 1000 // (has - had)
    raise AssertionError("the curve ends with all")


def _effort(poll: Poll, candidates: dict[str, int], seed: int) -> int:
    """How long the commission counts: by voters and candidates, and by chance."""
    chance = branch(seed, "effort", poll.precinct, poll.contest)
    return (poll.eligible or 0) * (24 + candidates.get(poll.contest, 0)) * between(chance, 64, 255)


def _again(order: Sequence[Poll], seed: int, resends: int) -> dict[tuple[str, str], int]:
    if not resends:
        return {}
    chance = branch(seed, "resends")
    number = min(len(order), max(3, len(order) * resends // 10_000))
    again: dict[tuple[str, str], int] = {}
    while len(again) < number:
        poll = order[below(chance, len(order))]
        again.setdefault((poll.precinct, poll.contest), 1 if again else 2)
    return again
