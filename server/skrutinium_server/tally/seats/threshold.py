"""Which lists take part in the allocation of seats."""

from collections.abc import Sequence
from fractions import Fraction

from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.tally.seats.model import ListStanding


def passing(law: SeatLaw, seats: int, lists: Sequence[ListStanding]) -> tuple[int, frozenset[int]]:
    """The percentage finally used and the numbers of the lists that reach it.

    The threshold is lowered step by step, not below 0, until ``law.lower_until`` lists pass. It stays where it is once
    every list that could pass does, so a district with one list keeps its percentage. A list without a vote or
    without a candidate never passes, not even at 0 %.
    """
    eligible = [standing for standing in lists if standing.votes > 0 and standing.candidates > 0]
    total = sum(standing.votes for standing in lists)
    wanted = min(law.lower_until, len(eligible))
    percent = law.threshold
    while True:
        passed = frozenset(
            standing.number
            for standing in eligible
            if standing.votes >= needed(law, percent, seats, total, standing)
        )
        if len(passed) >= wanted or percent == 0:
            return percent, passed
        percent = max(0, percent - law.lower_step)


def needed(law: SeatLaw, percent: int, seats: int, total: int, standing: ListStanding) -> Fraction:
    """Votes the list needs at ``percent`` of ``total`` valid votes; a list may name more candidates than seats."""
    if law.threshold_base == "valid-votes":
        return Fraction(percent * total, 100)
    return Fraction(percent * total * min(standing.candidates, seats), 100 * seats)
