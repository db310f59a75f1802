"""``/access``, ``/status`` and ``/health``: small JSON objects about the feed itself.

``/access``: ``address`` as seen, ``allowed``, ``range``. ``/status``: ``state`` (its number), ``alarms`` (names), ``listening`` (push
connections), ``series`` with ``event``, ``run``, ``series``, ``phase``, ``current``, ``open``, and of the newest release ``release``,
``time``, ``state``, ``expected``, ``reported``, ``age`` (seconds since it was written). ``/health``: ``alive`` and ``looked``,
seconds since the store was looked at.
"""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from skrutinium_server.feed.access import seen_as
from skrutinium_server.feed.representation import NO_STORE, Answer, represent
from skrutinium_server.feed.shelf import Published
from skrutinium_server.release.store.model import Run, SeriesKey

JSON = b"application/json"
STALLED = 10.0
"""Seconds without a look at the store after which the feed is not healthy."""


def page(content: Mapping[str, Any]) -> Answer:
    """An answer that is made for each request."""
    body = json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"
    return Answer(represent(body, kind=JSON, varies=False), NO_STORE)


def access_page(address: str, name: str | None) -> Answer:
    """Which address was seen, and whether it may read."""
    return page({"address": seen_as(address), "allowed": name is not None, "range": name})


def health_page(looked: float) -> Answer:
    """Whether the store is being looked at."""
    return page({"alive": looked < STALLED, "looked": round(looked, 3)})


def status_page(published: Published, listening: int, now: datetime.datetime) -> Answer:
    """How old the newest release of each series is."""
    series = [_series(published, run, name, now) for run in published.runs for name in run.series]
    return page(
        {
            "state": published.number,
            "alarms": sorted(published.alarms),
            "listening": listening,
            "series": series,
        }
    )


def _series(published: Published, run: Run, name: str, now: datetime.datetime) -> dict[str, Any]:
    told: dict[str, Any] = {
        "event": run.event,
        "run": run.id,
        "series": name,
        "phase": run.phase,
        "current": run.current,
        "open": run.open,
        "release": None,
    }
    held = published.series.get(SeriesKey(run.event, run.id, name))
    if held is not None:
        manifest = held.manifest
        age = now - held.written
        told |= {
            "release": held.number,
            "time": manifest.time,
            "state": manifest.state,
            "expected": manifest.expected,
            "reported": manifest.reported,
            "age": int(age.total_seconds()),
        }
    return told
