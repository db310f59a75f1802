"""``store``: proving what the release store holds."""

import sys
from collections.abc import Callable

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.commands.bars import bars
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.recount import recount
from skrutinium_server.process.site import Site
from skrutinium_server.release.checking import check_store
from skrutinium_server.release.findings import Findings
from skrutinium_server.release.store.reading import StoreReader

SHOWN = 50
"""So many faults are named; the rest is counted."""


@click.group()
def store() -> None:
    """Prove what the release store holds."""


@store.command("check")
@SITE
@click.option(
    "--recount", "recounted", is_flag=True, help="Make every release again from the ledgers and compare."
)
def check(site: Site, recounted: bool) -> None:
    """Check hashes, the chain of manifests, signatures and schemas of all releases; exit code 1 when something is broken.

    With --recount also the ledgers, and totals, seats and every other document made again from their protocols.
    """
    with bars() as told:
        findings = check_store(site.store, site.signer().public, told)
        if recounted:
            _recount(site, findings, told)
    _show(findings)
    if findings.faults:
        sys.exit(1)


def _recount(site: Site, findings: Findings, told: Callable[[str, int, int], None]) -> None:
    reader = StoreReader(site.store)
    for run in site.told().values():
        try:
            with SqliteReader(site.ledger(run.id)) as ledger:
                last, _ = ledger.head()
                for entry in ledger.entries():
                    told(f"ledger of {run.id}", entry.position, last)
            findings.count("entries of ledgers", last)
            for series in run.series:
                newest = reader.newest(site.series_key(run.id, series))
                title, whole = f"{series} of {run.id} again", newest.number if newest else 0
                made, faults = recount(
                    site,
                    run.id,
                    series,
                    lambda number, title=title, whole=whole: told(title, number, whole),  # type: ignore[misc]
                )
                findings.count("releases made again", made)
                findings.faults.extend(faults)
        except LedgerError as error:
            findings.fault(f"run {run.id}", str(error))


def _show(findings: Findings) -> None:
    console = Console(highlight=False)
    table = Table("checked", "number", title_justify="left")
    table.columns[1].justify = "right"
    for what, number in findings.counts.items():
        table.add_row(what, f"{number:,}")
    console.print(table)
    if findings.unfinished:
        console.print(
            f"{findings.unfinished} unfinished files of killed writers lie in the store; they are never served."
        )
    for fault in findings.faults[:SHOWN]:
        console.print(f"[bold red]broken[/] {escape(fault.where)}: {escape(fault.what)}", soft_wrap=True)
    if len(findings.faults) > SHOWN:
        console.print(f"… and {len(findings.faults) - SHOWN} more")
    console.print("[bold red]BROKEN[/]" if findings.faults else "[bold green]WHOLE[/]")
