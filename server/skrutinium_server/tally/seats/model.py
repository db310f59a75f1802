"""Standings that go into the allocation of seats and the outcomes that come out of it."""

from typing import Literal

import msgspec


class CandidateStanding(msgspec.Struct, frozen=True):
    """Votes of one candidate; ``number`` is the place on the ballot within the list."""

    number: int
    votes: int


class ListStanding(msgspec.Struct, frozen=True):
    """Votes of one list in a district.

    ``candidates`` counts those who still stand. ``standing`` has one row for each of them in any order, or is None when
    the votes of candidates are unknown: then seats can be told and elected persons cannot.
    """

    number: int
    votes: int
    candidates: int
    standing: tuple[CandidateStanding, ...] | None = None


class Tie(msgspec.Struct, frozen=True):
    """What a lot must decide: ``places`` seats go to some of ``lists``, at most one to each.

    A law that ties candidates of one list fills ``list`` and ``candidates`` instead; § 45 never does, since the order
    on the ballot decides there.
    """

    places: int
    lists: tuple[int, ...]
    list: int | None = None
    candidates: tuple[int, ...] = ()


class ListSeats(msgspec.Struct, frozen=True):
    """What one list received.

    ``threshold`` is the number of votes needed to take part at the percentage finally used, an exact fraction in lowest
    terms (numerator, denominator). ``elected`` are candidate numbers in the order of award, None when unknown;
    ``order`` is the whole list in that order (those after the elected are the substitutes), None when unknown.
    """

    number: int
    passed: bool
    seats: int
    threshold: tuple[int, int]
    elected: tuple[int, ...] | None
    order: tuple[int, ...] | None


class Allocated(msgspec.Struct, frozen=True, tag="allocated"):
    """Every seat is decided; ``vacant`` seats have no candidate left to fill them.

    ``lists`` are sorted by number; ``threshold_percent`` is the percentage after any lowering.
    """

    threshold_percent: int
    lists: tuple[ListSeats, ...]
    vacant: int


class LotNeeded(msgspec.Struct, frozen=True, tag="lot-needed"):
    """Some seats wait for a lot: ``lists`` holds the certain seats only, ``ties`` says what is open.

    Certain seats, the places of all ties and ``vacant`` add up to the seats of the district. In a contest of the form
    ``persons`` there are no lists and the threshold is 0: ``candidates`` are those already certain (of the second round,
    where one of its two places is clear), and each tie has ``list`` 0 and the tied ``candidates``.
    """

    threshold_percent: int
    lists: tuple[ListSeats, ...]
    ties: tuple[Tie, ...]
    vacant: int
    candidates: tuple[int, ...] = ()


class Undecided(msgspec.Struct, frozen=True, tag="undecided"):
    """Nothing can be said about any seat, neither who fills it nor that it stays vacant.

    ``no-votes``: no list of the district has a single valid vote; the law has no rule for that.
    """

    reason: Literal["no-votes"]


Outcome = Allocated | LotNeeded | Undecided
