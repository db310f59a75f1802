"""Acts by which results change, come late, or are declared."""

import asyncio
import datetime
from collections.abc import Callable, Sequence
from typing import Final, Literal

from skrutinium_server.intake.model import Protocol, TakenOver
from skrutinium_server.rehearsal.made_up import made_up_correction, taken_over
from skrutinium_server.rehearsal.stage.acting import AUTHORITY, COURT, REASON, Count, act
from skrutinium_server.rehearsal.stage.changes import lowered
from skrutinium_server.rehearsal.stage.counted import Key
from skrutinium_server.rehearsal.stage.errors import StageError
from skrutinium_server.rehearsal.stage.house import StageHouse

_WEEKS_LATER: Final = datetime.timedelta(weeks=3)


class Results(StageHouse):
    """What happens to the protocols of a run."""

    @act
    async def correct(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        reason: str = "recount",
        authority: str = AUTHORITY,
    ) -> int:
        """Replace a protocol by one with fewer votes; the number of the release with it.

        That of the precinct and contest, the first that came in unless told; raises :class:`StageError` where there is none.
        """
        key = await self._one(precinct, contest)
        return await self._replace((key,), made_up_correction, reason, authority)

    @act
    async def lower(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        reason: str = "commission-mistake",
        authority: str = AUTHORITY,
    ) -> int:
        """Replace a protocol by one with half of its voters and votes."""
        key = await self._one(precinct, contest)
        return await self._replace((key,), lowered, reason, authority)

    @act
    async def recount(self, contest: str | None = None, authority: str = AUTHORITY) -> int:
        """Replace all protocols of a contest that are in, at once: that with the most of them unless told."""
        of: dict[str, list[Key]] = {}
        for key in await self.protocols():
            of.setdefault(key[1], []).append(key)
        chosen = contest if contest is not None else max(of, key=lambda one: len(of[one]), default="")
        if chosen not in of:
            raise StageError(
                f"No protocol of the contest {contest or 'that is the largest'} is in yet; there is nothing to recount."
            )
        return await self._replace(of[chosen], made_up_correction, "recount", authority)

    async def _one(self, precinct: str | None, contest: str | None) -> Key:
        for key in await self.protocols():
            if precinct in (None, key[0]) and contest in (None, key[1]):
                return key
        told = f"precinct {precinct or 'any'}, contest {contest or 'any'}"
        raise StageError(f"No protocol is in of {told}; only what is there can be replaced.")

    async def _replace(
        self, keys: Sequence[Key], change: Callable[[Protocol, int], Protocol], reason: str, authority: str
    ) -> int:
        protocols = await self.protocols()
        sequence = self._counted.sequence + 1
        records = await asyncio.to_thread(
            lambda: [self._taken_over(change(protocols[key], sequence)) for key in keys]
        )
        answer = await self.ask(do="correct", records=records, reason=reason, authority=authority)
        return await self._shown(int(answer["releases"]["skrutinium"]))

    def _taken_over(self, protocol: Protocol) -> TakenOver:
        made: TakenOver = taken_over(protocol, self._law)
        return made

    @act
    async def hold_back(self, count: Count = 1) -> None:
        """The next so many protocols that come in are late: they wait until :meth:`bring_late`."""
        self._late.hold(count)

    @act
    async def bring_late(self) -> int:
        """What was held back comes in now; the number of the release with it."""
        late = self._late.release()
        if not late:
            raise StageError(
                "No protocol was held back that could come late: hold some back before all are in."
            )
        await self.ask(do="take", records=late, who=self._who, path="replay")
        return await self.cut()

    @act
    async def hold(self, contest: str, reason: str = REASON) -> int:
        """Hold the publication of one contest; the number of the release that says so."""
        return await self._shown((await self.ask(do="hold", contest=contest, reason=reason))["release"])

    @act
    async def lift(self, contest: str) -> int:
        """Publish it again; what came in meanwhile counts from that release on."""
        return await self._shown((await self.ask(do="lift", contest=contest))["release"])

    @act
    async def declare(
        self,
        state: Literal["final", "certified"] = "final",
        reason: str = REASON,
        authority: str = AUTHORITY,
    ) -> int:
        """Declare the results final, later certified; all protocols have to be in."""
        answer = await self.ask(do="declare", state=state, reason=reason, authority=authority)
        return await self._shown(answer["release"])

    @act
    async def close_run(self) -> None:
        """Close the run; nothing more is accepted, what is there stays readable."""
        await self.ask(do="close")

    @act
    async def court_order(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        authority: str = COURT,
    ) -> int:
        """Weeks later a court orders a protocol changed: the run is opened again, corrected, and closed; the number of that release."""
        run = str(self.run)
        if (await asyncio.to_thread(self.site.told))[run].open:
            await self.ask(do="close")
        await self.ask(do="reopen", reason=REASON, authority=authority)
        await self.protocols()
        later = self._counted.last + _WEEKS_LATER
        await self.ask(do="take", records=[], now=later.isoformat(), speed=0)
        key = await self._one(precinct, contest)
        number = await self._replace((key,), made_up_correction, "court-order", authority)
        await self.ask(do="close")
        return number
