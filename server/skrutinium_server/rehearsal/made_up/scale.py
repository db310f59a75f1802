"""How large a made-up election is, and how its precincts are spread over the municipalities."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from skrutinium_server.rehearsal.made_up.errors import ScaleError

MOST_REGIONS: Final = 20
MOST_COUNTIES: Final = 35
"""Counties of one region: what one letter or digit of a NUTS code can tell apart, the zero left out."""
MOST_COUNCILS: Final = 99_999
_LEAST: Final = 4
"""Municipalities of the smallest election: each of them is a case of its own."""


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The size of a made-up election. Raises :class:`ScaleError` when the numbers do not fit together.

    ``councils`` are all of them, those of wards included; ``wards`` tells for each of the largest municipalities how
    many wards it has. ``precincts`` are physical ones: one in a city with wards votes in two contests. ``steepness`` 1
    spreads them as in the real country, 2 leaves a small election many villages beside one city. ``candidates`` is
    how many candidates there are for every 100 of a usual election.
    """

    regions: int
    counties: int
    councils: int
    precincts: int
    wards: tuple[int, ...] = ()
    steepness: int = 1
    candidates: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.regions <= min(MOST_REGIONS, self.counties):
            raise ScaleError(
                f"{self.regions} regions; expected 1 to {MOST_REGIONS}, and a county at least in each"
            )
        if self.counties > self.regions * MOST_COUNTIES:
            raise ScaleError(
                f"{self.counties} counties; expected at most {MOST_COUNTIES} for each of {self.regions} regions"
            )
        if self.councils > MOST_COUNCILS:
            raise ScaleError(f"{self.councils} councils; expected at most {MOST_COUNCILS}")
        if self.municipalities < max(_LEAST, len(self.wards)):
            raise ScaleError(
                f"{self.municipalities} municipalities beside {sum(self.wards)} wards; expected {_LEAST} at least, "
                "and no fewer than cities with wards"
            )
        if any(wards < 2 for wards in self.wards):
            raise ScaleError(f"cities with {self.wards} wards; expected 2 at least in each")
        if self.precincts < self.municipalities:
            raise ScaleError(
                f"{self.precincts} precincts for {self.municipalities} municipalities; expected one at least for each"
            )
        if self.steepness not in (1, 2):
            raise ScaleError(f"steepness {self.steepness}; expected 1 or 2")
        if not 10 <= self.candidates <= 1000:
            raise ScaleError(f"{self.candidates} candidates for 100 usual ones; expected 10 to 1000")
        for wards, precincts in zip(self.wards, self.spread(), strict=False):
            if precincts < wards:
                raise ScaleError(
                    f"a city of {precincts} precincts with {wards} wards; expected a precinct at least in each"
                )

    @property
    def municipalities(self) -> int:
        """How many councils are not those of wards."""
        return self.councils - sum(self.wards)

    def spread(self) -> list[int]:
        """How many precincts each municipality has, the largest first."""
        return spread(self.precincts, self.municipalities, self.steepness)


def spread(total: int, parts: int, steepness: int = 1) -> list[int]:
    """``total`` in ``parts`` parts of at least 1, falling as 1/place (or its square): few large ones, many small.

    With 15,000 precincts in 6,110 municipalities the largest have 1,000, 500, 300, and three in five have one, as in
    the Czech lands.
    """
    one = 1 << 40
    shares = [one // place**steepness for place in range(1, parts + 1)]
    return [1 + share for share in apportion(total - parts, shares)]


def apportion(total: int, shares: Sequence[int]) -> list[int]:
    """``total`` in whole numbers proportional to ``shares``, each within 1 of its due, together exactly ``total``."""
    whole = sum(shares)
    if not whole:
        raise ScaleError("nothing to share by; expected a share above 0")
    ends = [0, *(reached * total // whole for reached in accumulate(shares))]
    return [end - start for start, end in pairwise(ends)]


SMALL: Final = Scale(regions=2, counties=2, councils=15, precincts=72, wards=(4,), steepness=2)
"""For the demonstration: ten villages and towns, a city with four wards, a night that can be followed by eye."""

FULL: Final = Scale(
    regions=14,
    counties=77,
    councils=6250,
    precincts=15_000,
    wards=(57, 29, 23, 10, 8, 7, 4, 2),
    candidates=107,
)
"""As large as the whole Czech Republic."""

_WARD_CITY: Final = 60
"""From so many precincts on there is a city with wards, whose precincts vote for two councils."""

_AS_THE_COUNTRY: Final = 300
"""From so many precincts on an election has the shape of the country; a smaller one is a city with the villages around it."""


def scale_of(precincts: int) -> Scale:
    """How a made-up election of that many precincts is laid out; raises :class:`ScaleError` for fewer than 4.

    15,000 are the country as it is (:data:`FULL`); from 300 on its shape is kept.
    """
    if precincts < _LEAST:
        raise ScaleError(
            f"{precincts} precincts cannot be made up into an election; expected {_LEAST} at least"
        )
    if precincts >= _AS_THE_COUNTRY:
        return _like_the_country(precincts)
    wards = (4,) if precincts >= _WARD_CITY else ()
    counties = max(1, precincts // 60)
    return Scale(counties, counties, max(_LEAST, precincts // 6) + sum(wards), precincts, wards, 2)


def _like_the_country(precincts: int) -> Scale:
    """The full scale made smaller or larger; the codes of areas set an end to how many there are."""

    def share(of_country: int) -> int:
        return max(1, -(-of_country * precincts // FULL.precincts))

    regions = min(MOST_REGIONS, share(FULL.regions))
    city, *cities = FULL.wards
    wards = (max(2, share(city)), *(share(wards) for wards in cities if share(wards) > 1))
    municipalities = min(MOST_COUNCILS - sum(wards), share(FULL.municipalities))
    counties = min(regions * MOST_COUNTIES, share(FULL.counties))
    return Scale(regions, counties, municipalities + sum(wards), precincts, wards, candidates=FULL.candidates)
