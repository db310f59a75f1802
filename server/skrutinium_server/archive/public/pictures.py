"""Small pictures as inline SVG: no script, no colour that alone carries a meaning, text beside each.

Only geometry is computed here; every number shown comes as it is.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup

COLOURS = 10
"""Classes ``c0`` to ``c9`` of the style sheet."""


def bar(part: int | None, whole: int | None, kind: str = "") -> Markup:
    """A bar, ``part`` of ``whole`` long; decoration: the number stands beside it."""
    width = 0 if not part or not whole else max(2, min(part, whole) * 1000 // whole)
    return Markup(
        '<svg class="bar{}" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="rest" width="1000" height="10"/><rect class="part" width="{}" height="10"/></svg>'
    ).format(f" {kind}" if kind else "", width)


@lru_cache(maxsize=128)
def _places(seats: int) -> tuple[tuple[float, float, float], ...]:
    """Angle, x and y (units of the picture: 400 wide, 200 high) of each seat of a hemicycle, from left to right; the radius last."""
    rows = next(n for n in range(1, 40) if seats <= sum(_room(n)))
    room = _room(rows)
    taken = [seats * one // sum(room) for one in room]
    for row in sorted(range(rows), key=lambda row: -(seats * room[row] % sum(room)))[: seats - sum(taken)]:
        taken[row] += 1
    size = _radius(rows)
    found = []
    for row, count in enumerate(taken):
        distance = 190 - size - row * size * 2.4
        for place in range(count):
            angle = math.pi / 2 if count == 1 else math.pi - place * math.pi / (count - 1)
            found.append((-angle, 200 + distance * math.cos(angle), 194 - distance * math.sin(angle)))
    return tuple(sorted(found))


def _radius(rows: int) -> float:
    return min(20.0, 120 / (rows * 2.4))


def _room(rows: int) -> list[int]:
    size = _radius(rows)
    return [max(1, int(math.pi * (190 - size - row * size * 2.4) / (size * 2.3))) for row in range(rows)]


def hemicycle(groups: Sequence[tuple[str, int, int]], vacant: int, label: str) -> Markup:
    """Seats as a half circle: (name, seats, colour) in the order of sitting, then vacant seats as empty circles."""
    seats = sum(count for _, count, _ in groups) + vacant
    if not seats:
        return Markup("")
    rows = next(n for n in range(1, 40) if seats <= sum(_room(n)))
    owners = [(colour, name) for name, count, colour in groups for _ in range(count)]
    owners += [(-1, "vacant")] * vacant
    size = _radius(rows)
    dots = Markup("").join(
        Markup('<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
            "vacant" if colour < 0 else f"c{colour % COLOURS}", f"{x:.1f}", f"{y:.1f}", f"{size:.1f}", name
        )
        for (_, x, y), (colour, name) in zip(_places(seats), owners, strict=True)
    )
    return Markup('<svg class="seats" viewBox="0 0 400 215" role="img" aria-label="{}">{}</svg>').format(
        label, dots
    )


def timeline(points: Sequence[tuple[int, int]], expected: int, label: str) -> Markup:
    """Protocols reported over time: (seconds, reported), ascending, as a line under its full height ``expected``."""
    if len(points) < 2 or not expected or points[-1][0] == points[0][0]:
        return Markup("")
    start, span = points[0][0], points[-1][0] - points[0][0]
    at = [((second - start) * 600 // span, 160 - reported * 150 // expected) for second, reported in points]
    line = " ".join(f"{x},{y}" for x, y in at)
    return Markup(
        '<svg class="time" viewBox="0 0 600 162" role="img" aria-label="{}" preserveAspectRatio="none">'
        '<line class="goal" x1="0" y1="10" x2="600" y2="10"/><line class="goal half" x1="0" y1="85" x2="600" y2="85"/>'
        '<polygon class="under" points="0,160 {} 600,160"/><polyline class="line" points="{}"/></svg>'
    ).format(label, line, line)


def awake(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points since anything was reported, risen from nothing: a run may have been open for hours before."""
    first = next((index for index, (_, reported) in enumerate(points) if reported), 0)
    rise = [(points[first][0], 0)] if first else []
    return [*rise, *points[first:]]


def thinned(points: Sequence[tuple[int, int]], most: int = 200) -> list[tuple[int, int]]:
    """At most so many of the points, first and last always among them."""
    if len(points) <= most:
        return list(points)
    return [points[index * (len(points) - 1) // (most - 1)] for index in range(most)]
