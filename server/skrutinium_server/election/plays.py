"""What a live test of the calendar plays by itself: a made-up night, or that of a ledger. Pure.

Source: requirements M6, M11.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import msgspec

from skrutinium_server.election.law import law_ids
from skrutinium_server.election.model import IDENTIFIER

LAW: Final = "cz-municipal-2018"
PRECINCTS: Final = 60
SEED: Final = 1
_SIZES: Final = (4, 100_000)
_SPEEDS: Final = (Fraction(1, 10), Fraction(1000))
_MADE_UP: Final = ("law", "precincts", "seed")
_LONGEST_PATH: Final = 1000
_LONGEST_SPEED: Final = 20

Wrong = Callable[[str, str, str], Exception]
"""The error for a field, what is wrong with it, and what was expected."""


class Plays(msgspec.Struct, frozen=True):
    """A made-up night of ``law``, ``precincts`` and ``seed``, or the night of a ``ledger``.

    ``ledger`` is a ledger or the folder of its run, below the site unless absolute. ``event``: the event in which the run opens, None: that
    of the entry, or of the night. ``speed``: so many times as fast as the night was; None: as fast as fills the window.
    """

    law: str = LAW
    precincts: int = PRECINCTS
    seed: int = SEED
    ledger: str | None = None
    event: str | None = None
    speed: Fraction | None = None


def read_plays(told: object, wrong: Wrong) -> Plays:
    """The table ``plays`` of an entry; raises what ``wrong`` makes."""
    known = Plays.__struct_fields__
    if not isinstance(told, dict):
        raise wrong("plays", f"{told!r} is no table", f"a table with {', '.join(known)}")
    for key in sorted(told.keys() - set(known)):
        raise wrong(key, f"{key!r} is unknown", f"one of {', '.join(known)}")
    for key in sorted(told.keys() & set(_MADE_UP)):
        if "ledger" in told:
            raise wrong(key, f"ledger and {key} exclude each other", "a ledger or a made-up night")
    law, ledger, event = told.get("law", LAW), told.get("ledger"), told.get("event")
    if law not in law_ids():
        raise wrong("law", f"{law!r} is no law", f"one of {', '.join(law_ids())}")
    if ledger is not None and not (isinstance(ledger, str) and 0 < len(ledger) <= _LONGEST_PATH):
        raise wrong("ledger", f"{ledger!r} is no ledger", "the path of a ledger or of its run")
    if event is not None and not (isinstance(event, str) and IDENTIFIER.fullmatch(event)):
        raise wrong("event", f"{event!r} is no event", "letters, digits, '.' and '-', at most 64")
    precincts = _whole(told, "precincts", PRECINCTS, *_SIZES, wrong)
    seed = _whole(told, "seed", SEED, 0, 2**63 - 1, wrong)
    return Plays(law, precincts, seed, ledger, event, _speed(told.get("speed"), wrong))


def _whole(told: dict[str, Any], key: str, usual: int, least: int, most: int, wrong: Wrong) -> int:
    value = told.get(key, usual)
    if type(value) is not int or not least <= value <= most:
        raise wrong(key, f"{key} is {value!r}", f"a whole number from {least} to {most}")
    return value


def _speed(value: object, wrong: Wrong) -> Fraction | None:
    if value is None:
        return None
    least, most = _SPEEDS
    try:
        # The text of a number in TOML is the number that a person wrote; no float is reckoned with.
        speed = Fraction(str(value)) if len(str(value)) <= _LONGEST_SPEED else None
    except (ValueError, ZeroDivisionError):
        speed = None
    if speed is None or isinstance(value, bool) or not least <= speed <= most:
        raise wrong("speed", f"the speed is {value!r}", 'a number from 0.1 to 1000, or a text such as "1/2"')
    return speed
