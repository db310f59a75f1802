"""``rehearse``: a dress rehearsal by itself, with clients that follow, scorecards, and a comparison with the ledger."""

import asyncio
import contextlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skrutinium_server.commands.replay import Speed
from skrutinium_server.commands.stopping import hold_signals, until_stopped
from skrutinium_server.process.errors import SiteError
from skrutinium_server.rehearsal.great.comparing import Verdict
from skrutinium_server.rehearsal.great.model import MOST
from skrutinium_server.rehearsal.great.reading import load_rehearsal
from skrutinium_server.rehearsal.great.rehearsing import Progress, Result, rehearse
from skrutinium_server.rehearsal.playing import FASTEST
from skrutinium_server.rehearsal.scenarios import Scenario
from skrutinium_server.rehearsal.scoring.model import Noticed, Scorecard
from skrutinium_server.rehearsal.scoring.summary import seconds

LOOK = 0.5
"""Seconds between two looks at how far it is, where no terminal draws it."""
LAST = 20
"""Lines of the log that are shown after an error."""
_NOTICED: dict[Noticed, str] = {
    "read": "read",
    "received": "received",
    "figures": "figures",
    "no": "no",
    "unknown": "?",
}


@click.command("rehearse")
@click.argument("scenario", metavar="SCENARIO.toml")
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept: site, scorecards, what clients had. New or empty; unless given, nothing is kept.",
)
@click.option(
    "--clients",
    default=50,
    show_default=True,
    type=click.IntRange(1, MOST),
    help="So many SDK clients follow the night.",
)
@click.option(
    "--speed",
    default="120",
    show_default=True,
    type=Speed(FASTEST),
    help="So many times as fast as the night was, 0.1 to 1000.",
)
def rehearse_command(scenario: str, folder: Path | None, clients: int, speed: Fraction) -> None:
    """Hold a rehearsal: a made-up night, SDK clients that follow it, and what the scenario says goes wrong.

    SCENARIO.toml is a file, or one that comes with the program: great (15,000 precincts, two outages, corrections, crisis mail), small
    (60 precincts), or any of `skrutinium-server scenario list`. At the end every client is compared with the ledger, and each gets
    its scorecard. Exit code 0 when all are equal, 1 when one is not.
    """
    read = load_rehearsal(scenario)
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise SiteError(f"{folder} is not empty. Name a folder that is new or empty.")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each client has some connections, each twice
    hold_signals()
    console = Console(highlight=False)
    with _place(folder) as place:
        with _log_to(place / "log"):
            result = asyncio.run(until_stopped(_watched(read, place, clients, speed, console)))
        if result is None:
            console.print("Stopped.")
            raise click.Abort
        _show(result, console)
        if folder is not None:
            console.print(
                f"Wrote {folder / 'scores' / 'index.html'}, scorecards and the closing report beside it."
            )
    if not result.equal:
        raise click.exceptions.Exit(1)


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="skrutinium-rehearsal-") as made:
        yield Path(made)


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """What processes say goes into a file, for much of it is trouble that was made on purpose; after an error its end is shown."""
    before = os.dup(sys.stderr.fileno())
    with path.open("wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    failed = True
    try:
        yield
        failed = False
    finally:
        sys.stderr.flush()
        os.dup2(before, sys.stderr.fileno())
        os.close(before)
        if failed:
            click.echo("\n".join(path.read_text("utf-8", "replace").splitlines()[-LAST:]), err=True)


async def _watched(
    scenario: Scenario, folder: Path, clients: int, speed: Fraction, console: Console
) -> Result:
    """Hold it, and show how far it is."""
    view = _View(scenario, console)
    async with view.shown():
        return await rehearse(scenario, folder, clients, speed, view.progress)


# ------------------------------------------------------------------ while it goes on
class _View:
    """How far it is: drawn in a terminal, told in lines elsewhere."""

    def __init__(self, scenario: Scenario, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self.progress = Progress(said=self._said)
        console.print(
            f"[bold]{escape(scenario.title)}[/]: {escape(scenario.what)}",
            soft_wrap=not console.is_terminal,
        )

    def _said(self, line: str) -> None:
        """A line with the time since the beginning; elsewhere than in a terminal nothing breaks it."""
        line = f"[dim]{time.monotonic() - self._began:5.0f} s[/]  {escape(line)}"
        self._console.print(line, soft_wrap=not self._console.is_terminal)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Draw, or tell, while this lasts."""
        if self._console.is_terminal:
            with Live(
                get_renderable=self._drawn, console=self._console, refresh_per_second=4, transient=True
            ):
                yield
            return
        telling = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            telling.cancel()

    async def _tell(self) -> None:
        """A line each tenth of the night."""
        told = 0
        while True:
            await asyncio.sleep(LOOK)
            player = self.progress.player
            tenth = player.delivered * 10 // player.all if player else 0
            if tenth > told:
                told = tenth
                self._said("  ".join(Text.from_markup(one).plain for one in self._state()))

    def _drawn(self) -> RenderableType:
        part, whole = self._part()
        if not whole:
            return "…"
        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(whole, part, width=30), f"{part:,} of {whole:,}")
        return Group(row, "  ".join(self._state()))

    def _part(self) -> tuple[int, int]:
        """How much of what is done now is done."""
        told = self.progress
        if told.over:
            return told.part, told.whole
        if told.player is not None and not told.player.ended:
            return told.player.delivered, told.player.all
        if told.clients is not None:
            done = len(told.clients.ended) if told.player is not None else len(told.clients.releases)
            return done, len(told.clients.all)
        return told.part, told.whole

    def _state(self) -> list[str]:
        """What there is to say of the night and of the clients."""
        told = self.progress
        said = []
        if told.player is not None:
            said.append(f"{told.player.time:%H:%M} UTC, {told.player.delivered:,} protocols;")
        if told.clients is not None and told.clients.releases:
            newest = max(told.clients.releases.values())
            there = told.clients.with_release(newest)
            said.append(f"release {newest} at {there} of {len(told.clients.all)} clients")
            if told.clients.failed:
                said.append(f"[red]{len(told.clients.failed)} gave up[/]")
        if told.stage is not None and told.stage.faults:
            said.append(f"[yellow]{escape(', '.join(told.stage.faults))}[/]")
        return said


# ------------------------------------------------------------------ at the end
def _show(result: Result, console: Console) -> None:
    cards = {card.subscriber.id: card for card in result.report.scores.cards}
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("client", "reads", "missed", "behind", "back after", "corrections", "mail", "equal"):
        table.add_column(
            name, justify="right" if name in ("missed", "behind") else "left", no_wrap=name == "client"
        )
    for one in result.verdicts:
        table.add_row(*_row(one, cards.get(one.client.id)))
    console.print(table)
    for one in result.verdicts:
        for difference in one.differences:
            console.print(f"[bold red]{one.client.id}[/] {escape(difference)}", soft_wrap=True)
    equal = sum(one.equal for one in result.verdicts)
    word = "[bold green]EQUAL[/]" if result.equal else "[bold red]NOT EQUAL[/]"
    console.print(
        f"{word}: {equal} of {len(result.verdicts)} clients have at release {result.release} what the ledger says, "
        f"{result.documents:,} documents made again from {result.protocols:,} protocols.",
        soft_wrap=not console.is_terminal,
    )


def _row(one: Verdict, card: Scorecard | None) -> list[str]:
    reads = one.client.kind.replace("-", " ")
    equal = "[green]yes[/]" if one.equal else "[bold red]NO[/]"
    if card is None or not card.seen:
        return [one.client.id, reads, "", "", "", "", "", equal]
    troubles = []
    for each in card.recoveries:
        if each.outcome == "recovered" and each.milliseconds is not None:
            troubles.append(seconds(each.milliseconds))
        else:
            troubles.append(each.outcome.replace("-", " "))
    weakest = max((each.outcome for each in card.corrections), key=tuple(_NOTICED).index, default=None)
    return [
        one.client.id,
        reads,
        str(len(card.releases.missed)),
        seconds(card.stale.milliseconds) if card.stale else "?",
        ", ".join(troubles),
        _NOTICED[weakest] if weakest else "–",
        card.mail.outcome if one.client.mailbox else "–",
        equal,
    ]
