"""``status``: how a site is doing, once or as a table that follows."""

import asyncio
import json
import sys
import time

import click
import msgspec
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from skrutinium_server.process.status import SiteStatus, site_status

EVERY = 2.0
"""Seconds between two looks."""


def _address(
    _context: click.Context, _option: click.Parameter, told: tuple[str, ...]
) -> list[tuple[str, int]]:
    found = []
    for text in told:
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise click.BadParameter(f"{text!r}: expected HOST:PORT or PORT")
        found.append((host.strip("[]") or "127.0.0.1", int(port)))
    return found


@click.command()
@SITE
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    multiple=True,
    callback=_address,
    help="Where a feed tells its metrics; may be repeated.",
)
@click.option("--watch", is_flag=True, help="Show it again every two seconds until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def status(site: Site, metrics: list[tuple[str, int]], watch: bool, as_json: bool) -> None:
    """Show runs, releases and their age, publishers, alarms, and who is connected; exit code 1 when there is an alarm."""
    told = _look(site, metrics)
    if as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(told), ensure_ascii=False, indent=1) + "\n")
    elif watch:
        told = _follow(site, metrics, told)
    else:
        Console().print(_shown(told))
    if told.alarms:
        sys.exit(1)


def _look(site: Site, metrics: list[tuple[str, int]]) -> SiteStatus:
    return asyncio.run(site_status(site, wall_time(), metrics))


def _follow(site: Site, metrics: list[tuple[str, int]], told: SiteStatus) -> SiteStatus:
    """Show it until Ctrl-C; what was seen last."""
    try:
        with Live(_shown(told), auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                time.sleep(EVERY)
                told = _look(site, metrics)
                live.update(_shown(told), refresh=True)
    except KeyboardInterrupt:
        return told


def _shown(told: SiteStatus) -> Group:
    counting = "counting" if told.counting else "[bold red]not counting[/]"
    head = Text.from_markup(
        f"{wall_time():%Y-%m-%d %H:%M:%SZ}  {counting}  {told.disk_free // 1_000_000_000} GB free"
    )
    parts: list[Text | Table] = [head, _series(told)]
    if told.feeds:
        parts.append(_feeds(told))
    if told.alarms:
        parts += [Text.from_markup(f"[bold red]ALARM[/] {escape(text)}") for text in told.alarms]
    else:
        parts.append(Text("No alarm.", style="green"))
    return Group(*parts)


def _series(told: SiteStatus) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("event", "run", "phase", "protocols", "series"):
        table.add_column(name)
    for name in ("release", "age", "heartbeat", "behind", "restarts"):
        table.add_column(name, justify="right")
    for one in told.series:
        reported = told.protocols.get(one.run)
        table.add_row(
            one.event,
            one.run,
            one.phase if one.open else f"{one.phase}, closed",
            f"{reported[0]}/{reported[1]}" if reported else "",
            one.series,
            str(one.release or ""),
            _seconds(one.age),
            _seconds(one.beat) if one.open else "",
            "" if one.behind is None else str(one.behind),
            "" if one.restarts is None else str(one.restarts),
        )
    return table


def _feeds(told: SiteStatus) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("feed")
    table.add_column("subscribers connected", overflow="fold")
    for name in ("push", "2xx", "3xx", "4xx", "5xx", "memory"):
        table.add_column(name, justify="right")
    for one in told.feeds:
        table.add_row(
            one.address,
            escape(", ".join(f"{name} {count}" for name, count in sorted(one.connections.items()))) or "none",
            str(one.push),
            *(str(one.answers.get(name, 0)) for name in ("2xx", "3xx", "4xx", "5xx")),
            f"{one.memory // 1_000_000} MB",
        )
    return table


def _seconds(told: float | None) -> str:
    if told is None:
        return ""
    whole = max(0, int(told))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
