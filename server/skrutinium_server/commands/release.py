"""``release``: publications of a run."""

import click

from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.commands.asking import ask_house
from skrutinium_server.process.site import Site


@click.group()
def release() -> None:
    """Publish."""


@release.command("cut")
@SITE
@RUN
def cut(site: Site, run: str) -> None:
    """Publish everything that RUN has accepted so far, in every series, and wait until it can be read."""
    answer = ask_house(site, do="cut", run=run)
    for series, number in answer["releases"].items():
        click.echo(f"Published release {number} of the series {series}.")
