"""Percentages as the Czech feeds print them: two decimals, a point, exact integer arithmetic.

The feeds round some attributes half up and truncate others; which is which was found on every value of real documents
and stands in ``docs/formats-volby.md``. A base of zero gives ``0.00``.
"""


def half_up(part: int, base: int) -> str:
    """``part`` in percent of ``base``, rounded half up: 1 of 8 is 12.50, 1 of 3 is 33.33, 2 of 3 is 66.67."""
    if base <= 0:
        return "0.00"
    whole, hundredths = divmod((part * 20_000 + base) // (2 * base), 100)
    return f"{whole}.{hundredths:02d}"


def truncated(part: int, base: int) -> str:
    """``part`` in percent of ``base``, cut off after two decimals: 2 of 3 is 66.66."""
    if base <= 0:
        return "0.00"
    whole, hundredths = divmod(part * 10_000 // base, 100)
    return f"{whole}.{hundredths:02d}"
