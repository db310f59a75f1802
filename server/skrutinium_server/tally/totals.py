"""Adding one protocol to every total it counts in, and taking it out again.

One function does both, with the sign reversed, so a correction reverses exactly. What a total holds depends only on
the protocols that count, never on those that counted before: whatever the definition does not promise (a field, a list
that is not on the ballot, candidates) is there while a protocol that counts tells it and gone when the last one goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from skrutinium_server.election.model import Poll
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.tally.ballot import NOBODY, Ballot
from skrutinium_server.tally.model import (
    AreaTally,
    CommitteeTally,
    ContestTally,
    Count,
    DistrictTally,
    KindTally,
)

Sign = Literal[1, -1]
Key = TypeVar("Key")


@dataclass(slots=True)
class DistrictTotals:
    """A district's tally and what is needed to keep it: how many protocols that count tell what is not on the ballot.

    ``unlisted`` counts by list number, ``telling`` those that tell the candidates of a list, ``unnamed`` by list and
    candidate number.
    """

    tally: DistrictTally
    ballot: Ballot
    unlisted: dict[int, int] = field(default_factory=dict)
    telling: dict[int, int] = field(default_factory=dict)
    unnamed: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class AreaTotals:
    """Contests of one kind in one area; ``unknown`` counts what keeps the committee None there."""

    area: AreaTally
    kind: KindTally
    unknown: int = 0


@dataclass(slots=True)
class PollTotals:
    """One poll: all totals that its protocol counts in. ``counts`` are those with figures, ``areas`` from the smallest."""

    poll: Poll
    district: DistrictTotals
    contest: ContestTally
    areas: tuple[AreaTotals, ...]
    counts: tuple[Count, ...]


def count(poll: PollTotals, protocol: Protocol, sign: Sign) -> None:
    """Add the protocol (``sign`` 1) to all totals of its poll, or take out one that was added before (-1)."""
    eligible = poll.poll.eligible
    for total in poll.counts:
        total.reported += sign
        if eligible is not None and total.eligible_out is not None:
            total.eligible_out -= sign * eligible
        _count_figures(total, protocol.figures, sign)
    _count_lists(poll.district, protocol.lists, sign)
    ballot = poll.district.ballot
    if ballot.nominees is None:
        committees, unknown = _by_committee(ballot.committees, protocol.lists)
    else:
        committees, unknown = _by_nominee(ballot.nominees, protocol.lists)
    for area in poll.areas:
        area.area.count.reported += sign
        _count_committees(area, committees, unknown, sign)


def _count_figures(total: Count, figures: Mapping[str, int], sign: Sign) -> None:
    sums, told = total.figures, total.told
    for name, value in figures.items():
        telling = told.get(name, 0) + sign
        if telling:
            told[name] = telling
            sums[name] = sums.get(name, 0) + sign * value
        else:
            del told[name], sums[name]


def _count_lists(district: DistrictTotals, lists: tuple[ListVotes, ...], sign: Sign) -> None:
    tally, committees = district.tally, district.ballot.committees
    votes = tally.votes
    whole = True
    for row in lists:
        number = row.number
        if number not in committees:
            _count_unlisted(district, number, sign)
        if number in votes:
            votes[number] += sign * row.votes
        if row.candidates is None:
            whole = False
        else:
            _count_candidates(district, number, row.candidates, sign)
    if not whole:
        tally.without_candidates += sign


def _count_unlisted(district: DistrictTotals, number: int, sign: Sign) -> None:
    """Keep a list that is not on the ballot among the votes while a protocol that counts has it."""
    votes = district.tally.votes
    if not _keep(district.unlisted, number, sign):
        del votes[number]
    elif number not in votes:
        votes[number] = 0
        ordered = sorted(votes.items())
        votes.clear()
        votes.update(ordered)


def _count_candidates(
    district: DistrictTotals, number: int, candidates: tuple[tuple[int, int], ...], sign: Sign
) -> None:
    """Candidates on the ballot are there with 0 votes as soon as a protocol tells those of the list."""
    known = district.ballot.candidates.get(number, NOBODY).numbers
    if not _keep(district.telling, number, sign):
        del district.tally.candidate_votes[number]
        for candidate, _ in candidates:
            district.unnamed.pop((number, candidate), None)
        return
    votes = district.tally.candidate_votes.get(number)
    if votes is None:
        votes = district.tally.candidate_votes[number] = dict.fromkeys(sorted(known), 0)
    for candidate, given in candidates:
        if candidate in known:
            votes[candidate] += sign * given
        elif _keep(district.unnamed, (number, candidate), sign):
            votes[candidate] = votes.get(candidate, 0) + sign * given
        else:
            del votes[candidate]


def _by_committee(
    known: Mapping[int, str | None], lists: tuple[ListVotes, ...]
) -> tuple[dict[str | None, int], int]:
    """Votes of one protocol by committee, and how many of its lists are not on the ballot."""
    votes: dict[str | None, int] = {}
    unknown = 0
    for row in lists:
        committee = known.get(row.number)
        if committee is None and row.number not in known:
            unknown += 1
        votes[committee] = votes.get(committee, 0) + row.votes
    return votes, unknown


def _by_nominee(
    known: Mapping[int, str | None], lists: tuple[ListVotes, ...]
) -> tuple[dict[str | None, int], int]:
    """The same where persons are voted for; votes that no candidate is told for are those of somebody unknown."""
    votes: dict[str | None, int] = {}
    unknown = 0
    for row in lists:
        for number, given in ((None, row.votes),) if row.candidates is None else row.candidates:
            committee = None if number is None else known.get(number)
            unknown += number not in known
            votes[committee] = votes.get(committee, 0) + given
    return votes, unknown


def _count_committees(area: AreaTotals, votes: dict[str | None, int], unknown: int, sign: Sign) -> None:
    committees = area.kind.committees
    if unknown:
        area.unknown += sign * unknown
        if not area.unknown:
            del committees[None]
        elif None not in committees:
            committees[None] = CommitteeTally()
    for committee, given in votes.items():
        if committee in committees:
            committees[committee].votes += sign * given


def _keep(counts: dict[Key, int], key: Key, sign: Sign) -> bool:
    """Count up or down and say whether anything is left."""
    left = counts.get(key, 0) + sign
    if left:
        counts[key] = left
        return True
    counts.pop(key, None)
    return False
