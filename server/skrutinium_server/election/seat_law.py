"""How a law turns votes into seats and persons: the ``[seats]`` table of a law file.

The rules are computed in ``tally.seats``; here are only the numbers and the choices that a law makes.
"""

import re
from fractions import Fraction
from typing import Final

import msgspec

METHODS: Final = ("dhondt", "sainte-lague", "sainte-lague-modified")
"""Divisor methods: 1, 2, 3 …; 1, 3, 5 …; 1.4, 3, 5 …"""

MAJORITY_METHODS: Final = ("majority-two-rounds",)
"""One seat: more than half of the valid votes, else a second round between two, won by more votes."""

THRESHOLD_BASES: Final = ("candidates-over-seats", "valid-votes")
"""What the threshold is a percentage of, see :attr:`SeatLaw.threshold_base`."""

ORDER_MEANS: Final = ("whole", "exact")
"""How the mean votes of a list's candidates are taken, see :attr:`SeatLaw.order_mean`."""

TIE_ORDERS: Final = (("votes", "lot"), ("lot",))
"""What decides between equal quotients, in turn; a lot always comes last, because nothing can follow it."""

_FRACTION: Final = re.compile(r"[0-9]{1,6}(/[1-9][0-9]{0,5})?")


class SeatLawError(ValueError):
    """A ``[seats]`` table that cannot be applied; ``code`` names the fault for machines."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SeatLaw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The seat rules of one law; the defaults of the optional fields are those of § 45 of act 491/2001.

    Raises :class:`SeatLawError` for values that no rule is written for; when the struct is read from a file, msgspec
    reports it as ``msgspec.ValidationError`` with the same text.
    """

    method: str
    """Divisor method, one of :data:`METHODS`."""

    threshold: int
    """Percent of its base that a list needs to take part, 0 to 100; exactly that much is enough."""

    threshold_base: str
    """``candidates-over-seats``: all valid votes times the list's candidates (at most the seats) divided by the seats;
    ``valid-votes``: all valid votes."""

    lower_until: int = 0
    """While fewer lists than this pass, the threshold is lowered; 0 means that it is never lowered."""

    lower_step: int = 1
    """Percentage points by which the threshold is lowered each time, never below 0."""

    order_factor: str | None = None
    """A candidate with at least this many times the list's mean goes to the front, as a fraction such as ``11/10``;
    None: the order on the ballot is never changed."""

    order_mean: str = "whole"
    """``whole``: the mean (list votes divided by candidates) without its fractional part, as the Czech Statistical
    Office computes it; ``exact``: the mean as a fraction."""

    tie: tuple[str, ...] = ("votes", "lot")
    """What decides between equal quotients, in turn, one of :data:`TIE_ORDERS`; ``votes``: more votes for the list."""

    def __post_init__(self) -> None:
        _one_of("method", self.method, METHODS)
        _one_of("threshold_base", self.threshold_base, THRESHOLD_BASES)
        _one_of("order_mean", self.order_mean, ORDER_MEANS)
        if self.tie not in TIE_ORDERS:
            known = " or ".join(str(list(order)) for order in TIE_ORDERS)
            raise SeatLawError("seat-law-tie", f"seats.tie is {list(self.tie)}, expected {known}")
        _within("threshold", self.threshold, 0, 100)
        _within("lower_until", self.lower_until, 0, 1000)
        _within("lower_step", self.lower_step, 1, 100)
        if self.order_factor is not None and not _FRACTION.fullmatch(self.order_factor):
            raise SeatLawError(
                "seat-law-fraction",
                f"seats.order_factor is {self.order_factor!r}, expected a fraction of whole numbers such as '11/10'",
            )

    def divisor(self, place: int) -> int:
        """The divisor of a list's ``place``-th seat (from 1); whole numbers in a scale common to all places."""
        if self.method == "dhondt":
            return place
        if self.method == "sainte-lague":
            return 2 * place - 1
        return 14 if place == 1 else 10 * (2 * place - 1)

    def order_share(self) -> Fraction | None:
        """:attr:`order_factor` as an exact number."""
        return None if self.order_factor is None else Fraction(self.order_factor)


class MajorityLaw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one person is elected: the ``[seats]`` table of a law whose contests are of the form ``persons``.

    Raises :class:`SeatLawError` as :class:`SeatLaw` does.
    """

    method: str
    """One of :data:`MAJORITY_METHODS`."""

    tie: tuple[str, ...] = ("lot",)
    """What decides between equal votes: a lot."""

    def __post_init__(self) -> None:
        _one_of("method", self.method, MAJORITY_METHODS)
        if self.tie != ("lot",):
            raise SeatLawError("seat-law-tie", f"seats.tie is {list(self.tie)}, expected ['lot']")


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SeatLawError(
            f"seat-law-{field.replace('_', '-')}",
            f"seats.{field} is {value!r}, which no rule is written for; expected one of {', '.join(known)}",
        )


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SeatLawError(
            f"seat-law-{field.replace('_', '-')}", f"seats.{field} is {value}, expected {least} to {most}"
        )
