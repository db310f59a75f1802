"""``made-up``: an election that never was, as files for trying things out."""

import datetime
import shlex
from pathlib import Path

import click

from skrutinium_server.rehearsal.made_up import (
    USUAL,
    Rates,
    Settings,
    Wishes,
    made_up_laws,
    summary,
    write_folder,
)
from skrutinium_server.rehearsal.made_up.settings import MOST_MINUTES, OF

_RATE = click.IntRange(0, OF)
_TIMES = ("%Y-%m-%dT%H:%M:%SZ",)


@click.command("made-up")
@click.option(
    "--law",
    default="cz-municipal-2018",
    show_default=True,
    type=click.Choice(made_up_laws()),
    help="The law of the election.",
)
@click.option(
    "--precincts",
    default=60,
    show_default=True,
    type=click.IntRange(4),
    help="How many precincts the country has; 15000 are the whole Czech Republic.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="Another number makes another election; the same one the same bytes, anywhere.",
)
@click.option(
    "--second-round", is_flag=True, help="The second round after the first one of the same options."
)
@click.option(
    "--errors",
    default=USUAL.refused,
    show_default=True,
    type=_RATE,
    help="Of 10,000 protocols so many are wrong, refused and sent right later.",
)
@click.option(
    "--warnings",
    default=USUAL.warnings,
    show_default=True,
    type=_RATE,
    help="Of 10,000 protocols so many are odd: taken over with a warning.",
)
@click.option(
    "--resends",
    default=USUAL.resends,
    show_default=True,
    type=_RATE,
    help="Of 10,000 protocols so many are sent again with other figures.",
)
@click.option(
    "--duplicates",
    default=USUAL.duplicates,
    show_default=True,
    type=_RATE,
    help="Of 10,000 protocols so many come twice with the same bytes.",
)
@click.option(
    "--corrections",
    default=USUAL.corrections,
    show_default=True,
    type=_RATE,
    help="Of 10,000 protocols so many are corrected, for a reason, by an authority.",
)
@click.option(
    "--lots",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="So many contests end with equal votes that only a lot can decide.",
)
@click.option(
    "--ties",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="So many contests end with equal numbers that the law decides.",
)
@click.option(
    "--start",
    type=click.DateTime(_TIMES),
    metavar="TIME",
    help="When the first protocol comes in, such as 2030-04-02T12:35:00Z; unless given, when voting has ended.",
)
@click.option(
    "--minutes",
    type=click.IntRange(0, MOST_MINUTES),
    help="How long it takes until the last one has come; unless given, as long as on a real night.",
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def made_up(
    law: str,
    precincts: int,
    seed: int,
    second_round: bool,
    errors: int,
    warnings: int,
    resends: int,
    duplicates: int,
    corrections: int,
    lots: int,
    ties: int,
    start: datetime.datetime | None,
    minutes: int | None,
    folder: Path,
) -> None:
    """Make up an election and write its definition and its night into FOLDER, which must be new or empty.

    Every name says that it is made up. README.txt in it tells the commands that bring it to a site. Rates are numbers of 10,000
    protocols; what is not 0 happens once at least.
    """
    settings = Settings(
        law=law,
        precincts=precincts,
        seed=seed,
        round=2 if second_round else 1,
        start=None if start is None else start.replace(tzinfo=datetime.UTC),
        minutes=minutes,
        rates=Rates(errors, warnings, resends, duplicates, corrections),
        wishes=Wishes(lots, ties),
    )
    written = write_folder(settings, folder, _again())
    click.echo(f"{written.definition.name}\n{summary(written)}\n{folder / 'README.txt'} says how to go on.")


def _again() -> str:
    """The command as it was given, every option of it spelled out."""
    context = click.get_current_context()
    told = ["skrutinium-server", "made-up"]
    for option in context.command.params:
        value = context.params[option.name or ""]
        if isinstance(option, click.Option) and value not in (None, False):
            text = value.strftime(_TIMES[0]) if isinstance(value, datetime.datetime) else str(value)
            told += [option.opts[0]] if option.is_flag else [option.opts[0], text]
    return shlex.join([*told, "FOLDER"])
