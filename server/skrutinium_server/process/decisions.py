"""Decisions that people take about a run, carried out: one person is enough, or two of them where the run is live.

Source: requirement M5.
"""

import asyncio
import logging
from typing import Any, Literal

import msgspec

from skrutinium_server.authority.persons import Authority
from skrutinium_server.intake.model import Origin
from skrutinium_server.ledger.model import Declared, Held, Lifted, Phase, Step
from skrutinium_server.ledger.standing import COUNTED
from skrutinium_server.process.admitting import Cause
from skrutinium_server.process.clock import WallTime
from skrutinium_server.process.errors import CorrectionError, DecisionError, RunError
from skrutinium_server.process.open_run import OpenRun
from skrutinium_server.process.opening import (
    check_publishable,
    check_reopening,
    prepare_run,
    publish_its_registers,
)
from skrutinium_server.process.person import prove
from skrutinium_server.process.reasons import correction_reasons
from skrutinium_server.process.request import moment, said
from skrutinium_server.process.runs import OpenRuns
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.process.wishes import Wish, Wishes, check_second, wish

log = logging.getLogger("skrutinium.count")

SHOWN = 20
"""So many refused protocols are named."""


class Decisions:
    """Carries out the decisions about the runs of a site, one at a time."""

    def __init__(self, site: Site, runs: OpenRuns, authority: Authority, wall: WallTime) -> None:
        self._site = site
        self._runs = runs
        self._authority = authority
        self._wall = wall
        self._wishes = Wishes(site.root)
        self._deciding = asyncio.Lock()

    async def decide(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a decision, or keep it until a second person confirms it when it is about a live run."""
        phase = await self._phase(request)
        by = await self._person(request, phase)
        async with self._deciding:
            asked = wish(request, by, self._wall(), None)
            asked = msgspec.structs.replace(asked, rests_on=await self._check(asked))
            if phase != "live" or not await self._takes_two(asked):
                return await self._carry_out(asked, (by,))
            await asyncio.to_thread(self._wishes.put, asked)
        log.info("run %s: %s asks to %s it; another person has to confirm", asked.run, by, asked.do)
        return {
            "ok": True,
            "pending": {"do": asked.do, "run": asked.run, "by": by, "until": asked.until.isoformat()},
        }

    async def confirm(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out what another person asked for."""
        by = await self._person(request, "live")
        async with self._deciding:
            run = str(request["run"])
            self._site.run_folder(run)
            asked = await asyncio.to_thread(self._wishes.get, run, self._wall())
            check_second(asked, by)
            if request.get("saw") not in (None, asked.sha256):
                raise DecisionError(
                    f"Something else waits for the run {run!r} now than what you saw. Look at it and confirm again."
                )
            # Who is no person any more asked for nothing.
            await asyncio.to_thread(self._authority.person, asked.by)
            if await self._check(asked) != asked.rests_on:
                await asyncio.to_thread(self._wishes.drop, run)
                raise DecisionError(
                    f"The definition was changed since {asked.by} asked to open the run {run!r}. Look at it and ask again."
                )
            answer = await self._carry_out(asked, (asked.by, by))
            await asyncio.to_thread(self._wishes.drop, run)
        return {**answer, "persons": [asked.by, by]}

    async def hold(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop or resume the publication of one contest; one person is enough, for it may be urgent."""
        run = await self._runs.find(str(request.get("run")))
        by = await self._person(request, run.counting.phase)
        contest, now = str(request["contest"]), run.counting.clock.now()
        step = (
            Held(contest, said(request, "reason"), by, now)
            if request["do"] == "hold"
            else Lifted(contest, by, now)
        )
        return await self._step(run, step)

    async def _takes_two(self, asked: Wish) -> bool:
        """Whether a decision about a live run needs another person: all do but corrections of what is not declared yet."""
        return asked.do != "correct" or (await self._runs.find(asked.run)).counting.standing != COUNTED

    async def _person(self, request: dict[str, Any], phase: Phase) -> str:
        return await prove(self._authority, request.get("by"), request.get("passphrase"), phase)

    async def _phase(self, request: dict[str, Any]) -> Phase:
        if request["do"] == "open":
            phase = request["phase"]
            if phase not in ("test", "rehearsal", "live"):
                raise RunError(f"{phase!r} is no phase: expected test, rehearsal or live.")
            checked: Phase = phase
            return checked
        return (await asyncio.to_thread(self._site.run, str(request["run"]))).phase

    async def _check(self, asked: Wish) -> str | None:
        """Raise what stands in the way of a wish; the hash of the definition that a new run would rest on."""
        match asked.do:
            case "open":
                return await asyncio.to_thread(self._check_open, asked)
            case "reopen":
                if asked.run in self._runs.by_name:
                    raise RunError(f"The run {asked.run!r} is open; only a closed one can be opened again.")
                await asyncio.to_thread(check_reopening, self._site, asked.run)
            case "close":
                await self._runs.find(asked.run)
            case "declare":
                (await self._runs.find(asked.run)).counting.check(self._declared(asked, ()))
            case "correct":
                counting = (await self._runs.find(asked.run)).counting
                _check_refused(counting.examine(asked.records, _origin(asked.by), _cause(asked))[1], asked)
        return None

    def _check_open(self, asked: Wish) -> str:
        self._site.run_folder(asked.run)
        phase: Phase = msgspec.convert(asked.told["phase"], Phase)
        return check_publishable(self._site, asked.run, phase, self._site.event(asked.told["event"]))

    async def _carry_out(self, asked: Wish, persons: tuple[str, ...]) -> dict[str, Any]:
        match asked.do:
            case "open":
                return await self._open_new(asked, persons)
            case "close":
                await self._runs.close(await self._runs.find(asked.run), persons)
                return {"ok": True}
            case "declare":
                run = await self._runs.find(asked.run)
                answer = await self._step(run, self._declared(asked, persons))
                self._runs.archive(asked.run)
                return answer
            case "reopen":
                return await self._reopen(asked, persons)
            case "correct":
                return await self._correct(asked, persons)

    async def _correct(self, asked: Wish, persons: tuple[str, ...]) -> dict[str, Any]:
        """Replace protocols that count, all or none, and publish that; in a replay that is told to be quiet, not yet."""
        run = await self._runs.find(asked.run)
        taken = await run.counting.take(asked.records, _origin(*persons), _cause(asked))
        _check_refused(taken.refused, asked)
        if asked.quiet and run.counting.phase != "live":
            run.be_quiet(quiet=True)
            return {"ok": True, "corrected": taken.accepted, "releases": {}}
        return {"ok": True, "corrected": taken.accepted, "releases": await run.cut_everything()}

    def _declared(self, asked: Wish, persons: tuple[str, ...]) -> Declared:
        state: Literal["final", "certified"] = msgspec.convert(
            asked.told["state"], Literal["final", "certified"]
        )
        reason, authority = said(asked.told, "reason"), said(asked.told, "authority")
        return Declared(state, reason, authority, persons, self._runs.by_name[asked.run].counting.clock.now())

    async def _step(self, run: OpenRun, step: Step) -> dict[str, Any]:
        await run.counting.step(step)
        await self._runs.record(run.counting)
        await run.until_published("skrutinium")
        return {"ok": True, "release": run.newest.get("skrutinium", 0)}

    async def _reopen(self, asked: Wish, persons: tuple[str, ...]) -> dict[str, Any]:
        await self._runs.reopen(asked.run, persons, said(asked.told, "reason"), said(asked.told, "authority"))
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
            not_before = (moment(told["not_before"]), said(told, "not_before_reason"))
        begins = None
        if told.get("begins") is not None:
            if phase == "live":
                raise RunError("The clock of a live run is the wall's; nothing is replayed into it.")
            begins = moment(told["begins"])
        await asyncio.to_thread(publish_its_registers, self._site, told["event"], self._wall())
        record = await asyncio.to_thread(
            prepare_run,
            self._site,
            run,
            phase,
            told["event"],
            persons,
            not_before,
            asked.rests_on,
            begins,
            gives_back=asked.gives_back,
        )
        await asyncio.to_thread(write_state, self._site, opened=run, now=self._wall())
        opened = await self._runs.open(run)
        await opened.until_all_published()
        minute = None if record.not_before is None else record.not_before.isoformat()
        return {
            "ok": True,
            "run": run,
            "event": record.event,
            "definition": record.definition,
            "not_before": minute,
        }


def _origin(*persons: str) -> Origin:
    """Who brings a correction."""
    return Origin(", ".join(persons), "correction")


def _cause(asked: Wish) -> Cause:
    """Why protocols that count are changed; raises :class:`RunError` for a reason that is none."""
    reason, authority = said(asked.told, "reason"), said(asked.told, "authority")
    if reason not in correction_reasons():
        raise RunError(
            f"{reason!r} is no reason of a correction; expected one of {', '.join(correction_reasons())}."
        )
    return Cause(reason, authority)


def _check_refused(refused: list[str], asked: Wish) -> None:
    """Raise :class:`CorrectionError` when protocols of a correction are refused."""
    if refused:
        told = "\n".join(refused[:SHOWN])
        raise CorrectionError(
            f"{len(refused)} of {len(asked.records)} corrections are refused; nothing was changed:\n{told}"
        )
