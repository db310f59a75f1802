"""``preflight``: go or no-go before an election night."""

import json
import sys

import click
import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skrutinium_server.commands.arguments import EVENT, SITE
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.preflight import Finding
from skrutinium_server.process.preflight import preflight as look
from skrutinium_server.process.site import Site

COLOURS = {"go": "green", "warn": "yellow", "no-go": "bold red"}


@click.command()
@SITE
@EVENT
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def preflight(site: Site, event: str | None, as_json: bool) -> None:
    """Look at everything that a live run needs: keys, disk, clock, persons, ranges, calendar, definition, mail, store.

    Exit code 0 says go, 1 no-go; a warning stops nothing.
    """
    chosen = site.event(event)
    found = look(site, chosen, wall_time())
    go = all(one.verdict != "no-go" for one in found)
    if as_json:
        json.dump(
            {"event": chosen, "go": go, "findings": msgspec.to_builtins(found)},
            sys.stdout,
            ensure_ascii=False,
            indent=1,
        )
        sys.stdout.write("\n")
    else:
        _table(chosen, found, go)
    if not go:
        sys.exit(1)


def _table(event: str, found: list[Finding], go: bool) -> None:
    table = Table(title=f"Preflight of {event}", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("part")
    table.add_column("verdict")
    table.add_column("what was found", overflow="fold")
    before = ""
    for one in found:
        part = one.part if one.part != before else ""
        table.add_row(part, f"[{COLOURS[one.verdict]}]{one.verdict}[/]", escape(one.text))
        before = one.part
    console = Console()
    console.print(table)
    verdict = "[bold green]GO[/]" if go else "[bold red]NO-GO[/]"
    told = [f"{word}: {', '.join(parts)}" for word in ("no-go", "warn") if (parts := _parts(found, word))]
    console.print(f"{verdict}  {'; '.join(told) or 'nothing to complain about'}")


def _parts(found: list[Finding], verdict: str) -> list[str]:
    """The parts with that verdict, each once."""
    return list(dict.fromkeys(one.part for one in found if one.verdict == verdict))
