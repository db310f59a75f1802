"""``serve``, ``count`` and ``feed``: the processes of an election night."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.feed.errors import FeedError
from skrutinium_server.feed.proxies import Proxies
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.process import logs
from skrutinium_server.process.serve import Service, Watching, serve_until_told
from skrutinium_server.process.site import FeedFolder, Site

HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
PORT = click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
PROXY = click.option(
    "--proxy",
    "proxies",
    metavar="NETWORK",
    multiple=True,
    help="Proxy whose forwarded header counts; may be repeated.",
)
CERTIFICATE = click.option(
    "--certificate",
    metavar="FILE",
    help="Chain of certificates (PEM) for TLS; needs --key. Read again when it changes.",
)
KEY = click.option("--key", metavar="FILE", help="Key of the certificate (PEM, no passphrase).")
FEEDS = click.option(
    "--feeds",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes of the feed; they share the port, and limits count for each.",
)


METRICS_HOST = click.option(
    "--metrics-host", default="127.0.0.1", show_default=True, help="Address that tells metrics."
)
METRICS_PORT = click.option(
    "--metrics-port",
    type=click.IntRange(1, 65000),
    help="Port of metrics (Prometheus) of the counting process; feeds take the ports after it.",
)
ACCESS_LOG = click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for a JSON line an answer of the feed; opened anew when it is moved away, and on SIGHUP.",
)
RECEIPTS = click.option(
    "--receipts",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for a JSON line a receipt of readers, which are taken only then, in tests and rehearsals.",
)
LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    expose_value=False,
    callback=lambda _context, _option, value: _log_as(value),
    help="How lines on standard error look; text unless SKRUTINIUM_LOG_FORMAT says otherwise.",
)


def _log_as(form: str | None) -> None:
    """Child processes, and theirs, read it from the environment."""
    if form:
        os.environ[logs.FORMAT_VARIABLE] = form
    logs.log_again()


def _watching(
    host: str, port: int | None, access_log: Path | None = None, receipts: Path | None = None
) -> Watching:
    files = (one.absolute() if one else None for one in (access_log, receipts))
    return Watching((host, port) if port else None, *files)


def _settings(
    site: Site | FeedFolder, proxies: tuple[str, ...], certificate: str | None, key: str | None
) -> FeedSettings:
    """The site's settings of the feed with what the command line says in their place."""
    told: dict[str, Any] = {"proxies": proxies} if proxies else {}
    if certificate or key:
        # A process that is started elsewhere has to find them too.
        told |= {"certificate": _absolute(certificate), "key": _absolute(key)}
    try:
        Proxies(proxies)
        return msgspec.structs.replace(site.feed_settings(), **told)
    except (ValueError, FeedError) as error:
        raise click.UsageError(str(error)) from error


def _absolute(file: str | None) -> str:
    return str(Path(file).absolute()) if file else ""


def _said(scheme: str, _part: str, message: dict[str, Any]) -> None:
    if "listening" in message:
        host, port = message["listening"]
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"The feed listens at {scheme}://{shown}:{port}/")
    elif "replaced" in message:
        click.echo(f"The process {message['replaced']} was replaced.")
    elif "counting" in message:
        click.echo(f"Counting {message['counting']}.")


async def _run(
    site: Site | FeedFolder,
    host: str,
    port: int,
    parts: tuple[str, ...],
    settings: FeedSettings | None = None,
    feeds: int = 1,
    watching: Watching | None = None,
) -> None:
    said = partial(_said, "https" if settings and settings.certificate else "http")
    last = "the last releases are published" if "count" in parts else "what was asked for is answered"
    await serve_until_told(
        Service(site, said, host, port, parts, settings, feeds, watching),
        ready=lambda: click.echo("Stop with Ctrl-C."),
        stopping=lambda: click.echo(f"Stopping: {last} first."),
    )


def _feeding(command: Callable[..., None]) -> Callable[..., None]:
    """The options of whatever serves the feed; they are those of :func:`_serve`."""
    options = (
        *(HOST, PORT, PROXY, CERTIFICATE, KEY, FEEDS),
        *(METRICS_HOST, METRICS_PORT, ACCESS_LOG, RECEIPTS, LOG_FORMAT),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _serve(
    site: Site | FeedFolder,
    parts: tuple[str, ...],
    *,
    host: str,
    port: int,
    proxies: tuple[str, ...],
    certificate: str | None,
    key: str | None,
    feeds: int,
    metrics_host: str,
    metrics_port: int | None,
    access_log: Path | None,
    receipts: Path | None,
) -> None:
    settings = _settings(site, proxies, certificate, key)
    watching = _watching(metrics_host, metrics_port, access_log, receipts)
    asyncio.run(_run(site, host, port, parts, settings, feeds, watching))


@click.command()
@SITE
@_feeding
def serve(
    site: Site,
    **told: Any,
) -> None:
    """Count and publish, and serve the feed, all in one process group."""
    _serve(site, ("count", "feed"), **told)


@click.command()
@SITE
@METRICS_HOST
@METRICS_PORT
@LOG_FORMAT
def count(site: Site, metrics_host: str, metrics_port: int | None) -> None:
    """Count and publish only."""
    asyncio.run(_run(site, "", 0, ("count",), watching=_watching(metrics_host, metrics_port)))


@click.command()
@click.argument("folder", metavar="SITE", type=click.Path(path_type=Path))
@_feeding
def feed(
    folder: Path,
    **told: Any,
) -> None:
    """Serve the feed only: it needs the release store and access.toml, nothing else of the site."""
    _serve(FeedFolder(folder), ("feed",), **told)
