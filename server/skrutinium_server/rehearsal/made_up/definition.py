"""The definition of a made-up municipal election. Pure: the same seed and scale give the same bytes everywhere."""

import datetime
import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    ContestKind,
    Definition,
    District,
    List,
    Poll,
    Precinct,
)
from skrutinium_server.rehearsal.made_up import names
from skrutinium_server.rehearsal.made_up.chance import below, between, branch, several
from skrutinium_server.rehearsal.made_up.scale import Scale, apportion, spread
from skrutinium_server.rehearsal.made_up.votes import ENOUGH

LAW: Final = "cz-municipal-2018"
EVENT: Final = "madeup2030"
DATE: Final = datetime.date(2030, 4, 1)
"""A Monday, the first of April: no municipal election was or will be held on it."""

FIRST_COUNCIL: Final = 900_001
"""Six digits as the Czech feeds want them; the real codes begin with 5."""

INDEPENDENTS: Final = "9999"
_FIRST_PARTY: Final = 9001
_NUTS_DIGITS: Final = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUTS_REGIONS: Final = "9876543210ABCDEFGHIJ"

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


class _Place(NamedTuple):
    """A municipality, its place from the largest, its number of precincts; ``parts`` are its wards or itself."""

    order: int
    number: int
    municipality: Area
    parts: dict[Area, list[Precinct]]


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


def made_up_definition(seed: int, scale: Scale) -> Definition:
    """A municipal election that never was, in an invented country, every name of it marked as made up.

    Whatever the scale there is a council with a single list, one with a list of far fewer candidates than seats, and
    one with three whole lists, in which a night lets one win so clearly that the threshold is lowered.
    """
    units = _units(scale)
    counties = [area.id for area in units if area.kind == "county"]
    places = list(_places(seed, scale, counties))
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
            committees=tuple(_committees()),
            lists=tuple(row for council in councils for row in council.lists),
            candidates=tuple(row for council in councils for row in council.candidates),
        )
    )


def _units(scale: Scale) -> list[Area]:
    """The country, its regions and counties; the NUTS codes begin with CZ09, which no real unit has."""
    units = [Area("CZ", "country", names.COUNTRY)]
    shares = apportion(scale.counties, [1] * scale.regions)
    county_names = iter(names.counties(scale.counties))
    for place, (name, counties) in enumerate(zip(names.regions(scale.regions), shares, strict=True)):
        code = 9000 + 50 * place
        nuts = f"CZ09{_NUTS_REGIONS[place]}"
        units.append(Area(str(code), "region", name, "CZ", nuts))
        units += [
            Area(str(code + number), "county", next(county_names), str(code), nuts + digit)
            for number, digit in enumerate(_NUTS_DIGITS[:counties], 1)
        ]
    return units


def _places(seed: int, scale: Scale, counties: Sequence[str]) -> Iterator[_Place]:
    """The municipalities from the largest to the smallest, those with wards first; wards are coded after them all."""
    ward = FIRST_COUNCIL + scale.municipalities
    town_names = names.towns(branch(seed, "towns"), scale.municipalities)
    for place, (name, number) in enumerate(zip(town_names, scale.spread(), strict=True)):
        code = str(FIRST_COUNCIL + place)
        area = Area(code, "municipality", name, counties[place % len(counties)])
        wards = scale.wards[place] if place < len(scale.wards) else 0
        sizes = {area: number}
        if wards:
            parts = zip(names.wards(name, wards), spread(number, wards), strict=True)
            sizes = {
                Area(str(ward + part), "ward", title, code): size for part, (title, size) in enumerate(parts)
            }
        ward += wards
        yield _Place(place, number, area, {part: _precincts(part, size) for part, size in sizes.items()})


def _precincts(area: Area, number: int) -> list[Precinct]:
    return [Precinct(f"{area.id}-{place}", area.id, place) for place in range(1, number + 1)]


def _towns(seed: int, place: _Place, scale: Scale) -> list[Town]:
    """The council of a municipality and those of its wards."""
    eligible = {part: _eligible(seed, rows, place.number) for part, rows in place.parts.items()}
    from_last = scale.municipalities - 1 - place.order
    if from_last == 2:
        eligible = {
            part: {id: voters + ENOUGH for id, voters in held.items()} for part, held in eligible.items()
        }
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


def _eligible(seed: int, precincts: Sequence[Precinct], of_town: int) -> dict[str, int]:
    """Voters of each precinct: in villages mostly few, in towns about as many as a commission can serve."""
    voters: dict[str, int] = {}
    for precinct in precincts:
        chance = branch(seed, "eligible", precinct.id)
        if of_town == 1:
            draw = below(chance, 1000)
            # The square leaves many small villages and few large ones.
            voters[precinct.id] = 40 + draw * draw // 1200 + below(chance, 60)
        else:
            voters[precinct.id] = between(chance, 260, 620) + below(chance, 40 * min(of_town, 10))
    return voters


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
        (str(_FIRST_PARTY + party), names.PARTIES[party])
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


def _committees() -> Iterator[Committee]:
    for place, name in enumerate(names.PARTIES):
        yield Committee(str(_FIRST_PARTY + place), name)
    yield Committee(INDEPENDENTS, names.INDEPENDENTS)
