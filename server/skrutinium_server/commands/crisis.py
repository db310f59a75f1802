"""``crisis``: results by e-mail when the feed fails."""

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skrutinium_server.authority.persons import Authority
from skrutinium_server.commands.passphrase import FILE, passphrase_of
from skrutinium_server.crisis.holding import Place, is_running
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Failed, Message, Waiting
from skrutinium_server.crisis.recipients import read_recipients
from skrutinium_server.crisis.reporting import CrisisStatus, RecipientStatus, crisis_status
from skrutinium_server.crisis.running import Crisis, opened
from skrutinium_server.crisis.triggering import Arm, Decision, Disarm, Start, Stop
from skrutinium_server.feed.metrics import MetricsServer
from skrutinium_server.process import logs
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.crisis_mail import is_site, place_of, proved, recorder
from skrutinium_server.process.crisis_metrics import CrisisMetrics

WHERE = click.argument(
    "where", metavar="WHERE", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
RECIPIENTS = click.option(
    "--recipients",
    type=click.Path(dir_okay=False, path_type=Path),
    help="List of recipients; unless given, recipients.toml beside the release store.",
)
FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of outbox and decisions; unless given, crisis/ beside the release store.",
)
REASON = click.option("--reason", required=True, help="Why; it is recorded and told to the operators.")
BY = click.option(
    "--by", metavar="NAME", required=True, help="Who decides; at a site one of its persons, who proves it."
)
PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=FILE,
    help="A file with the passphrase; unless given, it is asked for at a site.",
)


@click.group()
def crisis() -> None:
    """Send agreed results by e-mail when the feed fails."""


@crisis.command("run")
@WHERE
@RECIPIENTS
@FOLDER
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address that tells metrics.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Port of metrics (Prometheus).")
def run(
    where: Path, recipients: Path | None, folder: Path | None, metrics_host: str, metrics_port: int | None
) -> None:
    """Watch the feed, heed start and stop, and send what is due, until Ctrl-C. WHERE is a site, a folder with a store/, or a release store."""
    root, place = place_of(where, recipients, folder)
    logs.log_to_stderr()
    asyncio.run(_run(root, place, (metrics_host, metrics_port) if metrics_port else None))


async def _run(root: Path, place: Place, metrics: tuple[str, int] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        chance = random.Random().random
        mail = await stack.enter_async_context(opened(place, wall_time, chance, recorder(root)))
        if metrics is not None:
            told = CrisisMetrics(mail, place.folder)
            await stack.enter_async_context(MetricsServer(*metrics, told, loop, told.outbox))
        count = len(mail.told.recipient)
        watched = f"watches {mail.told.watch.address}" if mail.told.watch.address else "watches no feed"
        click.echo(
            f"The crisis mail is {_word(mail)}, has {count} recipients, and {watched}. Stop with Ctrl-C."
        )
        await mail.run(stop)


def _word(mail: Crisis) -> str:
    return type(mail.state).__name__.lower()


# ---------------------------------------------------------------------- decisions
def _decided(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((WHERE, BY, PASSPHRASE_FILE, REASON, FOLDER)):
        command = option(command)
    return command


def _decide(
    where: Path,
    by: str,
    passphrase_file: Path | None,
    reason: str,
    folder: Path | None,
    kind: type[Arm | Disarm | Start | Stop],
) -> None:
    """Record a decision; the process heeds it within a second, or when it is started."""
    root, place = place_of(where, None, folder)
    # Where nobody is registered yet, as where there is no site, the folder's owner decides.
    asked = is_site(root) and bool(Authority(root).state().persons)
    who = proved(root, by, passphrase_of(by, passphrase_file) if asked else None)
    decision: Decision = kind(who, reason)
    with Outbox(place.folder) as outbox:
        outbox.decide(msgspec.json.encode(decision), wall_time())
    if is_running(place.folder):
        click.echo(
            "Told; the crisis mail heeds it within a second: skrutinium-server crisis status shows it."
        )
    else:
        click.echo(
            f"Recorded, but nothing is sent: no process is running. Start it: skrutinium-server crisis run {where}"
        )


@crisis.command("start")
@_decided
def start(where: Path, by: str, passphrase_file: Path | None, reason: str, folder: Path | None) -> None:
    """Begin to send results by e-mail now, until crisis stop."""
    _decide(where, by, passphrase_file, reason, folder, Start)


@crisis.command("stop")
@_decided
def stop(where: Path, by: str, passphrase_file: Path | None, reason: str, folder: Path | None) -> None:
    """Tell every recipient that the feed is back, and send no more. It does not begin by itself until it is armed again."""
    _decide(where, by, passphrase_file, reason, folder, Stop)


@crisis.command("arm")
@_decided
def arm(where: Path, by: str, passphrase_file: Path | None, reason: str, folder: Path | None) -> None:
    """Let it begin by itself when the feed fails for the time that the list of recipients sets."""
    _decide(where, by, passphrase_file, reason, folder, Arm)


@crisis.command("disarm")
@_decided
def disarm(where: Path, by: str, passphrase_file: Path | None, reason: str, folder: Path | None) -> None:
    """Let it begin by command only."""
    _decide(where, by, passphrase_file, reason, folder, Disarm)


# ---------------------------------------------------------------------- looking
@crisis.command("status")
@WHERE
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def status(where: Path, folder: Path | None, as_json: bool) -> None:
    """Show the state, who got what and when, what waits and what was refused; exit code 1 when a recipient is refused."""
    _, place = place_of(where, None, folder)
    told = crisis_status(place.folder)
    if as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(told), ensure_ascii=False, indent=1) + "\n")
    else:
        _show(told)
    if any(one.state == "failed" for one in told.recipients):
        sys.exit(1)


