"""``/access``, ``/status`` and ``/health``: small JSON objects about the feed itself.

``/access``: ``address`` as seen, ``allowed``, ``range`` (name), ``subscriber`` (id), ``network``, ``kind`` (live or test), ``until``, ``why`` (code and message
when nothing may be read), ``runs`` (``event``, ``run``, ``phase``, ``readable``, otherwise ``why``, and ``not_before`` when it is to come). ``/status``: ``state`` (its number), ``alarms`` (names), ``listening`` (push
connections), ``series`` with ``event``, ``run``, ``series``, ``phase``, ``current``, ``open``, and of the newest release ``release``,
``time``, ``state``, ``expected``, ``reported``, ``age`` (seconds since it was written); of a run that the range does not read only ``refused`` (the code) and,
before the legal minute, ``not_before``. ``/health``: ``alive`` and ``looked``,
seconds since the store was looked at.
"""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from skrutinium_server.feed.access import seen_as
from skrutinium_server.feed.permission import Allowed
from skrutinium_server.feed.refusals import Refusal
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


def access_page(address: str, allowed: Allowed, runs: tuple[Run, ...]) -> Answer:
    """Which address was seen, whether it is inside, what it may read, until when, and why not."""
    grant, barred = allowed.grant, allowed.barred
    told: dict[str, Any] = {
        "address": seen_as(address),
        "allowed": barred is None,
        "range": grant.name if grant else None,
    }
    if grant is not None:
        told |= {
            "subscriber": grant.subscriber,
            "network": str(grant.network),
            "kind": grant.kind,
            "events": sorted(grant.events) if grant.events is not None else None,
            "until": _utc(grant.until) if grant.until else None,
        }
    if barred is not None:
        return page(told | {"why": _why(barred)})
    return page(told | {"runs": [_access(allowed, run) for run in runs]})


def _access(allowed: Allowed, run: Run) -> dict[str, Any]:
    refusal = allowed.reads(run.event, run.id)
    told: dict[str, Any] = {
        "event": run.event,
        "run": run.id,
        "phase": run.phase,
        "readable": refusal is None,
    }
    if refusal is not None:
        told["why"] = _why(refusal)
        if refusal.until is not None:
            told["not_before"] = _utc(refusal.until)
    return told


def _why(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "message": refusal.message}


def _utc(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def health_page(looked: float) -> Answer:
    """Whether the store is being looked at."""
    return page({"alive": looked < STALLED, "looked": round(looked, 3)})


def status_page(published: Published, listening: int, now: datetime.datetime, allowed: Allowed) -> Answer:
    """How old the newest release of each series is."""
    series = [_series(published, run, name, now, allowed) for run in published.runs for name in run.series]
    return page(
        {
            "state": published.number,
            "alarms": sorted(published.alarms),
            "listening": listening,
            "series": series,
        }
    )


def _series(
    published: Published, run: Run, name: str, now: datetime.datetime, allowed: Allowed
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "event": run.event,
        "run": run.id,
        "series": name,
        "phase": run.phase,
        "current": run.current,
        "open": run.open,
        "release": None,
    }
    refusal = allowed.reads(run.event, run.id)
    if refusal is not None:
        not_before = {"not_before": _utc(refusal.until)} if refusal.until else {}
        return told | {"refused": refusal.code} | not_before
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
