"""``site``: the folder that everything of one event lives in."""

from pathlib import Path

import click

from skrutinium_server.process.site import Site


@click.group()
def site() -> None:
    """Make the folder of one event."""


@site.command("create")
@click.argument("folder", metavar="SITE", type=click.Path(path_type=Path))
def create(folder: Path) -> None:
    """Make a new site with its own signing key.

    The fingerprint of the key goes on paper to everyone who is to trust what this site publishes.
    """
    made = Site.create(folder)
    click.echo(f"Created the site {made.root}.")
    click.echo(
        f"Fingerprint of its signing key (give it to newsrooms on paper):\n  {made.signer().fingerprint}"
    )
