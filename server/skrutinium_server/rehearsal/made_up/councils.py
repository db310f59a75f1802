"""The definition of a made-up election of councils. Pure: the same seed and scale give the same bytes everywhere."""

import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Contest,
    ContestKind,
    Definition,
    District,
    List,
    Poll,
)
from skrutinium_server.rehearsal.made_up import names
from skrutinium_server.rehearsal.made_up.chance import below, between, branch, several
from skrutinium_server.rehearsal.made_up.committees import FIRST_PARTY, INDEPENDENTS, committees
from skrutinium_server.rehearsal.made_up.country import DATE, Place, places_of, units_of, voters_of
from skrutinium_server.rehearsal.made_up.scale import Scale

LAW: Final = "cz-municipal-2018"
EVENT: Final = "madeup2030"

# Seats and least and most lists by how many voters there are at most; the law bounds the seats by inhabitants.
_COUNCILS: Final = (
    (150, 5, 1, 3),
    (400, 7, 1, 3),
    (800, 9, 2, 4),
    (2_000, 11, 2, 5),
    (4_000, 15, 3, 6),
    (9_000, 17, 4, 7),
    (20_000, 21, 4, 8),
    (45_000, 27, 5, 10),
    (100_000, 35, 8, 14),
    (200_000, 45, 10, 18),
    (10**9, 55, 12, 22),
)


class Town(NamedTuple):
    """A municipality or a ward on the way to its council: its precincts with the voters in each.

    ``lists`` is None where chance decides how many; with ``whole`` each names as many candidates as there are seats,
    with ``few`` the last one far fewer.
    """

    area: Area
    kind: ContestKind
    eligible: dict[str, int]
    lists: int | None = None
    whole: bool = False
    few: bool = False


def councils_definition(seed: int, scale: Scale) -> Definition:
    """A municipal election.

    Whatever the scale there is a council with a single list, one with a list of far fewer candidates than seats, and
    one with three whole lists, in which a night lets one win so clearly that the threshold is lowered.
    """
    units = units_of(scale)
    counties = [area.id for area in units if area.kind == "county"]
    places = list(places_of(seed, scale, counties))
    units += [area for place in places for area in (place.municipality, *place.parts)]
    towns = [town for place in places for town in _towns(seed, place, scale)]
    councils = [_council(seed, town, scale) for town in towns]
    return in_order(
        Definition(
            event=EVENT,
            name=names.EVENT,
            date=DATE,
            law=LAW,
            version=1,
            made_up=True,
            areas=tuple(dict.fromkeys(units)),
            contests=tuple(council.contest for council in councils),
            districts=tuple(council.district for council in councils),
            precincts=tuple(row for place in places for rows in place.parts.values() for row in rows),
            polls=tuple(_polls(towns)),
            committees=tuple(committees()),
            lists=tuple(row for council in councils for row in council.lists),
            candidates=tuple(row for council in councils for row in council.candidates),
        )
    )


def _towns(seed: int, place: Place, scale: Scale) -> list[Town]:
    """The council of a municipality and those of its wards."""
    eligible = voters_of(seed, place, scale)
    from_last = place.from_last(scale)
    every = {id: voters for held in eligible.values() for id, voters in held.items()}
    return [
        Town(
            place.municipality,
            "municipal-council",
            every,
            lists={0: 1, 1: 2, 2: 3}.get(from_last),
            whole=from_last == 2,
            few=from_last == 1,
        ),
        *(Town(part, "ward-council", held) for part, held in eligible.items() if part.kind == "ward"),
    ]


class _Council(NamedTuple):
    contest: Contest
    district: District
    lists: list[List]
    candidates: list[Candidate]


def _council(seed: int, town: Town, scale: Scale) -> _Council:
    id, name = town.area.id, town.area.name
    chance = branch(seed, "council", id)
    voters = sum(town.eligible.values())
    seats, least, most = next(rest for upto, *rest in _COUNCILS if voters <= upto)
    usual = between(chance, least, most) * scale.candidates
    number = town.lists or max(
        1, min((usual + below(chance, 100)) // 100, len(names.PARTIES) + len(names.LOCAL))
    )
    district = District(f"{id}.1", id, 1, name, seats)
    lists: list[List] = []
    candidates: list[Candidate] = []
    people = names.people(branch(seed, "people", id))
    for place, (committee, title) in enumerate(_standing(chance, number, seats), 1):
        size = _size(chance, seats, town, place == number)
        lists.append(List(id, district.id, place, committee, title, size))
        for order in range(1, size + 1):
            person = next(people)
            candidates.append(
                Candidate(
                    id,
                    district.id,
                    place,
                    order,
                    person.given,
                    person.family,
                    title_before=person.title,
                    age=between(chance, 18, 55) + below(chance, 30),
                )
            )
    return _Council(Contest(id, town.kind, "lists", id, name, seats), district, lists, candidates)


def _standing(chance: random.Random, number: int, seats: int) -> list[tuple[str, str]]:
    """Committee and name of each list on one ballot: parties mostly in towns, independents everywhere."""
    most = min(number, len(names.PARTIES))
    least = max(0, number - len(names.LOCAL))
    parties = max(least, min(most, number * (30 if seats < 15 else 65) // 100))
    chosen = [
        (str(FIRST_PARTY + party), names.PARTIES[party])
        for party in several(chance, range(len(names.PARTIES)), parties)
    ]
    chosen += [(INDEPENDENTS, name) for name in several(chance, names.LOCAL, number - parties)]
    return several(chance, chosen, len(chosen))


def _size(chance: random.Random, seats: int, town: Town, last: bool) -> int:
    """How many candidates a list has: mostly one a seat, in councils of up to 7 seats up to a third more."""
    if town.few and last:
        return max(1, seats // 3)
    draw = below(chance, 100)
    if town.whole or draw < 70:
        return seats
    if draw < 78 and seats <= 7:
        return seats + seats // 3
    return between(chance, (seats + 1) // 2, seats)


def _polls(towns: Sequence[Town]) -> Iterator[Poll]:
    for town in towns:
        for precinct, voters in town.eligible.items():
            yield Poll(precinct, town.area.id, f"{town.area.id}.1", voters)
