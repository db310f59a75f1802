"""A made-up election to the Senate: a third of the constituencies, each of the precincts of many municipalities.

Pure, like everything here; the precincts and their voters are those of the made-up councils of the same seed and scale.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.model import Area, Candidate, Contest, Definition, District, Poll, Precinct
from skrutinium_server.rehearsal.made_up import names
from skrutinium_server.rehearsal.made_up.chance import below, between, branch, several
from skrutinium_server.rehearsal.made_up.committees import FIRST_PARTY, INDEPENDENTS, committees
from skrutinium_server.rehearsal.made_up.country import DATE, places_of, units_of, voters_of
from skrutinium_server.rehearsal.made_up.scale import Scale, apportion

LAW: Final = "cz-senate-2018"
EVENT: Final = "madeupse2030"
MOST: Final = 27
"""Contests of a real election: every third of 81 constituencies."""

_PRECINCTS: Final = 24
"""So many precincts of the country stand behind each contest where there are too few for 27 of them."""


class _Home(NamedTuple):
    """A precinct with its voters and the municipality or city it lies in."""

    precinct: Precinct
    voters: int
    municipality: Area


def senate_definition(seed: int, scale: Scale) -> Definition:
    """An election to the Senate that never was; in the first contest, if it has many candidates, one has withdrawn."""
    units = units_of(scale)
    places = list(places_of(seed, scale, [area.id for area in units if area.kind == "county"]))
    homes = [
        _Home(precinct, held[precinct.id], place.municipality)
        for place in sorted(places, key=lambda place: (place.municipality.parent or "", place.order))
        for part, held in voters_of(seed, place, scale).items()
        for precinct in place.parts[part]
    ]
    constituencies = dict(_constituencies(homes, max(1, min(MOST, len(homes) // _PRECINCTS))))
    voting = {home.precinct.area for held in constituencies.values() for home in held}
    inside = {home.municipality for held in constituencies.values() for home in held}
    wards = {part for place in places for part in place.parts if part.id in voting}
    candidates = [row for number in constituencies for row in _candidates(seed, number)]
    nominees = {row.committee for row in candidates}
    return in_order(
        Definition(
            event=EVENT,
            name=names.SENATE_EVENT,
            date=DATE,
            law=LAW,
            version=1,
            made_up=True,
            areas=(*units, *(inside | wards)),
            contests=tuple(
                Contest(str(number), "senate", "persons", units[0].id, _name(number, held), 1)
                for number, held in constituencies.items()
            ),
            districts=tuple(
                District(f"{number}.1", str(number), 1, _name(number, held), 1)
                for number, held in constituencies.items()
            ),
            precincts=tuple(home.precinct for held in constituencies.values() for home in held),
            polls=tuple(
                Poll(home.precinct.id, str(number), f"{number}.1", home.voters)
                for number, held in constituencies.items()
                for home in held
            ),
            committees=tuple(row for row in committees() if row.id in nominees),
            candidates=tuple(candidates),
        )
    )


def _constituencies(homes: Sequence[_Home], contests: int) -> Iterator[tuple[int, Sequence[_Home]]]:
    """Every third of the parts that the country is cut into, numbered 1, 4, 7 …; large cities lie in several parts."""
    begin = 0
    for number, size in enumerate(apportion(len(homes), [1] * (3 * contests)), 1):
        if number % 3 == 1:
            yield number, homes[begin : begin + size]
        begin += size


def _name(number: int, homes: Sequence[_Home]) -> str:
    """The constituency is called after the municipality with most of its precincts."""
    there = [home.municipality for home in homes]
    seat = max(there, key=lambda area: (there.count(area), area.id))
    return f"{seat.name} (obvod {number})"


def _candidates(seed: int, number: int) -> Iterator[Candidate]:
    chance = branch(seed, "senate", number)
    people = names.people(branch(seed, "senators", number))
    parties = several(chance, range(len(names.PARTIES)), between(chance, 4, 9))
    committees = [str(FIRST_PARTY + party) for party in parties]
    committees += [INDEPENDENTS] * below(chance, 3)
    for place, committee in enumerate(several(chance, committees, len(committees)), 1):
        person = next(people)
        yield Candidate(
            str(number),
            f"{number}.1",
            0,
            place,
            person.given,
            person.family,
            title_before=person.title,
            age=between(chance, 40, 60) + below(chance, 20),
            active=not (number == 1 and place == 3),
            committee=committee,
        )
