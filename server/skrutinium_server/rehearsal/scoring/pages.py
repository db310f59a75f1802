"""The pages: what each template is given. Pure but for the templates, which are read once. No scripts; each page stands alone."""

import datetime
import re
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skrutinium_server.archive.public.words import grouped
from skrutinium_server.rehearsal.scoring import summary
from skrutinium_server.rehearsal.scoring.advice import advice, marks
from skrutinium_server.rehearsal.scoring.closing import ClosingReport
from skrutinium_server.rehearsal.scoring.model import Night, Scorecard, Scores
from skrutinium_server.rehearsal.scoring.picture import card_picture, night_picture, told_trouble
from skrutinium_server.rehearsal.scoring.signs import MAIN

_APART: Final = re.compile(r"(?<=[0-9]) (?=s\b|min\b)")
"""What stands between a number and its unit."""

_PAGES: Final = Environment(
    loader=PackageLoader("skrutinium_server.rehearsal.scoring"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters.update(
    seconds=lambda milliseconds: _together(summary.seconds(milliseconds)),
    percent=summary.percent,
    recovery=lambda one: _together(summary.recovery(one)),
    outcome=summary.OUTCOMES.__getitem__,
    noticed=summary.NOTICED.__getitem__,
    trouble=told_trouble,
    marks=marks,
    corrections=summary.corrections,
    grouped=grouped,
)


def _together(text: str) -> str:
    """The same with numbers and units that stay on one line."""
    return _APART.sub("\N{NO-BREAK SPACE}", text)


def index_page(scores: Scores, made: datetime.datetime) -> bytes:
    """All subscribers on one page."""
    picture = Markup(night_picture(scores))  # noqa: S704 - ours, and escaped where it was made
    return _page("index.html", scores.night, made, cards=scores.cards, picture=picture)


def card_page(scores: Scores, one: Scorecard, made: datetime.datetime) -> bytes:
    """One subscriber: nothing of any other is on its page."""
    picture = Markup(card_picture(scores, one))  # noqa: S704 - as above
    return _page("card.html", scores.night, made, card=one, picture=picture, advice=advice(one))


def closing_page(report: ClosingReport, made: datetime.datetime) -> bytes:
    """The closing report."""
    return _page("closing.html", report.scores.night, made, report=report)


def _page(template: str, night: Night, made: datetime.datetime, **told: Any) -> bytes:
    zone = ZoneInfo(night.zone)

    def clock(time: datetime.datetime) -> str:
        return time.astimezone(zone).strftime("%H:%M:%S")

    def day(time: datetime.datetime) -> str:
        return time.astimezone(zone).strftime("%Y-%m-%d %H:%M")

    series = night.series.get(MAIN) or next(iter(night.series.values()))
    return (
        _PAGES.get_template(template)
        .render(night=night, made=made, clock=clock, day=day, releases=series.releases, **told)
        .encode()
    )
