"""``/status`` and ``/status.xml``: how the feed is, how old the newest release of each series is, and what the operator tells.

The same in JSON and as the element ``status`` of the schema; names with two words have a hyphen in XML and an underscore in JSON.
Service level, while a run is open: ``alive`` is the age of the publisher's last sign of life (seconds), ``delay`` the longest time of
the last hour between a release being written and being served here (milliseconds), each with its target.
"""

import datetime
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from skrutinium_server.feed.pages import page, utc
from skrutinium_server.feed.permission import Allowed
from skrutinium_server.feed.representation import NO_STORE, Answer, represent
from skrutinium_server.feed.shelf import Published
from skrutinium_server.release.store.model import Run, SeriesKey

ALIVE: Final = 15
"""Seconds that the last sign of life of an open run may be old: there is one every ten."""

DELAY: Final = 1000
"""Milliseconds between a release being written and being served, at most."""

HOUR: Final = datetime.timedelta(hours=1)

_ALIVE: Final = re.compile(rb'\salive="([^"]*)"')


class ServiceLevel:
    """The delays of the last hour by series."""

    def __init__(self) -> None:
        self._noted: dict[SeriesKey, deque[tuple[datetime.datetime, int]]] = {}

    def note(self, key: SeriesKey, now: datetime.datetime, written: datetime.datetime) -> None:
        """A release that was written then is served from now on."""
        noted = self._noted.setdefault(key, deque())
        noted.append((now, max(0, int((now - written).total_seconds() * 1000))))
        while noted and noted[0][0] < now - HOUR:
            noted.popleft()

    def delay(self, key: SeriesKey, now: datetime.datetime) -> int | None:
        """The longest delay, None without a release in the last hour."""
        return max((took for at, took in self._noted.get(key, ()) if at >= now - HOUR), default=None)


@dataclass(frozen=True, slots=True)
class Status:
    """What a status is made of; ``listening``: connections that wait for news."""

    published: Published
    listening: int
    now: datetime.datetime
    allowed: Allowed
    level: ServiceLevel

    def series(self) -> Iterator[dict[str, Any]]:
        """Every series of every run; of those that the reader may not read only why."""
        for run in self.published.runs:
            for name in run.series:
                yield self._series(run, SeriesKey(run.event, run.id, name))

    def _series(self, run: Run, key: SeriesKey) -> dict[str, Any]:
        told: dict[str, Any] = {
            "event": run.event,
            "run": run.id,
            "series": key.series,
            "phase": run.phase,
            "current": run.current,
            "open": run.open,
            "release": None,
        }
        refusal = self.allowed.reads(run.event, run.id)
        if refusal is not None:
            return (
                told
                | {"refused": refusal.code}
                | ({"not_before": utc(refusal.until)} if refusal.until else {})
            )
        held = self.published.series.get(key)
        if held is not None:
            manifest = held.manifest
            told |= {
                "release": held.number,
                "time": manifest.time,
                "state": manifest.state,
                "expected": manifest.expected,
                "reported": manifest.reported,
                "age": self._since(held.written),
            }
        heartbeat = self.published.heartbeats.get(key)
        if run.open and heartbeat is not None and (found := _ALIVE.search(heartbeat.body)):
            told["alive"] = self._since(datetime.datetime.fromisoformat(found[1].decode("ascii")))
        delay = self.level.delay(key, self.now)
        return told if delay is None else told | {"delay": delay}

    def _since(self, moment: datetime.datetime) -> int:
        return max(0, int((self.now - moment).total_seconds()))


def status_page(status: Status) -> Answer:
    """The status in JSON."""
    published, notices = status.published, status.published.notices
    second = notices.second_site
    planned = notices.next_planned(status.now)
    return page(
        {
            "state": published.number,
            "alarms": sorted(published.alarms),
            "listening": status.listening,
            "target": {"alive": ALIVE, "delay": DELAY},
            "series": list(status.series()),
            "incidents": [
                {"id": one.id, "begun": utc(one.begun), "text": one.text}
                | ({"ended": utc(one.ended)} if one.ended else {})
                for one in notices.incidents
            ],
            "planned": {"time": utc(planned.time), "text": planned.text} if planned else None,
            "second_site": {"address": second.address, "fingerprint": second.fingerprint} if second else None,
        }
    )


def status_document(status: Status) -> Answer:
    """The status as XML."""
    published, notices = status.published, status.published.notices
    second = notices.second_site
    rows = [f" <alarm>{escape(name, quote=False)}</alarm>\n" for name in sorted(published.alarms)]
    for one in status.series():
        told = {("id" if name == "series" else name.replace("_", "-")): value for name, value in one.items()}
        rows.append(f" <series{_attributes(told)}/>\n")
    for incident in notices.incidents:
        told = {"id": incident.id, "begun": utc(incident.begun), "text": incident.text}
        told |= {"ended": utc(incident.ended)} if incident.ended else {}
        rows.append(f" <incident{_attributes(told)}/>\n")
    rows += [
        f" <planned{_attributes({'time': utc(one.time), 'text': one.text})}/>\n"
        for one in notices.planned
        if one.time > status.now
    ]
    if second is not None:
        told = {"address": second.address, "fingerprint": second.fingerprint}
        rows.append(f" <second-site{_attributes(told)}/>\n")
    root = {
        "schema": "1.0",
        "time": utc(status.now),
        "number": published.number,
        "listening": status.listening,
        "target-alive": ALIVE,
        "target-delay": DELAY,
    }
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<status xmlns="urn:skrutinium:1"{_attributes(root)}>\n{"".join(rows)}</status>\n'
    )
    return Answer(represent(body.encode(), varies=False), NO_STORE)


def _attributes(told: Mapping[str, Any]) -> str:
    return "".join(f' {name}="{_text(value)}"' for name, value in told.items() if value is not None)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
