"""The counting house: all open runs of a site, their publishers, and the commands that people give.

The same house serves commands over the site's socket or, where none is running, inside the command itself.
"""

import asyncio
import contextlib
import datetime
import logging
import time
from typing import Any

import msgspec

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.intake.errors import IntakeError
from skrutinium_server.intake.model import Origin, TakenOver
from skrutinium_server.ledger.errors import ClosedError, LedgerError, LedgerLockedError
from skrutinium_server.ledger.model import Closed, Phase
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.children import Child
from skrutinium_server.process.clock import RunClock, wall_time
from skrutinium_server.process.counting import Counting, clock_start
from skrutinium_server.process.errors import ProcessError, RunError
from skrutinium_server.process.lasting import keep_out_of_collections
from skrutinium_server.process.publisher import WRITERS
from skrutinium_server.process.site import Site
from skrutinium_server.release.errors import ReleaseError

log = logging.getLogger("skrutinium.count")

BACKLOG = 3
"""So many releases may wait for their publisher before those who bring protocols have to wait too."""

LOOK = 0.05
"""Seconds between two looks at what is due to be cut."""

AGAIN = 1.0
"""Seconds after which a cut that could not be written is tried again."""


FAILURES = 3
"""A publisher that ended so often while somebody waited for it is not waited for any longer."""


FASTEST = 100_000
"""No night is replayed faster."""


def _moment(told: Any) -> datetime.datetime:
    """A time of the run; raises :class:`ProcessError` unless it is one with its zone."""
    try:
        moment = datetime.datetime.fromisoformat(str(told))
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise ProcessError(
            f"The time is {str(told)[:60]!r}; expected one with its zone such as 2030-10-05T14:00:00Z."
        )
    return moment.astimezone(datetime.UTC)


class OpenRun:
    """A run that is being counted, with one publisher a series."""

    def __init__(self, site: Site, counting: Counting) -> None:
        self.newest = dict.fromkeys(counting.series, 0)
        self.published = asyncio.Condition()
        self.wake = asyncio.Event()
        self._said: set[asyncio.Task[None]] = set()
        self.publishers = {
            series: Child(
                f"publisher of {series}",
                "skrutinium_server.process.publisher",
                [str(site.root), counting.run, series],
                lambda message, series=series: self._heard(series, message),  # type: ignore[misc]
            )
            for series in counting.series
        }
        self.counting = counting
        counting.cut_made = self._cut_made

    def _cut_made(self, series: str) -> None:
        self.publishers[series].tell("look")

    def _heard(self, series: str, message: dict[str, Any]) -> None:
        self.newest[series] = max(self.newest[series], int(message["newest"]))
        self.wake.set()
        task = asyncio.get_running_loop().create_task(self._notify())
        self._said.add(task)
        task.add_done_callback(self._said.discard)

    async def _notify(self) -> None:
        async with self.published:
            self.published.notify_all()

    def behind(self, series: str) -> int:
        """How many cuts of a series are not published yet."""
        state = self.counting.series.get(series)
        return 0 if state is None else state.number - self.newest[series]

    async def until_published(self, series: str, at_most_behind: int = 0) -> None:
        """Wait until the publisher of a series has caught up; raises :class:`RunError` when it ends again and again."""
        publisher = self.publishers[series]
        before = publisher.restarts
        async with self.published:
            while self.behind(series) > at_most_behind:
                if publisher.restarts - before >= FAILURES:
                    raise RunError(
                        f"The series {series} of the run {self.counting.run!r} cannot be published; what its publisher says of "
                        "the reason stands in the log of the counting process. What was accepted is in the ledger."
                    )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.published.wait(), LOOK * 4)

    async def keep_cutting(self) -> None:
        """Cut whatever is due, until cancelled or the run is closed; a ledger without room now may have some later."""
        trouble = ""
        while True:
            try:
                await self._cut_what_is_due()
            except ClosedError:
                return
            except LedgerError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.error("run %s: no release can be cut: %s", self.counting.run, trouble)  # noqa: TRY400
            else:
                if trouble:
                    trouble = ""
                    log.info("run %s: releases can be cut again", self.counting.run)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), AGAIN if trouble else LOOK)
            self.wake.clear()

    async def _cut_what_is_due(self) -> None:
        if not self.behind("skrutinium"):
            await self.counting.cut_skrutinium()
        await self.counting.cut_volby(self.counting.clock.now(), aggregates=not self.behind("volby"))

    async def until_all_published(self) -> None:
        """Wait until every publisher has caught up."""
        await asyncio.gather(*(self.until_published(series) for series in self.publishers))


