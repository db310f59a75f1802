"""A scenario played on a running stage while a newsroom's program, the SDK, reads it."""

import asyncio
import contextlib
import dataclasses
import itertools
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

import skrutinium
from skrutinium import Corrections, Release
from skrutinium_server.election.law import load_law
from skrutinium_server.process.settings import SETTINGS
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import made_up
from skrutinium_server.rehearsal.made_up.settings import Settings
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.rehearsal.scenarios import Leaps, Scenario, Step, clear, load, play
from skrutinium_server.rehearsal.stage import Act, Stage, acts_path, read_acts
from tests.contract.pages import blocks
from tests.sdk.several import IMPATIENT, QUICK

TIMING = dataclasses.replace(QUICK, again=0.2, heartbeat=0.5, notices=0.2, others=0.2)
LEAPS = 10
PATIENCE = 120
"""Seconds after which a test gives up waiting for what has to happen."""


class Reader:
    """A program that follows the night by the SDK; ``got`` is what it was given, in its order."""

    def __init__(self, feed: skrutinium.Feed) -> None:
        self.feed = feed
        self.got: list[Release] = []
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for release in self.feed.releases():
                await self.feed.done(release)
                self.got.append(release)
                async with self._news:
                    self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()

    async def until(self, number: int) -> Release:
        """Wait for a release; raises what following raised."""
        assert self._task is not None
        async with asyncio.timeout(PATIENCE), self._news:
            while not self.got or self.got[-1].number < number:
                if self._task.done():
                    self._task.result()
                await self._news.wait()
        return self.got[-1]

    async def ended(self) -> BaseException | None:
        """Wait until following has ended, and tell why."""
        assert self._task is not None
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._task])
        return self._task.exception()

    async def until_true(self, condition: Callable[[], bool]) -> None:
        """Wait for what the reader's health tells."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - health is asked for, it does not call
                await asyncio.sleep(0.01)

    @property
    def numbers(self) -> list[int]:
        return [one.number for one in self.got]

    @property
    def trouble(self) -> str | None:
        """What is wrong with the first source."""
        return self.feed.health.sources[0].trouble

    def has_every_release(self, first: int = 1) -> bool:
        """Whether each release came once, in order, from the ``first`` on, and up to its last."""
        return self.numbers == list(range(first, self.numbers[-1] + 1))

    async def corrections(self) -> list[tuple[Release, Corrections]]:
        """The releases that correct something."""
        found = [(one, await one.corrections()) for one in self.got]
        return [(release, told) for release, told in found if told is not None]


class Scene:
    """One scenario in a run of its own on ``stage``."""

    def __init__(self, stage: Stage, night: Sequence[Due], scenario: Scenario, zone: ZoneInfo) -> None:
        self.stage = stage
        self.zone = zone
        self.night = night
        self.scenario = scenario
        self.waited: list[float] = []
        """How long the scenario would have waited for real."""

    @contextlib.asynccontextmanager
    async def reader(self, **settings: Any) -> AsyncIterator[Reader]:
        """A program that follows from now on, at release 1 when this is entered at the beginning."""
        async with self._following(settings) as reader:
            await reader.until(1)
            yield reader

    @contextlib.asynccontextmanager
    async def again(self, **settings: Any) -> AsyncIterator[Reader]:
        """The same program, started again: it goes on where its state file says."""
        async with self._following(settings) as reader:
            yield reader

    @contextlib.asynccontextmanager
    async def _following(self, settings: dict[str, Any]) -> AsyncIterator[Reader]:
        told: dict[str, Any] = {
            "fingerprint": self.stage.fingerprint,
            "timing": TIMING,
            "requests": IMPATIENT,
            "follow_second_site": False,
        } | settings
        async with skrutinium.connect(self.stage.url, **told) as feed:
            reader = Reader(feed)
            await reader.start()
            try:
                yield reader
            finally:
                await reader.stop()

    async def play(
        self,
        *readers: Reader,
        after: Callable[[Step], Awaitable[None]] | None = None,
        always: bool = False,
    ) -> None:
        """Play it to the end of the night, and beyond where the scenario goes on.

        ``readers`` are waited for wherever nothing goes wrong on their way, or ``always``; ``after`` is called after each step.
        """

        async def leapt(number: int) -> None:
            if always or not self.stage.faults:
                for reader in readers:
                    await reader.until(number)

        async def done(_number: int, step: Step) -> None:
            if after is not None:
                await after(step)
            await leapt(self.stage.release)

        async def sleep(seconds: float) -> None:
            self.waited.append(seconds)

        course = Leaps(self.stage, self.night, LEAPS, leapt)
        async with asyncio.timeout(PATIENCE * 2):
            await play(self.stage, course, self.scenario, self.zone, done, sleep)
            await course.reach(Fraction(1))
            await leapt(self.stage.release)

    async def shown(self, reader: Reader, release: Release) -> str:
        """What the code of the scenario's page prints for a reader at a release."""
        said: list[str] = []
        names: dict[str, Any] = {"print": lambda *told: said.append(" ".join(map(str, told)))}
        (block,) = await asyncio.to_thread(blocks, f"docs/{self.scenario.page}", "python")
        exec(
            compile(f"async def shown(feed, release):\n{textwrap.indent(block, '    ')}", "page", "exec"),
            names,
        )
        await names["shown"](reader.feed, release)
        return "\n".join(said)

    async def acts(self, name: str) -> list[Act]:
        """What was written down of the acts of that name."""
        assert self.stage.run is not None
        path = acts_path(self.stage.site.root, self.stage.run)
        return [one for one in await asyncio.to_thread(read_acts, path) if one.name == name]

    async def agrees(self, release: Release) -> None:
        """The votes that the reader has are those of the ledger."""
        counted = await self.stage.protocols()
        expected = sum(one.figures["valid-votes"] for one in counted.values())
        told = await release.event()
        assert sum(kind.count.figures["valid-votes"] for kind in told.kinds) == expected
        assert release.reported == len(counted)


