"""``definition``: the fixed facts of an event, completed import by import until a run opens."""

import datetime
import re
from pathlib import Path

import click

from skrutinium_server.commands.arguments import EVENT, PATHS, RUN, SITE
from skrutinium_server.commands.tally import counted
from skrutinium_server.election.formats import READERS, csv_set
from skrutinium_server.election.law import law_ids, load_law
from skrutinium_server.election.model import Definition, Elected, Runoff
from skrutinium_server.election.second_round import second_round
from skrutinium_server.process.defining import complete
from skrutinium_server.process.site import Site
from skrutinium_server.tally.first_round import first_round_facts


@click.group()
def definition() -> None:
    """Import, export and show the definition of the event."""


_DECISION = re.compile(r"(?P<contest>[^=,]+)=(?P<one>[1-9][0-9]{0,2})(?:,(?P<other>[1-9][0-9]{0,2}))?")


def _decision(text: str) -> tuple[str, Elected | Runoff]:
    """``CONTEST=N``: elected by lot; ``CONTEST=N,M``: they run again."""
    found = _DECISION.fullmatch(text)
    if found is None:
        raise click.BadParameter(
            f"{text!r}: expected CONTEST=N (elected by lot) or CONTEST=N,M (these two run again)",
            param_hint="--decided",
        )
    one = int(found["one"])
    return found["contest"], Elected(one, "L") if found["other"] is None else Runoff(
        (one, int(found["other"]))
    )


def _describe(told: Definition) -> str:
    unnumbered = {row.contest for row in told.unnumbered_lists}
    lines = [
        f"event {told.event} ({told.name}), date of voting {told.date or 'not known yet'}, law {told.law}",
        f"{len(told.areas)} areas, {len(told.contests)} contests, {len(told.districts)} districts",
        f"{len(told.precincts)} precincts, {len(told.polls)} protocols expected",
        f"{len(told.committees)} committees, {len(told.lists)} lists on ballots, {len(told.candidates)} candidates",
    ]
    if unnumbered:
        lines.append(
            f"{len(told.unnumbered_lists)} lists in {len(unnumbered)} contests have no number on the ballot yet"
        )
    return "\n".join(f"  {line}" for line in lines)


@definition.command("import")
@SITE
@click.option("--law", required=True, type=click.Choice(law_ids()), help="The law of the event.")
@click.option("--format", "form", required=True, type=click.Choice(sorted(READERS)), help="What PATHS are.")
@click.option("--event", help="Id of the event; unless given, the law's prefix and the year.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of voting, where the source does not tell it, or tells of several elections.",
)
@PATHS
def import_definition(
    site: Site,
    law: str,
    form: str,
    event: str | None,
    date: datetime.datetime | None,
    paths: tuple[Path, ...],
) -> None:
    """Read PATHS (files or folders) and complete the site's definition with them.

    What an earlier import told stays; a contradiction is refused and names both facts.
    """
    chosen = None if date is None else date.date()
    facts = READERS[form](load_law(law), paths, event=event, date=chosen)
    stored = complete(site, facts)
    click.echo(f"Definition {stored.version} of the site {site.root}:\n{_describe(stored)}")


@definition.command("second-round")
@SITE
@RUN
@click.option(
    "--date",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of voting of the second round.",
)
@click.option("--event", help="Id of the second round; unless given, that of the first and -2.")
@click.option(
    "--decided",
    metavar="CONTEST=N[,M]",
    multiple=True,
    help="What a lot, or the law after a withdrawal, decided: elected, or the two who run again. May be given several times.",
)
def define_second_round(
    site: Site, run: str, date: datetime.datetime, event: str | None, decided: tuple[str, ...]
) -> None:
    """Make the definition of a second round from the complete first round in RUN.

    It is an event of its own: the contests in which nobody was elected, between the two who run again.
    """
    decisions: dict[str, Elected | Runoff] = {}
    for contest, outcome in map(_decision, decided):
        if contest in decisions:
            raise click.BadParameter(f"contest {contest} is decided twice", param_hint="--decided")
        decisions[contest] = outcome
    tally = counted(site, run)
    first = tally.index.definition
    assert first.date is not None  # no run opens without it
    facts = first_round_facts(tally, first.date, decisions)
    made = second_round(first, facts, date.date(), event=event)
    with site.alone():
        stored = site.definitions(made.event).load(site.define(made))
    click.echo(f"Definition {stored.version} of the site {site.root}:\n{_describe(stored)}")


def _newest(site: Site, event: str | None) -> Definition:
    newest = site.definitions(site.event(event)).newest()
    assert newest is not None  # an event is known by its definition
    return newest


@definition.command("export")
@SITE
@EVENT
@click.argument("folder", type=click.Path(path_type=Path))
def export_definition(site: Site, event: str | None, folder: Path) -> None:
    """Write the newest definition to FOLDER as the project's own CSV set."""
    newest = _newest(site, event)
    csv_set.write_folder(newest, folder)
    click.echo(f"Wrote definition {newest.version} to {folder}.")


@definition.command("show")
@SITE
@EVENT
def show_definition(site: Site, event: str | None) -> None:
    """Say what the newest definition holds."""
    newest = _newest(site, event)
    click.echo(f"Definition {newest.version}:\n{_describe(newest)}")
