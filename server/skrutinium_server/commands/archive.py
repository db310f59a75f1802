"""``archive``: the complete results of a run in one file."""

import click

from skrutinium_server.archive.complete.making import archive_release
from skrutinium_server.archive.runs import find_run, series_key
from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.archives import SERIES
from skrutinium_server.release.store.reading import StoreReader


@click.group()
def archive() -> None:
    """Complete results down to the precinct."""


@archive.command("make")
@SITE
@RUN
@click.option(
    "--release", type=click.IntRange(1), metavar="N", help="Release to archive; the newest unless given."
)
def make(site: Site, run: str, release: int | None) -> None:
    """Write the results of RUN as one zip of XML and one of CSV into the release store, where the feed offers them."""
    key = series_key(find_run(StoreReader(site.store), run), SERIES)
    made = archive_release(site.store, key, release)
    click.echo(f"Archived release {made.number} of run {run}:")
    for path in (made.xml, made.csv):
        click.echo(f"  {path} ({path.stat().st_size} bytes)")
