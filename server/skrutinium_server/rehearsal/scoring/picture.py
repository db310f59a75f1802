"""The picture of a night as SVG: releases, what went wrong, and what each subscriber had. Pure, no scripts, readable without colour.

Coordinates are whole tenths of a unit of the view box, so the same scores give the same bytes everywhere.
"""

import datetime
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from skrutinium_server.rehearsal.scoring.model import Night, Published, Scorecard, Scores, Series, Trouble
from skrutinium_server.rehearsal.scoring.signs import MAIN, had_since
from skrutinium_server.rehearsal.scoring.summary import WAYS, WHAT, seconds

_LEFT: Final = 1800
_RIGHT: Final = 9900
_WIDTH: Final = 10_000
_CURVE: Final = (260, 1160)
"""Top and bottom of the curve of protocols."""
_AXIS: Final = 1300
_LANES: Final = 1560
_LANE: Final = 230
_NAME: Final = 26
"""Letters of a name that are shown beside a lane."""
_THIN, _THICK = 60, 140
"""Heights of a bar: up to date, and behind."""
_GRAPH: Final = 900
_FINE: Final = 5
"""Nothing is drawn finer than that: a night of thousands of releases makes no larger picture."""
_UNSEEN: Final = 200
"""A delay that is a smaller part of the longest one than that cannot be seen."""
_STEPS: Final = tuple(
    datetime.timedelta(seconds=one)
    for one in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
)
_MOST_TICKS: Final = 8
_MINUTE: Final = datetime.timedelta(minutes=1)
_SECOND: Final = datetime.timedelta(seconds=1)

PATTERNS: Final = (
    '<defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="8" height="8" class="trouble-ground"/><path d="M0 0v8" class="trouble-line"/></pattern>'
    '<pattern id="behind" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect width="4" height="4" class="behind-ground"/><path d="M0 0v4" class="behind-line"/></pattern></defs>'
)


