"""The ground of a stage: its site with all processes, its run, and the commands about it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, Self

from skrutinium.testing.outlet import Outlet
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.intake.model import Protocol
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.stage.acts import Act, acts_path, write_act
from skrutinium_server.rehearsal.stage.counted import Counted, Key
from skrutinium_server.rehearsal.stage.errors import StageError
from skrutinium_server.rehearsal.stage.late import Late
from skrutinium_server.rehearsal.stage.mail import StageMail
from skrutinium_server.rehearsal.stage.processes import Processes, published

_PATIENCE: Final = 180
"""Seconds after which an act that no reader can see yet has failed."""


class StageHouse:
    """What every stage has: the processes of ``site``, the addresses at which it is read, and the run on which acts are done.

    ``front`` is where readers reach the feed, ``second`` where they reach the second site once there is one, unless told at a free port
    beside the first. ``cutting``: whether releases are cut by themselves; ``who`` gives the commands;
    ``mail_to``: ids of those who get crisis mail.
    ``served``: an act that a release shows returns once the feed serves it.
    """

    def __init__(
        self,
        site: Site,
        front: Outlet | None = None,
        second: Outlet | None = None,
        *,
        cutting: bool = True,
        who: str = "stage",
        mail_to: Sequence[str] = ("newsroom",),
        served: bool = True,
    ) -> None:
        self.site = site
        self.front = front or Outlet()
        self.second = second or Outlet(self.front.host, forwarded=self.front.forwarded)
        self.run: str | None = None
        """The run on which acts are done."""
        self.event = ""
        self.release = 0
        """The newest release of the run that the feed was seen to serve."""
        self.faults: list[str] = []
        """What goes wrong on the way to readers at this moment."""
        self.incidents: dict[str, str] = {}
        """The incidents that readers were told of and that go on: their ids in the notices, by the ids given here."""
        self.mail: StageMail | None = None
        self._who = who
        self._mail_to = tuple(mail_to)
        self._served = served
        self._processes = Processes(site, cutting=cutting)
        self._ending = contextlib.AsyncExitStack()
        self._asking = asyncio.Lock()
        self._has_second = False
        self._counted: Counted
        self._law: Law
        self._late: Late[Any] = Late()

    async def __aenter__(self) -> Self:
        """Start the processes, and let readers in."""
        try:
            self._ending.push_async_callback(self._processes.stop)
            self.address = await self._processes.start()
            self.fingerprint = (await asyncio.to_thread(self.site.signer)).fingerprint
            await self.front.open(self.address)
            self._ending.push_async_callback(self.front.close)
            self._ending.push_async_callback(self._leave_run)
        except BaseException:
            await self._ending.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self._ending.aclose()

    @property
    def url(self) -> str:
        """The address of the first site."""
        return self.front.url

    # ------------------------------------------------------------------ runs and commands
    async def open(self, run: str, phase: Literal["test", "rehearsal"] = "rehearsal", **told: Any) -> int:
        """Open a new run of the site's event; the number of its first release. ``told`` as in the command ``open``."""
        await self.ask(do="open", run=run, phase=phase, **{"event": None, "not_before": None} | told)
        return await self._shown(1)

    async def take_up(self, run: str) -> None:
        """Go on with a run that is open already."""
        record = await asyncio.to_thread(self.site.run, run)
        if record.phase == "live":
            raise StageError(
                f"{run!r} is a live run: nothing is rehearsed on it. Open a run of the phase rehearsal."
            )
        await self._leave_run()
        self.run, self.event, self.release = run, record.event, 0
        self._law = await asyncio.to_thread(load_law, record.law)
        self._counted = Counted(self.site.ledger(run))
        self._late = Late()

    async def renew(self, between: Callable[[], Awaitable[None]]) -> None:
        """New processes in place of those of the first site, between two runs of a stage that is always on; readers notice nothing.

        What is done ``between`` finds the site counted by nobody.
        """
        async with self._asking:
            await self._processes.renew(between)

    async def _leave_run(self) -> None:
        """Another run is about to take the place of this one, or none."""

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Carry out a command of the counting process: about the run of the stage, and by its hand, unless told otherwise.

        Whoever replays a night here asks through this: what is held back does not come in. Raises what the counting process refuses.
        """
        async with self._asking:
            request = {"run": self.run, "by": self._who} | request
            ours = request["run"] == self.run
            if request["do"] == "take" and ours:
                request["records"] = self._late.through(request["records"])
            answer = await self._processes.counting.ask(**request)
        if request["do"] == "open":
            await self.take_up(str(request["run"]))
        return answer

    async def cut(self) -> int:
        """A release of everything that is in, now; its number."""
        answer = await self.ask(do="cut")
        return await self._shown(int(answer["releases"]["skrutinium"]))

    async def _shown(self, number: int) -> int:
        """Wait until the feed serves a release of the run."""
        if self._served:
            async with self._within():
                newest = await published(self.address, self.event, str(self.run), number)
            self.release = max(self.release, newest)
        return number

    @contextlib.asynccontextmanager
    async def _within(self) -> AsyncIterator[None]:
        """Wait no longer than a rehearsal can stand still."""
        try:
            async with asyncio.timeout(_PATIENCE):
                yield
        except TimeoutError:
            raise StageError(
                f"The feed does not serve what was done within {_PATIENCE} seconds; see what its processes say in the log."
            ) from None

    @property
    def late(self) -> int:
        """How many protocols are held back at this moment."""
        return len(self._late.held)

    async def write_down(self, name: str, arguments: dict[str, Any], release: int | None = None) -> None:
        """Put an act into the list of the run's acts."""
        if self.run is not None:
            act = Act(wall_time(), name, arguments, release)
            await asyncio.to_thread(write_act, acts_path(self.site.root, self.run), act)

    async def protocols(self) -> Mapping[Key, Protocol]:
        """The protocols that count in the run now, in the order in which they came in."""
        if self.run is None:
            raise StageError("No run is open on this stage. Open one first.")
        await asyncio.to_thread(self._counted.read)
        return self._counted.protocols
