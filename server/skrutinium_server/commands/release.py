"""``release``: publications of a run."""

import asyncio

import click

from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands


@click.group()
def release() -> None:
    """Publish."""


@release.command("cut")
@SITE
@RUN
def cut(site: Site, run: str) -> None:
    """Publish everything that RUN has accepted so far, in every series, and wait until it can be read."""

    async def ask() -> None:
        async with commands(site) as house:
            answer = await house.ask(do="cut", run=run)
        for series, number in answer["releases"].items():
            click.echo(f"Published release {number} of the series {series}.")

    asyncio.run(ask())
