"""``event-log``: what was done with a site, by whom and when."""

from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from skrutinium_server.authority.persons import Authority
from skrutinium_server.authority.state import fold
from skrutinium_server.commands.arguments import SITE
from skrutinium_server.process.site import Site


@click.group("event-log")
def event_log() -> None:
    """Show and check the record of every change."""


@event_log.command("show")
@SITE
@click.option(
    "--after", type=click.IntRange(0), default=0, show_default=True, help="Only what follows this entry."
)
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are stored.")
def show(site: Site, after: int, as_json: bool) -> None:
    """Print the entries, oldest first."""
    entries = Authority(site.root).log.entries()[after:]
    if as_json:
        for entry in entries:
            click.echo(msgspec.json.encode(entry, order="deterministic").decode())
        return
    table = Table(
        "",
        Column("time (UTC)", no_wrap=True),
        "who",
        Column("what", no_wrap=True),
        Column("about", overflow="fold"),
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    for entry in entries:
        told: dict[str, Any] = msgspec.to_builtins(entry.event)
        kind = told.pop("kind")
        table.add_row(
            str(entry.position),
            f"{entry.time:%Y-%m-%d %H:%M:%S}",
            escape(entry.who),
            kind,
            escape(_about(told)),
        )
    Console().print(table)


@event_log.command("check")
@SITE
def check(site: Site) -> None:
    """Prove that no entry was changed, lost or put in between."""
    authority = Authority(site.root)
    entries = authority.log.entries()
    fold(entries)
    click.echo(
        f"{len(entries)} entries, unbroken. Hash of the newest: {entries[-1].hash if entries else 'none'}"
    )
    if authority.log.torn.exists():
        click.echo(
            f"Lines that a kill tore before they were acknowledged are kept in {authority.log.torn}.",
            err=True,
        )


def _about(told: dict[str, Any]) -> str:
    """The facts of an event in one line; long tables are told by their ids."""
    parts = []
    for name, value in told.items():
        if value in (None, "", [], ()):
            continue
        if isinstance(value, dict):
            parts.append(_about(value))
        elif isinstance(value, list | tuple) and isinstance(value[0], dict):
            parts.append(" ".join(one["id"] for one in value))
        elif isinstance(value, list | tuple):
            parts.append(f"{name} {' '.join(value)}")
        else:
            parts.append(str(value) if name in {"id", "name"} else f"{name} {value}")
    return ", ".join(parts)
