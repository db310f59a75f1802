"""The passages of a sandbox's night: each in a run of its own, the one before closed, those before that swept away."""

import asyncio
import datetime
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from skrutinium_server.process.clock import WallTime
from skrutinium_server.rehearsal.nights import hashes_taken_over
from skrutinium_server.rehearsal.playing import run_name
from skrutinium_server.rehearsal.playing.model import CHUNK, begins
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.rehearsal.sandboxes.sweeping import forget_decisions, sweep
from skrutinium_server.rehearsal.stage import Stage
from skrutinium_server.rehearsal.stage.processes import make_room

KEPT = 2
"""So many passages can be read: the present one, and the one before it."""

RENEWED = 25
"""After so many passages its processes are replaced: they remember a little of each."""


class SandboxPassages:
    """Passages of ``night`` on a stage, in runs named after ``name``.

    ``over`` is called before a passage is closed, ``begun`` when one is there.
    """

    def __init__(
        self,
        stage: Stage,
        name: str,
        night: Sequence[Due],
        phase: Literal["test", "rehearsal"],
        wall: WallTime,
        over: Callable[[], Awaitable[None]],
        begun: Callable[[], Awaitable[None]],
    ) -> None:
        self._stage = stage
        self._name = name
        self._night = night
        self._phase = phase
        self._wall = wall
        self._over = over
        self._begun = begun
        self._hashes: list[str] = []

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`~skrutinium_server.rehearsal.playing.player.Passages`."""
        return await self._stage.ask(**request)

    async def begin(self, passage: int) -> int:
        """See :class:`~skrutinium_server.rehearsal.playing.player.Passages`."""
        wanted = run_name(self._name, passage)
        site = self._stage.site
        known = await asyncio.to_thread(site.told)
        status = await self._stage.ask(do="status")
        if wanted not in status["runs"]:
            if self._stage.run is not None and self._stage.run != wanted:
                await self._over()
            for run in status["runs"]:
                await self._stage.ask(do="close", run=run)
            if wanted not in known:
                await self._sweep(passage)
                if passage % RENEWED == 0:
                    await self._stage.renew(lambda: asyncio.to_thread(forget_decisions, site))
                await self._stage.open(wanted, self._phase, begins=begins(self._night).isoformat())
                await self._begun()
                return 0
        if self._stage.run == wanted:
            return (await asyncio.to_thread(self._held, wanted))[0]
        await self._stage.take_up(wanted)
        count, missing = await asyncio.to_thread(self._held, wanted)
        if wanted in status["runs"]:
            # Held back by a scenario that nobody plays any more, or refused, and then they are refused again.
            for start in range(0, len(missing), CHUNK):
                records = [row.taken_over for row in missing[start : start + CHUNK]]
                await self._stage.ask(do="take", records=records, path="replay")
        return count

    async def _sweep(self, passage: int) -> None:
        """Remove all but the passage before this one."""
        site = self._stage.site
        keep = {run_name(self._name, passage - back) for back in range(KEPT)}
        await asyncio.to_thread(sweep, site, await asyncio.to_thread(site.event, None), keep, self._wall())
        await asyncio.to_thread(make_room, site.root)

    def _held(self, run: str) -> tuple[int, list[Due]]:
        """How far the night is in the ledger of a run, and what is not there although something later is."""
        held = set(hashes_taken_over(self._stage.site.ledger(run)))
        if not self._hashes:
            self._hashes = [hashlib.sha256(row.taken_over.data).hexdigest() for row in self._night]
        count = max((place for place, sha256 in enumerate(self._hashes, 1) if sha256 in held), default=0)
        missing = [place for place in range(count) if self._hashes[place] not in held]
        return count, [self._night[place] for place in missing if self._night[place].reason is None]


def moment(time: datetime.datetime) -> str:
    """A time as commands tell it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
