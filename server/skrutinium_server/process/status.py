"""How a site is doing, for its operator: what is counted and published, how old it is, what needs a person, who reads.

It asks the counting process over the site's socket, looks at the release store, and reads the metrics of feeds where it is told
their addresses. Nothing is changed. Source: issue "Seen by its operator".
"""

import asyncio
import datetime
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from skrutinium_server.process import room
from skrutinium_server.process.crisis_mail import status_of
from skrutinium_server.process.errors import DecisionError, ProcessError
from skrutinium_server.process.live_tests import read_told
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import connect
from skrutinium_server.process.wishes import Wishes
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader

DEAD: Final = 30.0
"""Seconds without a heartbeat after which a publisher counts as dead; one comes every ten."""

LAG: Final = 3
"""So many cuts that are not published are an alarm; one or two are being written."""

PATIENCE: Final = 3.0
"""Seconds that the counting process, and a feed with its metrics, have to answer."""

NOBODY: Final = "A run is open and nobody counts it. Start: skrutinium-server serve, or count."

_ALIVE: Final = re.compile(rb' alive="([^"]{1,40})"')


class SeriesStatus(msgspec.Struct, frozen=True):
    """One series of a run: ``age`` and ``beat`` are seconds since its newest release and heartbeat, None where there is none.

    ``up``: seconds since its publisher was started, None when nobody counts.
    """

    event: str
    run: str
    series: str
    phase: str
    open: bool
    release: int
    age: float | None
    beat: float | None
    up: float | None
    behind: int | None
    restarts: int | None


class FeedStatus(msgspec.Struct, frozen=True):
    """One feed, as its metrics tell it; ``memory`` in bytes, ``connections`` by subscriber."""

    address: str
    connections: Mapping[str, int]
    push: int
    memory: int
    answers: Mapping[str, int]


class SiteStatus(msgspec.Struct, frozen=True):
    """Everything of a moment; ``alarms`` are sentences that say what to do.

    ``since``: when the counting process was started (aware, UTC); ``disk_free`` in bytes; by run: ``protocols`` taken over and
    expected, and ``held`` contests with how many protocols are set aside for each. ``notes`` are sentences on what is not usual
    and nobody's fault.
    """

    counting: bool
    since: datetime.datetime | None
    disk_free: int
    protocols: Mapping[str, tuple[int, int]]
    held: Mapping[str, Mapping[str, int]]
    series: tuple[SeriesStatus, ...]
    feeds: tuple[FeedStatus, ...]
    crisis: str | None
    alarms: tuple[str, ...]
    notes: tuple[str, ...]


async def site_status(
    site: Site, now: datetime.datetime, metrics: Iterable[tuple[str, int]] = ()
) -> SiteStatus:
    """The state of a site at ``now``; ``metrics``: host and port of each feed that tells some."""
    hangs = False
    try:
        told = await _counting(site)
    except TimeoutError:
        told, hangs = None, True
    free, (series, alarms), notes = await asyncio.to_thread(
        lambda: (shutil.disk_usage(site.root).free, _series(site, told, now), _notes(site, told, now))
    )
    if hangs:
        alarms = [text for text in alarms if text != NOBODY]
        alarms.append(
            f"The counting process does not answer within {PATIENCE:.0f} s. Look into the log; end it, and it is started again."
        )
    if free < room.LEAST:
        alarms.append(
            f"The disk of the site has {free // 1_000_000} MB left. Make room: publishing stops without."
        )
    feeds = []
    for host, port in metrics:
        try:
            feed, more = await asyncio.to_thread(_feed, host, port)
        except (OSError, ValueError) as error:
            alarms.append(f"The metrics at {host}:{port} cannot be read: {error}. Is that feed running?")
        else:
            feeds.append(feed)
            alarms += more
    crisis, more = await asyncio.to_thread(status_of, site.root)
    alarms += more
    if told:
        tests = await asyncio.to_thread(read_told, site.root)
        alarms += tests.alarms
        notes += tests.notes
    runs = told["runs"] if told else {}
    return SiteStatus(
        told is not None,
        datetime.datetime.fromisoformat(told["since"]) if told else None,
        free,
        {name: (run["reported"], run["expected"]) for name, run in runs.items()},
        {name: dict(run["held"]) for name, run in runs.items() if run["held"]},
        tuple(series),
        tuple(feeds),
        crisis.state if crisis else None,
        tuple(alarms),
        tuple(notes),
    )


async def _counting(site: Site) -> dict[str, Any] | None:
    """What the counting process says, None when there is none; raises TimeoutError when it does not answer."""
    there = await connect(site)
    if there is None:
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            return await there.ask(do="status")
    except ProcessError:
        return None
    finally:
        there.close()


