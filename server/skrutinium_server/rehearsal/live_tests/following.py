"""Following the calendar: each live test opens its run, is played, and closes at its times, whatever is restarted meanwhile."""

import asyncio
import datetime
import logging
import time
from collections.abc import Callable
from typing import Final, Self

from skrutinium_server.election.calendar import Calendar, CalendarError, Entry, read_calendar
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.process.clock import WallTime, wall_time
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.live_tests import LiveTestsTold, State, Told, moment, write_told
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Reaching
from skrutinium_server.rehearsal.live_tests.model import (
    TOLD_FOR,
    WHO,
    Duty,
    Missed,
    Over,
    Plays,
    Refused,
    Standing,
    Waits,
    duty,
    left_over,
    position,
    speed_of,
)
from skrutinium_server.rehearsal.live_tests.night import OnlyPassage, Programme, programme
from skrutinium_server.rehearsal.playing import Player
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError

log = logging.getLogger("skrutinium.live-test")

LOOK: Final = 5.0
"""Seconds between two looks at calendar and runs; less where something is due earlier."""

SOON: Final = 0.05
"""Seconds between two looks at least."""

REFUSALS: Final = (ProcessError, ElectionError, LedgerError, ReleaseError, StoreError, OSError)
"""What may pass: a process that died, a disk that is full, a ledger that is not there yet."""


