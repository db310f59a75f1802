"""``publish``: a run as plain files and pages for any web host."""

import datetime
import signal
import threading
from pathlib import Path

import click

from skrutinium_server.archive.public.folder import PublicFolder
from skrutinium_server.archive.public.following import follow
from skrutinium_server.archive.public.publishing import Publishing
from skrutinium_server.archive.runs import find_run
from skrutinium_server.commands.arguments import RUN
from skrutinium_server.release.store.model import Manifest
from skrutinium_server.release.store.reading import StoreReader


@click.command()
@click.argument("site", metavar="SITE", type=click.Path(exists=True, file_okay=False, path_type=Path))
@RUN
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--follow", "following", is_flag=True, help="Go on with every new release, until Ctrl-C.")
def publish(site: Path, run: str, folder: Path, following: bool) -> None:
    """Write RUN into the folder DIR: every protocol as taken over, totals, pages. Any web server can serve it.

    SITE is a site or a copy of its release store. Nothing else of the site is read, and nothing need be running.
    """
    reader = StoreReader(site / "store" if (site / "store").is_dir() else site)
    found = find_run(reader, run)
    public = PublicFolder(folder, found.event, found.id, found.phase)
    try:
        publishing = Publishing(reader, public, run, _told)
        if following:
            _follow(publishing)
            return
        manifest = publishing.catch_up(datetime.datetime.now(datetime.UTC))
        if manifest is None:
            click.echo(f"There is nothing to publish: run {run} has no release yet.")
        else:
            _published(manifest)
    finally:
        public.close()


def _follow(publishing: Publishing) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    click.echo("Publishing every new release. Stop with Ctrl-C.")
    follow(publishing, stop, lambda: datetime.datetime.now(datetime.UTC), _published, _trouble)


def _published(manifest: Manifest) -> None:
    click.echo(
        f"Published release {manifest.number}: {manifest.reported} of {manifest.expected} protocols, {manifest.state}."
    )


def _trouble(error: Exception) -> None:
    click.echo(f"error [{getattr(error, 'code', 'error')}]: {error}", err=True)


def _told(what: str, done: int, everything: int) -> None:
    if everything > 500:
        click.echo(f"  {what}: {done} of {everything} written", err=True)