def _show(told: CrisisStatus) -> None:
    console = Console()
    running = "running" if told.process else "not running"
    console.print(f"The crisis mail is [bold]{told.state}[/bold]; its process is {running}.")
    for line in told.log[-5:]:
        console.print(f"  {line.time:%Y-%m-%d %H:%M:%S} UTC  {escape(line.text)}", soft_wrap=True)
    console.print(", ".join(f"{name} {count}" for name, count in told.outbox.items()))
    table = Table("recipient", "kind", "run", "release", "state", "since (UTC)", "why", box=None)
    for one in told.recipients:
        table.add_row(*_row(one), style="red" if one.state == "failed" else "")
    if told.recipients:
        console.print(table)


def _row(one: RecipientStatus) -> tuple[str, ...]:
    release = str(one.number) if one.number else ""
    return one.recipient, one.kind, one.run, release, one.state, f"{one.since:%H:%M:%S}", escape(one.why)


@crisis.group("recipients")
def recipients() -> None:
    """The list of recipients."""


LIST = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@recipients.command("check")
@LIST
def check(file: Path) -> None:
    """Examine the list FILE; errors say where and what is expected."""
    told = read_recipients(file)
    relay = told.relay
    click.echo(
        f"{len(told.recipient)} recipients; mail goes to {relay.host}:{relay.port} ({relay.security}) as {told.sender.address}."
    )
    if not told.watch.address:
        click.echo("No feed is watched ([watch] address): nothing can begin by itself.")
    if not told.sender.operators:
        click.echo("Nobody is told of starts, ends and failures ([sender] operators).")


@recipients.command("list")
@LIST
def listing(file: Path) -> None:
    """Show the recipients of the list FILE and what is agreed with each."""
    for one in read_recipients(file).recipient:
        agreed = (
            *one.documents,
            *(f"area {area}" for area in one.areas),
            *(f"contest {contest}" for contest in one.contests),
        )
        click.echo(f"{one.id}: {one.name} <{one.address}>, {one.language}, every {one.interval} s")
        click.echo(f"    {', '.join(agreed)}")


# ---------------------------------------------------------------------- trying out
@crisis.command("send")
@WHERE
@RECIPIENTS
@FOLDER
@click.option("--test", "trial", is_flag=True, required=True, help="Send a message that says it is a test.")
@click.option("--to", "only", metavar="ID", multiple=True, help="To this recipient only; may be repeated.")
def send(
    where: Path, recipients: Path | None, folder: Path | None, trial: bool, only: tuple[str, ...]
) -> None:
    """Send a test message to all recipients, or to some, and wait for what the relay says; exit code 1 unless it takes all."""
    assert trial
    _, place = place_of(where, recipients, folder)
    logs.log_to_stderr()
    sent = asyncio.run(_try_out(place, only))
    for one in sent:
        state = one.state
        why = state.why if isinstance(state, Failed | Waiting) else ""
        click.echo(
            f"{one.recipient} ({one.address}): {type(state).__name__.lower()}{f' - {why}' if why else ''}"
        )
    if not sent or any(isinstance(one.state, Failed | Waiting) for one in sent):
        sys.exit(1)


async def _try_out(place: Place, only: tuple[str, ...]) -> list[Message]:
    async with opened(place, wall_time, random.Random().random) as mail:
        try:
            return await mail.try_out(only)
        finally:
            await mail.close()
