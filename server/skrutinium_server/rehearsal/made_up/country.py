"""The invented country that made-up elections are held in: areas, precincts and how many voters each of them has."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.election.model import Area, Precinct
from skrutinium_server.rehearsal.made_up import names
from skrutinium_server.rehearsal.made_up.chance import below, between, branch
from skrutinium_server.rehearsal.made_up.scale import Scale, apportion, spread
from skrutinium_server.rehearsal.made_up.votes import ENOUGH

DATE: Final = datetime.date(2030, 4, 1)
"""A Monday, the first of April: no municipal election was or will be held on it."""

FIRST_COUNCIL: Final = 900_001
"""Six digits as the Czech feeds want them; the real codes begin with 5."""

_NUTS_DIGITS: Final = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUTS_REGIONS: Final = "9876543210ABCDEFGHIJ"


class Place(NamedTuple):
    """A municipality, its place from the largest, its number of precincts; ``parts`` are its wards or itself."""

    order: int
    number: int
    municipality: Area
    parts: dict[Area, list[Precinct]]

    def from_last(self, scale: Scale) -> int:
        """How many smaller municipalities there are."""
        return scale.municipalities - 1 - self.order


def units_of(scale: Scale) -> list[Area]:
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


def places_of(seed: int, scale: Scale, counties: Sequence[str]) -> Iterator[Place]:
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
        yield Place(place, number, area, {part: _precincts(part, size) for part, size in sizes.items()})


def _precincts(area: Area, number: int) -> list[Precinct]:
    return [Precinct(f"{area.id}-{place}", area.id, place) for place in range(1, number + 1)]


def voters_of(seed: int, place: Place, scale: Scale) -> dict[Area, dict[str, int]]:
    """Voters of each precinct by its id, in each part of a municipality; one of the smallest has enough for a landslide."""
    eligible = {part: _eligible(seed, rows, place.number) for part, rows in place.parts.items()}
    if place.from_last(scale) != 2:
        return eligible
    return {part: {id: voters + ENOUGH for id, voters in held.items()} for part, held in eligible.items()}


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
