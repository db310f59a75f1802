"""``replay``: a night into a run as it went, faster or slower, with pause and seek."""

import asyncio
import contextlib
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from skrutinium.replaying.steering import keys, listen
from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.intake.reading import FORMATS, read_path
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands
from skrutinium_server.rehearsal.errors import RehearsalError
from skrutinium_server.rehearsal.made_up import AUTHORITY, read_corrections
from skrutinium_server.rehearsal.nights import read_ledger
from skrutinium_server.rehearsal.nights.model import check_replayable
from skrutinium_server.rehearsal.playing import PassageRuns, Player, read_speed
from skrutinium_server.rehearsal.playing.model import begins, read_point
from skrutinium_server.rehearsal.playing.runs import Phase
from skrutinium_server.rehearsal.replay import Due

FASTEST = 100_000
"""As fast as a run that nobody watches may be filled."""
STEP = Fraction(1, 100)
"""How far the keys n and b go."""


class Speed(click.ParamType[Fraction]):
    """How many times as fast as the night was."""

    name = "N"

    def __init__(self, fastest: Fraction | int) -> None:
        self._fastest = fastest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Turn a text into a fraction."""
        if isinstance(value, Fraction):
            return value
        try:
            return read_speed(str(value), self._fastest)
        except RehearsalError as error:
            self.fail(str(error), param, ctx)


@click.command()
@SITE
@RUN
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice([*FORMATS, "ledger"]),
    help="What PATH is; a ledger is the ledger.sqlite of another run.",
)
@click.option(
    "--speed",
    default="60",
    show_default=True,
    type=Speed(FASTEST),
    help="So many times as fast as the night was, 0.1 to 100000.",
)
@click.option(
    "--corrections",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="What was corrected: a folder with a CSV set for each reason, in a folder called after it.",
)
@click.option(
    "--authority", default=AUTHORITY, show_default=True, help="Who ordered the corrections; it is published."
)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def replay(
    site: Site,
    run: str,
    form: str,
    speed: Fraction,
    corrections: Path | None,
    authority: str,
    path: Path,
) -> None:
    """Bring the protocols in PATH as they came in on their night, SPEED times as fast, into RUN.

    Releases appear while it goes on when the site is being served; at the end everything is published. In a terminal: p pauses and
    goes on, n and b go a hundredth of the night on and back, 40% or a time with Enter seeks, x120 sets the speed, q ends. What
    goes back begins a new run (RUN-000002), for releases never go back.
    """
    record = site.run(run)
    if record.phase == "live":
        raise RunError(f"{run!r} is a live run; a replay goes into a test or a rehearsal.")
    night = _night(site, run, form, path)
    if corrections is not None:
        corrected = read_corrections(corrections, site.basis(run).law, authority)
        night = sorted([*night, *corrected], key=lambda due: due.at)
    asyncio.run(_play(site, run, night, speed))


def _night(site: Site, run: str, form: str, path: Path) -> list[Due]:
    if form == "ledger":
        opened, is_open, night = read_ledger(path)
        check_replayable(opened.run, opened.phase, is_open=is_open, source=str(path))
    else:
        basis = site.basis(run)
        received = read_path(form, path, basis.law, basis.index)
        night = sorted(
            (Due(item.protocol.established, item.taken_over) for item in received), key=lambda due: due.at
        )
    if not night:
        raise RunError(f"{path} holds no protocol.")
    return night


async def _play(site: Site, run: str, night: list[Due], speed: Fraction) -> None:
    record = await asyncio.to_thread(site.run, run)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[clock]}"),
        TimeElapsedColumn(),
    )
    phase: Phase = "test" if record.phase == "test" else "rehearsal"
    async with commands(site) as house:
        runs = PassageRuns(house.ask, run, record.event, phase, begins(night), "replay")
        player = Player(night, runs, time.monotonic, speed=speed)
        task = bar.add_task("", total=len(night), clock="")

        def show() -> None:
            told = f"replay ×{float(player.speed):g}{' paused' if player.paused else ''}"
            bar.update(
                task,
                description=told if runs.run == run else f"{told} {runs.run}",
                completed=player.delivered,
                clock=f"{player.time:%Y-%m-%d %H:%M:%S} UTC",
            )

        player.changed = show
        with bar:
            await _steered(player)
    told = player.brought
    click.echo(
        f"{player.delivered} protocols brought: {told.accepted} taken over, {told.duplicates} known already, {told.refused} refused."
    )
    if told.refused:
        raise RunError(f"{told.refused} protocols were refused; the log of the counting process tells why.")


async def _steered(player: Player) -> None:
    """Play until the end, or until a person ends it."""
    playing = asyncio.create_task(player.run())
    orders: asyncio.Queue[str] = asyncio.Queue()
    obeying = None
    try:
        if not sys.stdin.isatty():
            await playing
            return
        with keys(sys.stdin):
            listen(sys.stdin, orders)
            obeying = asyncio.create_task(_obey(player, orders))
            await asyncio.wait((playing, obeying), return_when=asyncio.FIRST_COMPLETED)
            for task in (playing, obeying):
                if task.done():
                    task.result()
    finally:
        for task in filter(None, (playing, obeying)):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _obey(player: Player, orders: "asyncio.Queue[str]") -> None:
    """Do what is typed until it is ``q``."""
    while (order := (await orders.get()).strip()) != "q":
        try:
            await obey(player, order)
        except RehearsalError as error:
            click.echo(f"error [{error.code}]: {error}", err=True)


async def obey(player: Player, order: str) -> None:
    """Do what was typed: ``p``, ``n``, ``b``, ``x`` with a speed, or a point of the night. Raises :class:`RehearsalError`."""
    if order in ("p", ""):
        player.go() if player.paused else player.pause()
    elif order in ("n", "b"):
        step = max(1, int(player.all * STEP))
        count = player.delivered + (step if order == "n" else -step)
        await player.seek(Fraction(min(max(count, 0), player.all), player.all))
    elif order.startswith("x"):
        player.set_speed(read_speed(order[1:], FASTEST))
    else:
        await player.seek(read_point(order))
