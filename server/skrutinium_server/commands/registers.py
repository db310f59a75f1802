"""``registers``, ``bundle``, ``calendar``, ``format``: what there is to read before the election."""

import datetime
from pathlib import Path

import click

from skrutinium_server.archive.contract import pages
from skrutinium_server.archive.rendering import markdown
from skrutinium_server.commands.arguments import EVENT, SITE
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.model import Definition
from skrutinium_server.process.registers import calendar_of, make_bundle, publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.writing import write_whole


def _definition(site: Site, event: str | None) -> Definition:
    newest = site.definitions(site.event(event)).newest()
    if newest is None:
        raise ElectionError("The site has no definition yet.", code="definition-none")
    return newest


@click.group()
def registers() -> None:
    """Publish what there is to read before the election."""


@registers.command("publish")
@SITE
@EVENT
def publish(site: Site, event: str | None) -> None:
    """Publish registers, codebooks, calendar and bundle of the newest definition; nothing when nothing has changed."""
    definition = _definition(site, event)
    made = publish_registers(site, definition, datetime.datetime.now(datetime.UTC))
    of = f"registers {made.number} of event {definition.event}"
    if not made.new:
        click.echo(f"Nothing has changed since {of} were published (edition {made.edition}).")
        return
    click.echo(
        f"Published {of}, edition {made.edition}: {made.documents} documents, {len(made.changed)} changed."
    )


@click.command()
@SITE
@EVENT
@click.argument("target", metavar="OUT.zip", type=click.Path(path_type=Path, dir_okay=False))
def bundle(site: Site, event: str | None, target: Path) -> None:
    """Write everything there is to read before the election as one zip that works from a disc; publishes nothing."""
    data = make_bundle(site, _definition(site, event), datetime.datetime.now(datetime.UTC))
    write_whole(target, data)
    click.echo(f"Wrote {target} ({len(data):,} bytes).")


@click.group()
def calendar() -> None:
    """The calendar of tests, rehearsals and closing dates."""


@calendar.command("show")
@SITE
@EVENT
def show(site: Site, event: str | None) -> None:
    """Say what SITE/calendar.toml holds, and what is wrong with it; with --event, what concerns that event."""
    told = calendar_of(site)
    entries = told.entries if event is None else told.of_event(site.event(event))
    if not entries:
        click.echo("The calendar has no entries.")
    for entry in entries:
        click.echo(f"{entry.id} ({entry.event or 'every event'})\n  {told.line(entry)}")


@click.group("format")
def formats() -> None:
    """The formats of the documents."""


@formats.command("describe")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
def describe(folder: Path) -> None:
    """Write the description of every element and attribute as Markdown, made from the schemas and samples."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, schemas) in pages().items():
        write_whole(folder / f"{name}.md", markdown(schemas, title))
        click.echo(f"Wrote {folder / f'{name}.md'}.")