def night_picture(scores: Scores) -> str:
    """All subscribers below the curve of the night, a lane each."""
    lanes = [card for card in scores.cards if card.seen]
    bottom = _LANES + _LANE * len(lanes)
    scale = Scale(scores.night)
    parts = [*_ground(scale, bottom), *_curve(scale)]
    for row, card in enumerate(lanes):
        parts += _lane(scale, card, _LANES + row * _LANE + _LANE // 2)
    what = f"The night of the run {scores.night.run}: protocols that came in, what went wrong, and when each of {len(lanes)} subscribers was up to date."
    return _svg(bottom + 100, what, parts)


def card_picture(scores: Scores, card: Scorecard) -> str:
    """One subscriber below the curve of the night: how far behind it was, and what brought its releases."""
    scale = Scale(scores.night)
    graph = (_LANES + 50, _LANES + 50 + _GRAPH)
    ways = [way for way in WAYS if any(sign.way == way for sign in card.signs)]
    bottom = graph[1] + 150 + _LANE * len(ways)
    parts = [*_ground(scale, bottom), *_curve(scale), *_staleness(scale, card, graph)]
    for row, way in enumerate(ways):
        middle = graph[1] + 150 + row * _LANE + _LANE // 2
        at = _marks((scale.x(sign.time) for sign in card.signs if sign.way == way), middle - 60, 12)
        parts += [_label(f"by {WAYS[way]}", middle + 35), f'<path d="{at}" class="read"/>']
    what = f"The night of the run {scores.night.run} for {card.subscriber.name}: how far behind it was, and when it read."
    return _svg(bottom + 100, what, parts)


class Scale:
    """From moments to the width of the picture."""

    def __init__(self, night: Night) -> None:
        self.night = night
        self.zone = ZoneInfo(night.zone)
        self.begun = night.begun
        self.length = max(night.ended - night.begun, _SECOND)

    def x(self, time: datetime.datetime) -> int:
        """Where a moment is."""
        return max(_LEFT, min(_RIGHT, _LEFT + (time - self.begun) * (_RIGHT - _LEFT) // self.length))

    def ticks(self) -> Iterable[tuple[int, str]]:
        """Round moments and how they are written."""
        step = next((one for one in _STEPS if self.length // one <= _MOST_TICKS), _STEPS[-1])
        form = "%H:%M" if step >= _MINUTE else "%H:%M:%S"
        begun = self.begun.astimezone(self.zone)
        midnight = begun.replace(hour=0, minute=0, second=0, microsecond=0)
        time = midnight + (-((midnight - begun) // step)) * step
        while time <= self.begun + self.length:
            yield self.x(time), time.astimezone(self.zone).strftime(form)
            time += step


# ------------------------------------------------------------------------------------------------ parts
def _ground(scale: Scale, bottom: int) -> Iterable[str]:
    """Troubles over the whole height, times of crisis mail, and the axis."""
    night = scale.night
    for number, trouble in enumerate(night.troubles, 1):
        left, right = scale.x(trouble.begun), scale.x(trouble.ended or night.ended)
        told = f"{number}: {told_trouble(trouble)}"
        yield (
            f'<rect x="{_n(left)}" y="{_n(_CURVE[0] - 130)}" width="{_n(max(20, right - left))}" height="{_n(bottom - _CURVE[0] + 130)}" fill="url(#hatch)"><title>{escape(told)}</title></rect>'
            f'<text x="{_n((left + right) // 2)}" y="{_n(_CURVE[0] - 150)}" class="mark">{number}</text>'
        )
    for mailing in night.mailings:
        left, right = scale.x(mailing.begun), scale.x(mailing.ended or night.ended)
        yield f'<rect x="{_n(left)}" y="{_n(_CURVE[1] + 20)}" width="{_n(max(20, right - left))}" height="5" class="mailing"><title>Crisis mail was sent</title></rect>'
    for x, text in scale.ticks():
        yield f'<path d="M{_n(x)} {_n(_CURVE[1])}V{_n(bottom)}" class="grid"/><text x="{_n(x)}" y="{_n(_AXIS + 90)}" class="time">{text}</text>'


def _curve(scale: Scale) -> Iterable[str]:
    """The share of protocols that was published, a step a release; corrections are marked."""
    series = scale.night.series.get(MAIN) or next(iter(scale.night.series.values()))
    points = [f"M{_n(_LEFT)} {_n(_CURVE[1])}"]
    heights = {scale.x(one.time) // _FINE * _FINE: _height(one) for one in series.releases}
    points += [f"H{_n(x)}V{_n(y)}" for x, y in sorted(heights.items())]
    line = "".join(points) + f"H{_n(_RIGHT)}"
    yield f'<path d="{line}V{_n(_CURVE[1])}Z" class="under"/><path d="{line}" class="curve"/>'
    last = series.releases[-1]
    yield _label(f"{last.reported} of {last.expected} protocols", _CURVE[0] + 60)
    yield _label(f"{len(series.releases)} releases", _CURVE[1] - 10)
    ticks = _marks((scale.x(one.time) for one in series.releases), _CURVE[1], 4)
    yield f'<path d="{ticks}" class="release"/>'
    for one in series.releases:
        if one.correction:
            x, y = scale.x(one.time), _height(one)
            yield f'<path d="M{_n(x)} {_n(y - 20)}l-5 -9h10z" class="correction"><title>Release {one.number} brings a correction</title></path>'


def _marks(places: Iterable[int], y: int, length: int) -> str:
    """Short upright lines; of those that would lie on each other one."""
    found = sorted({x // _FINE * _FINE for x in places})
    return "".join(f"M{_n(x)} {_n(y)}v{length}" for x in found)


def _height(one: Published) -> int:
    top, bottom = _CURVE
    return bottom - (bottom - top) * one.reported // max(1, one.expected)


def _lane(scale: Scale, card: Scorecard, middle: int) -> Iterable[str]:
    """When one subscriber was up to date (thin) and behind by a second or more (thick)."""
    yield _label(card.subscriber.name, middle + 35)
    if not card.signs:
        yield f'<text x="{_n(_LEFT + 40)}" y="{_n(middle + 35)}" class="soft">nothing is known of its releases</text>'
        return
    begun, ended = scale.x(card.signs[0].time), scale.x(scale.night.ended)
    yield f'<path d="M{_n(_LEFT)} {_n(middle)}H{_n(begun)}" class="away"/>'
    yield _bar(begun, ended, middle, _THIN, "fresh", "")
    for one in card.behind:
        until = one.until or scale.night.ended
        if until - one.since < _SECOND:
            continue
        lasted = (until - one.since) // datetime.timedelta(milliseconds=1)
        yield _bar(scale.x(one.since), scale.x(until), middle, _THICK, "behind", f"{seconds(lasted)} behind")


def _bar(left: int, right: int, middle: int, height: int, kind: str, title: str) -> str:
    fill = ' fill="url(#behind)"' if kind == "behind" else ""
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect x="{_n(left)}" y="{_n(middle - height // 2)}" width="{_n(max(12, right - left))}" height="{_n(height)}" class="{kind}"{fill}>{told}</rect>'


def _staleness(scale: Scale, card: Scorecard, graph: tuple[int, int]) -> Iterable[str]:
    """How far behind the subscriber was at each moment: it grows from when a release came out until it was had."""
    top, bottom = graph
    yield f'<path d="M{_n(_LEFT)} {_n(bottom)}H{_n(_RIGHT)}" class="axis"/>'
    yield _label("seconds behind", top + 60)
    if not card.signs or card.stale is None:
        yield f'<text x="{_n(_LEFT + 40)}" y="{_n(bottom - 60)}" class="soft">nothing is known of its releases</text>'
        return
    most = max(10 * _SECOND, card.stale.milliseconds * datetime.timedelta(milliseconds=1))
    yield f'<path d="M{_n(_LEFT)} {_n(top)}H{_n(_RIGHT)}" class="grid"/><text x="{_n(_RIGHT)}" y="{_n(top - 20)}" class="most">{seconds(most // datetime.timedelta(milliseconds=1))}</text>'
    series = scale.night.series.get(card.series, Series("", ()))
    before, lines = card.signs[0].time, []
    for one, sign in zip(series.releases, had_since(series, card.signs), strict=True):
        begins = max(one.time, before)
        ends = scale.night.ended if sign is None else max(sign.time, one.time)
        if one.number > card.signs[0].high and ends - one.time > most // _UNSEEN and ends > begins:
            y = [bottom - (bottom - top) * (at - one.time) // most for at in (begins, ends)]
            x = [scale.x(begins), scale.x(ends)]
            lines.append(f"M{_n(x[0])} {_n(bottom)}V{_n(y[0])}L{_n(x[1])} {_n(y[1])}V{_n(bottom)}z")
        before = max(before, ends) if one.number > card.signs[0].high else before
    yield f'<path d="{"".join(lines)}" class="stale"/>'


def told_trouble(trouble: Trouble) -> str:
    """A trouble in words."""
    where = {"first": "of the first site", "second": "of the second site", "both": "of both sites"}
    what = WHAT.get(trouble.what, trouble.what.replace("_", " ").capitalize())
    return what if trouble.what == "second_site_only" else f"{what} {where.get(trouble.which, trouble.which)}"


# ------------------------------------------------------------------------------------------------ bytes
def _label(text: str, y: int) -> str:
    shown = text if len(text) <= _NAME else text[: _NAME - 1] + "…"
    full = f"<title>{escape(text)}</title>" if shown != text else ""
    return f'<text x="{_n(_LEFT - 80)}" y="{_n(y)}" class="label">{escape(shown)}{full}</text>'


def _svg(height: int, what: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(_WIDTH)} {_n(height)}" role="img" aria-label="{escape(what)}">'
        f"{PATTERNS}{''.join(parts)}</svg>"
    )


def _n(tenths: int) -> str:
    whole, rest = divmod(tenths, 10)
    return f"{whole}.{rest}" if rest else str(whole)
