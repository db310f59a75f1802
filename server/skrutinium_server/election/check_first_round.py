"""Whether the facts of a first round agree with the second round that is held after it."""

from collections.abc import Iterator, Mapping

from skrutinium_server.election.model import (
    IDENTIFIER,
    ContestFirstRound,
    Definition,
    Elected,
    FirstRound,
    Runoff,
)


def first_round_faults(definition: Definition) -> Iterator[str]:
    """What contradicts; nothing for an event that is no second round."""
    first = definition.first_round
    if first is None:
        return
    yield from _event(definition, first)
    told: dict[str, ContestFirstRound] = {}
    for row in first.contests:
        if row.contest in told:
            yield f"first_round: contest {row.contest} stands twice; expected every contest once"
        told[row.contest] = row
        yield from _numbers(row)
    yield from _contests(definition, told)


def _event(definition: Definition, first: FirstRound) -> Iterator[str]:
    if not IDENTIFIER.fullmatch(first.event) or first.event == definition.event:
        yield f"first_round: event {first.event!r}; expected the id of another event"
    if definition.date is not None and first.date >= definition.date:
        yield f"first_round: date {first.date}; expected one before {definition.date}, the date of {definition.event}"


def _numbers(row: ContestFirstRound) -> Iterator[str]:
    what = f"first_round: contest {row.contest}"
    if not IDENTIFIER.fullmatch(row.contest) or not all(map(IDENTIFIER.fullmatch, row.figures)):
        yield f"{what}: an id of a contest or figure is none; expected 1 to 64 letters, digits, '.' and '-'"
    if any(value < 0 for value in (*row.figures.values(), *row.candidates.values())):
        yield f"{what}: a number below 0; expected figures and votes from 0"
    if any(number < 1 for number in row.candidates):
        yield f"{what}: a candidate's number below 1; expected numbers from 1"
    named = (row.outcome.candidate,) if isinstance(row.outcome, Elected) else row.outcome.candidates
    if len(set(named)) != len(named) or not set(named) <= row.candidates.keys():
        yield f"{what}: the outcome names {named}; expected different candidates of the contest"


def _contests(definition: Definition, told: Mapping[str, ContestFirstRound]) -> Iterator[str]:
    for contest in definition.contests:
        row = told.get(contest.id)
        if contest.form != "persons" or contest.round < 2:
            yield f"contests: {contest.id} is round {contest.round} for {contest.form}; expected a second round of persons"
        elif row is None or not isinstance(row.outcome, Runoff):
            yield f"contests: {contest.id} has no runoff in first_round; expected the two who run again there"
        else:
            running = {one.number for one in definition.candidates if one.contest == contest.id}
            if running != set(row.outcome.candidates):
                yield (
                    f"candidates: {sorted(running)} in contest {contest.id}; "
                    f"expected the finalists {sorted(row.outcome.candidates)}"
                )
