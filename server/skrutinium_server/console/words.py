"""How numbers, times and ages are written for people. Pure."""

import datetime
from typing import Final

from skrutinium_server.archive.public import words

_THIN: Final = "\u202f"

PHASES: Final = {
    "live": "LIVE",
    "rehearsal": "REHEARSAL",
    "test": "TEST",
}
"""What stands on top of everything, in letters that nobody overlooks."""

STATES: Final = {
    "interim": "protocols are still out",
    "complete": "nothing is declared yet",
    "final": "as the authority declared",
    "certified": "as the authority declared",
    "corrected": "after it was certified",
}
"""What each state of the results means, said after its name."""

DECISIONS: Final = {
    "open": "open",
    "close": "close",
    "declare": "declare the results of",
    "reopen": "open again",
    "correct": "correct protocols of",
}
"""What is asked of a second person, before the words "the live run"."""


def grouped(value: int | None) -> str:
    """A number in groups of three digits; what is not known is a dash."""
    return "–" if value is None else words.grouped(value)


def share(part: int, whole: int) -> str:
    """Progress in percent with one place, rounded down: nothing is 100 % before it is done."""
    return words.done(part, whole) or "–"


def age(seconds: float | None) -> str:
    """How long ago, to the second below two minutes."""
    if seconds is None:
        return "–"
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}{_THIN}s"
    if whole < 7200:
        return f"{whole // 60}{_THIN}min"
    if whole < 172_800:
        return f"{whole // 3600}{_THIN}h {whole % 3600 // 60}{_THIN}min"
    return f"{whole // 86_400} days"


def size(count: int) -> str:
    """Bytes for people."""
    for unit, least in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if count >= least:
            tenths = count * 10 // least
            return f"{tenths // 10}.{tenths % 10}{_THIN}{unit}"
    return f"{count}{_THIN}B"


def moment(time: datetime.datetime | None, zone: datetime.tzinfo) -> str:
    """A time with its date and zone."""
    return "–" if time is None else f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def clock(time: datetime.datetime | None, zone: datetime.tzinfo) -> str:
    """A time of today."""
    return "–" if time is None else f"{time.astimezone(zone):%H:%M:%S %Z}"


def plural(count: int, one: str, more: str | None = None) -> str:
    """A number with its noun."""
    return f"{grouped(count)} {one if count == 1 else more or one + 's'}"
