"""Options of commands that people answer for by name, and how such a command is asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from skrutinium_server.commands.asking import ask_house
from skrutinium_server.commands.passphrase import FILE, passphrase_of
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from skrutinium_server.process.wishes import Wishes

BY = click.option(
    "--by", metavar="NAME", help="Who decides; for a live run a person of the site, who proves it."
)
BY_REQUIRED = click.option("--by", metavar="NAME", required=True, help="Who decides: a person of the site.")
PASSPHRASE_FILE = click.option(
    "--passphrase-file", type=FILE, help="A file with the passphrase; unless given, it is asked for."
)
REASON = click.option("--reason", required=True, help="Why; it is recorded, and published with a hold.")
AUTHORITY = click.option(
    "--authority",
    required=True,
    help="By whose decision, such as a court and its file number; it is recorded, and published with a correction.",
)


def answered_for(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--by`` and ``--passphrase-file``."""
    return BY(PASSPHRASE_FILE(command))


def ask(
    site: Site, phase: str, by: str | None, passphrase_file: Path | None, /, **request: Any
) -> dict[str, Any]:
    """Ask the counting house as a person, who proves it when the run is live; the answer."""
    if phase == "live" and by is not None:
        request["passphrase"] = passphrase_of(by, passphrase_file)
    return ask_house(site, by=by, **request)


def told_pending(answer: dict[str, Any], site: Site) -> bool:
    """Say what has to be done when another person has to confirm; whether that is so."""
    pending = answer.get("pending")
    if pending is None:
        return False
    click.echo(
        f"{pending['by']} asks to {pending['do']} the live run {pending['run']}. Until {pending['until'][11:19]} UTC another person confirms:\n"
        f"  skrutinium-server run confirm {site.root} {pending['run']} --by NAME"
    )
    return True


def say_corrected(answer: dict[str, Any]) -> None:
    """Say that protocols were corrected."""
    release = answer["releases"].get("skrutinium", 0)
    click.echo(f"{answer['corrected']} protocols corrected; published by release {release}.")


def say_waiting(site: Site, run: str) -> str:
    """Say what waits for a second person, so that it is seen before it is confirmed; the hash of what was said.

    Raises :class:`DecisionError` when nothing waits.
    """
    asked = Wishes(site.root).get(run, wall_time())
    click.echo(f"{asked.by} asks to {asked.do} the live run {run}.")
    for name, told in asked.told.items():
        if told is not None:
            click.echo(f"  {name.replace('_', ' ')}: {told}")
    if asked.gives_back:
        click.echo("  at its end the run before it is current again")
    if asked.records:
        law = site.basis(run).law
        for record in asked.records:
            protocol = read_protocol(record, law)
            click.echo(
                f"  precinct {protocol.precinct}, contest {protocol.contest}, sequence {protocol.sequence}, from {record.source}"
            )
    return asked.sha256
