"""``run``: passages of the event through the system, each with its own ledger."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from skrutinium_server.commands.arguments import EVENT, RUN, SITE
from skrutinium_server.commands.deciding import (
    AUTHORITY,
    BY_REQUIRED,
    PASSPHRASE_FILE,
    REASON,
    answered_for,
    ask,
    say_corrected,
    say_waiting,
    told_pending,
)
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.reading import StoreReader


@click.group()
def run() -> None:
    """Open, close and list runs, and declare their results."""


@run.command("open")
@SITE
@RUN
@click.option(
    "--phase", type=click.Choice(["test", "rehearsal", "live"]), required=True, help="What the run is for."
)
@EVENT
@click.option(
    "--not-before",
    metavar="TIME",
    help="Nothing of a live run is read before this time (with its zone), in place of the law's; needs --reason.",
)
@click.option("--reason", help="Why the time is not that of the law; it is recorded.")
@answered_for
def open_run(
    site: Site,
    run: str,
    phase: str,
    event: str | None,
    not_before: str | None,
    reason: str | None,
    by: str | None,
    passphrase_file: Path | None,
) -> None:
    """Open RUN: fix the definition, start its ledger, and publish that nothing is reported yet.

    A live run is opened by two persons: one asks, another one confirms within a quarter of an hour.
    """
    wish = {"run": run, "phase": phase, "event": event, "not_before": not_before, "not_before_reason": reason}
    answer = ask(site, phase, by, passphrase_file, do="open", **wish)
    if not told_pending(answer, site):
        _say_opened(answer, phase)


def _say_opened(answer: dict[str, Any], phase: str) -> None:
    click.echo(
        f"Opened run {answer['run']} ({phase}) of event {answer['event']} with definition {answer['definition']}."
    )
    if answer.get("not_before"):
        click.echo(f"Nothing of it is read before {answer['not_before']}.")


@run.command("confirm")
@SITE
@RUN
@BY_REQUIRED
@PASSPHRASE_FILE
def confirm(site: Site, run: str, by: str, passphrase_file: Path | None) -> None:
    """Show and confirm what another person asked for about the live RUN: to open, close or reopen it, to declare or correct its results."""
    saw = say_waiting(site, run)
    answer = ask(site, "live", by, passphrase_file, do="confirm", run=run, saw=saw)
    first, second = answer["persons"]
    if "definition" in answer:
        _say_opened(answer, "live")
    if "corrected" in answer:
        say_corrected(answer)
    click.echo(f"Done for the live run {run}, by {first} and {second}.")


@run.command("close")
@SITE
@RUN
@answered_for
def close_run(site: Site, run: str, by: str | None, passphrase_file: Path | None) -> None:
    """Close RUN: publish a last release with a checkpoint; nothing more is accepted.

    Closing a live run takes two persons.
    """
    answer = ask(site, site.run(run).phase, by, passphrase_file, do="close", run=run)
    if not told_pending(answer, site):
        click.echo(f"Closed run {run}.")


@run.command("reopen")
@SITE
@RUN
@REASON
@AUTHORITY
@answered_for
def reopen(
    site: Site, run: str, reason: str, authority: str, by: str | None, passphrase_file: Path | None
) -> None:
    """Let the closed RUN accept again, for instance because a court ordered a change.

    For a live run it takes two persons.
    """
    answer = ask(
        site,
        site.run(run).phase,
        by,
        passphrase_file,
        do="reopen",
        run=run,
        reason=reason,
        authority=authority,
    )
    if not told_pending(answer, site):
        click.echo(f"Opened run {run} again.")


@run.command("declare")
@SITE
@RUN
@click.argument("state", type=click.Choice(["final", "certified"]))
@REASON
@AUTHORITY
@answered_for
def declare(
    site: Site,
    run: str,
    state: str,
    reason: str,
    authority: str,
    by: str | None,
    passphrase_file: Path | None,
) -> None:
    """Declare the complete results of RUN final, and then certified; every document says so from the next release on.

    For a live run it takes two persons.
    """
    told = {"run": run, "state": state, "reason": reason, "authority": authority}
    answer = ask(site, site.run(run).phase, by, passphrase_file, do="declare", **told)
    if not told_pending(answer, site):
        click.echo(f"The results of run {run} are {state}, from release {answer['release']} on.")


@click.command()
@SITE
@RUN
@click.argument("contest")
@REASON
@answered_for
def hold(
    site: Site, run: str, contest: str, reason: str, by: str | None, passphrase_file: Path | None
) -> None:
    """Stop publishing CONTEST: its protocols are taken over and set aside until it is lifted. The reason is public."""
    told = {"run": run, "contest": contest, "reason": reason}
    answer = ask(site, site.run(run).phase, by, passphrase_file, do="hold", **told)
    click.echo(f"Contest {contest} is held, from release {answer['release']} on.")


@click.command()
@SITE
@RUN
@click.argument("contest")
@answered_for
def lift(site: Site, run: str, contest: str, by: str | None, passphrase_file: Path | None) -> None:
    """Publish CONTEST again, with everything that was set aside."""
    answer = ask(site, site.run(run).phase, by, passphrase_file, do="lift", run=run, contest=contest)
    click.echo(f"Contest {contest} is published again, from release {answer['release']} on.")


@run.command("list")
@SITE
def list_runs(site: Site) -> None:
    """List the runs of the site and their newest releases."""
    reader = StoreReader(site.store)
    _, known = reader.state()
    states = {told.id: told for told in known}
    table = Table("run", "event", "phase", "state", "series", "newest release")
    for record in site.runs():
        told = states.get(record.run)
        state = (
            "unknown"
            if told is None
            else ("open" if told.open else "closed") + (", current" if told.current else "")
        )
        for series in told.series if told else ():
            newest = reader.newest(site.series_key(record.run, series))
            table.add_row(
                record.run, record.event, record.phase, state, series, str(newest.number) if newest else "-"
            )
    Console().print(table)
