"""Seats by committee of a contest whose every district has its outcome, booked in the areas that contain it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skrutinium_server.election.model import Elected
from skrutinium_server.tally.ballot import Ballot
from skrutinium_server.tally.model import ContestTally
from skrutinium_server.tally.seats.model import Allocated
from skrutinium_server.tally.totals import AreaTotals, Sign


@dataclass(frozen=True, slots=True)
class Decision:
    """``seats`` filled in a decided contest, by committee."""

    seats: Mapping[str | None, int]


@dataclass(slots=True)
class ContestTotals:
    """A contest's tally, the ballots of its districts, the areas that contain it, and what is booked there."""

    tally: ContestTally
    ballots: Mapping[str, Ballot]
    areas: tuple[AreaTotals, ...]
    decision: Decision | None = None


def decide(contest: ContestTotals) -> bool:
    """Book the contest's decision as it is now in place of the one booked before; True when they differ."""
    decision = _decision(contest)
    if decision == contest.decision:
        return False
    for booked, sign in _bookings(contest.decision, decision):
        for area in contest.areas:
            _book(area, booked, sign)
    contest.decision = decision
    return True


def _decision(contest: ContestTotals) -> Decision | None:
    """What the contest fills, None while a district waits for protocols, for facts, for a lot or for a second round."""
    seats: dict[str | None, int] = {}
    for district in contest.tally.districts.values():
        ballot = contest.ballots[district.id]
        match district.outcome:
            case Allocated(lists=lists):
                won = [(ballot.committees[row.number], row.seats) for row in lists]
            case Elected(candidate=candidate):
                won = [((ballot.nominees or {})[candidate], 1)]
            case _:
                return None
        for committee, number in won:
            seats[committee] = seats.get(committee, 0) + number
    return Decision(seats) if contest.tally.districts else None


def _bookings(before: Decision | None, after: Decision | None) -> Iterable[tuple[Decision, Sign]]:
    if before is not None:
        yield before, -1
    if after is not None:
        yield after, 1


def _book(area: AreaTotals, decision: Decision, sign: Sign) -> None:
    area.kind.decided += sign
    for committee, seats in decision.seats.items():
        area.kind.committees[committee].seats += sign * seats
        area.kind.seats_decided += sign * seats
