"""``protocols``: protocols from files through the door, and corrections of them."""

import asyncio
from pathlib import Path
from typing import Any

import click

from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.commands.deciding import (
    AUTHORITY,
    BY_REQUIRED,
    PASSPHRASE_FILE,
    ask,
    say_corrected,
    told_pending,
)
from skrutinium_server.intake.model import Received
from skrutinium_server.intake.reading import FORMATS, read_path
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.reasons import correction_reasons
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands

CHUNK = 500
FORM = click.option("--format", "form", required=True, type=click.Choice(FORMATS), help="What PATH is.")
PATH = click.argument("path", type=click.Path(exists=True, path_type=Path))
WHO = click.option(
    "--who", default="operator", show_default=True, help="Who brings them; recorded with every protocol."
)


def _say_refused(answer: dict[str, Any]) -> None:
    for reason in answer["reasons"]:
        click.echo(f"refused: {reason}", err=True)


def _read(site: Site, run: str, form: str, path: Path) -> list[Received]:
    basis = site.basis(run)
    return read_path(form, path, basis.law, basis.index)


@click.group()
def protocols() -> None:
    """Bring protocols."""


@protocols.command("import")
@SITE
@RUN
@FORM
@WHO
@PATH
def import_protocols(site: Site, run: str, form: str, who: str, path: Path) -> None:
    """Take over every protocol in PATH (a file or a folder). Bringing the same bytes again changes nothing.

    Refused protocols are named with the reason; the others are taken over, and the exit code is 1.
    """
    brought = _read(site, run, form, path)

    async def ask() -> dict[str, int]:
        sums = {"accepted": 0, "duplicates": 0, "refused": 0}
        async with commands(site) as house:
            for start in range(0, len(brought), CHUNK):
                records = [item.taken_over for item in brought[start : start + CHUNK]]
                answer = await house.ask(do="take", run=run, records=records, who=who, path="import")
                _say_refused(answer)
                sums = {name: count + answer[name] for name, count in sums.items()}
        return sums

    sums = asyncio.run(ask())
    click.echo(
        f"{len(brought)} protocols read: {sums['accepted']} taken over, {sums['duplicates']} known already, {sums['refused']} refused."
    )
    if sums["refused"]:
        raise RunError(
            f"{sums['refused']} protocols were refused; the reasons stand above. Everything else is taken over."
        )


@protocols.command("correct")
@SITE
@RUN
@FORM
@click.option(
    "--reason",
    required=True,
    type=click.Choice(correction_reasons()),
    help="Why what was published changes; it is published.",
)
@AUTHORITY
@BY_REQUIRED
@PASSPHRASE_FILE
@PATH
def correct_protocols(
    site: Site,
    run: str,
    form: str,
    reason: str,
    authority: str,
    by: str,
    passphrase_file: Path | None,
    path: Path,
) -> None:
    """Replace protocols that count by those in PATH, all or none, and publish the correction with reason and authority.

    Each needs a sequence above that of the protocol it replaces. In a live run whose results are declared it takes two persons.
    """
    records = [item.taken_over for item in _read(site, run, form, path)]
    told = {"run": run, "records": records, "reason": reason, "authority": authority}
    answer = ask(site, site.run(run).phase, by, passphrase_file, do="correct", **told)
    if not told_pending(answer, site):
        say_corrected(answer)
