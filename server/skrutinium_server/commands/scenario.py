"""``scenario``: what may go otherwise in a night, in small files."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skrutinium_server.rehearsal.scenarios import load, names
from skrutinium_server.rehearsal.scenarios.reading import source


@click.group()
def scenario() -> None:
    """Scenarios: what may go otherwise in a night, in small files, to be played in a sandbox or a rehearsal."""


@scenario.command("list")
def listing() -> None:
    """Show the scenarios that come with the program, and what happens in each."""
    table = Table("name", "what happens", box=None, pad_edge=False)
    for name in names():
        table.add_row(name, escape(load(name).what))
    Console().print(table)


@scenario.command("show")
@click.argument("name", metavar="NAME", type=click.Choice(names()))
def show(name: str) -> None:
    """Print the file of the scenario NAME, to read it or to write your own from it."""
    click.echo(source(name).decode("utf-8"), nl=False)


@scenario.command("check")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Examine the scenario in FILE and show its steps; an error says line, what is wrong and what was expected."""
    read = load(file)
    click.echo(f"{read.title}: {read.what}")
    for number, step in enumerate(read.steps, 1):
        click.echo(f"{number:>3}. {step.at!s:>6}  {step}")
