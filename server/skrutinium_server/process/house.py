"""The counting house: all open runs of a site, their publishers, and the commands that people give.

The same house serves commands over the site's socket or, where none is running, inside the command itself.
"""

import asyncio
import contextlib
import datetime
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.authority.persons import Authority
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.intake.errors import IntakeError
from skrutinium_server.intake.model import Origin, TakenOver
from skrutinium_server.ledger.errors import ClosedError, LedgerError, LedgerLockedError
from skrutinium_server.ledger.model import Closed, Declared, Held, Lifted, Phase, Reopened, Step
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.archiving import Archives, asks, lacks
from skrutinium_server.process.children import Child
from skrutinium_server.process.clock import RunClock, WallTime, wall_time
from skrutinium_server.process.counting import Change, Counting, clock_start
from skrutinium_server.process.deciding import Wish, Wishes, check_second, wish
from skrutinium_server.process.errors import DecisionError, ProcessError, RunError
from skrutinium_server.process.lasting import keep_out_of_collections
from skrutinium_server.process.opening import check_reopening, plan_run, prepare_run
from skrutinium_server.process.publisher import WRITERS
from skrutinium_server.process.reasons import correction_reasons
from skrutinium_server.process.recording import record_run
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import SeriesKey

log = logging.getLogger("skrutinium.count")

BACKLOG = 3
"""So many releases may wait for their publisher before those who bring protocols have to wait too."""

LOOK = 0.05
"""Seconds between two looks at what is due to be cut."""

AGAIN = 1.0
"""Seconds after which a cut that could not be written is tried again."""


FAILURES = 3
"""A publisher that ended so often while somebody waited for it is not waited for any longer."""


TEXT = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]{1,500}")
"""What people may say of a decision: it is published, so it has to fit into a document."""

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


def _said(told: Mapping[str, Any], what: str) -> str:
    """A text that people will read; raises :class:`ProcessError` when there is none, or one that no document can carry."""
    text = str(told.get(what) or "").strip()
    if not TEXT.fullmatch(text):
        name = what.replace("_", " ")
        raise ProcessError(
            f"The {name} is {text[:60]!r}; expected 1 to 500 characters, none of them for control."
        )
    return text


