"""``tally``: totals and seats straight from the ledger, for those who count."""

import csv
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skrutinium_server.commands.arguments import RUN, SITE
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.site import Site
from skrutinium_server.tally.model import DistrictTally
from skrutinium_server.tally.seats.model import Allocated
from skrutinium_server.tally.tally import Tally

Row = dict[str, Any]
COLUMNS = (
    "contest",
    "contest_name",
    "district",
    "reported",
    "expected",
    "list",
    "name",
    "votes",
    "seats",
    "outcome",
)


def counted(site: Site, run: str) -> Tally:
    """The tally of a run from its whole ledger."""
    basis = site.basis(run)
    tally = Tally(basis.index, basis.law)
    with SqliteReader(site.ledger(run)) as ledger:
        for entry in ledger.entries():
            if isinstance(entry.body, Accepted):
                tally.apply(entry.position, entry.body)
    return tally


def _district_rows(tally: Tally, contest: str, district: DistrictTally) -> Iterator[Row]:
    names = {row.number: row.name for row in tally.index.lists_of_district(district.id)}
    outcome = district.outcome
    seats = {row.number: row.seats for row in outcome.lists} if isinstance(outcome, Allocated) else {}
    for number, votes in sorted(district.votes.items()):
        yield {
            "contest": contest,
            "contest_name": tally.index.contests[contest].name,
            "district": district.id,
            "reported": district.count.reported,
            "expected": district.count.expected,
            "list": number,
            "name": names.get(number),
            "votes": votes if district.count.reported else None,
            "seats": seats.get(number),
            "outcome": str(outcome.__struct_config__.tag),
        }


def _rows(tally: Tally, contest: str | None) -> Iterator[Row]:
    if contest is not None and contest not in tally.contests:
        raise RunError(f"There is no contest {contest!r} in this run's definition.")
    for id in [contest] if contest is not None else sorted(tally.contests):
        for district in tally.contests[id].districts.values():
            yield from _district_rows(tally, id, district)


def _table(rows: Iterator[Row]) -> None:
    console = Console()
    for _, group in itertools.groupby(rows, key=lambda row: row["district"]):
        lists = list(group)
        first = lists[0]
        table = Table(
            title=f"{escape(str(first['contest_name']))} ({first['district']}): {first['reported']} of {first['expected']} protocols, "
            f"outcome {first['outcome']}",
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        table.add_column("list", justify="right")
        table.add_column("name", overflow="fold")
        table.add_column("votes", justify="right")
        table.add_column("seats", justify="right")
        for row in lists:
            shown = (row["list"], row["name"] or "(name not known)", row["votes"], row["seats"])
            table.add_row(*("" if value is None else escape(str(value)) for value in shown))
        console.print(table)


@click.command()
@SITE
@RUN
@click.option("--contest", help="Only this contest.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def tally(site: Site, run: str, contest: str | None, form: str) -> None:
    """Add up the ledger of RUN from scratch and print votes and seats by list.

    Votes are empty while nothing is reported, seats while they are not decided.
    """
    rows = _rows(counted(site, run), contest)
    if form == "json":
        json.dump(list(rows), sys.stdout, ensure_ascii=False, indent=1)
        sys.stdout.write("\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _table(rows)
