"""Options of commands that people answer for by name, and how such a command is asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from skrutinium_server.commands.asking import ask_house
from skrutinium_server.commands.passphrase import FILE, passphrase_of
from skrutinium_server.process.site import Site

BY = click.option(
    "--by", metavar="NAME", help="Who decides; for a live run a person of the site, who proves it."
)
BY_REQUIRED = click.option("--by", metavar="NAME", required=True, help="Who decides: a person of the site.")
PASSPHRASE_FILE = click.option(
    "--passphrase-file", type=FILE, help="A file with the passphrase; unless given, it is asked for."
)
REASON = click.option("--reason", required=True, help="Why; it is published.")
AUTHORITY = click.option(
    "--authority",
    required=True,
    help="By whose decision, such as a court and its file number; it is published.",
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
