"""``sandbox``: nights that are replayed for ever beside a site, for newsrooms to try their programs on."""

import asyncio
import shutil
import signal
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from skrutinium_server.commands.arguments import SITE
from skrutinium_server.commands.replay import Speed
from skrutinium_server.election.law import law_ids
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.nights import Night, of_ledger, of_recording, of_seed, of_store
from skrutinium_server.rehearsal.playing import FASTEST
from skrutinium_server.rehearsal.sandboxes import Sandboxes, SandboxSettings
from skrutinium_server.rehearsal.sandboxes.model import LONGEST_REST
from skrutinium_server.rehearsal.sandboxes.serving import StageManager, stage_manager
from skrutinium_server.rehearsal.scenarios import names

NAME = click.argument("name")
MADE_UP = "made-up"
PUBLISHED = {"store": of_store, "recording": of_recording}


@click.group()
def sandbox() -> None:
    """Make, serve and steer sandboxes."""


@sandbox.command("add")
@SITE
@NAME
@click.option(
    "--night",
    "source",
    default=MADE_UP,
    show_default=True,
    metavar="NIGHT",
    help="What is played: made-up, ledger:PATH, store:PATH or recording:PATH.",
)
@click.option("--run", help="Which run of a store or recording; the current one unless told.")
@click.option("--law", default="cz-municipal-2018", show_default=True, help="Law of a made-up night.")
@click.option(
    "--precincts",
    default=60,
    show_default=True,
    type=click.IntRange(4, 100_000),
    help="Size of a made-up night.",
)
@click.option("--seed", default=1, show_default=True, type=int, help="Another seed makes another election.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    required=True,
    type=click.IntRange(0, 65535),
    help="Port at which newsrooms read; 0 takes a free one.",
)
@click.option(
    "--speed",
    default="60",
    show_default=True,
    type=Speed(FASTEST),
    help="So many times as fast as the night was, 0.1 to 1000.",
)
@click.option(
    "--rest",
    default=60,
    show_default=True,
    type=click.IntRange(0, LONGEST_REST),
    help="Seconds for which the end can be looked at before the night begins again.",
)
@click.option(
    "--phase",
    default="rehearsal",
    show_default=True,
    type=click.Choice(["test", "rehearsal"]),
    help="Phase of its runs.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(names()),
    help="Scenario that is played in every passage; may be repeated.",
)
def add(
    site: Site,
    name: str,
    source: str,
    run: str | None,
    law: str,
    precincts: int,
    seed: int,
    speed: Fraction,
    **told: Any,
) -> None:
    """Make the sandbox NAME of a night: a site of its own with the key of all sandboxes, at a port of its own.

    What is played is kept with it, whatever becomes of where it was taken from. Nothing of a live run is taken before that run is
    over. A running `sandbox serve` begins it at once.
    """
    sandboxes = Sandboxes(site)
    night = _night(source, run, law, precincts, seed)
    made = sandboxes.add(name, SandboxSettings(speed=str(speed), **told), night)
    click.echo(f"Made sandbox {made.name} ({night.source}): {len(night.due)} protocols, {_length(night)}.")
    click.echo(f"Fingerprint of its key: {sandboxes.signer().fingerprint}")
    if not _look(site):
        click.echo(f"Start it with: skrutinium-server sandbox serve {site.root}")


def _night(source: str, run: str | None, law: str, precincts: int, seed: int) -> Night:
    kind, _, path = source.partition(":")
    if source == MADE_UP:
        if law not in law_ids():
            raise click.BadParameter(
                f"{law!r} is no law; expected one of {', '.join(law_ids())}.", param_hint="--law"
            )
        return of_seed(law, precincts, seed)
    if kind not in (*PUBLISHED, "ledger") or not path:
        raise click.BadParameter(
            f"{source!r} is no night; expected made-up, ledger:PATH, store:PATH or recording:PATH.",
            param_hint="--night",
        )
    if not Path(path).exists():
        raise click.BadParameter(f"{path} is not there.", param_hint="--night")
    if kind == "ledger":
        return of_ledger(Path(path))
    return PUBLISHED[kind](Path(path), run)


def _length(night: Night) -> str:
    first, last = night.due[0].at, night.due[-1].at
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _look(site: Site) -> bool:
    """Tell whoever runs the sandboxes that there are others now; False when nobody does."""
    try:
        _ask(site, do="look")
    except SandboxError:
        return False
    return True


