"""``score``: scorecards of a test or a rehearsal, and its closing report."""

from pathlib import Path
from typing import Any

import click

from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.scoring.gathering import Written, gather, written_of
from skrutinium_server.rehearsal.scoring.summary import line_of
from skrutinium_server.rehearsal.scoring.writing import write_scores

_FILE: Any = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@SITE
@RUN
@click.option(
    "--out",
    metavar="FOLDER",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the scorecards are written.",
)
@click.option(
    "--access-log",
    "access",
    metavar="FILE",
    multiple=True,
    type=_FILE,
    help="Access log of the feed; may be repeated. Unless told, those in SITE/rehearsal.",
)
@click.option(
    "--second-access-log",
    "second_access",
    metavar="FILE",
    multiple=True,
    type=_FILE,
    help="The same of a second site.",
)
@click.option("--receipts", metavar="FILE", multiple=True, type=_FILE, help="Receipts; of either site.")
def score(
    site: Site,
    run: str,
    out: Path,
    access: tuple[Path, ...],
    second_access: tuple[Path, ...],
    receipts: tuple[Path, ...],
) -> None:
    """Write a scorecard for each subscriber, and the closing report, of a run that was no live one."""
    told = Written(access, second_access, receipts)
    report = gather(site, run, written_of(site) if told.nothing else told)
    write_scores(report, out, wall_time())
    for card in report.scores.cards:
        click.echo(line_of(card))
    click.echo(
        f"Wrote {out / 'index.html'}, a page and an XML document for each subscriber in {out / 'cards'}, and {out / 'closing-report.html'}."
    )
