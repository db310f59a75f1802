"""The scenarios that are being played in a sandbox: those of every passage, and those that somebody asked for."""

import asyncio
import contextlib
import datetime
import logging
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from skrutinium_server.process.clock import WallTime
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.playing import Course, Player
from skrutinium_server.rehearsal.playing.model import Point
from skrutinium_server.rehearsal.scenarios import Scenario, Step, clear, load, names, play
from skrutinium_server.rehearsal.stage import Stage

SPACING: Final = 15.0
"""Seconds."""

log = logging.getLogger("skrutinium.sandbox")


class Pressed:
    """The course of a night for a scenario that somebody begins in the middle of it: its points are moved to where the night is.

    Steps whose points are past all the same, for the night is over or was sought on, follow each other after ``spacing`` seconds: long
    enough to be seen. A :class:`~skrutinium_server.rehearsal.scenarios.Course`.
    """

    def __init__(self, course: Course, spacing: float) -> None:
        self._course = course
        self._spacing = spacing
        self._share: Fraction | None = None
        self._later: datetime.timedelta | None = None
        self._first = True

    @property
    def begins(self) -> datetime.datetime:
        """When the first protocol comes in."""
        return self._course.begins

    async def reach(self, at: Point) -> None:
        """Return once the night is there, as far behind the first point as in the scenario."""
        course = self._course
        if isinstance(at, datetime.datetime):
            if self._later is None:
                self._later = max(course.time - at, datetime.timedelta())
            at += self._later
            past = at <= course.time
        else:
            here = Fraction(course.delivered, course.all)
            if self._share is None:
                self._share = max(here - at, Fraction(0))
            at = min(at + self._share, Fraction(1))
            past = at <= here
        if past and not self._first:
            await asyncio.sleep(self._spacing)
        self._first = False
        await course.reach(at)

    async def go_on(self) -> None:
        """What was to be done there is done."""
        await self._course.go_on()


@dataclass
class Scene:
    """A scenario that is being played; ``step`` is the number of the last step that was done."""

    scenario: Scenario
    since: datetime.datetime
    task: "asyncio.Task[None] | None" = None
    step: int = 0

    def told(self) -> dict[str, Any]:
        """As :func:`Scenes.told` tells it."""
        return {
            "name": self.scenario.name,
            "step": self.step,
            "of": len(self.scenario.steps),
            "since": self.since.isoformat(),
        }


@dataclass
class Scenes:
    """Those of one sandbox; ``zone``: that of its law. ``spacing``: see :class:`Pressed`; ``trouble``: why the last one that failed did."""

    stage: Stage
    player: Player
    zone: ZoneInfo
    wall: WallTime
    spacing: float = SPACING
    trouble: str = ""
    _scenes: list[Scene] = field(default_factory=list)

    async def begin(self, name: str) -> None:
        """Play a scenario beside the night; raises :class:`SandboxError` when it is being played, ``ScenarioError`` for none."""
        known = await asyncio.to_thread(names)
        if name not in known:
            raise SandboxError(f"There is no scenario {name[:60]!r}; expected one of {', '.join(known)}.")
        scenario = await asyncio.to_thread(load, name)
        if any(scene.scenario.name == name for scene in self._scenes):
            raise SandboxError(f"The scenario {name!r} is being played already. Stop it first.")
        scene = Scene(scenario, self.wall())
        self._scenes.append(scene)
        scene.task = asyncio.get_running_loop().create_task(self._play(scene), name=f"scenario {name}")

    async def _play(self, scene: Scene) -> None:
        async def done(number: int, step: Step) -> None:
            scene.step = number
            log.info("%s: %s, step %d: %s", self.stage.run, scene.scenario.name, number, step)

        try:
            await play(
                self.stage, Pressed(self.player.course(), self.spacing), scene.scenario, self.zone, done
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the night goes on, and it is told
            self.trouble = f"scenario {scene.scenario.name}, step {scene.step + 1}: {error}"
            log.error("%s: %s", self.stage.run, self.trouble)  # noqa: TRY400
        else:
            self.trouble = ""
        finally:
            with contextlib.suppress(ValueError):
                self._scenes.remove(scene)

    async def stop(self) -> None:
        """End all of them, and what they began: all is well again."""
        scenes, self._scenes = self._scenes, []
        for scene in scenes:
            if scene.task is not None:
                scene.task.cancel()
        await asyncio.gather(*(scene.task for scene in scenes if scene.task), return_exceptions=True)
        await clear(self.stage)

    def told(self) -> list[dict[str, Any]]:
        """Each with its name, how many of its steps are done, and since when it is played."""
        return [scene.told() for scene in self._scenes]
