"""Draws that give the same numbers on every machine and every version of Python: whole numbers of random bits only.

``random.Random`` promises the same bits for the same whole number as seed; its other methods may change between
versions, so none of them is used. Every part of a made-up election has a branch of its own, so that one part can
change without another one changing with it.
"""

import hashlib
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

_Item = TypeVar("_Item")


def branch(seed: int, *names: str | int) -> random.Random:
    """The source of draws for one thing, from the seed and the names of the thing."""
    text = "/".join(map(str, (seed, *names)))
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))


def below(chance: random.Random, end: int) -> int:
    """A whole number from 0 to ``end`` - 1; always takes the same number of bits."""
    return chance.getrandbits(64) * end >> 64


def between(chance: random.Random, least: int, most: int) -> int:
    """A whole number from ``least`` to ``most``, both included."""
    return least + below(chance, most - least + 1)


def pick(chance: random.Random, items: Sequence[_Item]) -> _Item:
    """One of the items, each as likely."""
    return items[below(chance, len(items))]


def several(chance: random.Random, items: Sequence[_Item], number: int) -> list[_Item]:
    """That many different items, in the order they were drawn; ``number`` is at most the length."""
    left = list(items)
    return [left.pop(below(chance, len(left))) for _ in range(number)]


def noise(chance: random.Random, number: int) -> bytes:
    """That many numbers from 0 to 255 at once, far faster than one by one."""
    return chance.getrandbits(8 * number).to_bytes(number, "little") if number else b""


def along(curve: Sequence[tuple[int, int]], share: int) -> int:
    """Where a curve of (share, value) is at ``share``, straight between its points; both rise.

    Raises ValueError outside of it.
    """
    for (since, had), (until, has) in pairwise(curve):
        if since <= share <= until:
            return had + (share - since) * (has - had) // (until - since)
    raise ValueError(f"{share} lies outside the curve from {curve[0][0]} to {curve[-1][0]}")
