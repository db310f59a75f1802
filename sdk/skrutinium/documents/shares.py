"""Shares as exact fractions, and how they are written for people."""

from fractions import Fraction


def share_of(part: int | None, whole: int | None) -> Fraction | None:
    """``part`` as a share of ``whole``; None when one of them is not known, or there is no whole to share."""
    return None if part is None or not whole else Fraction(part, whole)


def percent(share: Fraction, places: int = 2) -> str:
    """A share in percent with so many decimals, halves up: ``percent(Fraction(1, 3))`` is ``33.33``."""
    scale = 10**places
    # floor(x + 1/2) is half up for what is not negative, and a share is not
    units = (2 * 100 * scale * share.numerator + share.denominator) // (2 * share.denominator)
    whole, rest = divmod(units, scale)
    return f"{whole}.{rest:0{places}}" if places else str(whole)
