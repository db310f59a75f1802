"""The bodies of the Senate's documents: constituencies with their candidates, their municipalities, and batches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from skrutinium_server.election.model import Elected, Precinct, Runoff
from skrutinium_server.release.formats.volby.heading import local
from skrutinium_server.release.formats.volby.rounding import truncated
from skrutinium_server.release.formats.volby.senate_plan import (
    ConstituencyPlan,
    PersonPlan,
    PlacePlan,
    RoundResult,
)
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.release.model import Arrival
from skrutinium_server.tally.model import ContestTally, Count, DistrictTally
from skrutinium_server.tally.tally import Tally

ELECTED: Final = "ZVOLEN"
NOT_ELECTED: Final = "NEZVOLEN"
RUNS_AGAIN: Final = "2.KOLO"


def result_of(tally: ContestTally) -> RoundResult:
    """How a constituency stands in the round that is counted."""
    (district,) = tally.districts.values()
    return RoundResult(tally.count, district.candidate_votes.get(0, {}), _known(district))


def _known(district: DistrictTally) -> Elected | Runoff | None:
    return district.outcome if isinstance(district.outcome, Elected | Runoff) else None


def result_of_place(tally: Tally, contest: str, precincts: Sequence[str]) -> RoundResult:
    """The sums of the protocols that count of these precincts."""
    count = Count(expected=len(precincts))
    votes: dict[int, int] = {}
    for precinct in precincts:
        current = tally.current(precinct, contest)
        if current is None:
            continue
        protocol = current[1].protocol
        count.reported += 1
        for name, value in protocol.figures.items():
            count.figures[name] = count.figures.get(name, 0) + value
            count.told[name] = count.told.get(name, 0) + 1
        for entry in protocol.lists:
            for number, given in entry.candidates or ():
                votes[number] = votes.get(number, 0) + given
    return RoundResult(count, votes)


Rounds = Mapping[int, RoundResult]
"""How a unit stands in each round that there is of it."""


def constituency(plan: ConstituencyPlan, rounds: Rounds, turnout: Turnout) -> Iterator[str]:
    """``OBVOD``: everybody who stands, then ``UCAST`` of each round.

    The second round stands with the two who run again only, from its beginning on. Words about who is elected are there
    once it is decided.
    """
    yield plan.opening
    for person in shown(plan.persons, rounds):
        told = "".join(
            _of_round(person.number, number, result, turnout)
            for number, result in rounds.items()
            if number == 1 or person.number in _finalists(rounds)
        )
        yield f"{person.opening}{told}/>\n"
    for number, result in rounds.items():
        yield turnout.of_round(result.count, number)
    yield "</OBVOD>\n"


def shown(persons: Sequence[PersonPlan], rounds: Rounds) -> Iterator[PersonPlan]:
    """Who has a row: all who stand, and who was withdrawn only if a protocol has votes for them."""
    for person in persons:
        if person.active or any(result.votes.get(person.number) for result in rounds.values()):
            yield person


def _finalists(rounds: Rounds) -> tuple[int, ...]:
    first = rounds[1].outcome
    return first.candidates if isinstance(first, Runoff) else ()


def _of_round(person: int, number: int, result: RoundResult, turnout: Turnout) -> str:
    votes = result.votes.get(person, 0)
    base = turnout.valid_votes(result.count, sum(result.votes.values()))
    word = _word(person, result.outcome)
    chosen = "" if word is None else f' ZVOLEN_{number}KOLO="{word}"'
    return f' HLASY_{number}KOLO="{votes}" HLASY_PROC_{number}KOLO="{truncated(votes, base)}"{chosen}'


def _word(person: int, outcome: Elected | Runoff | None) -> str | None:
    match outcome:
        case Elected(candidate=elected):
            return ELECTED if person == elected else NOT_ELECTED
        case Runoff(candidates=finalists):
            return RUNS_AGAIN if person in finalists else NOT_ELECTED
        case _:
            return None


def whole(rounds: Mapping[int, Count], turnout: Turnout) -> Iterator[str]:
    """``CELKEM``: each round in all its constituencies."""
    yield "<CELKEM>\n"
    for number, count in rounds.items():
        yield turnout.of_round(count, number)
    yield "</CELKEM>\n"


def municipalities(
    plan: ConstituencyPlan,
    rounds: Rounds,
    places: Sequence[tuple[PlacePlan, Rounds]],
    turnout: Turnout,
) -> Iterator[str]:
    """``OBVOD`` with its sums, then ``OBEC`` for each of its municipalities: ``UCAST`` of each round, ``HLASY`` of each candidate."""
    persons = list(shown(plan.persons, rounds))
    finalists = _finalists(rounds)
    for opening, closing, unit in (
        (plan.opening, "</OBVOD>\n", rounds),
        *((place.opening, "</OBEC>\n", own) for place, own in places),
    ):
        yield opening
        for number, result in unit.items():
            yield turnout.of_round(result.count, number)
        for person in persons:
            votes = "".join(
                f' HLASY_{number}KOLO="{result.votes.get(person.number, 0)}"'
                for number, result in unit.items()
                if number == 1 or person.number in finalists
            )
            yield f'<HLASY PORADOVE_CISLO="{person.number}"{votes}/>\n'
        yield closing


def senate_batch(
    number: int,
    round_: int,
    records: Sequence[Arrival],
    count: Count,
    precincts: Mapping[str, Precinct],
    turnout: Turnout,
) -> Iterator[str]:
    """``DAVKA`` with its round and one ``OKRSEK`` for each record; ``count`` is that of the whole event."""
    yield (
        f'<DAVKA KOLO="{round_}" PORADI_DAVKY="{number}" OKRSKY_DAVKA="{len(records)}"'
        f' OKRSKY_CELKEM="{count.expected}" OKRSKY_ZPRAC="{count.reported}"/>\n'
    )
    for record in records:
        protocol = record.body.protocol
        precinct = precincts[protocol.precinct]
        yield (
            f'<OKRSEK CIS_OBEC="{precinct.area}" CIS_OKRSEK="{precinct.number}" CIS_OBVOD="{protocol.contest}"'
            f' PORADI_ZPRAC="{protocol.sequence}" DATUM_CAS_ZPRAC="{local(protocol.established)}"'
            f' OPAKOVANE="{int(protocol.repeated)}">\n'
        )
        yield turnout.precinct(protocol.figures)
        for entry in protocol.lists:
            for candidate, votes in entry.candidates or ():
                yield f'<HLASY_OKRSEK PORADOVE_CISLO="{candidate}" HLASY="{votes}"/>\n'
        yield "</OKRSEK>\n"
