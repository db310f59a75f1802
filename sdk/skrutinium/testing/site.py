"""The site behind a made-up night: a stage in a temporary folder, with protocols that come in as they are told to.

The one module that needs the server, beside the mail; it is imported when a night begins.
"""

import asyncio
import contextlib
import datetime
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from skrutinium.errors import SkrutiniumError
from skrutinium.testing.mail import Mail
from skrutinium.testing.outlet import Outlet
from skrutinium_server.election.model import Definition
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.house import REFUSALS
from skrutinium_server.process.settings import SETTINGS
from skrutinium_server.process.site import Site as Folder
from skrutinium_server.rehearsal.made_up import (
    MadeUpError,
    made_up_definition,
    made_up_night,
    scale_of,
)
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.rehearsal.stage import Stage

Series = Literal["skrutinium", "volby"]
Phase = Literal["test", "rehearsal"]
Key = tuple[str, str]

RUN: Final = "night"
_WHO: Final = "made-up night"
_START: Final = datetime.time(12, tzinfo=datetime.UTC)
_LENGTH: Final = datetime.timedelta(hours=9)


class Site:
    """A site with a made-up definition, read through the outlet ``front``, and the protocols that are still to come."""

    def __init__(
        self, precincts: int, seed: int, law: str, phase: Phase, series: Sequence[Series], front: Outlet
    ) -> None:
        self.run = RUN
        self._told = (precincts, seed, law)
        self._phase = phase
        self._series = series
        self._front = front
        self._ending = contextlib.AsyncExitStack()
        self.definition: Definition
        self.stage: Stage
        self.root: Path
        self.waiting: list[Due] = []
        """Protocols that are to come, in their order."""
        self.reported: dict[Key, None] = {}
        """Precinct and contest of those that are in, in the order in which they came."""
        self._mail: Mail | None = None

    async def __aenter__(self) -> Self:
        """Make up, start and open."""
        try:
            with self.refusals():
                await self._begin()
        except BaseException:
            await self._ending.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the processes and remove the folder."""
        await self._ending.aclose()

    async def _begin(self) -> None:
        self.root = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="skrutinium-night-"))
        self._ending.push_async_callback(asyncio.to_thread, shutil.rmtree, self.root)
        folder = await asyncio.to_thread(self._make_up)
        # A night in a test publishes when it is told to.
        self.stage = Stage(folder, self._front, cutting=False, who=_WHO)
        await self._ending.enter_async_context(self.stage)
        await self.stage.open(RUN, self._phase)

    def _make_up(self) -> Folder:
        precincts, seed, law = self._told
        folder = Folder.create(self.root / "site")
        series = ", ".join(f'"{one}"' for one in self._series)
        settings = SETTINGS.replace('\nseries = ["skrutinium", "volby"]\n', f"\nseries = [{series}]\n")
        (folder.root / "site.toml").write_text(settings, "utf-8")
        try:
            self.definition = made_up_definition(seed, scale_of(precincts), law)
        except MadeUpError as error:
            raise ValueError(str(error)) from error
        folder.define(self.definition)
        assert self.definition.date is not None
        start = datetime.datetime.combine(self.definition.date, _START)
        self.waiting = made_up_night(self.definition, seed, start, _LENGTH, resends=0)
        return folder

    async def bring(self, count: int | None) -> int:
        """Bring that many of the protocols that are to come, all of them unless told; the number of the release after it."""
        with self.refusals():
            due = self.waiting[:count]
            if due:
                records, now = [one.taken_over for one in due], due[-1].at.isoformat()
                answer = await self.stage.ask(do="take", records=records, now=now, speed=0, path="replay")
                if answer["refused"]:
                    raise SkrutiniumError(f"the made-up night refuses: {'; '.join(answer['reasons'])}")
                del self.waiting[: len(due)]
                self.reported |= dict.fromkeys(await self.stage.protocols())
            return await self.stage.cut()

    async def mail(self, *, over: bool) -> Path:
        """Deliver crisis mail; the Maildir in which it lies."""
        with self.refusals():
            return await asyncio.to_thread(self._deliver, over)

    def _deliver(self, over: bool) -> Path:
        if self._mail is None:
            folder = self.stage.site
            self._mail = Mail(folder.store, folder.told()[RUN], self.root / "mail")
        self._mail.deliver(wall_time(), over=over)
        return self._mail.folder

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Tell by an error of ours what the site refuses."""
        try:
            yield
        except REFUSALS as error:
            raise SkrutiniumError(f"the made-up night refuses: {error}") from error

    @property
    def names(self) -> Mapping[str, str]:
        """The contests by id, with their names."""
        return {one.id: one.name for one in self.definition.contests}
