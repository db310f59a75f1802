"""A made-up election to the Senate for the tests of the format volby: two constituencies that cut through one town, two rounds."""

import datetime
from collections.abc import Mapping

import msgspec

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.model import Definition, Elected, Runoff
from skrutinium_server.election.second_round import second_round
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.tally.first_round import first_round_facts
from tests.release.volby_event import NIGHT, Night
from tests.tally.persons import definition as persons

TOWN, VILLAGE, WARD = "999001", "999002", "999004"
_NAMES = {TOWN: "Vymyšlená Lhota", VILLAGE: "Čistá Smyšlenka", WARD: "Chrám u Ničeho-Západ"}
_PEOPLE = (
    ("Vymysl", "Smyšlený", "Ing.", "Ph.D."),
    ("Smyšlena", "Nicotná", "", ""),
    ("Nikdo", "Ž. & spol.", "", ""),
)

FIRST_VOTES = {
    # precinct: votes by candidate
    f"{TOWN}-1": {1: 30, 2: 40, 3: 20},
    f"{TOWN}-2": {1: 25, 2: 11, 3: 1},
    f"{VILLAGE}-1": {1: 9, 2: 8, 3: 4},
    f"{WARD}-7": {1: 7, 2: 90, 3: 3},
}
SECOND_VOTES = {f"{TOWN}-1": {1: 31, 2: 41}, f"{VILLAGE}-1": {1: 13, 2: 2}}


def first_definition(*, withdrawn: bool = False) -> Definition:
    """Constituency 4 goes to a second round, 13 is decided at once; precinct 2 of the town is in the other one."""
    made = persons(
        {"4": {1: "1", 2: "2", 3: None}, "13": {1: "1", 2: "2", 3: None}},
        {TOWN: {"4": [1], "13": [2]}, VILLAGE: {"4": [1]}, WARD: {"13": [7]}},
        inactive=frozenset({("4", 3)} if withdrawn else ()),
    )
    return in_order(
        msgspec.structs.replace(
            made,
            name="Smyšlené volby do Senátu",
            date=datetime.date(2030, 10, 4),
            areas=tuple(
                msgspec.structs.replace(area, name=_NAMES.get(area.id, area.name)) for area in made.areas
            ),
            contests=tuple(
                msgspec.structs.replace(row, name=f"Smyšlený obvod {row.id}") for row in made.contests
            ),
            candidates=tuple(
                msgspec.structs.replace(
                    row,
                    given_name=_PEOPLE[row.number - 1][0],
                    family_name=_PEOPLE[row.number - 1][1],
                    title_before=_PEOPLE[row.number - 1][2],
                    title_after=_PEOPLE[row.number - 1][3],
                )
                for row in made.candidates
            ),
        )
    )


def protocols(
    event: Definition, votes: Mapping[str, Mapping[int, int]], *, start: int = 1, repeated: bool = False
) -> list[Protocol]:
    """A protocol with these votes for each precinct named that votes in the event."""
    made = []
    for sequence, poll in enumerate((row for row in event.polls if row.precinct in votes), start):
        given = votes[poll.precinct]
        valid = sum(given.values())
        figures = {"eligible": 100 + valid, "issued": valid + 3, "returned": valid + 2, "valid-votes": valid}
        entry = ListVotes(0, valid, tuple(sorted(given.items())))
        time = NIGHT + datetime.timedelta(seconds=sequence)
        made.append(
            Protocol(poll.precinct, poll.contest, poll.district, sequence, time, figures, (entry,), repeated)
        )
    return made


def counted(event: Definition, votes: Mapping[str, Mapping[int, int]]) -> Night:
    """A run with all those protocols in and nothing cut yet."""
    night = Night(event)
    for row in protocols(event, votes):
        night.take(row)
    return night


def second_definition(decided: Mapping[str, Elected | Runoff] | None = None) -> Definition:
    """The second round, after the first round with its votes."""
    event = first_definition()
    assert event.date is not None
    facts = first_round_facts(counted(event, FIRST_VOTES).tally, event.date, decided)
    return second_round(event, facts, event.date + datetime.timedelta(days=7))
