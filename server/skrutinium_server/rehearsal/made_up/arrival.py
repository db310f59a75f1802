"""When protocols come in: the small precincts first, the cities last, as fast as on a real night, with what goes wrong."""

import datetime
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from skrutinium_server.election.model import Poll
from skrutinium_server.rehearsal.made_up.chance import between, branch, several
from skrutinium_server.rehearsal.made_up.settings import OF, Rates

Kind = Literal["first", "refused", "resend", "duplicate", "correction"]
"""As what a protocol comes in; ``first`` is the first that is taken over."""


class Course(NamedTuple):
    """How a night goes: minutes from the end of voting to the first protocol, then how many of 1,000 are in after how many."""

    first: int
    curve: tuple[tuple[int, int], ...]


COUNCILS: Final = Course(
    35,
    (
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
    ),
)
"""The night of the municipal elections of 2022: whole lists and single candidates are counted on one ballot."""

ONE_PERSON: Final = Course(20, ((0, 0), (40, 359), (70, 753), (100, 930), (160, 996), (295, 1000)))
"""The first round of a presidential election, 2023: one vote on a ballot is counted fast."""

RUNOFF: Final = Course(20, ((0, 0), (40, 566), (70, 898), (100, 984), (160, 999), (185, 1000)))
"""Its second round: two candidates are counted faster still."""

_MINUTE: Final = 60 * 10**6
_MILLION: Final = 10**6


class Arrival(NamedTuple):
    """One protocol on its way: when it comes in, of which poll, as what.

    ``after`` counts those of the poll that differ and come after it; ``twice`` says that its bytes come once more.
    """

    at: datetime.datetime
    poll: Poll
    kind: Kind
    after: int
    twice: bool


class _Sent(NamedTuple):
    """One version of a poll's protocol; ``at`` in microseconds from the first, ``place`` among those of the poll."""

    at: int
    place: int
    poll: Poll
    kind: Kind
    after: int
    twice: bool = False


def arrivals(
    polls: Sequence[Poll],
    candidates: dict[str, int],
    seed: int,
    start: datetime.datetime,
    length: datetime.timedelta | None,
    course: Course,
    rates: Rates,
) -> list[Arrival]:
    """A protocol for each poll in the order they come in, and what the rates add, whole seconds in UTC.

    ``candidates`` tells how many stand in each contest. The first comes at ``start``, the last ``length`` later, as late as the
    course says unless told.
    """
    start = start.astimezone(datetime.UTC).replace(microsecond=0)
    order = sorted(polls, key=lambda poll: (_effort(poll, candidates, seed), poll.precinct, poll.contest))
    end = usual_length(len(order), course) if length is None else length // datetime.timedelta(microseconds=1)
    resends = drawn(order, seed, "resends", rates.resends, least=3)
    others = {
        name: frozenset(drawn(order, seed, name, rate))
        for name, rate in (
            ("refused", rates.refused),
            ("duplicates", rates.duplicates),
            ("corrections", rates.corrections),
        )
    }
    again: dict[Poll, int] = {poll: 1 if place else 2 for place, poll in enumerate(resends)}
    sent = [
        version
        for poll, at in zip(order, moments(len(order), end, course), strict=True)
        for version in _versions(
            poll,
            at,
            end,
            seed,
            again.get(poll, 0),
            {name for name, polls in others.items() if poll in polls},
        )
    ]
    sent.sort(key=lambda one: (one.at, one.place, one.poll.precinct, one.poll.contest))
    second = datetime.timedelta(seconds=1)
    return [
        Arrival(start + one.at // _MILLION * second, one.poll, one.kind, one.after, one.twice) for one in sent
    ]


def _versions(poll: Poll, due: int, end: int, seed: int, resends: int, others: set[str]) -> Iterator[_Sent]:
    """What is sent of one poll, in its order; what is accepted first comes when it is due."""
    later = [*["resend"] * resends, *["correction"] * ("corrections" in others)]
    left = len(later)
    if "refused" in others:
        delay = between(branch(seed, "refused", poll.precinct, poll.contest), 3, 20) * _MINUTE
        yield _Sent(max(0, due - delay), 0, poll, "refused", left)
    yield _Sent(due, 1, poll, "first", left, "duplicates" in others)
    at = due
    if "duplicates" in others:
        delay = between(branch(seed, "duplicate", poll.precinct, poll.contest), 1, 9) * _MINUTE
        at = min(end, due + delay)
        yield _Sent(at, 2, poll, "duplicate", left)
    chance = branch(seed, "again", poll.precinct, poll.contest)
    for place, kind in enumerate(later, 3):
        at += (end - at) * between(chance, 10, 80) // 100
        yield _Sent(at, place, poll, "resend" if kind == "resend" else "correction", left - place + 2)


def moments(number: int, length: int, course: Course) -> list[int]:
    """Microseconds from the first (0) to the last (``length``) of that many protocols, along the course."""
    reached = _reached(number, course)
    whole = max(1, reached[-1] - reached[0]) if reached else 1
    return [(at - reached[0]) * length // whole for at in reached]


def usual_length(number: int, course: Course) -> int:
    """Microseconds from the first to the last of that many protocols, in whole minutes."""
    reached = _reached(number, course)
    return (reached[-1] - reached[0]) // _MILLION * _MINUTE if reached else 0


def _reached(number: int, course: Course) -> list[int]:
    """When each comes in, in millionths of a minute; with few protocols the last stays out of the tail, where hardly one in a hundred comes."""
    shares = (place * _MILLION // (number + 2) for place in range(1, number + 1))
    points = pairwise(course.curve)
    (since, had), (until, has) = next(points)
    reached = []
    for share in shares:
        while share > has * 1000:
            (since, had), (until, has) = next(points)
        reached.append(since * _MILLION + (share - had * 1000) * (until - since) * 1000 // (has - had))
    return reached


def _effort(poll: Poll, candidates: dict[str, int], seed: int) -> int:
    """How long the commission counts: by voters and candidates, and by chance."""
    chance = branch(seed, "effort", poll.precinct, poll.contest)
    return (poll.eligible or 0) * (24 + candidates.get(poll.contest, 0)) * between(chance, 64, 255)


def drawn(polls: Sequence[Poll], seed: int, name: str, rate: int, least: int = 1) -> list[Poll]:
    """So many of 10,000 polls, ``least`` at least (or all there are) unless the rate is 0, in the order they were drawn."""
    number = min(len(polls), max(least, len(polls) * rate // OF)) if rate else 0
    return several(branch(seed, name), polls, number)
