"""The order of Czech names, the same on every machine (no locale is asked).

Source: ČSN 97 6030, shortened to what names of municipalities need: word by word, ``ch`` after ``h``; ``č ř š ž`` are
letters of their own; other marks and the case decide only between names that are equal without them.
"""

import unicodedata
from typing import Final

_OWN: Final = frozenset("čřšž")
_CH: Final = "h\uffff"

Key = tuple[tuple[str, ...], str, str]


def czech_order(name: str) -> Key:
    """A key to sort names by."""
    lowered = unicodedata.normalize("NFC", name).lower()
    return _letters(lowered), lowered, name


def _letters(lowered: str) -> tuple[str, ...]:
    letters: list[str] = []
    for letter in lowered:
        if letter == "h" and letters and letters[-1] == "c":
            letters[-1] = _CH
        else:
            letters.append(_letter(letter))
    return tuple(letters)


def _letter(letter: str) -> str:
    """The letter without marks that do not count; an own letter sorts right behind its plain one."""
    plain = unicodedata.normalize("NFD", letter)[0]
    return f"{plain}\uffff" if letter in _OWN else plain
