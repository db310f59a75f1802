"""``console``: the organiser's page."""

import asyncio
import signal
from pathlib import Path

import click

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.commands.serve import LOG_FORMAT
from skrutinium_server.commands.status import metrics_addresses
from skrutinium_server.console.desk import Desk
from skrutinium_server.console.server import serving
from skrutinium_server.console.settings import ConsoleSettings
from skrutinium_server.process.site import Site

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@SITE
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; another machine's browser needs TLS.",
)
@click.option(
    "--port",
    default=8100,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port, never the feed's; 0 takes a free one.",
)
@click.option(
    "--certificate",
    type=FILE,
    help="Chain of certificates (PEM) for TLS; needs --key. Read again when it changes.",
)
@click.option("--key", type=FILE, help="Key of the certificate (PEM, no passphrase).")
@click.option(
    "--proxy",
    "proxies",
    metavar="NETWORK",
    multiple=True,
    help="Proxy in front that speaks TLS, and whose X-Forwarded-For counts; may be repeated.",
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    multiple=True,
    callback=metrics_addresses,
    help="Where a feed tells its metrics; may be repeated.",
)
@click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Access log of the feed: what each subscriber is doing is read from it.",
)
@LOG_FORMAT
def console(
    site: Site,
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    proxies: tuple[str, ...],
    metrics: list[tuple[str, int]],
    access_log: Path | None,
) -> None:
    """Serve the organiser's page: what runs, what waits, what goes wrong, and the decisions about it."""
    settings = ConsoleSettings(
        host,
        port,
        certificate,
        key,
        proxies,
        tuple(metrics),
        access_log.absolute() if access_log else None,
    )
    asyncio.run(_serve(Desk(site, settings)))


async def _serve(desk: Desk) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(desk) as (host, port):
        scheme = "https" if desk.settings.certificate else "http"
        click.echo(f"The console listens at {scheme}://{f'[{host}]' if ':' in host else host}:{port}/")
        click.echo("Stop with Ctrl-C.")
        await stop.wait()