class Scenes:
    """Stages for scenarios, one for each made-up election that they are played on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages: dict[bytes, tuple[Stage, list[Due]]] = {}
        self._runs = itertools.count(1)
        self._ending = contextlib.AsyncExitStack()

    async def close(self) -> None:
        await self._ending.aclose()

    @contextlib.asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[Scene]:
        """The scenario of that name, in a new run that has nothing yet; afterwards all is well again, and the run closed."""
        scenario = await asyncio.to_thread(load, name)
        stage, night = await self._stage(scenario.night)
        await stage.open(f"{name}-{next(self._runs)}")
        try:
            yield Scene(stage, night, scenario, await asyncio.to_thread(_zone, scenario))
        finally:
            await clear(stage)
            if (await asyncio.to_thread(stage.site.told))[str(stage.run)].open:
                await stage.close_run()

    async def _stage(self, settings: Settings) -> tuple[Stage, list[Due]]:
        key = msgspec.json.encode(settings)
        if key not in self._stages:
            site, night = await asyncio.to_thread(self._made, settings, f"site-{len(self._stages)}")
            stage = await self._ending.enter_async_context(Stage(site, cutting=False))
            self._stages[key] = stage, night
        return self._stages[key]

    def _made(self, settings: Settings, name: str) -> tuple[Site, list[Due]]:
        site = Site.create(self._folder / name)
        one = SETTINGS.replace('\nseries = ["skrutinium", "volby"]\n', '\nseries = ["skrutinium"]\n')
        (site.root / "site.toml").write_text(one, "utf-8")
        definition, night = made_up(settings)
        site.define(definition)
        return site, night


def _zone(scenario: Scenario) -> ZoneInfo:
    return ZoneInfo(load_law(scenario.night.law).time_zone)