class OpenRun:
    """A run that is being counted, with one publisher a series."""

    def __init__(self, site: Site, counting: Counting) -> None:
        self.newest = dict.fromkeys(counting.series, 0)
        self.trouble: dict[str, str] = {}
        """What lasts and needs a person: by series, or ``ledger``."""
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
        if "trouble" in message:
            self.trouble[series] = str(message["trouble"])
            return
        before = self.newest[series]
        self.newest[series] = max(before, int(message["newest"]))
        if self.newest[series] > before or not self.behind(series):
            self.trouble.pop(series, None)
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
        while not self.counting.closed:
            try:
                await self._cut_what_is_due()
            except ClosedError:
                return
            except LedgerError as error:
                self.trouble["ledger"] = str(error)
                if str(error) != trouble:
                    trouble = str(error)
                    log.error("run %s: no release can be cut: %s", self.counting.run, trouble)  # noqa: TRY400
            else:
                self.trouble.pop("ledger", None)
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

    def __init__(self, site: Site, cutting: bool, wall: WallTime = wall_time) -> None:
        self.site = site
        self._cutting = cutting
        self._wall = wall
        self._wishes = Wishes(site.root)
        self._deciding = asyncio.Lock()
        self._authority = Authority(site.root)
        self._archives = Archives(site)
        self._runs: dict[str, OpenRun] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.left_alone: dict[str, str] = {}
        """Runs that could not be opened, and why."""

    @property
    def runs(self) -> Mapping[str, OpenRun]:
        """The runs that are open, by name."""
        return self._runs

    async def start(self) -> None:
        """Open every run that is not closed, also one that a kill left without its place in the state file.

        A run that cannot be opened is told in the log and left alone; it must not stop the others. Raises LedgerLockedError
        when another process counts the site.
        """
        records, told = await asyncio.to_thread(lambda: (list(self.site.runs()), self.site.told()))
        for record in records:
            try:
                if await asyncio.to_thread(self._is_closed, record.run):
                    if record.run in told and told[record.run].open:  # killed while it was being reopened
                        await asyncio.to_thread(write_state, self.site, closed=record.run, now=self._wall())
                    key = SeriesKey(record.event, record.run, "skrutinium")
                    if await asyncio.to_thread(lacks, self.site.store, key):  # killed while it was being made
                        self._archives.make(record.run)
                    continue
                if record.run not in told:
                    await asyncio.to_thread(write_state, self.site, opened=record.run, now=self._wall())
                opened = await self._open(record.run)
                if record.run in told and not told[record.run].open:  # killed while it was being closed
                    await self._close(opened)
            except LedgerLockedError:
                raise  # somebody else counts this site
            except (ProcessError, ElectionError, LedgerError, AuthorityError) as error:
                self.left_alone[record.run] = str(error)
                log.error("run %s is not counted: %s", record.run, error)  # noqa: TRY400

    def _is_closed(self, run: str) -> bool:
        """Whether the last entry of a run's ledger is there, without reading the others."""
        path = self.site.ledger(run)
        if not path.exists():
            return False
        with SqliteReader(path) as reader:
            return any(isinstance(entry.body, Closed) for entry in reader.entries(reader.head()[0] - 1))

    async def archived(self) -> None:
        """Wait until the archives that decisions asked for are made, or have failed."""
        await self._archives.finish()

    async def stop(self) -> None:
        """End the publishers after their last release and give up the ledgers."""
        await self._archives.stop()
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
                case "open" | "close" | "declare" | "reopen":
                    return await self._decide(request)
                case "confirm":
                    return await self._confirm(request)
                case "hold" | "lift":
                    return await self._hold(await self._run(request), request)
                case "take":
                    return await self._take(request)
                case "cut":
                    return await self._cut(await self._run(request))
                case "status":
                    return self._status()
                case other:
                    raise ProcessError(f"{other!r} is no command of the counting process.")
        except (ProcessError, ElectionError, IntakeError, LedgerError, AuthorityError) as error:
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
        clock = RunClock(self._wall)
        if path.exists():
            ledger = SqliteLedger.open(path)
        else:
            if basis.record.phase != "live":
                clock.follow(clock_start(basis.definition.date, basis.law, None, clock.now()), 1)
            ledger = SqliteLedger.create(path, basis.record.opened(clock.now()))
        return Counting(basis, self.site.settings(), ledger, clock, time.monotonic)

    async def _open(self, run: str) -> OpenRun:
        return await self._begin(await asyncio.to_thread(self._count, run))

    async def _begin(self, counting: Counting) -> OpenRun:
        """Publish and cut a run from here on."""
        run = counting.run
        keep_out_of_collections()
        opened = OpenRun(self.site, counting)
        self._runs[run] = opened
        for child in opened.publishers.values():
            child.start()
        for series, state in counting.series.items():
            if not state.number:
                await counting.cut(series, counting.clock.now(), batch=False, checkpoint=True)
        await counting.tell_steps()
        await self._record(counting)
        if any(asks(step) for step in counting.steps):
            self._archives.make(run, lambda: opened.until_published("skrutinium"))
        if self._cutting:
            self._tasks.append(asyncio.create_task(opened.keep_cutting(), name=f"cut {run}"))
        return opened

    async def _record(self, counting: Counting) -> None:
        """Bring the event log up to the run's ledger."""
        await asyncio.to_thread(record_run, self._authority, counting.record, tuple(counting.steps))

    async def _person(self, request: dict[str, Any], phase: Phase) -> str:
        """Who asks. For a live run it has to be proved, here and nowhere else; raises :class:`DecisionError`."""
        by, passphrase = request.get("by"), request.get("passphrase")
        if phase != "live":
            return str(by or "operator")
        if not by or not isinstance(passphrase, str):
            raise DecisionError(
                "This is a decision about a live run: say who you are with --by NAME, and prove it by your passphrase."
            )
        return await asyncio.to_thread(self._authority.authenticate, str(by), passphrase)

    async def _phase(self, request: dict[str, Any]) -> Phase:
        if request["do"] == "open":
            phase = request["phase"]
            if phase not in ("test", "rehearsal", "live"):
                raise RunError(f"{phase!r} is no phase: expected test, rehearsal or live.")
            checked: Phase = phase
            return checked
        return (await asyncio.to_thread(self.site.run, str(request["run"]))).phase

    async def _decide(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a decision, or keep it until a second person confirms it when it is about a live run."""
        phase = await self._phase(request)
        by = await self._person(request, phase)
        async with self._deciding:
            asked = wish(request, by, self._wall(), None)
            asked = msgspec.structs.replace(asked, rests_on=await self._check(asked))
            if phase != "live":
                return await self._carry_out(asked, (by,))
            await asyncio.to_thread(self._wishes.put, asked)
        log.info("run %s: %s asks to %s it; another person has to confirm", asked.run, by, asked.do)
        return {
            "ok": True,
            "pending": {"do": asked.do, "run": asked.run, "by": by, "until": asked.until.isoformat()},
        }

    async def _confirm(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out what another person asked for."""
        by = await self._person(request, "live")
        async with self._deciding:
            run = str(request["run"])
            self.site.run_folder(run)
            asked = await asyncio.to_thread(self._wishes.get, run, self._wall())
            check_second(asked, by)
            await asyncio.to_thread(
                self._authority.person, asked.by
            )  # who is no person any more asked for nothing
            if await self._check(asked) != asked.rests_on:
                await asyncio.to_thread(self._wishes.drop, run)
                raise DecisionError(
                    f"The definition was changed since {asked.by} asked to open the run {run!r}. Look at it and ask again."
                )
            answer = await self._carry_out(asked, (asked.by, by))
            await asyncio.to_thread(self._wishes.drop, run)
        return {**answer, "persons": [asked.by, by]}

    async def _check(self, asked: Wish) -> str | None:
        """Raise what stands in the way of a wish; the hash of the definition that a new run would rest on."""
        match asked.do:
            case "open":
                return await asyncio.to_thread(self._check_open, asked)
            case "reopen":
                if asked.run in self._runs:
                    raise RunError(f"The run {asked.run!r} is open; only a closed one can be opened again.")
                await asyncio.to_thread(check_reopening, self.site, asked.run)
            case "close":
                await self._run({"run": asked.run})
            case "declare":
                (await self._run({"run": asked.run})).counting.check(self._declared(asked, ()))
        return None

    def _check_open(self, asked: Wish) -> str:
        self.site.run_folder(asked.run)
        phase: Phase = msgspec.convert(asked.told["phase"], Phase)
        return self._check_publishable(asked.run, phase, self.site.event(asked.told["event"]))

    async def _carry_out(self, asked: Wish, persons: tuple[str, ...]) -> dict[str, Any]:
        match asked.do:
            case "open":
                return await self._open_new(asked, persons)
            case "close":
                return await self._close(await self._run({"run": asked.run}), persons)
            case "declare":
                run = await self._run({"run": asked.run})
                answer = await self._step(run, self._declared(asked, persons))
                self._archives.make(asked.run)
                return answer
            case "reopen":
                return await self._reopen(asked, persons)

    def _declared(self, asked: Wish, persons: tuple[str, ...]) -> Declared:
        state: Literal["final", "certified"] = msgspec.convert(
            asked.told["state"], Literal["final", "certified"]
        )
        reason, authority = _said(asked.told, "reason"), _said(asked.told, "authority")
        return Declared(state, reason, authority, persons, self._runs[asked.run].counting.clock.now())

    async def _hold(self, run: OpenRun, request: dict[str, Any]) -> dict[str, Any]:
        """Stop or resume the publication of one contest; one person is enough, for it may be urgent."""
        by = await self._person(request, run.counting.phase)
        contest, now = str(request["contest"]), run.counting.clock.now()
        step = (
            Held(contest, _said(request, "reason"), by, now)
            if request["do"] == "hold"
            else Lifted(contest, by, now)
        )
        return await self._step(run, step)

    async def _step(self, run: OpenRun, step: Step) -> dict[str, Any]:
        await run.counting.step(step)
        await self._record(run.counting)
        await run.until_published("skrutinium")
        return {"ok": True, "release": run.newest.get("skrutinium", 0)}

    async def _reopen(self, asked: Wish, persons: tuple[str, ...]) -> dict[str, Any]:
        reason, authority = _said(asked.told, "reason"), _said(asked.told, "authority")
        await asyncio.to_thread(write_state, self.site, reopened=asked.run, now=self._wall())
        counting = await asyncio.to_thread(self._count, asked.run)
        try:
            await counting.reopen(Reopened(persons, reason, authority, counting.clock.now()))
        except BaseException:
            await counting.close()
            raise
        await self._begin(counting)
        return {"ok": True, "run": asked.run}

    async def _open_new(self, asked: Wish, persons: tuple[str, ...]) -> dict[str, Any]:
        told, run = asked.told, asked.run
        phase: Phase = msgspec.convert(told["phase"], Phase)
        not_before = None
        if told["not_before"] is not None:
            if phase != "live":
                raise RunError(
                    "Only a live run has a minute before which it is not read; leave --not-before out."
                )
            not_before = (_moment(told["not_before"]), _said(told, "not_before_reason"))
        await asyncio.to_thread(self._publish_registers, told["event"])
        record = await asyncio.to_thread(
            prepare_run, self.site, run, phase, told["event"], persons, not_before
        )
        await asyncio.to_thread(write_state, self.site, opened=run, now=self._wall())
        opened = await self._open(run)
        await opened.until_all_published()
        minute = None if record.not_before is None else record.not_before.isoformat()
        return {
            "ok": True,
            "run": run,
            "event": record.event,
            "definition": record.definition,
            "not_before": minute,
        }

    def _publish_registers(self, event: str | None) -> None:
        """Publish what the documents of a new run refer to, before anybody is told of the run; reads and writes files."""
        definition = self.site.definitions(self.site.event(event)).newest()
        assert definition is not None  # the run was checked to have one
        try:
            publish_registers(self.site, definition, self._wall())
        except (ReleaseError, StoreError) as error:
            raise RunError(f"The registers could not be published: {error}") from error

    def _check_publishable(self, run: str, phase: Phase, event: str) -> str:
        """Raise :class:`RunError` when a format cannot carry the definition, else return its hash; reads files."""
        record, definition, law = plan_run(self.site, run, phase, event)
        index = DefinitionIndex(definition)
        for series in record.series:
            try:
                WRITERS[series](index, law)
            except ReleaseError as error:
                raise RunError(f"The series {series} could not be published: {error}") from error
        return record.definition_sha256

    async def _take(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take over ``records`` (maps of :class:`TakenOver`), at the run's time ``now`` when it is replayed."""
        run = await self._run(request)
        if request.get("now") is not None:
            await self._advance(run, request)
        elif self._cutting:  # a boundary that passed while nobody looked lies before what comes now
            await run.counting.cut_volby(run.counting.clock.now(), aggregates=False)
        brought = msgspec.convert(request["records"], tuple[TakenOver, ...])
        origin = Origin(who=str(request.get("who") or "operator"), path=str(request.get("path") or "import"))
        taken = await run.counting.take(brought, origin, await self._change(run, request))
        run.wake.set()
        return {
            "ok": True,
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "refused": taken.refused_count,
            "reasons": taken.refused,
        }

    async def _change(self, run: OpenRun, request: dict[str, Any]) -> Change | None:
        """Why protocols that count are changed, when they are: for a live run only by somebody who proves to be a person."""
        if request.get("reason") is None:
            return None
        reason, authority = _said(request, "reason"), _said(request, "authority")
        if reason not in correction_reasons():
            raise RunError(
                f"{reason!r} is no reason of a correction; expected one of {', '.join(correction_reasons())}."
            )
        await self._person(
            {"by": request.get("who"), "passphrase": request.get("passphrase")}, run.counting.phase
        )
        return Change(reason, authority)

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

    async def _close(self, run: OpenRun, persons: tuple[str, ...] = ()) -> dict[str, Any]:
        run.counting.closing = True
        try:
            await self._cut(run)
        except BaseException:
            run.counting.closing = False
            raise
        await asyncio.to_thread(write_state, self.site, closed=run.counting.run, now=self._wall())
        await run.counting.close_run(persons)
        await self._record(run.counting)
        del self._runs[run.counting.run]
        await asyncio.gather(*(child.stop() for child in run.publishers.values()))
        await run.counting.close()
        self._archives.make(run.counting.run)
        return {"ok": True}

    def _status(self) -> dict[str, Any]:
        return {
            "ok": True,
            "runs": {
                name: {
                    "phase": run.counting.phase,
                    "newest": dict(run.newest),
                    "complete": run.counting.complete,
                    "expected": len(run.counting.index.definition.polls),
                    "reported": run.counting.reported,
                    "trouble": dict(run.trouble),
                    "behind": {series: run.behind(series) for series in run.publishers},
                    "publishers": {series: child.pid for series, child in run.publishers.items()},
                    "restarts": {series: child.restarts for series, child in run.publishers.items()},
                }
                for name, run in self._runs.items()
            },
            "left_alone": dict(self.left_alone),
        }
