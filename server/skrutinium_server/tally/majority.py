"""One person elected by votes: a majority in the first round, else a second round between two (act 247/1995 § 75, § 76)."""

from collections.abc import Mapping
from typing import Final

from skrutinium_server.election.model import Elected, Runoff
from skrutinium_server.tally.seats.model import LotNeeded, Tie

FINALISTS: Final = 2


def first_round(votes: Mapping[int, int]) -> Elected | Runoff | LotNeeded:
    """The outcome of a first round from the votes of two candidates or more, or of one who has all of them.

    More than half of the valid votes elects; exactly half does not. Else the two with the most votes run again. Where
    equal votes leave open who they are, a lot is needed; two equal ones in front run both, whatever comes after them.
    """
    total = sum(votes.values())
    ranked = _ranked(votes)
    if 2 * votes[ranked[0]] > total:
        return Elected(ranked[0])
    last = votes[ranked[FINALISTS - 1]]
    certain = tuple(number for number in ranked if votes[number] > last)
    tied = tuple(number for number in ranked if votes[number] == last)
    if len(certain) + len(tied) == FINALISTS:
        return Runoff((ranked[0], ranked[1]))
    return _lot(FINALISTS - len(certain), tied, certain)


def second_round(votes: Mapping[int, int]) -> Elected | LotNeeded:
    """The outcome of a second round from the votes of two candidates or more: most votes, a lot between equal ones."""
    ranked = _ranked(votes)
    tied = tuple(number for number in ranked if votes[number] == votes[ranked[0]])
    return Elected(ranked[0]) if len(tied) == 1 else _lot(1, tied, ())


def _ranked(votes: Mapping[int, int]) -> list[int]:
    return sorted(votes, key=lambda number: (-votes[number], number))


def _lot(places: int, tied: tuple[int, ...], certain: tuple[int, ...]) -> LotNeeded:
    return LotNeeded(0, (), (Tie(places, (), 0, tied),), 0, certain)
