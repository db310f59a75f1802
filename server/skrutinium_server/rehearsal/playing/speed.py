"""How fast a night is played: a fraction, from a tenth of its own speed to a thousand times it."""

from fractions import Fraction
from typing import Final

from skrutinium_server.rehearsal.errors import RehearsalError

SLOWEST: Final = Fraction(1, 10)
FASTEST: Final = Fraction(1000)
_LONGEST: Final = 20


def read_speed(text: str, fastest: Fraction | int = FASTEST) -> Fraction:
    """A speed such as ``60``, ``0.5`` or ``1/2``, at most ``fastest``; raises :class:`RehearsalError`."""
    try:
        speed = Fraction(text.strip()) if len(text) <= _LONGEST else None
    except (ValueError, ZeroDivisionError):
        speed = None
    if speed is None or not SLOWEST <= speed <= fastest:
        raise RehearsalError(
            f"The speed is {text[:_LONGEST]!r}; expected a number from 0.1 to {fastest}, such as 60, 0.5 or 1/2.",
            code="speed",
        )
    return speed
