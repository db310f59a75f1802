"""What there is to see of a site at a moment: runs, releases, alarms, what waits for a person, what readers were told.

Several pages that ask at the same time share one look. Nothing is changed.
"""

import asyncio
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from skrutinium_server.console.curve import Curves, Point
from skrutinium_server.console.sessions import Clock
from skrutinium_server.console.settings import ConsoleSettings
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.ledger.model import Phase
from skrutinium_server.process.basis import RunRecord
from skrutinium_server.process.clock import WallTime
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.registers import calendar_of
from skrutinium_server.process.site import Site
from skrutinium_server.process.status import SeriesStatus, SiteStatus, site_status
from skrutinium_server.process.wishes import Wish, Wishes
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import Notices, Run, SeriesKey
from skrutinium_server.release.store.notices import NoticesReader

FRESH: Final = 1.0
"""Seconds that a look may be old."""

ENTRIES: Final = 4
"""Entries of the calendar that are shown."""

SERIES: Final = "skrutinium"
"""The series that the progress of a run is told by."""


@dataclass(frozen=True, slots=True)
class SeenRun:
    """One run: what it rests on, what readers are told of it (None: not yet), its series, its newest release, held contests."""

    record: RunRecord
    told: Run | None
    series: tuple[SeriesStatus, ...]
    newest: Point | None
    held: Mapping[str, int]
    waiting: Wish | None

    @property
    def id(self) -> str:
        """Its name."""
        return self.record.run

    @property
    def phase(self) -> Phase:
        """What it is for."""
        return self.record.phase

    @property
    def open(self) -> bool:
        """Whether it takes protocols."""
        return self.told is not None and self.told.open

    @property
    def current(self) -> bool:
        """Whether readers find it at the event's own address."""
        return self.told is not None and self.told.current

    @property
    def age(self) -> float | None:
        """Seconds since its newest release was written."""
        return next((one.age for one in self.series if one.series == SERIES), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What people have to know of a definition: ``sha256`` of its canonical bytes, ``not_before`` the minute that its law names (aware)."""

    event: str
    version: int
    name: str
    date: datetime.date | None
    law: str
    made_up: bool
    sha256: str
    contests: int
    precincts: int
    protocols: int
    not_before: datetime.datetime | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Coming:
    """An entry of the calendar that is under way (``now``) or still to come, as people read it."""

    now: bool
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """Everything of one moment; ``coming`` is what the calendar has next, ``faults`` are sentences on what could not be read."""

    at: datetime.datetime
    status: SiteStatus
    runs: tuple[SeenRun, ...]
    waiting: tuple[Wish, ...]
    notices: Notices
    events: tuple[Facts, ...]
    coming: tuple[Coming, ...]
    faults: tuple[str, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """What needs a person."""
        return (*self.status.alarms, *self.faults)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not usual and nobody's fault; what waits for a person is in :attr:`waiting`."""
        waits = tuple(f"{one.by} asks to {one.do} run {one.run};" for one in self.waiting)
        return tuple(note for note in self.status.notes if not (waits and note.startswith(waits)))

    @property
    def zone(self) -> ZoneInfo:
        """In which times are told: that of the law; UTC where there is no definition yet."""
        return self.events[0].zone if self.events else ZoneInfo("UTC")

    @property
    def connections(self) -> int:
        """Open connections at all feeds whose metrics are read."""
        return sum(sum(feed.connections.values()) for feed in self.status.feeds)

    @property
    def shown(self) -> SeenRun | None:
        """The run that the night is about: the one open and current, else one that is open, else the newest current one."""
        order = sorted(self.runs, key=lambda run: (run.open, run.current, run.phase == "live"), reverse=True)
        return order[0] if order else None

    def run(self, name: str) -> SeenRun | None:
        """The run of that name."""
        return next((run for run in self.runs if run.id == name), None)


class Looking:
    """Looks at a site; ``clock`` tells seconds that never go back."""

    def __init__(self, site: Site, settings: ConsoleSettings, wall: WallTime, clock: Clock) -> None:
        self._site = site
        self._metrics = settings.metrics
        self._wall = wall
        self._clock = clock
        self._curves = Curves(site.store)
        self._facts: dict[str, Facts] = {}
        self._lock = asyncio.Lock()
        self._last: tuple[float, Look] | None = None

    async def look(self) -> Look:
        """The site now, or as it was a moment ago."""
        async with self._lock:
            if self._last is not None and self._clock() - self._last[0] < FRESH:
                return self._last[1]
            now = self._wall()
            status = await site_status(self._site, now, self._metrics)
            look = await asyncio.to_thread(self._look, status, now)
            self._last = self._clock(), look
            return look

    def forget(self) -> None:
        """Something was changed: the next page has to show it."""
        self._last = None

    async def points(self, run: SeenRun) -> list[Point]:
        """The curve of a run; raises StoreError and OSError."""
        async with self._lock:
            return await asyncio.to_thread(self._curves.of, _key(run.record))

    def _look(self, status: SiteStatus, now: datetime.datetime) -> Look:
        faults: list[str] = []
        site = self._site
        try:
            told = site.told()
        except StoreError:  # an alarm of the status already
            told = {}
        try:
            waiting = tuple(Wishes(site.root).waiting(now))
        except ProcessError:
            waiting = ()  # likewise a note
        try:
            notices = NoticesReader(site.store).read()
        except StoreError as error:
            notices = Notices()
            faults.append(str(error))
        runs = []
        for record in site.runs():
            try:
                newest = self._curves.newest(_key(record))
            except (StoreError, OSError) as error:
                newest = None
                faults.append(f"The releases of run {record.run} cannot be read: {error}")
            series = tuple(one for one in status.series if one.run == record.run)
            runs.append(
                SeenRun(
                    record,
                    told.get(record.run),
                    series,
                    newest,
                    status.held.get(record.run, {}),
                    next((one for one in waiting if one.run == record.run), None),
                )
            )
        runs.sort(key=lambda run: (run.open, run.current, run.id), reverse=True)
        events, coming = self._events(faults), self._coming(now, faults)
        return Look(now, status, tuple(runs), waiting, notices, events, coming, tuple(faults))

    def _coming(self, now: datetime.datetime, faults: list[str]) -> tuple[Coming, ...]:
        try:
            calendar = calendar_of(self._site)
        except (ElectionError, OSError) as error:
            faults.append(str(error))
            return ()
        left = sorted((one for one in calendar.entries if one.to >= now), key=lambda one: one.from_)
        return tuple(Coming(one.from_ <= now, calendar.line(one)) for one in left[:ENTRIES])

    def _events(self, faults: list[str]) -> tuple[Facts, ...]:
        """The newest definition of each event; read once for each version, for a country's takes seconds."""
        found = []
        for event in self._site.events():
            known, store = self._facts.get(event), self._site.definitions(event)
            try:
                newest = store.versions()[-1]
                if known is None or known.version != newest:
                    known = self._facts[event] = _facts(store.load(newest), store.sha256(newest))
            except ElectionError as error:
                faults.append(f"The definition of {event} cannot be read: {error}")
                continue
            found.append(known)
        return tuple(found)


def _facts(definition: Definition, sha256: str) -> Facts:
    law = load_law(definition.law)
    return Facts(
        definition.event,
        definition.version,
        definition.name,
        definition.date,
        definition.law,
        definition.made_up,
        sha256,
        len(definition.contests),
        len(definition.precincts),
        len(definition.polls),
        None if definition.date is None else law.not_before(definition.date),
        ZoneInfo(law.time_zone),
    )


def _key(record: RunRecord) -> SeriesKey:
    return SeriesKey(record.event, record.run, SERIES)
