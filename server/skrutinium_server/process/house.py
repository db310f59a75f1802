"""The counting house: the open runs of a site, and the commands that people give.

The same house serves commands over the site's socket or, where none is running, inside the command itself.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.authority.persons import Authority
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.intake.errors import IntakeError
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.ledger.lock import Lock
from skrutinium_server.process.clock import WallTime, wall_time
from skrutinium_server.process.decisions import Decisions
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.open_run import OpenRun
from skrutinium_server.process.runs import OpenRuns
from skrutinium_server.process.site import Site
from skrutinium_server.process.taking import take
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError

REFUSALS = (ProcessError, ElectionError, IntakeError, LedgerError, AuthorityError, ReleaseError, StoreError)
"""What a person can act on."""


class House:
    """All open runs of ``site``; ``cutting`` says whether releases are cut by themselves."""

    def __init__(self, site: Site, cutting: bool, wall: WallTime = wall_time) -> None:
        self.site = site
        self._authority = Authority(site.root)
        self._runs = OpenRuns(site, self._authority, cutting, wall)
        self._decisions = Decisions(site, self._runs, self._authority, wall)
        self._since = wall()
        self._lock: Lock | None = None

    @property
    def runs(self) -> Mapping[str, OpenRun]:
        """The runs that are open, by name."""
        return self._runs.by_name

    @property
    def left_alone(self) -> Mapping[str, str]:
        """Runs that could not be opened, and why."""
        return self._runs.left_alone

    async def start(self) -> None:
        """Open every run that is not closed; raises LedgerLockedError when another process counts the site.

        It is the only house of the site until :meth:`stop`: another one would not know of runs that open meanwhile.
        """
        self._lock = await asyncio.to_thread(
            Lock, self.site.root / "count.lock", "a site is counted by one process"
        )
        await self._runs.start()

    async def archived(self) -> None:
        """Wait until the archives that decisions asked for are made, or have failed."""
        await self._runs.archived()

    async def stop(self) -> None:
        """End the publishers after their last release and give up the ledgers."""
        await self._runs.stop()
        if self._lock is not None:
            await asyncio.to_thread(self._lock.release)

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; errors that a person can act on come back as ``error`` with code and message."""
        try:
            match request.get("do"):
                case "open" | "close" | "declare" | "reopen" | "correct":
                    return await self._decisions.decide(request)
                case "confirm":
                    return await self._decisions.confirm(request)
                case "hold" | "lift":
                    return await self._decisions.hold(request)
                case "take":
                    return await take(await self._run(request), request, self._runs.cutting)
                case "cut":
                    return {"ok": True, "releases": await (await self._run(request)).cut_everything()}
                case "status":
                    return self._status()
                case other:
                    raise ProcessError(f"{other!r} is no command of the counting process.")
        except REFUSALS as error:
            return {"error": error.code, "message": str(error)}
        except OSError as error:
            return {"error": "os", "message": str(error)}
        except (KeyError, msgspec.ValidationError) as error:
            return {"error": "malformed", "message": f"The command lacks something or has it wrong: {error}"}

    async def _run(self, request: dict[str, Any]) -> OpenRun:
        return await self._runs.find(str(request.get("run")))

    def _status(self) -> dict[str, Any]:
        return {
            "ok": True,
            "since": self._since.isoformat(),
            "runs": {
                name: {
                    "phase": run.counting.phase,
                    "newest": dict(run.newest),
                    "complete": run.counting.complete,
                    "expected": len(run.counting.index.definition.polls),
                    "reported": run.counting.reported,
                    "held": {contest: aside for contest, (_, aside) in run.counting.held.items()},
                    "trouble": dict(run.trouble),
                    "behind": {series: run.behind(series) for series in run.publishers},
                    "publishers": {series: child.pid for series, child in run.publishers.items()},
                    "since": {
                        series: child.since.isoformat()
                        for series, child in run.publishers.items()
                        if child.since
                    },
                    "restarts": {series: child.restarts for series, child in run.publishers.items()},
                }
                for name, run in self.runs.items()
            },
            "left_alone": dict(self.left_alone),
        }
