"""One sandbox while it runs: its stage, its player, its scenarios; what dies is begun again where it was."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from skrutinium.testing.outlet import Outlet
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.law import load_law
from skrutinium_server.feed.errors import FeedError
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.process.clock import WallTime, wall_time
from skrutinium_server.process.errors import CountingRefused, ProcessError
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.playing import Player
from skrutinium_server.rehearsal.playing.model import Point
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.rehearsal.sandboxes.folder import SandboxFolder
from skrutinium_server.rehearsal.sandboxes.model import Playing, SandboxSettings
from skrutinium_server.rehearsal.sandboxes.passages import SandboxPassages, moment
from skrutinium_server.rehearsal.sandboxes.scenes import Scenes
from skrutinium_server.rehearsal.stage import Stage
from skrutinium_server.rehearsal.stage.processes import make_room
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError

log = logging.getLogger("skrutinium.sandbox")

AGAIN: Final = (0.5, 30.0)
"""Seconds before a sandbox that failed is begun again: at first, and at most."""

KEEP: Final = 5.0
"""Seconds between two times at which it is written down where the night is."""

TRIES: Final = 3
"""So often in a row playing may fail before all processes of the sandbox are begun anew."""

REFUSALS: Final = (ProcessError, ElectionError, FeedError, LedgerError, ReleaseError, StoreError, OSError)
"""What may pass: a process that died, a disk that is full, a port that is taken."""


class Running:
    """A sandbox that plays for ever; ``monotonic`` and ``wall`` are its clocks."""

    def __init__(
        self,
        folder: SandboxFolder,
        monotonic: Callable[[], float] = time.monotonic,
        wall: WallTime = wall_time,
    ) -> None:
        self.name = folder.name
        self.trouble = "It begins."
        """Why it cannot be read or steered, or what went wrong in it; empty: all is well."""
        self._folder = folder
        self._monotonic = monotonic
        self._wall = wall
        self._settings: SandboxSettings | None = None
        self._event = ""
        self._fingerprint = ""
        self._source = ""
        self._failed = 0
        self._written: Playing | None = None
        self._stage: Stage | None = None
        self._player: Player | None = None
        self._scenes: Scenes | None = None

    # ---------------------------------------------------------------- running
    async def run(self) -> None:
        """Play until cancelled."""
        pause = AGAIN[0]
        while True:
            began = self._monotonic()
            try:
                await self._live()
            except Exception as error:  # whatever it is, the others go on, and it is told and tried again
                self.trouble = str(error) or type(error).__name__
                known = isinstance(error, REFUSALS)
                log.error("sandbox %s: %s", self.name, self.trouble, exc_info=not known)  # noqa: TRY400
            pause = AGAIN[0] if self._monotonic() - began > AGAIN[1] else min(pause * 2, AGAIN[1])
            await asyncio.sleep(pause)

    async def _live(self) -> None:
        """Begin, and play until something fails that cannot be mended while it runs."""
        settings, (about, due) = await asyncio.to_thread(
            lambda: (self._folder.settings(), self._folder.night())
        )
        site = await asyncio.to_thread(self._folder.site)
        self._settings, self._event, self._source = settings, about.event, about.source
        self._fingerprint = (await asyncio.to_thread(site.signer)).fingerprint
        front = Outlet(settings.host, settings.port, forwarded=True)
        async with (
            Stage(site, front, who=f"sandbox {self.name}", served=False) as stage,
            self._playing(stage, due, about.law, settings) as player,
        ):
            await self._play(player)

    @contextlib.asynccontextmanager
    async def _playing(
        self, stage: Stage, due: Sequence[Due], law: str, settings: SandboxSettings
    ) -> AsyncIterator[Player]:
        async def begun() -> None:
            """Those of every passage begin with it."""
            for name in settings.scenarios:
                await scenes.begin(name)

        async def over() -> None:
            await scenes.stop()

        passages = SandboxPassages(stage, self.name, due, settings.phase, self._wall, over, begun)
        was = await asyncio.to_thread(self._folder.playing)
        player = Player(
            due,
            passages,
            self._monotonic,
            speed=Fraction(was.speed) if was else settings.fraction,
            who="replay",
            again=True,
            rest=settings.rest,
            passage=was.passage if was else 1,
            start=was.time if was else None,
            is_paused=was.paused if was else False,
        )
        zone = ZoneInfo((await asyncio.to_thread(load_law, law)).time_zone)
        scenes = Scenes(stage, player, zone, self._wall)
        player.busy = lambda: bool(scenes.told())
        keeping = asyncio.create_task(self._keep(player), name=f"keep {self.name}")
        self._stage, self._player, self._scenes = stage, player, scenes
        try:
            yield player
        finally:
            self._stage = self._player = self._scenes = None
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            with contextlib.suppress(*REFUSALS):  # its processes may be gone, and end in any case
                await scenes.stop()
            await self._write_down(player)

    async def _play(self, player: Player) -> None:
        """Play; where the counting process was away, go on when it is back. Raises when that does not help."""
        player.changed = self._well
        while True:
            try:
                await player.run()
            except (ProcessError, LedgerError) as error:
                self._failed += 1
                self.trouble = str(error)
                log.warning("sandbox %s: %s", self.name, error)
                if self._failed > TRIES:
                    raise
                if self._failed > 1 and isinstance(error, CountingRefused | LedgerError):
                    # The run was closed, or is damaged: it cannot be gone on with.
                    await player.restart()
                await asyncio.sleep(AGAIN[0])

    def _well(self) -> None:
        self._failed, self.trouble = 0, ""

    async def _keep(self, player: Player) -> None:
        """Write down now and then where the night is."""
        while True:
            await asyncio.sleep(KEEP)
            await self._write_down(player)
            await asyncio.to_thread(make_room, self._folder.root / "site")

    async def _write_down(self, player: Player) -> None:
        playing = Playing(player.passage, player.time, str(player.speed), player.paused)
        if playing != self._written:
            try:
                await asyncio.to_thread(self._folder.keep_playing, playing)
            except (StoreError, OSError) as error:
                log.warning("sandbox %s: %s", self.name, error)
            else:
                self._written = playing

    # ---------------------------------------------------------------- what it is, and what can be done with it
    def told(self) -> dict[str, Any]:
        """Where it is, as the command ``list`` tells it."""
        stage, player, scenes, settings = self._stage, self._player, self._scenes, self._settings
        row: dict[str, Any] = {
            "url": "" if stage is None else stage.url,
            "fingerprint": self._fingerprint,
            "event": self._event,
            "phase": "" if settings is None else settings.phase,
            "source": self._source,
            "trouble": self.trouble or ("" if scenes is None else scenes.trouble),
            "run": "",
            "scenario": None,
            "scenarios": [],
            "faults": [],
        }
        if stage is None or player is None or scenes is None:
            return row
        playing = scenes.told()
        return row | {
            "run": stage.run or "",
            "time": moment(player.time),
            "begins": moment(player.begins),
            "ends": moment(player.ends),
            "speed": f"{player.speed.numerator}/{player.speed.denominator}",
            "paused": player.paused,
            "ended": player.ended,
            "delivered": player.delivered,
            "all": player.all,
            "passage": player.passage,
            "scenario": playing[-1] if playing else None,
            "scenarios": playing,
            "faults": list(stage.faults),
        }

    async def pause(self) -> None:
        """Let nothing more come in."""
        player, _ = self._there()
        player.pause()
        await self._write_down(player)

    async def go(self) -> None:
        """Go on."""
        player, _ = self._there()
        player.go()
        await self._write_down(player)

    async def seek(self, point: Point) -> None:
        """Be at a point of the night."""
        player, _ = self._there()
        await player.seek(point)
        await self._write_down(player)

    async def set_speed(self, speed: Fraction) -> None:
        """Play at another speed."""
        player, _ = self._there()
        player.set_speed(speed)
        await self._write_down(player)

    async def restart(self) -> None:
        """Begin a new passage."""
        player, _ = self._there()
        await player.restart()
        await self._write_down(player)

    async def play(self, scenario: str) -> None:
        """Play a scenario beside the night."""
        _, scenes = self._there()
        await scenes.begin(scenario)

    async def stop(self) -> None:
        """End all scenarios, and whatever they began."""
        _, scenes = self._there()
        await scenes.stop()

    def _there(self) -> tuple[Player, Scenes]:
        if self._player is None or self._scenes is None:
            raise SandboxError(f"The sandbox {self.name!r} cannot be steered now: {self.trouble}")
        return self._player, self._scenes