class LiveTests:
    """The live tests of a site; ``wall`` and ``monotonic`` (seconds) are its clocks. To be used as ``async with``.

    :meth:`look` does all that is due; nights are played in ``playing``, a task by entry.
    """

    def __init__(
        self, site: Site, wall: WallTime = wall_time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.site = site
        self.calendar = Calendar()
        self.trouble = ""
        """Why the calendar cannot be read; the last good one holds."""
        self.playing: dict[str, asyncio.Task[None]] = {}
        self._wall = wall
        self._monotonic = monotonic
        self._counting = Reaching(site)
        self._seen: tuple[int, int] | None = None
        self._written: LiveTestsTold | None = None
        self._failed: dict[str, str] = {}
        self._events: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for entry in tuple(self.playing):
            await self._end(entry)
        self._counting.close()

    async def run(self) -> None:
        """Follow the calendar until cancelled."""
        while True:
            try:
                pause = await self.look()
            except REFUSALS as error:
                log.error("%s", error)  # noqa: TRY400 - told to a person
                pause = LOOK
            await asyncio.sleep(pause)

    async def look(self) -> float:
        """Do what is due now; seconds until the next look. Raises ``ProcessError``, and what reading the site raises."""
        await asyncio.to_thread(self._read)
        now = self._wall()
        standings, events, live = await asyncio.to_thread(self._runs)
        self._events |= events
        tests = [entry for entry in self.calendar.entries if entry.plays is not None]
        for run in left_over(tests, standings):
            if self._seen is not None or not self.trouble:
                await self._close(run)
        told = []
        for entry in tests:
            standing = standings.get(entry.id, "absent")
            due = duty(entry, now, standing, live, self._events.get(entry.id))
            try:
                told.append(await self._do(due))
            except REFUSALS as error:
                told.append(_told(entry, "refused", f"The live test {entry.id} is in trouble: {error}"))
        await self._tell(tuple(one for one in told if one is not None))
        return _until_next(tests, now)

    # ---------------------------------------------------------------- looking
    def _read(self) -> None:
        """Read the calendar again when it changed; a broken one leaves the last good one."""
        path = self.site.root / "calendar.toml"
        try:
            stat = path.stat()
            if (stat.st_mtime_ns, stat.st_size) == self._seen:
                self.trouble = ""
                return
            self.calendar, self.trouble = read_calendar(path.read_bytes()), ""
            self._seen = (stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            self.calendar, self.trouble, self._seen = Calendar(), "", None
        except (CalendarError, OSError) as error:
            if not self.trouble:
                log.error("the calendar cannot be read, the last good one holds: %s", error)  # noqa: TRY400
            self.trouble = f"The calendar cannot be read; live tests follow the last good one. {error}"

    def _runs(self) -> tuple[dict[str, Standing], dict[str, str], set[str]]:
        """How runs stand, the events of live tests by run, and the events that are live; reads files."""
        standings: dict[str, Standing] = {}
        events: dict[str, str] = {}
        told = self.site.told()
        for record in self.site.runs():
            if record.phase != "rehearsal" or record.persons != (WHO,):
                standings[record.run] = "foreign"
                continue
            # One that is not told of was being opened when its process was killed: the counting process finishes that.
            standings[record.run] = "open" if record.run not in told or told[record.run].open else "closed"
            events[record.run] = record.event
        return standings, events, {run.event for run in told.values() if run.phase == "live" and run.open}

    # ---------------------------------------------------------------- doing
    async def _do(self, due: Duty) -> Told | None:
        """Do it; what is told of it."""
        entry = due.entry
        what = f"live test {entry.id}"
        match due:
            case Waits():
                return _told(entry, "waiting", f"The {what} opens at {moment(entry.from_)}.")
            case Plays():
                return self._play(entry)
            case Missed():
                if self._wall() - entry.to > TOLD_FOR:
                    return None
                why = self._failed.get(entry.id, "nobody served the site")
                text = f"The {what} was not run: its window passed at {moment(entry.to)}, and {why}."
                return _told(entry, "missed", text)
            case Over(close=close):
                if close:
                    await self._close(entry.id)
                return _told(entry, "over", f"The {what} is over.")
            case Refused(why=why, close=close):
                self._failed[entry.id] = why
                if close:
                    await self._close(entry.id)
                    return _told(entry, "refused", f"The {what} was closed before its end: {why}.")
                return _told(entry, "refused", f"The {what} is not run: {why}.")

    def _play(self, entry: Entry) -> Told:
        """Have its night played; one that failed is begun again where it was."""
        task = self.playing.get(entry.id)
        if task is not None and task.done() and (error := task.exception()) is not None:
            if not isinstance(error, REFUSALS):
                raise error
            self._failed[entry.id] = str(error) or type(error).__name__
            log.error("live test %s: %s", entry.id, self._failed[entry.id])
            task = None
        if task is None:
            self.playing[entry.id] = asyncio.create_task(self._night(entry), name=f"live test {entry.id}")
        if entry.id in self._failed:
            return _told(
                entry,
                "refused",
                f"The live test {entry.id} cannot go on; it is tried again: {self._failed[entry.id]}",
            )
        return _told(entry, "playing", f"The live test {entry.id} is on until {moment(entry.to)}.")

    async def _night(self, entry: Entry) -> None:
        """Play from where the night is now to its end; the result stays until the window closes."""
        told: Programme = await asyncio.to_thread(programme, self.site, entry)
        self._events[entry.id] = told.event
        speed = speed_of(entry, told.length)
        player = Player(
            told.due,
            OnlyPassage(self.site, self._counting, entry.id, told),
            self._monotonic,
            speed=speed,
            who=WHO,
            start=position(entry, self._wall(), told.begins, speed),
        )
        player.changed = lambda: self._goes_well(entry.id)
        log.info(
            "live test %s: %s at %s times its speed, until %s", entry.id, told.source, speed, moment(entry.to)
        )
        await player.run()

    def _goes_well(self, entry: str) -> None:
        self._failed.pop(entry, None)

    async def _close(self, run: str) -> None:
        """End the night and close its run; one that is not counted now is closed at the next look."""
        await self._end(run)
        await self._counting.ask(do="close", run=run, by=WHO)
        log.info("live test %s is closed", run)

    async def _end(self, entry: str) -> None:
        task = self.playing.pop(entry, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, tests: tuple[Told, ...]) -> None:
        told = LiveTestsTold(self.trouble, tests)
        if told == self._written:
            return
        before = {one.entry: one for one in self._written.tests} if self._written else {}
        for one in tests:
            if one.state in ("missed", "refused") and before.get(one.entry) != one:
                log.warning("%s", one.text)
        await asyncio.to_thread(write_told, self.site.root, told)
        self._written = told


def _told(entry: Entry, state: State, text: str) -> Told:
    return Told(entry.id, state, text)


def _until_next(tests: list[Entry], now: datetime.datetime) -> float:
    """Seconds until something is due, at most :data:`LOOK`."""
    moments = [time for entry in tests for time in (entry.from_, entry.to) if time > now]
    seconds = min(((time - now).total_seconds() for time in moments), default=LOOK)
    return min(max(seconds, SOON), LOOK)
