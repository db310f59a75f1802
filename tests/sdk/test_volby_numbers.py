"""The percentages and times that verification computes for the series ``volby``."""

import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium.verifying.prague import prague
from skrutinium.verifying.volby_comparing import cut_off, half_up

START = datetime.datetime(1997, 1, 1, tzinfo=datetime.UTC)
PRAGUE = ZoneInfo("Europe/Prague")


@pytest.mark.parametrize(
    ("part", "base", "rounded", "cut"),
    [
        (1, 8, "12.50", "12.50"),
        (2, 3, "66.67", "66.66"),
        (1, 800, "0.13", "0.12"),
        (7, 7, "100.00", "100.00"),
        (5, 0, "0.00", "0.00"),
    ],
)
def test_percentages(part: int, base: int, rounded: str, cut: str) -> None:
    """Half up and cut off, as docs/formats-volby.md says; nothing of nothing is 0.00."""
    assert (half_up(part, base), cut_off(part, base)) == (rounded, cut)


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_rounding_is_nearest(part: int, base: int) -> None:
    """Half up is within half a hundredth of the exact share, cut off never above it and less than one below."""
    exact = Fraction(part * 100, base)
    assert Fraction(-1, 200) < Fraction(half_up(part, base)) - exact <= Fraction(1, 200)
    assert 0 <= exact - Fraction(cut_off(part, base)) < Fraction(1, 100)


@given(st.integers(0, 40 * 365 * 86_400))
def test_prague_time(seconds: int) -> None:
    """The rule gives what the zone database gives."""
    moment = START + datetime.timedelta(seconds=seconds)
    assert prague(moment) == moment.astimezone(PRAGUE).replace(microsecond=0, tzinfo=None).isoformat()
