"""What a made-up election shall be like: everything about it hangs on these values alone."""

import datetime
from typing import Final

import msgspec

from skrutinium_server.rehearsal.made_up.errors import MadeUpError, RateError, WishError
from skrutinium_server.rehearsal.made_up.scale import Scale, scale_of

OF: Final = 10_000
"""Rates are numbers of so many protocols."""

MOST_MINUTES: Final = 7 * 24 * 60

RESENDS: Final = 26
"""Of 10,000 protocols so many were sent again in 2022."""


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often something goes wrong: of 10,000 protocols so many, one at least where the rate is not 0.

    ``refused``: the first one sent breaks a rule or the ballot, is refused at the door, and a right one follows within
    minutes. ``warnings``: figures that the law finds odd and takes over. ``resends``: the source sends the protocol again
    with other figures (one of them twice, three protocols at least). ``duplicates``: the same bytes come twice.
    ``corrections``: what counts is replaced later, for a reason, by an authority. Raises :class:`RateError`.
    """

    refused: int = 0
    warnings: int = 0
    resends: int = RESENDS
    duplicates: int = 0
    corrections: int = 0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) <= OF:
                raise RateError(f"{name} is {getattr(self, name)}; expected 0 to {OF:,} of {OF:,} protocols")


USUAL: Final = Rates(refused=200, warnings=11, resends=RESENDS, duplicates=6, corrections=3)
"""A usual night: re-sends and duplicates as in 2022, warnings as in 2018; what is refused or corrected is nowhere published."""

QUIET: Final = Rates(resends=0)
"""A night in which nothing goes wrong."""


class Wishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shall happen in so many contests whatever the voters think. Raises :class:`WishError`.

    ``lots``: equal votes that only a lot can decide (two lists and one seat, second and third place in a first round, both
    candidates of a second one). ``ties``: equal numbers that the law decides (two lists with equal quotients and different
    votes for the last seat; two persons in front with equal votes, who run both).
    """

    lots: int = 0
    ties: int = 0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise WishError(f"{name} is {getattr(self, name)}; expected a number of contests, 0 or more")


NO_WISHES: Final = Wishes()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A made-up election: the same settings give the same bytes on every machine.

    ``scale`` says more than ``precincts`` about its size and replaces it. ``round`` 2 is the second round after the
    first one of the same settings; lots that are wished for happen in either round, ties in the first. ``start`` (aware) is when the first protocol comes in, ``minutes`` later the last;
    without them it is as on a real night after the polls have closed. Raises :class:`MadeUpError`.
    """

    law: str = "cz-municipal-2018"
    precincts: int = 60
    seed: int = 1
    scale: Scale | None = None
    round: int = 1
    start: datetime.datetime | None = None
    minutes: int | None = None
    rates: Rates = Rates()
    wishes: Wishes = Wishes()

    def __post_init__(self) -> None:
        if self.round not in (1, 2):
            raise MadeUpError(f"round {self.round}; expected 1 or 2")
        if self.start is not None and self.start.utcoffset() is None:
            raise MadeUpError(f"the start {self.start} has no time zone; expected one")
        if self.minutes is not None and not 0 <= self.minutes <= MOST_MINUTES:
            raise MadeUpError(f"a night of {self.minutes} minutes; expected 0 to {MOST_MINUTES}")

    def size(self) -> Scale:
        """The scale, or that of the number of precincts; raises ``ScaleError``."""
        return scale_of(self.precincts) if self.scale is None else self.scale