def _ask(site: Site, **request: Any) -> dict[str, Any]:
    async def asked() -> dict[str, Any]:
        async with stage_manager(site) as there:
            return await there.ask(**request)

    rows: dict[str, Any] = asyncio.run(asked())["sandboxes"]
    return rows


@sandbox.command("remove")
@SITE
@NAME
def remove(site: Site, name: str) -> None:
    """End the sandbox NAME and remove it with everything in it; the key of the sandboxes stays."""
    gone = Sandboxes(site).take_away(name)
    _look(site)
    shutil.rmtree(gone)
    click.echo(f"Removed sandbox {name}.")


@sandbox.command("serve")
@SITE
def serve(site: Site) -> None:
    """Run all sandboxes of the site until Ctrl-C, each for ever; what dies is begun again where it was."""
    asyncio.run(_serve(site))


async def _serve(site: Site) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with StageManager(site) as manager:
        named = ", ".join(manager.running) or "none yet"
        click.echo(f"Serving the sandboxes of {site.root}: {named}. Stop with Ctrl-C.")
        await stop.wait()
        click.echo("Stopping.")


@sandbox.command("list")
@SITE
def list_sandboxes(site: Site) -> None:
    """List the sandboxes of the site: where each is read, and how far its night is."""
    try:
        rows = _ask(site, do="list")
    except SandboxError as error:
        rows = {}
        click.echo(str(error), err=True)
    _show({name: rows.get(name, {}) for name in Sandboxes(site).names()})
    fingerprints = {row["fingerprint"] for row in rows.values()} - {""}
    for fingerprint in fingerprints:
        click.echo(f"Fingerprint of the key of the sandboxes: {fingerprint}")


def _show(rows: dict[str, dict[str, Any]]) -> None:
    """Two lines each: where it is read, and where its night is."""
    for name, row in rows.items():
        click.echo(f"{name}: {row.get('url') or 'not served'}")
        click.echo(f"  {_state(row)}")


def _state(row: dict[str, Any]) -> str:
    if not row.get("run"):
        return str(row.get("trouble") or "Start it with: skrutinium-server sandbox serve")
    state = "paused" if row["paused"] else "ended" if row["ended"] else "playing"
    told = [
        row["run"],
        row["time"].replace("T", " ").replace("Z", " UTC"),
        f"×{float(Fraction(row['speed'])):g}",
        f"{row['delivered']} of {row['all']} protocols",
        state,
        *(f"scenario {one['name']} {one['step']}/{one['of']}" for one in row["scenarios"]),
        *row["faults"],
    ]
    trouble = f"\n  {row['trouble']}" if row["trouble"] else ""
    return ", ".join(told) + trouble


def _steer(site: Site, name: str, **request: Any) -> None:
    rows = _ask(site, sandbox=name, **request)
    _show({name: rows[name]})


@sandbox.command("pause")
@SITE
@NAME
def pause(site: Site, name: str) -> None:
    """Let nothing more come in; heartbeats go on."""
    _steer(site, name, do="pause")


@sandbox.command("go")
@SITE
@NAME
def go(site: Site, name: str) -> None:
    """Go on."""
    _steer(site, name, do="go")


@sandbox.command("seek")
@SITE
@NAME
@click.argument("to")
def seek(site: Site, name: str, to: str) -> None:
    """Go to a point of the night: 40% of the protocols, or a time such as 2030-04-01T19:30:00Z.

    Forwards, what lies between comes in at once and is released together. Backwards, a new run begins.
    """
    _steer(site, name, do="seek", to=to)


@sandbox.command("speed")
@SITE
@NAME
@click.argument("speed", type=Speed(FASTEST))
def set_speed(site: Site, name: str, speed: Fraction) -> None:
    """Play so many times as fast as the night was, 0.1 to 1000."""
    _steer(site, name, do="speed", speed=str(speed))


@sandbox.command("restart")
@SITE
@NAME
def restart(site: Site, name: str) -> None:
    """Begin the night again now, in a new run."""
    _steer(site, name, do="restart")


@sandbox.command("play")
@SITE
@NAME
@click.argument("scenario")
def play(site: Site, name: str, scenario: str) -> None:
    """Play SCENARIO beside the night, once; steps whose time is past are done at once."""
    _steer(site, name, do="play", scenario=scenario)


@sandbox.command("stop")
@SITE
@NAME
def stop(site: Site, name: str) -> None:
    """End all scenarios: all is well again on the way to readers, and what was late comes in."""
    _steer(site, name, do="stop")
