"""``site``: the folder that everything of one event lives in."""

from pathlib import Path

import click

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.commands.bars import bars
from skrutinium_server.process import backup as keeping
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.reading import StoreReader


@click.group()
def site() -> None:
    """Make, back up and restore the folder that everything lives in."""


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


@site.command("backup")
@SITE
@click.argument("folder", type=click.Path(path_type=Path))
def backup(site: Site, folder: Path) -> None:
    """Bring a backup of SITE in FOLDER up to date, also while the site is counting.

    It holds everything, the private signing key too: keep it as safe as the site itself, best on another disk.
    """
    with bars() as told:
        copied = keeping.backup(site, folder, told)
    click.echo(f"{folder} is up to date: {copied} files copied.")


@site.command("restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("root", metavar="SITE", type=click.Path(path_type=Path))
def restore(folder: Path, root: Path) -> None:
    """Make SITE from the backup in FOLDER and prove it: hashes, chains, signatures and schemas of everything in it.

    What the lost site accepted or published after its last backup is not in it: bring those protocols again. Readers who have seen
    later releases must be told, because their numbers will be used again.
    """
    with bars() as told:
        made = keeping.restore(folder, root, told)
    click.echo(f"Restored {root}; everything in it is whole.")
    reader = StoreReader(made.store)
    for run in made.told().values():
        for series in run.series:
            newest = reader.newest(made.series_key(run.id, series))
            click.echo(
                f"Run {run.id}, series {series}: newest release {newest.number if newest else 'none'}."
            )
