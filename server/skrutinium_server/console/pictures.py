"""The picture of the night as inline SVG, and the same as rows of a table. Pure; no float: places are whole tenths of a unit."""

import datetime
import itertools
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from skrutinium_server.console.curve import Point

STEPS: Final = tuple(
    datetime.timedelta(seconds=seconds)
    for seconds in (
        10,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        14_400,
        21_600,
        43_200,
        86_400,
        172_800,
        604_800,
    )
)
"""Distances of the marks below the picture; the first that makes few enough of them is taken."""

ROWS: Final = 16
"""Rows of the table, at most."""

MOST: Final = 400
"""Points of the line; more are not seen."""


class Frame(NamedTuple):
    """Size of a picture in units, space for words at its left and below, and how many marks of time have room."""

    width: int
    height: int
    left: int
    below: int
    marks: int
    kind: str


WIDE: Final = Frame(960, 300, 64, 34, 10, "wide-picture")
NARROW: Final = Frame(340, 240, 54, 30, 4, "narrow-picture")


def curve(points: Sequence[Point], zone: datetime.tzinfo, label: str) -> Markup:
    """The picture twice, for wide and for narrow windows; nothing where there is no night to show yet."""
    shown = awake(points)
    if len(shown) < 2 or shown[-1].time <= shown[0].time or not shown[-1].expected:
        return Markup("")
    return Markup("").join(_picture(thinned(shown), zone, label, frame) for frame in (WIDE, NARROW))


def awake(points: Sequence[Point]) -> list[Point]:
    """The releases since anything was reported, risen from nothing: a run may be open for hours, or on another clock, before."""
    first = next((place for place, point in enumerate(points) if point.reported), len(points))
    if first in (0, len(points)):
        return list(points[first:])
    rise = points[first - 1]._replace(time=points[first].time)
    return [rise, *points[first:]]


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most so many, first and last among them."""
    if len(points) <= most:
        return list(points)
    return [points[place * (len(points) - 1) // (most - 1)] for place in range(most)]


def rows(points: Sequence[Point], most: int = ROWS) -> list[Point]:
    """What the table shows: the same night in few rows, the newest first."""
    return thinned([point for point in points if point.reported], most)[::-1]


def _picture(points: Sequence[Point], zone: datetime.tzinfo, label: str, frame: Frame) -> Markup:
    begin, span = points[0].time, points[-1].time - points[0].time
    right, floor = frame.width - 26, frame.height - frame.below
    top, whole = 16, max(point.expected for point in points)

    def across(moment: datetime.datetime) -> str:
        return _tenths(frame.left * 10 + (moment - begin) * ((right - frame.left) * 10) // span)

    def near(moment: datetime.datetime) -> bool:
        """Whether words in the middle below it would run out of the picture."""
        return (points[-1].time - moment) * 25 < span

    def up(reported: int) -> str:
        return _tenths(floor * 10 - reported * (floor - top) * 10 // whole)

    steps = [f"{across(points[0].time)},{up(points[0].reported)}"]
    for before, point in itertools.pairwise(points):
        steps += [f"{across(point.time)},{up(before.reported)}", f"{across(point.time)},{up(point.reported)}"]
    line = " ".join(steps)
    parts = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="side" x="{}" y="{}">{}</text>'
        ).format(frame.left, right, up(share), up(share), frame.left - 8, up(share), f"{percent} %")
        for percent in (0, 25, 50, 75, 100)
        for share in (whole * percent // 100,)
    ]
    parts += [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="foot{}" x="{}" y="{}">{}</text>'
        ).format(
            across(moment),
            across(moment),
            floor,
            floor + 5,
            " last" if near(moment) else "",
            across(moment),
            floor + 22,
            text,
        )
        for moment, text in _marks(begin, points[-1].time, zone, frame.marks)
    ]
    body = Markup(
        '<polygon class="under" points="{},{} {} {},{}"/><polyline class="line" points="{}"/>'
    ).format(frame.left, floor, line, right, floor, line)
    now = Markup('<circle class="now" cx="{}" cy="{}" r="5"/>').format(right, up(points[-1].reported))
    return Markup('<svg class="curve {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        frame.kind, frame.width, frame.height, label, Markup("").join(parts), body, now
    )


def _marks(
    begin: datetime.datetime, end: datetime.datetime, zone: datetime.tzinfo, most: int
) -> list[tuple[datetime.datetime, str]]:
    """Round times of the zone between begin and end, and how they are written."""
    step = next((one for one in STEPS if (end - begin) // one <= most), (end - begin) // most)
    local = begin.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + ((local - midnight) // step + 1) * step
    form = (
        "%H:%M:%S"
        if step < datetime.timedelta(minutes=1)
        else "%H:%M"
        if step < datetime.timedelta(days=1)
        else "%d. %m."
    )
    marks = []
    while moment <= end:
        marks.append((moment, f"{moment:{form}}"))
        moment += step
    return marks


def _tenths(value: int) -> str:
    return f"{value // 10}.{value % 10}"
