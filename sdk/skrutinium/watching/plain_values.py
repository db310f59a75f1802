"""A view as plain values for JSON: whole numbers, times in UTC as text, shares exactly and in percent; never a float."""

import datetime
from fractions import Fraction
from typing import Any

from skrutinium.documents.results import Kind
from skrutinium.documents.shares import percent, share_of
from skrutinium.watching.view import View


def time_text(time: datetime.datetime) -> str:
    """A time as text (ISO 8601, UTC)."""
    return time.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def share_values(share: Fraction | None) -> dict[str, str] | None:
    """A share exactly and in percent with two decimals, halves up; None where there is none."""
    if share is None:
        return None
    return {"exact": f"{share.numerator}/{share.denominator}", "percent": percent(share)}


def plain_values(view: View, event: str) -> dict[str, Any]:
    """One release of that event as JSON has it."""
    return {
        "release": view.number,
        "time": time_text(view.time),
        "event": event,
        "run": view.run,
        "phase": view.phase,
        "made_up": view.made_up,
        "name": view.name,
        "state": view.state,
        "expected": view.expected,
        "reported": view.reported,
        "arrived": view.arrived,
        "corrections": view.corrections,
        "kinds": [_kind(one) for one in view.kinds],
    }


def _kind(kind: Kind) -> dict[str, Any]:
    figures = kind.count.figures
    return {
        "id": kind.id,
        "contests": kind.contests,
        "decided": kind.decided,
        "expected": kind.count.expected,
        "reported": kind.count.reported,
        "figures": dict(figures),
        "turnout": share_values(share_of(figures.get("issued"), figures.get("eligible"))),
        "committees": [
            {
                "id": one.id,
                "name": one.name,
                "votes": one.votes,
                "share": share_values(kind.share(one)),
                "seats": one.seats,
            }
            for one in kind.committees
        ],
    }
