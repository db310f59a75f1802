"""Holding a rehearsal from the made-up election to the scorecards: a site, its stage, the night, the scenario, and clients that follow all of it."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from skrutinium.testing.outlet import Outlet
from skrutinium_server.election.law import load_law
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.great.clients import Clients
from skrutinium_server.rehearsal.great.comparing import Verdict, verdict
from skrutinium_server.rehearsal.great.model import Client, access_list, clients_of
from skrutinium_server.rehearsal.great.truth import Truth, last_release, truth_of
from skrutinium_server.rehearsal.nights import Night, of_settings
from skrutinium_server.rehearsal.playing import Player
from skrutinium_server.rehearsal.playing.through import OneRun
from skrutinium_server.rehearsal.scenarios import Scenario, Step, clear, play
from skrutinium_server.rehearsal.scoring.closing import ClosingReport
from skrutinium_server.rehearsal.scoring.gathering import gather, written_of
from skrutinium_server.rehearsal.scoring.writing import write_scores
from skrutinium_server.rehearsal.stage import Stage
from skrutinium_server.rehearsal.stage.relay import box

RUN: Final = "rehearsal-1"
PATIENCE: Final = 600
"""Seconds that all clients together may need to join, and to end."""
MANY: Final = 1_000
"""From so many precincts on there are :data:`SECONDS_OF_MANY` between two releases: readers share the machine with the publisher."""
SECONDS_OF_MANY: Final = 3
_SITE: Final = (
    (r"^skrutinium_seconds = .*$", "skrutinium_seconds = {seconds}"),
    (r"^series = .*$", 'series = ["skrutinium"]'),
    (r"^proxies = .*$", 'proxies = ["127.0.0.1"]'),
)


@dataclass(slots=True)
class Progress:
    """How far a rehearsal is, for whoever shows it; ``doing`` in words, ``part`` of ``whole`` of that."""

    doing: str = ""
    part: int = 0
    whole: int = 0
    player: Player | None = None
    stage: Stage | None = None
    clients: Clients | None = None
    over: bool = False
    """Whether the night is over and everything stopped."""
    said: Callable[[str], None] = field(default=lambda _line: None)
    """Called with what happened: steps of the scenario, and what is done now."""

    def begin(self, doing: str, whole: int = 0) -> None:
        """Something else is done from now on."""
        self.doing, self.part, self.whole = doing, 0, whole
        self.said(doing)


@dataclass(frozen=True, slots=True)
class Result:
    """What a rehearsal ended with; the scores are in the report. ``release``: the last one, ``documents``: how many there are then, ``protocols``: those that count."""

    verdicts: Sequence[Verdict]
    report: ClosingReport
    release: int
    documents: int
    protocols: int

    @property
    def equal(self) -> bool:
        """Whether every client has what the ledger says."""
        return all(one.equal for one in self.verdicts)


async def rehearse(
    scenario: Scenario, folder: Path, count: int, speed: Fraction, progress: Progress
) -> Result:
    """Rehearse ``scenario`` with so many clients; everything is kept below ``folder``, which is empty or not there.

    Raises what making up, counting, publishing, a step of the scenario or scoring raises (``ProcessError`` and the errors of those stages).
    """
    progress.begin(f"Making up an election of {scenario.night.precincts:,} precincts")
    night = await asyncio.to_thread(of_settings, scenario.night)
    site, clients = await asyncio.to_thread(made_site, folder, night, count)
    troubles = await _hold(site, scenario, night, clients, speed, progress)
    del night
    last = await asyncio.to_thread(last_release, site, RUN)
    progress.over = True
    progress.begin("Making every document again from the ledger", last)
    truth = await _truth(site, progress)
    progress.begin("Comparing what clients have, and scoring")
    held = await asyncio.to_thread(lambda: [troubles.held(one) for one in clients])
    verdicts = [
        verdict(client, had, truth, troubles.failed.get(client.id))
        for client, had in zip(clients, held, strict=True)
    ]
    report = await asyncio.to_thread(gather, site, RUN, written_of(site))
    await asyncio.to_thread(write_scores, report, folder / "scores", wall_time())
    return Result(verdicts, report, truth.release, len(truth.documents), len(truth.protocols))


class _StoppedError(Exception):
    """Nobody waits for it any more."""


async def _truth(site: Site, progress: Progress) -> Truth:
    """What the ledger gives; the thread that makes it ends soon when this is cancelled."""
    stopped = threading.Event()

    def remade(number: int) -> None:
        progress.part = number
        if stopped.is_set():
            raise _StoppedError

    try:
        return await asyncio.to_thread(truth_of, site, RUN, remade)
    finally:
        stopped.set()


def made_site(folder: Path, night: Night, count: int) -> tuple[Site, Sequence[Client]]:
    """A site for a night below ``folder``, which lets in so many clients; writes files."""
    site = Site.create(folder / "site")
    clients = clients_of(count, night.definition, site.root.absolute() / "stage" / "mail")
    settings = site.root / "site.toml"
    text = settings.read_text("utf-8")
    seconds = SECONDS_OF_MANY if len(night.definition.precincts) >= MANY else 1
    for old, new in _SITE:
        text, found = re.subn(old, new.format(seconds=seconds), text, flags=re.MULTILINE)
        assert found == 1, old
    settings.write_text(text, "utf-8")
    (site.root / "access.toml").write_text(access_list(clients), "utf-8")
    site.define(night.definition)
    return site, clients


async def _hold(
    site: Site,
    scenario: Scenario,
    night: Night,
    clients: Sequence[Client],
    speed: Fraction,
    progress: Progress,
) -> Clients:
    """The night itself; returns when every client has its end, with everything stopped."""
    progress.begin("Opening the run and publishing its first release")
    mail_to = tuple(client.id for client in clients if client.mailbox)
    zone = ZoneInfo((await asyncio.to_thread(load_law, night.definition.law)).time_zone)
    outlets = Outlet(forwarded=True), Outlet(forwarded=True)
    async with Stage(site, *outlets, mail_to=mail_to, who="rehearse") as stage:
        progress.stage = stage
        player = Player(
            night.due, OneRun(stage.ask, RUN), time.monotonic, speed=speed, who="rehearse", is_paused=True
        )
        await stage.open(RUN, begins=player.begins.isoformat())
        for id in mail_to:
            await asyncio.to_thread(box, stage.mailboxes[id])
        folder = site.root.parent / "clients"
        async with Clients(clients, stage.url, stage.fingerprint, folder) as readers:
            progress.clients = readers
            progress.begin(f"{len(clients)} clients join", len(clients))
            await _patiently(readers.joined())
            progress.player = player
            progress.begin("The night", player.all)
            await _play(stage, player, scenario, zone, progress)
            number = await asyncio.to_thread(last_release, site, RUN)
            progress.begin(f"All is in; clients get release {number}", len(clients))
            await _patiently(readers.end_at(number))
            return readers


async def _patiently(what: Awaitable[None]) -> None:
    """Wait for clients, but not for ever: who is late is told by name in the end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await what


async def _play(stage: Stage, player: Player, scenario: Scenario, zone: ZoneInfo, progress: Progress) -> None:
    """The night and the scenario beside it; afterwards all is well, and everything is published."""

    async def done(number: int, step: Step) -> None:
        progress.said(f"{step.at!s:>5}  {step} (step {number} of {len(scenario.steps)})")

    try:
        async with asyncio.TaskGroup() as group:
            scene = group.create_task(play(stage, player.course(), scenario, zone, done))
            player.busy = lambda: not scene.done()
            player.go()
            await player.run()
    except ExceptionGroup as errors:  # what went wrong first is what a person is told
        raise errors.exceptions[0] from None
    await clear(stage)
    if stage.run is not None and (await asyncio.to_thread(stage.site.told))[stage.run].open:
        await stage.cut()
