"""The definition of a second round, from that of the first and its facts. Pure."""

import datetime
from collections import Counter

import msgspec

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import SecondRoundError
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Definition, FirstRound, Runoff

SUFFIX = "-2"
"""What the id of the second round adds to that of the first."""


def second_round(
    definition: Definition, first: FirstRound, date: datetime.date, *, event: str | None = None
) -> Definition:
    """What is voted on at ``date``: the contests with a runoff in ``first``, between the two it names.

    Candidates keep their numbers, precincts their voters as reported before the first round. The version is 1. Raises
    ``SecondRoundError`` when no contest has a runoff or ``first`` is of another event, ``DefinitionError`` when the two
    contradict each other.
    """
    if first.event != definition.event or {row.contest for row in first.contests} != {
        contest.id for contest in definition.contests
    }:
        raise SecondRoundError(
            f"The facts of a first round are those of {first.event} with {len(first.contests)} contests; "
            f"expected those of all {len(definition.contests)} contests of {definition.event}"
        )
    running = {
        row.contest: row.outcome.candidates for row in first.contests if isinstance(row.outcome, Runoff)
    }
    if not running:
        raise SecondRoundError(f"In {definition.event} nobody runs again; expected a contest with a runoff")
    polls = tuple(poll for poll in definition.polls if poll.contest in running)
    voting = {poll.precinct for poll in polls}
    precincts = tuple(precinct for precinct in definition.precincts if precinct.id in voting)
    contests = tuple(
        msgspec.structs.replace(contest, round=2) for contest in definition.contests if contest.id in running
    )
    candidates = tuple(row for row in definition.candidates if row.number in running.get(row.contest, ()))
    index = DefinitionIndex(definition)
    inhabited = (*(precinct.area for precinct in precincts), *(contest.area for contest in contests))
    areas = {id for area in inhabited for id in index.ancestors(area)}
    made = in_order(
        msgspec.structs.replace(
            definition,
            event=event or f"{definition.event}{SUFFIX}",
            name=f"{definition.name} – 2. kolo",
            date=date,
            version=1,
            areas=tuple(area for area in definition.areas if area.id in areas),
            contests=contests,
            districts=tuple(row for row in definition.districts if row.contest in running),
            precincts=precincts,
            polls=polls,
            committees=tuple(
                row for row in definition.committees if row.id in {one.committee for one in candidates}
            ),
            lists=(),
            unnumbered_lists=(),
            candidates=candidates,
            first_round=_whole(definition, first),
        )
    )
    check(made)
    return made


def _whole(definition: Definition, first: FirstRound) -> FirstRound:
    """The facts with what only the definition of the first round tells: names, who stood, how many protocols there were."""
    names = {contest.id: contest.name for contest in definition.contests}
    protocols = Counter(poll.contest for poll in definition.polls)
    contests = tuple(
        msgspec.structs.replace(row, name=names[row.contest], protocols=protocols[row.contest])
        for row in first.contests
    )
    running = {row.contest for row in contests if isinstance(row.outcome, Runoff)}
    areas = tuple(row for row in first.areas if row.contest in running)
    return msgspec.structs.replace(first, contests=contests, candidates=definition.candidates, areas=areas)
