"""The order in which the candidates of one list receive its seats."""

from collections.abc import Sequence

from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.tally.seats.model import CandidateStanding


def award_order(law: SeatLaw, list_votes: int, standing: Sequence[CandidateStanding]) -> tuple[int, ...]:
    """Candidate numbers in the order of award: first those who reach the factor, by votes, then the rest as printed.

    § 45 of act 491/2001: the first group has at least 10 % more votes than the mean of the list's candidates; equal
    votes there are ordered by the place on the ballot. All candidates count in the mean, also above the seats.
    """
    ballot = sorted(standing, key=lambda candidate: candidate.number)
    share = law.order_share()
    if share is None or not ballot:
        return tuple(candidate.number for candidate in ballot)
    # The office drops the fraction of the mean before multiplying: real results differ from the exact mean.
    votes, candidates = (
        (list_votes // len(ballot), 1) if law.order_mean == "whole" else (list_votes, len(ballot))
    )
    needed, scale = share.numerator * votes, share.denominator * candidates
    front = [candidate for candidate in ballot if candidate.votes * scale >= needed]
    rest = [candidate for candidate in ballot if candidate.votes * scale < needed]
    front.sort(key=lambda candidate: -candidate.votes)  # stable: equal votes stay in ballot order
    return tuple(candidate.number for candidate in front + rest)
