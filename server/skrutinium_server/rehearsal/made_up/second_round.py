"""The second round of a made-up election to the Senate, after the night that the same seed gives the first."""

import datetime
from collections import Counter, defaultdict
from typing import Final

from skrutinium_server.election.model import (
    AreaFirstRound,
    ContestFirstRound,
    Definition,
    Elected,
    FirstRound,
    Runoff,
)
from skrutinium_server.election.second_round import second_round
from skrutinium_server.rehearsal.made_up.night import coming
from skrutinium_server.rehearsal.made_up.settings import NO_WISHES, QUIET, Rates, Wishes
from skrutinium_server.tally import majority

AFTER: Final = datetime.timedelta(days=7)


def made_up_second_round(
    first: Definition, seed: int, rates: Rates = QUIET, wishes: Wishes = NO_WISHES
) -> Definition:
    """The definition of the second round, a week after ``first`` (made up, with a date) and its night of that seed.

    ``rates`` and ``wishes`` are those of that night. Where equal votes need a lot, the lower number on the ballot draws the longer straw. Raises ``SecondRoundError``
    when everybody was elected at once, ValueError for a definition that is not made up or has no date.
    """
    if first.date is None:
        raise ValueError(f"{first.event} has no date; expected the date of the first round")
    figures: defaultdict[str, Counter[str]] = defaultdict(Counter)
    votes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    areas: Counter[tuple[str, str, str | None, int | None]] = Counter()
    midnight = datetime.datetime.combine(first.date, datetime.time(), datetime.UTC)
    # What counts at the end is the same whether others came before it or not; only what is odd about it stays.
    odd = Rates(warnings=rates.warnings, resends=0)
    for one in coming(first, seed, midnight, AFTER, odd, wishes):
        protocol = one.protocol
        figures[protocol.contest].update(protocol.figures)
        given = dict(protocol.lists[0].candidates or ())
        votes[protocol.contest].update(given)
        place = protocol.contest, protocol.precinct.rpartition("-")[0]
        areas[*place, None, None] += 1
        areas.update({(*place, name, None): value for name, value in protocol.figures.items()})
        areas.update({(*place, None, number): value for number, value in given.items()})
    standing = {(row.contest, row.number) for row in first.candidates if row.active}
    contests = tuple(
        ContestFirstRound(
            contest.id,
            dict(figures[contest.id]),
            dict(votes[contest.id]),
            _outcome({n: given for n, given in votes[contest.id].items() if (contest.id, n) in standing}),
        )
        for contest in first.contests
    )
    sums = tuple(
        AreaFirstRound(contest, area, value, figure, number)
        for (contest, area, figure, number), value in areas.items()
    )
    return second_round(first, FirstRound(first.event, first.date, contests, areas=sums), first.date + AFTER)


def _outcome(votes: dict[int, int]) -> Elected | Runoff:
    found = majority.first_round(votes)
    if isinstance(found, Elected | Runoff):
        return found
    one, other = (*found.candidates, *found.ties[0].candidates)[: majority.FINALISTS]
    return Runoff((one, other))