class House:
    """All open runs of ``site``; ``cutting`` says whether releases are cut by themselves."""

    def __init__(self, site: Site, cutting: bool) -> None:
        self.site = site
        self._cutting = cutting
        self._runs: dict[str, OpenRun] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open every run that is not closed, also one that a kill left without its place in the state file.

        A run that cannot be opened is told in the log and left alone; it must not stop the others. Raises LedgerLockedError
        when another process counts the site.
        """
        records, told = await asyncio.to_thread(lambda: (list(self.site.runs()), self.site.told()))
        for record in records:
            try:
                if await asyncio.to_thread(self._is_closed, record.run):
                    continue
                if record.run not in told:
                    await asyncio.to_thread(
                        self.site.write_state, opened=record.run, closed=None, now=wall_time()
                    )
                opened = await self._open(record.run)
                if record.run in told and not told[record.run].open:  # killed while it was being closed
                    await self._close(opened)
            except LedgerLockedError:
                raise  # somebody else counts this site
            except (ProcessError, ElectionError, LedgerError) as error:
                log.error("run %s is not counted: %s", record.run, error)  # noqa: TRY400

    def _is_closed(self, run: str) -> bool:
        """Whether the last entry of a run's ledger is there, without reading the others."""
        path = self.site.ledger(run)
        if not path.exists():
            return False
        with SqliteReader(path) as reader:
            return any(isinstance(entry.body, Closed) for entry in reader.entries(reader.head()[0] - 1))

    async def stop(self) -> None:
        """End the publishers after their last release and give up the ledgers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for run in self._runs.values():
            await asyncio.gather(*(child.stop() for child in run.publishers.values()))
            await run.counting.close()

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; errors that a person can act on come back as ``error`` with code and message."""
        try:
            match request.get("do"):
                case "open":
                    return await self._open_new(request)
                case "take":
                    return await self._take(request)
                case "cut":
                    return await self._cut(await self._run(request))
                case "close":
                    return await self._close(await self._run(request))
                case "status":
                    return self._status()
                case other:
                    raise ProcessError(f"{other!r} is no command of the counting process.")
        except (ProcessError, ElectionError, IntakeError, LedgerError) as error:
            return {"error": error.code, "message": str(error)}
        except (KeyError, msgspec.ValidationError) as error:
            return {"error": "malformed", "message": f"The command lacks something or has it wrong: {error}"}

    async def _run(self, request: dict[str, Any]) -> OpenRun:
        name = str(request.get("run"))
        try:
            return self._runs[name]
        except KeyError:
            record = await asyncio.to_thread(self.site.run, name)
            raise RunError(f"The run {record.run!r} is closed; nothing more is accepted.") from None

    def _count(self, run: str) -> Counting:
        """Open or make the ledger of a run; reads files."""
        basis = self.site.basis(run)
        path = self.site.ledger(run)
        clock = RunClock()
        if path.exists():
            ledger = SqliteLedger.open(path)
        else:
            if basis.record.phase != "live":
                clock.follow(clock_start(basis.definition.date, basis.law, None, clock.now()), 1)
            ledger = SqliteLedger.create(path, basis.record.opened(clock.now()))
        return Counting(basis, self.site.settings(), ledger, clock, time.monotonic)

    async def _open(self, run: str) -> OpenRun:
        counting = await asyncio.to_thread(self._count, run)
        keep_out_of_collections()
        opened = OpenRun(self.site, counting)
        self._runs[run] = opened
        for child in opened.publishers.values():
            child.start()
        for series, state in counting.series.items():
            if not state.number:
                await counting.cut(series, counting.clock.now(), batch=False, checkpoint=True)
        if self._cutting:
            self._tasks.append(asyncio.create_task(opened.keep_cutting(), name=f"cut {run}"))
        return opened

    async def _open_new(self, request: dict[str, Any]) -> dict[str, Any]:
        run, phase = str(request["run"]), request["phase"]
        if phase not in ("test", "rehearsal", "live"):
            raise RunError(f"{phase!r} is no phase: expected test, rehearsal or live.")
        self.site.run_folder(run)
        event = await asyncio.to_thread(self.site.event, request.get("event"))
        await asyncio.to_thread(self._check_publishable, run, phase, event)
        record = await asyncio.to_thread(self.site.prepare_run, run, phase, event)
        await asyncio.to_thread(self.site.write_state, opened=run, closed=None, now=wall_time())
        opened = await self._open(run)
        await opened.until_all_published()
        return {"ok": True, "run": run, "event": record.event, "definition": record.definition}

    def _check_publishable(self, run: str, phase: Phase, event: str) -> None:
        """Raise :class:`RunError` when a format cannot carry the definition; reads files."""
        record, definition, law = self.site.plan_run(run, phase, event)
        index = DefinitionIndex(definition)
        for series in record.series:
            try:
                WRITERS[series](index, law)
            except ReleaseError as error:
                raise RunError(f"The series {series} could not be published: {error}") from error

    async def _take(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take over ``records`` (maps of :class:`TakenOver`), at the run's time ``now`` when it is replayed."""
        run = await self._run(request)
        if request.get("now") is not None:
            await self._advance(run, request)
        elif self._cutting:  # a boundary that passed while nobody looked lies before what comes now
            await run.counting.cut_volby(run.counting.clock.now(), aggregates=False)
        brought = msgspec.convert(request["records"], tuple[TakenOver, ...])
        origin = Origin(who=str(request.get("who") or "operator"), path=str(request.get("path") or "import"))
        taken = await run.counting.take(brought, origin)
        run.wake.set()
        return {
            "ok": True,
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "refused": taken.refused_count,
            "reasons": taken.refused,
        }

    async def _advance(self, run: OpenRun, request: dict[str, Any]) -> None:
        """Let the run's time come to ``now``, cutting what falls due on the way, before more is taken over."""
        if run.counting.phase == "live":
            raise RunError(
                f"{run.counting.run!r} is a live run: its time is the wall's, and nothing is replayed into it."
            )
        now, speed = _moment(request["now"]), request.get("speed", 1)
        if not isinstance(speed, int) or not 0 <= speed <= FASTEST:
            raise ProcessError(f"The speed is {speed!r}; expected a whole number from 0 to {FASTEST}.")
        run.counting.clock.follow(now, speed)
        while self._cutting and await run.counting.cut_volby(now, aggregates=not run.behind("volby")):
            try:
                await run.until_published("volby", BACKLOG)
            except RunError as error:  # protocols are taken over whether they can be published or not
                log.error("%s", error)  # noqa: TRY400
                return

    async def _cut(self, run: OpenRun) -> dict[str, Any]:
        numbers = await run.counting.cut_everything()
        await run.until_all_published()
        return {"ok": True, "releases": numbers}

    async def _close(self, run: OpenRun) -> dict[str, Any]:
        run.counting.closing = True
        try:
            await self._cut(run)
        except BaseException:
            run.counting.closing = False
            raise
        await asyncio.to_thread(self.site.write_state, opened=None, closed=run.counting.run, now=wall_time())
        await run.counting.close_run()
        del self._runs[run.counting.run]
        await asyncio.gather(*(child.stop() for child in run.publishers.values()))
        await run.counting.close()
        return {"ok": True}

    def _status(self) -> dict[str, Any]:
        return {
            "ok": True,
            "runs": {
                name: {
                    "phase": run.counting.phase,
                    "newest": dict(run.newest),
                    "complete": run.counting.complete,
                    "behind": {series: run.behind(series) for series in run.publishers},
                    "publishers": {series: child.pid for series, child in run.publishers.items()},
                    "restarts": {series: child.restarts for series, child in run.publishers.items()},
                }
                for name, run in self._runs.items()
            },
        }
