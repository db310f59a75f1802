"""The facts of a first round as a second one needs them: from the tally to plain data of the definition."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from skrutinium_server.election.model import AreaFirstRound, ContestFirstRound, Elected, FirstRound, Runoff
from skrutinium_server.tally.errors import TallyError
from skrutinium_server.tally.model import ContestTally
from skrutinium_server.tally.tally import Tally


def first_round_facts(
    tally: Tally, date: datetime.date, decided: Mapping[str, Elected | Runoff] | None = None
) -> FirstRound:
    """What every contest of the tally ended with; ``date`` is the first round's.

    ``decided`` tells, by contest, what people decided where the tally cannot: a lot, or who takes the place of a finalist
    who withdrew. Raises :class:`TallyError` while a protocol is out or a contest has no outcome.
    """
    if not tally.complete:
        raise TallyError(
            "first-round-open",
            f"{tally.expected - tally.reported} of {tally.expected} protocols are out; expected the complete first round",
        )
    told = decided or {}
    if unknown := sorted(told.keys() - tally.contests.keys()):
        raise TallyError("first-round-contest", f"there is no contest {', '.join(unknown)} in this event")
    contests = tuple(_facts(contest, told.get(contest.id)) for contest in tally.contests.values())
    return FirstRound(tally.index.definition.event, date, contests, areas=tuple(_areas(tally)))


def _areas(tally: Tally) -> Iterator[AreaFirstRound]:
    """The sums by contest and area; a figure that a protocol there lacks is left out."""
    protocols: Counter[tuple[str, str]] = Counter()
    figures: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    told: Counter[tuple[str, str, str]] = Counter()
    votes: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for poll in tally.index.definition.polls:
        current = tally.current(poll.precinct, poll.contest)
        assert current is not None  # the round is complete
        key = poll.contest, tally.index.precincts[poll.precinct].area
        protocol = current[1].protocol
        protocols[key] += 1
        figures[key].update(protocol.figures)
        told.update((*key, name) for name in protocol.figures)
        votes[key].update({n: given for row in protocol.lists for n, given in row.candidates or ()})
    for key, number in protocols.items():
        yield AreaFirstRound(*key, number)
        yield from (
            AreaFirstRound(*key, value, figure=name)
            for name, value in figures[key].items()
            if told[*key, name] == number
        )
        yield from (AreaFirstRound(*key, value, candidate=n) for n, value in votes[key].items())


def _facts(contest: ContestTally, decided: Elected | Runoff | None) -> ContestFirstRound:
    (district,) = contest.districts.values()
    outcome = decided or district.outcome
    if not isinstance(outcome, Elected | Runoff):
        raise TallyError(
            "first-round-undecided",
            f"contest {contest.id} has neither somebody elected nor two who run again ({type(outcome).__name__}); "
            "decide it as the law says and tell who",
        )
    count = contest.count
    figures = {name: value for name, value in count.figures.items() if count.told[name] == count.reported}
    return ContestFirstRound(contest.id, figures, dict(district.candidate_votes.get(0, {})), outcome)
