"""The scenarios that are being played in a sandbox: those of every passage, and those that somebody asked for."""

import asyncio
import contextlib
import datetime
import logging
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from skrutinium_server.process.clock import WallTime
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.playing import Player
from skrutinium_server.rehearsal.scenarios import Scenario, Step, clear, load, names, play
from skrutinium_server.rehearsal.stage import Stage

log = logging.getLogger("skrutinium.sandbox")


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
    """Those of one sandbox; ``zone``: that of its law. ``trouble``: why the last one that failed did."""

    stage: Stage
    player: Player
    zone: ZoneInfo
    wall: WallTime
    trouble: str = ""
    _scenes: list[Scene] = field(default_factory=list)

    def begin(self, name: str) -> None:
        """Play a scenario beside the night; raises :class:`SandboxError` when it is being played, ``ScenarioError`` for none."""
        if any(scene.scenario.name == name for scene in self._scenes):
            raise SandboxError(f"The scenario {name!r} is being played already. Stop it first.")
        if name not in names():
            raise SandboxError(f"There is no scenario {name[:60]!r}; expected one of {', '.join(names())}.")
        scene = Scene(load(name), self.wall())
        self._scenes.append(scene)
        scene.task = asyncio.get_running_loop().create_task(self._play(scene), name=f"scenario {name}")

    async def _play(self, scene: Scene) -> None:
        async def done(number: int, step: Step) -> None:
            scene.step = number
            log.info("%s: %s, step %d: %s", self.stage.run, scene.scenario.name, number, step)

        try:
            await play(self.stage, self.player.course(), scene.scenario, self.zone, done)
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
