"""``demo``: a made-up election night in one terminal, with a live client, verified at the end."""

import asyncio
import datetime
import os
import shutil
import tempfile
import textwrap
from pathlib import Path

import click

import skrutinium
from skrutinium.commands.telling import counted
from skrutinium.commands.verify import verdict
from skrutinium.commands.watch import Display
from skrutinium.watching.view import view_of
from skrutinium_server.commands.stopping import hold_signals, until_stopped
from skrutinium_server.process import logs
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.serve import Service
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Commands, commands
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.rehearsal.playing import play_through
from skrutinium_server.rehearsal.replay import Due

SEED = 2030
START = datetime.time(12, tzinfo=datetime.UTC)
LENGTH = datetime.timedelta(hours=9)
RUN = "night"


def _make_up(site: Site) -> list[Due]:
    definition = made_up_definition(SEED, SMALL)
    site.define(definition)
    assert definition.date is not None
    night = made_up_night(definition, SEED, datetime.datetime.combine(definition.date, START), LENGTH)
    click.echo(
        f"Made up {definition.name}: {len(definition.contests)} councils, {len(definition.lists)} lists, "
        f"{len(definition.candidates)} candidates, {len(definition.polls)} protocols to come."
    )
    return night


async def _bring(house: Commands, night: list[Due], speed: int, watched: asyncio.Event) -> None:
    """The night comes in once somebody watches it: who begins later is not told what changed before."""
    await watched.wait()
    end = await play_through(house.ask, RUN, night, speed, "demo")
    if end.refused:
        raise ProcessError(f"{end.refused} made-up protocols were refused; the log tells why.")


async def _watch(url: str, fingerprint: str, watched: asyncio.Event) -> skrutinium.ContestResults | None:
    """The live client: what a newsroom's program does, and draws it. Returns a council worth a closer look."""
    display, view, shown = Display(), None, None
    async with skrutinium.connect(url, fingerprint=fingerprint) as feed:
        await display.start(feed)
        try:
            async for release in feed.releases():
                view = await view_of(release, view)
                display.show(view)
                watched.set()
                for path in release.changed if shown is None else ():
                    contest = await release.contest(Path(path).stem) if path.startswith("contest/") else None
                    shown = contest if contest is not None and _jumped(contest) else shown
                if view.all_in:
                    return shown
        finally:
            await display.stop()
    return shown


def _elected(row: skrutinium.List) -> list[skrutinium.Candidate]:
    return sorted((one for one in row.candidates if one.elected), key=lambda one: one.elected or 0)


def _jumped(contest: skrutinium.ContestResults) -> bool:
    """Whether the council is small, decided, and somebody with 110 % of the mean stands before an earlier place."""
    district = contest.districts[0]
    if district.outcome != "decided" or not 7 <= (district.seats or 0) <= 15 or len(district.lists) < 3:
        return False
    orders = [[one.number for one in _elected(row)] for row in district.lists]
    return any(order != sorted(order) for order in orders)


def _tell_elected(contest: skrutinium.ContestResults) -> None:
    """One council in full: seats, and the elected in the order of award, by which the 110 % rule shows."""
    district = contest.districts[0]
    click.echo(
        f"\n{contest.name}: {district.seats} seats, elected in the order of award (number on the list, votes)"
    )
    for row in district.lists:
        seats = "below the threshold"
        if row.passed:
            assert row.seats is not None, "the council is decided"
            seats = counted(row.seats, "seat")
        click.echo(f" {row.number:2} {row.name}: {row.votes} votes, {seats}")
        names = [f"{one.given_name} {one.family_name} ({one.number}, {one.votes})" for one in _elected(row)]
        if names:
            width = min(110, shutil.get_terminal_size().columns)
            click.echo(
                textwrap.fill(", ".join(names), width, initial_indent="      ", subsequent_indent="      ")
            )


async def _verify(url: str, fingerprint: str) -> None:
    async with skrutinium.open_source(url) as source:
        loop = asyncio.get_running_loop()
        began = loop.time()
        report = await skrutinium.verify(source, fingerprint=fingerprint)
    click.echo("\n" + "\n".join(verdict(report, loop.time() - began)))
    if not report.agrees:
        raise ProcessError("What was published is not what the protocols add up to.")


async def _night(site: Site, night: list[Due], speed: int, port: int) -> bool:
    """The whole night; True once it has agreed."""
    fingerprint = site.signer().fingerprint
    async with Service(site, lambda _part, _message: None, port=port) as service, commands(site) as house:
        assert service.address is not None
        url = "http://{}:{}".format(*service.address)
        click.echo(f"The feed listens at {url}; a newsroom follows it here. Ctrl-C ends.\n")
        await house.ask(do="open", run=RUN, phase="rehearsal")
        try:
            async with asyncio.TaskGroup() as group:
                watched = asyncio.Event()
                watching = group.create_task(_watch(url, fingerprint, watched))
                group.create_task(_bring(house, night, speed, watched))
            contest = watching.result()
            if contest is not None:
                _tell_elected(contest)
            await _verify(url, fingerprint)
        except* (ProcessError, skrutinium.SkrutiniumError) as errors:
            failed = errors.exceptions
        else:
            return True
    raise ProcessError("; ".join(map(str, failed)))


@click.command()
@click.option(
    "--speed",
    default=540,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="So many times as fast as the night was.",
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Port of the feed; unless given, a free one."
)
def demo(speed: int, port: int) -> None:
    """Show a made-up election night in this terminal.

    Protocols come in, are counted and published; the feed serves them, and a live client follows and draws progress,
    votes and seats. At the end it verifies the whole night. Nothing is kept and nothing outside this machine is used.
    Exit code 0 when the night agrees, or when Ctrl-C ended it before.
    """
    hold_signals()
    # What is drawn is not to be written over by the ordinary messages of the processes.
    os.environ.setdefault(logs.VARIABLE, "WARNING")
    with tempfile.TemporaryDirectory(prefix="skrutinium-demo-") as folder:
        site = Site.create(Path(folder) / "site")
        done = asyncio.run(until_stopped(_night(site, _make_up(site), speed, port)))
    if not done:
        click.echo("Stopped.")
