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
from skrutinium_server.process.status import SeriesStatus, SiteStatus, site_status

EVERY = 2.0
"""Seconds between two looks."""


def metrics_addresses(
    _context: click.Context, _option: click.Parameter, told: tuple[str, ...]
) -> list[tuple[str, int]]:
    """Host and port of each feed that tells metrics; raises ``click.BadParameter``."""
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
    callback=metrics_addresses,
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
    now = wall_time()
    if told.since is None:
        counting = "[bold red]not counting[/]"
    else:
        counting = f"counting for {_seconds((now - told.since).total_seconds())}"
    head = Text.from_markup(
        f"{now:%Y-%m-%d %H:%M:%SZ}   {counting}   {told.disk_free / 1_000_000_000:.1f} GB free"
    )
    parts: list[Text | Table] = [head]
    if told.series:
        parts += [Text(), _runs(told), Text(), _series(told)]
    else:
        parts += [Text(), Text("No run yet. Open one: skrutinium-server run open")]
    if told.feeds:
        parts += [Text(), _feeds(told)]
    parts += [Text(), _sentences(told)]
    return Group(*parts)


def _sentences(told: SiteStatus) -> Table:
    """What has to be read: notes, then alarms."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for text in told.notes:
        table.add_row("[yellow]NOTE[/]", escape(text))
    for text in told.alarms:
        table.add_row("[bold red]ALARM[/]", escape(text))
    if not told.alarms:
        table.add_row("[green]OK[/]", "[green]No alarm.[/]")
    return table


def _table(*names: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _open_first(told: SiteStatus) -> list[SeriesStatus]:
    return sorted(told.series, key=lambda one: not one.open)


def _runs(told: SiteStatus) -> Table:
    table = _table("run", "event", "phase", right=("protocols", ""))
    for one in {one.run: one for one in _open_first(told)}.values():
        reported, expected = told.protocols.get(one.run, (0, 0))
        table.add_row(
            one.run,
            one.event,
            one.phase if one.open else f"{one.phase}, closed",
            f"{reported:,}/{expected:,}" if expected else "",
            f"{reported * 100 // expected} %" if expected else "",
            style="" if one.open else "dim",
        )
    return table


def _series(told: SiteStatus) -> Table:
    table = _table("run", "series", right=("release", "age", "heartbeat", "behind", "restarts"))
    for one in _open_first(told):
        table.add_row(
            one.run,
            one.series,
            str(one.release or ""),
            _seconds(one.age),
            _seconds(one.beat) if one.open else "",
            "" if one.behind is None else str(one.behind),
            "" if one.restarts is None else str(one.restarts),
            style="" if one.open else "dim",
        )
    return table


def _feeds(told: SiteStatus) -> Table:
    table = _table("feed", "connections", right=("push", "2xx", "3xx", "4xx", "5xx", "memory"))
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
