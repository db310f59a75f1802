"""``person``: the people of a site, each with a role and a passphrase."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from skrutinium_server.authority.model import ROLES, Role
from skrutinium_server.authority.persons import Authority
from skrutinium_server.commands.arguments import SITE, WHO
from skrutinium_server.commands.passphrase import FILE, passphrase_of
from skrutinium_server.process.site import Site


@click.group()
def person() -> None:
    """Add, list and remove the people who may act."""


@person.command("add")
@SITE
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the person may do.")
@click.option(
    "--passphrase-file", type=FILE, help="A file with the passphrase; unless given, it is asked for."
)
@WHO
def add(site: Site, name: str, role: Role, passphrase_file: Path | None, who: str | None) -> None:
    """Add NAME, with a passphrase that only this person knows."""
    authority = Authority(site.root, who=who)
    authority.check_new(name)
    authority.add_person(name, role, passphrase_of(name, passphrase_file, twice=True))
    click.echo(f"Added {name} ({role}).")


@person.command("list")
@SITE
def list_persons(site: Site) -> None:
    """List the people of the site."""
    table = Table("name", "role", "added")
    for one in sorted(Authority(site.root).state().persons.values(), key=lambda one: one.name):
        table.add_row(one.name, one.role, f"{one.added:%Y-%m-%d %H:%M} UTC")
    Console().print(table)


@person.command("remove")
@SITE
@click.argument("name")
@WHO
def remove(site: Site, name: str, who: str | None) -> None:
    """Let NAME act no longer."""
    Authority(site.root, who=who).remove_person(name)
    click.echo(f"Removed {name}.")