def _series(
    site: Site, told: Mapping[str, Any] | None, now: datetime.datetime
) -> tuple[list[SeriesStatus], list[str]]:
    """Every series of the store, and what is wrong; reads files."""
    reader = StoreReader(site.store)
    found: list[SeriesStatus] = []
    alarms: list[str] = []
    try:
        runs = reader.state()[1]
    except StoreError as error:
        return found, [f"The state file cannot be read: {error}"]
    if told is None and any(run.open for run in runs):
        alarms.append(NOBODY)
    for run in runs:
        counted = told["runs"].get(run.id) if told else None
        for name in run.series:
            try:
                found.append(_one(reader, run, name, counted, now))
            except (StoreError, OSError) as error:
                alarms.append(f"Series {name} of run {run.id} cannot be read: {error}")
                continue
            alarms += _wrong(found[-1], counted)
        if counted:
            alarms += [
                f"Run {run.id}, {part}: {text}" for part, text in sorted(counted.get("trouble", {}).items())
            ]
    if told:
        alarms += [
            f"Run {name} is not counted: {text}" for name, text in sorted(told.get("left_alone", {}).items())
        ]
    return found, alarms


def _notes(site: Site, told: Mapping[str, Any] | None, now: datetime.datetime) -> list[str]:
    """What waits for a time or a person; reads files."""
    try:
        waiting, runs = Wishes(site.root).waiting(now), StoreReader(site.store).state()[1]
    except (DecisionError, StoreError) as error:
        return [str(error)]
    return [
        *(
            f"Nothing of run {run.id} is read before {run.not_before:%Y-%m-%d %H:%M} UTC."
            for run in runs
            if run.open and run.not_before is not None and run.not_before > now
        ),
        *(
            f"Contest {contest} of run {name} is held; protocols set aside: {aside}."
            for name, run in (told["runs"] if told else {}).items()
            for contest, aside in sorted(run["held"].items())
        ),
        *(
            f"{one.by} asks to {one.do} run {one.run}; another person confirms until {one.until:%H:%M:%S} UTC: run confirm."
            for one in waiting
        ),
    ]


def _one(
    reader: StoreReader, run: Run, name: str, counted: Mapping[str, Any] | None, now: datetime.datetime
) -> SeriesStatus:
    key = SeriesKey(run.event, run.id, name)
    newest = reader.newest(key)
    written = reader.layout.newest(key).stat().st_mtime if newest else None
    heartbeat = reader.heartbeat(key)
    alive = _ALIVE.search(heartbeat) if heartbeat else None
    beat = datetime.datetime.fromisoformat(alive[1].decode("ascii")) if alive else None
    since = counted["since"].get(name) if counted else None
    return SeriesStatus(
        run.event,
        run.id,
        name,
        run.phase,
        run.open,
        newest.number if newest else 0,
        now.timestamp() - written if written else None,
        (now - beat).total_seconds() if beat else None,
        (now - datetime.datetime.fromisoformat(since)).total_seconds() if since else None,
        counted["behind"].get(name) if counted else None,
        counted["restarts"].get(name) if counted else None,
    )


def _wrong(one: SeriesStatus, counted: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with a series of an open run."""
    where = f"series {one.series} of run {one.run}"
    wrong: list[str] = []
    if not one.open or counted is None:
        return wrong
    young = (
        one.up is not None and one.up <= DEAD
    )  # it has had no time for a sign of life, or to say how far it is
    if not young and (one.beat is None or one.beat > DEAD):
        told = "never" if one.beat is None else f"{one.beat:.0f} s ago"
        wrong.append(f"The publisher of {where} gave its last sign of life {told}. Look into the log.")
    if not young and one.behind is not None and one.behind >= LAG:
        wrong.append(f"The {where} is {one.behind} releases behind. Look at disk and load.")
    return wrong


def scraped(host: str, port: int) -> str:
    """The text of the metrics of a process; raises OSError, and ValueError for what is no text."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise OSError(f"status {error.code}") from error


def _feed(host: str, port: int) -> tuple[FeedStatus, list[str]]:
    """What a feed tells, and its alarms; raises OSError and ValueError."""
    values: dict[str, float] = {}
    connections: dict[str, int] = {}
    answers: dict[str, int] = {}
    alarms = []
    for family in text_string_to_metric_families(scraped(host, port)):
        for sample in family.samples:
            values[sample.name] = sample.value
            if sample.name == "skrutinium_connections":
                connections[sample.labels["subscriber"]] = int(sample.value)
            elif sample.name == "skrutinium_answers_total":
                answers[sample.labels["class"]] = int(sample.value)
            elif sample.name == "skrutinium_alarm" and sample.value:
                alarms.append(f"The feed at {host}:{port} has the alarm {sample.labels['alarm']!r}.")
    if "skrutinium_push_connections" not in values:
        raise ValueError("these are not the metrics of a feed")
    return (
        FeedStatus(
            f"{host}:{port}",
            connections,
            int(values["skrutinium_push_connections"]),
            int(values.get("process_resident_memory_bytes", 0)),
            answers,
        ),
        alarms,
    )
