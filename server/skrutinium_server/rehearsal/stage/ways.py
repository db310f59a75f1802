"""Acts on the way between the feeds of a stage and its readers: outages, other sites, faults of every kind."""

import asyncio
from collections.abc import Awaitable, Callable

from skrutinium.testing.outlet import Outlet
from skrutinium_server.process import noticing
from skrutinium_server.rehearsal.stage.acting import Rate, Seconds, Skew, Status, Which, WholeSeconds, act
from skrutinium_server.rehearsal.stage.errors import StageError
from skrutinium_server.rehearsal.stage.skew import skewed
from skrutinium_server.rehearsal.stage.telling import Telling


class Ways(Telling):
    """What goes wrong on the way to readers."""

    @act
    async def second_site(self, *, told: bool = True) -> str:
        """Start a second site with the same releases; its address, which the signed notices name unless ``told`` is false."""
        return await self._second(told=told)

    async def _second(self, *, told: bool) -> str:
        if not self._has_second:
            address = await self._processes.serve_second()
            self._ending.push_async_callback(self.second.close)
            await self.second.open(address)
            self._has_second = True
        if told:
            url = self.second.url
            await self._tell(noticing.second_site(url, self.fingerprint), "second-site", url)
        return self.second.url

    def _outlets(self, which: Which) -> list[Outlet]:
        if which != "first" and not self._has_second:
            raise StageError("There is no second site yet. Start it first.")
        return {"first": [self.front], "second": [self.second], "both": [self.front, self.second]}[which]

    async def _fault(self, which: Which, name: str, begin: Callable[[Outlet], Awaitable[None]]) -> None:
        for outlet in self._outlets(which):
            await begin(outlet)
        self.faults.append(name if which == "first" else f"{name} ({which})")

    @act
    async def outage(self, which: Which = "first") -> None:
        """A site is gone: open connections are cut, new ones are refused."""
        await self._fault(which, "outage", Outlet.outage)

    @act
    async def restore(self, which: Which = "both") -> None:
        """All is well again on the way to readers."""
        for outlet in [self.front] if which == "both" and not self._has_second else self._outlets(which):
            await outlet.restore()
        if which != "second":
            await self._processes.drop_copies()
        second = [name for name in self.faults if name.endswith(("(second)", "(both)"))]
        self.faults = {
            "both": [],
            "first": second,
            "second": [one for one in self.faults if one not in second],
        }[which]

    @act
    async def second_site_only(self) -> None:
        """The first site is gone, and the second goes on; where there was none it is started, and told, before."""
        await self._second(told=not self._has_second)
        await self._fault("first", "outage", Outlet.outage)

    @act
    async def stale(self) -> None:
        """The first site shows what is there now and nothing later, as a cache does that never asks again."""
        copy = await self._processes.serve_copy()
        await self._fault("first", "stale", lambda outlet: outlet.lead_to(copy))

    @act
    async def refuse(
        self, status: Status = 429, wait: WholeSeconds | None = 1, which: Which = "first"
    ) -> None:
        """Every request is refused with that status, with ``wait`` seconds in ``Retry-After``; open streams are cut."""
        await self._fault(which, f"refuse {status}", lambda outlet: outlet.refuse(status, wait))

    @act
    async def slow(self, bytes_per_second: Rate = 2_000, delay: Seconds = 0, which: Which = "first") -> None:
        """Every answer comes ``delay`` seconds late and no faster than that."""
        await self._fault(which, "slow", lambda outlet: outlet.slow(bytes_per_second, delay))

    @act
    async def truncate(self, which: Which = "first") -> None:
        """Of every document comes the first half, as if it were the whole."""
        await self._fault(which, "truncate", Outlet.truncate)

    @act
    async def break_off(self, which: Which = "first") -> None:
        """In the middle of every document the connection ends."""
        await self._fault(which, "break_off", Outlet.break_off)

    @act
    async def wrong_signature(self, which: Which = "first") -> None:
        """Everything is signed by somebody else."""
        await self._fault(which, "wrong_signature", Outlet.wrong_signature)

    @act
    async def skew(self, seconds: Skew = 600, which: Which = "first") -> None:
        """The clock of the feed is so many seconds ahead, below zero behind: in ``Date`` headers and in signed heartbeats."""
        signer = await asyncio.to_thread(self.site.signer)
        await self._fault(which, f"skew {seconds}", lambda outlet: outlet.begin(skewed(seconds, signer)))
