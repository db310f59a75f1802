"""Seats of one district by a divisor method; § 45 of act 491/2001 with the values of ``cz-municipal-2018``."""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.tally.seats.errors import SeatsError
from skrutinium_server.tally.seats.model import (
    Allocated,
    ListSeats,
    ListStanding,
    LotNeeded,
    Outcome,
    Tie,
    Undecided,
)
from skrutinium_server.tally.seats.order import award_order
from skrutinium_server.tally.seats.threshold import needed, passing


def allocate(law: SeatLaw, seats: int, lists: Sequence[ListStanding]) -> Outcome:
    """Seats of a district with ``seats`` places, from the votes of all its ``lists`` in any order.

    The valid votes are the sum of the votes of all lists. A list gets no more seats than it has candidates: what it
    cannot fill goes to the next highest quotients, and what nobody can fill is ``vacant``. Equal quotients at the last
    seat that the law cannot order give :class:`LotNeeded`; with no votes at all the outcome is :class:`Undecided`.

    Raises :class:`SeatsError` when the numbers contradict themselves.
    """
    _check(seats, lists)
    total = sum(standing.votes for standing in lists)
    if total == 0:
        return Undecided("no-votes")
    percent, passed = passing(law, seats, lists)
    won, tie, vacant = _highest(law, seats, [standing for standing in lists if standing.number in passed])
    results = tuple(
        _list_seats(law, standing, won[standing.number], needed(law, percent, seats, total, standing), passed)
        for standing in sorted(lists, key=lambda standing: standing.number)
    )
    if tie is None:
        return Allocated(percent, results, vacant)
    return LotNeeded(percent, results, (tie,), vacant)


def _highest(law: SeatLaw, seats: int, lists: Sequence[ListStanding]) -> tuple[Counter[int], Tie | None, int]:
    """Certain seats by list, the tie at the last seat if there is one, and the vacant seats."""
    most = min(seats, max((standing.candidates for standing in lists), default=0))
    divisors = [law.divisor(place) for place in range(1, most + 1)]
    # Quotients times a common multiple of all divisors are whole numbers, so they compare exactly and fast.
    common = math.lcm(*divisors)
    factors = [common // divisor for divisor in divisors]
    by_votes = "votes" in law.tie
    ranked = sorted(
        (
            ((standing.votes * factor, standing.votes if by_votes else 0), standing.number)
            for standing in lists
            for factor in factors[: standing.candidates]
        ),
        reverse=True,
    )
    if len(ranked) <= seats:
        return Counter(number for _, number in ranked), None, seats - len(ranked)
    last = ranked[seats - 1][0]
    if ranked[seats][0] != last:
        return Counter(number for _, number in ranked[:seats]), None, 0
    certain = [number for rank, number in ranked if rank > last]
    tied = sorted(number for rank, number in ranked if rank == last)
    return Counter(certain), Tie(places=seats - len(certain), lists=tuple(tied)), 0


def _list_seats(
    law: SeatLaw, standing: ListStanding, seats: int, threshold: Fraction, passed: frozenset[int]
) -> ListSeats:
    order = None if standing.standing is None else award_order(law, standing.votes, standing.standing)
    elected = () if seats == 0 else None if order is None else order[:seats]
    return ListSeats(
        number=standing.number,
        passed=standing.number in passed,
        seats=seats,
        threshold=threshold.as_integer_ratio(),
        elected=elected,
        order=order,
    )


def _check(seats: int, lists: Sequence[ListStanding]) -> None:
    if seats < 1:
        raise SeatsError("seats-none", f"the district has {seats} seats, expected at least 1")
    for number, times in Counter(standing.number for standing in lists).items():
        if times > 1:
            raise SeatsError("seats-list-twice", f"list {number} is given {times} times, expected once")
    for standing in lists:
        _check_list(standing)


def _check_list(standing: ListStanding) -> None:
    if standing.votes < 0 or standing.candidates < 0:
        raise SeatsError(
            "seats-negative",
            f"list {standing.number} has {standing.votes} votes and {standing.candidates} candidates, "
            "expected no number below 0",
        )
    if standing.standing is None:
        return
    numbers = {candidate.number for candidate in standing.standing}
    if not len(numbers) == len(standing.standing) == standing.candidates:
        raise SeatsError(
            "seats-candidates",
            f"list {standing.number} has {standing.candidates} candidates and {len(standing.standing)} rows for "
            f"{len(numbers)} different ones, expected one row for each candidate",
        )
    if any(candidate.votes < 0 for candidate in standing.standing):
        raise SeatsError("seats-negative", f"list {standing.number} has a candidate with votes below 0")
