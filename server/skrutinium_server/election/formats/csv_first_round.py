"""The tables of the CSV set that hold the facts of a first round; they are there in the set of a second round only."""

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.model import (
    AreaFirstRound,
    Candidate,
    ContestFirstRound,
    Elected,
    FirstRound,
    Runoff,
    WayOfElection,
)


class _Event(msgspec.Struct, frozen=True):
    event: str
    date: datetime.date


class _Contest(msgspec.Struct, frozen=True):
    contest: str
    elected: int | None
    way: WayOfElection | None
    finalist_1: int | None
    finalist_2: int | None
    name: str | None
    protocols: int


class _Figure(msgspec.Struct, frozen=True):
    contest: str
    figure: str
    value: int


class _Votes(msgspec.Struct, frozen=True):
    contest: str
    candidate: int
    votes: int


EVENT: Final = "first_round"
CONTESTS: Final = "first_round_contests"
FIGURES: Final = "first_round_figures"
VOTES: Final = "first_round_votes"
CANDIDATES: Final = "first_round_candidates"
AREAS: Final = "first_round_areas"

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    EVENT: _Event,
    CONTESTS: _Contest,
    FIGURES: _Figure,
    VOTES: _Votes,
    CANDIDATES: Candidate,
    AREAS: AreaFirstRound,
}


def split(first: FirstRound) -> dict[str, Sequence[Any]]:
    """The rows of each table."""
    return {
        EVENT: (_Event(first.event, first.date),),
        CONTESTS: tuple(map(_contest, first.contests)),
        FIGURES: tuple(
            _Figure(row.contest, name, value) for row in first.contests for name, value in row.figures.items()
        ),
        VOTES: tuple(
            _Votes(row.contest, number, votes)
            for row in first.contests
            for number, votes in row.candidates.items()
        ),
        CANDIDATES: first.candidates,
        AREAS: first.areas,
    }


def join(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> FirstRound | None:
    """The facts from the rows of each table; None where no table has any. Raises ``SourceError``."""
    events = tables.get(EVENT, ())
    if not any(tables.values()):
        return None
    if len(events) != 1:
        raise SourceError(
            f"{EVENT}.csv", None, None, f"{len(events)} rows", "one row beside the other tables"
        )
    figures: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for contest, name, value in _once(tables, FIGURES):
        figures[contest][name] = value
    votes: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for contest, number, given in _once(tables, VOTES):
        votes[contest][number] = given
    rows = [_Contest(**row) for row in tables.get(CONTESTS, ())]
    known = {row.contest for row in rows}
    for contest in sorted((figures.keys() | votes.keys()) - known):
        raise SourceError(
            f"{CONTESTS}.csv", None, "contest", f"{contest} is missing", "a row for each contest"
        )
    contests = tuple(
        ContestFirstRound(
            row.contest,
            figures[row.contest],
            votes[row.contest],
            _outcome(row),
            row.name or "",
            row.protocols,
        )
        for row in rows
    )
    candidates = tuple(Candidate(**row) for row in tables.get(CANDIDATES, ()))
    areas = tuple(AreaFirstRound(**row) for row in tables.get(AREAS, ()))
    return FirstRound(events[0]["event"], events[0]["date"], contests, candidates, areas)


def _contest(row: ContestFirstRound) -> _Contest:
    if isinstance(row.outcome, Elected):
        return _Contest(
            row.contest, row.outcome.candidate, row.outcome.way, None, None, row.name, row.protocols
        )
    return _Contest(row.contest, None, None, *row.outcome.candidates, row.name, row.protocols)


def _outcome(row: _Contest) -> Elected | Runoff:
    match row:
        case _Contest(elected=int(number), way="G" | "L" as way, finalist_1=None, finalist_2=None):
            return Elected(number, way)
        case _Contest(elected=None, way=None, finalist_1=int(one), finalist_2=int(other)):
            return Runoff((one, other))
        case _:
            raise SourceError(
                f"{CONTESTS}.csv",
                None,
                "elected",
                f"contest {row.contest} has {row.elected}, way {row.way}, finalists {row.finalist_1} and {row.finalist_2}",
                "elected and way, or two finalists",
            )


def _once(tables: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> Iterator[tuple[str, Any, int]]:
    """The rows of a table of three columns; the first two are its key."""
    seen = set()
    for row in tables.get(name, ()):
        contest, key, value = row.values()
        if (contest, key) in seen:
            raise SourceError(f"{name}.csv", None, None, f"{contest} {key} stands twice", "every key once")
        seen.add((contest, key))
        yield contest, key, value
