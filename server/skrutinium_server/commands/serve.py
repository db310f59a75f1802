"""``serve``, ``count`` and ``feed``: the processes of an election night."""

import asyncio
from pathlib import Path
from typing import Any

import click

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.process.serve import Service, until_told_to_stop
from skrutinium_server.process.site import FeedFolder, Site

HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
PORT = click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)


def _said(_part: str, message: dict[str, Any]) -> None:
    if "listening" in message:
        host, port = message["listening"]
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"The feed listens at http://{shown}:{port}/")
    elif "counting" in message:
        click.echo(f"Counting {message['counting']}.")


async def _run(site: Site | FeedFolder, host: str, port: int, parts: tuple[str, ...]) -> None:
    async with Service(site, _said, host, port, parts):
        click.echo("Stop with Ctrl-C.")
        await until_told_to_stop()
        click.echo("Stopping: the last releases are published first.")


@click.command()
@SITE
@HOST
@PORT
def serve(site: Site, host: str, port: int) -> None:
    """Count and publish, and serve the feed, all in one process group."""
    asyncio.run(_run(site, host, port, ("count", "feed")))


@click.command()
@SITE
def count(site: Site) -> None:
    """Count and publish only."""
    asyncio.run(_run(site, "", 0, ("count",)))


@click.command()
@click.argument("folder", metavar="SITE", type=click.Path(path_type=Path))
@HOST
@PORT
def feed(folder: Path, host: str, port: int) -> None:
    """Serve the feed only: it needs the release store and access.toml, nothing else of the site."""
    asyncio.run(_run(FeedFolder(folder), host, port, ("feed",)))
