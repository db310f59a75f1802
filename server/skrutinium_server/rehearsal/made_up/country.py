"""The invented country that made-up elections are held in: areas, precincts and how many voters each of them has."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.election.model import Area, Precinct
from skrutinium_server.rehearsal.made_up import names
from skrutinium_server.rehearsal.made_up.chance import along, below, branch
from skrutinium_server.rehearsal.made_up.council_votes import ENOUGH
from skrutinium_server.rehearsal.made_up.scale import Scale, apportion, spread

DATE: Final = datetime.date(2030, 4, 1)
"""A Monday, the first of April: no municipal election was or will be held on it."""

FIRST_COUNCIL: Final = 900_001
"""Six digits as the Czech feeds want them; the real codes begin with 5."""

_NUTS_DIGITS: Final = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUTS_REGIONS: Final = "9876543210ABCDEFGHIJ"

Curve = tuple[tuple[int, int], ...]

_VOTERS: Final[tuple[tuple[int, Curve], ...]] = (
    (
        1,
        (
            (0, 25),
            (50, 64),
            (100, 86),
            (250, 146),
            (500, 263),
            (750, 489),
            (900, 809),
            (950, 1056),
            (1000, 2000),
        ),
    ),
    (
        10,
        (
            (0, 30),
            (50, 56),
            (100, 75),
            (250, 130),
            (500, 430),
            (750, 865),
            (900, 1088),
            (950, 1225),
            (1000, 1900),
        ),
    ),
    (
        50,
        (
            (0, 40),
            (50, 111),
            (100, 191),
            (250, 522),
            (500, 730),
            (750, 896),
            (900, 1075),
            (950, 1199),
            (1000, 2100),
        ),
    ),
    (
        10**6,
        (
            (0, 150),
            (50, 405),
            (100, 494),
            (250, 621),
            (500, 762),
            (750, 910),
            (900, 1066),
            (950, 1212),
            (1000, 2500),
        ),
    ),
)
"""By how many precincts a municipality has at most: of 1,000 of its precincts, how many have up to so many voters (2018)."""


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
    """Voters of each precinct of a municipality with that many: many small ones, few large, as in the real country."""
    sizes = next(curve for most, curve in _VOTERS if of_town <= most)
    return {
        precinct.id: along(sizes, below(branch(seed, "eligible", precinct.id), 1000))
        for precinct in precincts
    }
