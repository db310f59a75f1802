"""``run``: passages of the event through the system, each with its own ledger."""

import asyncio

import click
from rich.console import Console
from rich.table import Table

from skrutinium_server.commands.arguments import EVENT, RUN, SITE
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands
from skrutinium_server.release.store.reading import StoreReader


@click.group()
def run() -> None:
    """Open, close and list runs."""


@run.command("open")
@SITE
@RUN
@click.option(
    "--phase", type=click.Choice(["test", "rehearsal", "live"]), required=True, help="What the run is for."
)
@EVENT
def open_run(site: Site, run: str, phase: str, event: str | None) -> None:
    """Open RUN: fix the definition, start its ledger, and publish that nothing is reported yet."""

    async def ask() -> None:
        async with commands(site) as house:
            answer = await house.ask(do="open", run=run, phase=phase, event=event)
        click.echo(
            f"Opened run {run} ({phase}) of event {answer['event']} with definition {answer['definition']}."
        )

    asyncio.run(ask())


@run.command("close")
@SITE
@RUN
def close_run(site: Site, run: str) -> None:
    """Close RUN: publish a last release with a checkpoint; nothing more is accepted."""

    async def ask() -> None:
        async with commands(site) as house:
            await house.ask(do="close", run=run)
        click.echo(f"Closed run {run}.")

    asyncio.run(ask())


@run.command("list")
@SITE
def list_runs(site: Site) -> None:
    """List the runs of the site and their newest releases."""
    reader = StoreReader(site.store)
    _, known = reader.state()
    states = {told.id: told for told in known}
    table = Table("run", "event", "phase", "state", "series", "newest release")
    for record in site.runs():
        told = states.get(record.run)
        state = (
            "unknown"
            if told is None
            else ("open" if told.open else "closed") + (", current" if told.current else "")
        )
        for series in told.series if told else ():
            newest = reader.newest(site.series_key(record.run, series))
            table.add_row(
                record.run, record.event, record.phase, state, series, str(newest.number) if newest else "-"
            )
    Console().print(table)
