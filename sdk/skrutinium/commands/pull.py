"""``skrutinium pull``: keep a mirror of a run as a release store in a folder."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from skrutinium.commands.choice import what_of_it, which_run
from skrutinium.commands.telling import tell, tell_first_met
from skrutinium.errors import ChoiceNeeded, SkrutiniumError
from skrutinium.mirroring.keeping import Keeper, opened
from skrutinium.mirroring.mark import alone
from skrutinium.mirroring.mirror import Mirror, Pulled, Wanted
from skrutinium.sources.choosing import choice_of
from skrutinium.trust.signing import plain_fingerprint
from skrutinium.watching.view import grouped

HELP = "keep a mirror of a run in a folder that any reader and any web server can use"
UNCHANGED = 3


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="address of a feed or a public folder, or a folder with a release store",
    )
    parser.add_argument("folder", metavar="DIR", help="where the mirror is kept")
    parser.add_argument(
        "--all", action="store_true", help="with all releases and series, not only the newest documents"
    )
    parser.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    what_of_it(parser)
    parser.add_argument("--phase", choices=("test", "rehearsal", "live"), help="refuse any other phase")
    parser.add_argument("--json", action="store_true", help="print JSON")
    which_run(parser)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    wanted = wanted_by(told, whole=told.all)
    folder = Path(told.folder)
    display = Display(plain=told.json)
    async with alone(folder):
        if told.follow:
            await Keeper(told.place, folder, wanted).run(display.show_news, display.trouble, display.progress)
        async with opened(told.place, folder, wanted) as mirror:
            pulled = await mirror.update(display.progress)
            display.show(mirror, pulled)
    return 0 if pulled.changed else UNCHANGED


def wanted_by(told: argparse.Namespace, *, whole: bool) -> Wanted:
    """What is to be mirrored, by the options; raises :class:`SignatureError` for what is no fingerprint, :class:`ChoiceNeeded`."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    try:
        chosen = choice_of(told.only, told.areas, told.contests, told.kinds)
    except ValueError as error:
        raise ChoiceNeeded(str(error)) from None
    return Wanted(told.event, told.run_id, told.phase, told.fingerprint, whole, chosen)


def values(mirror: Mirror, pulled: Pulled) -> dict[str, Any]:
    """What a look brought, as JSON has it."""
    return {
        "changed": pulled.changed,
        "event": mirror.run.event,
        "run": mirror.run.id,
        "phase": mirror.run.phase,
        "newest": pulled.newest,
        "releases": {name: {"first": first, "last": last} for name, (first, last) in pulled.releases.items()},
        "files": pulled.files,
        "bytes": pulled.size,
        "whole": mirror.whole,
        "fingerprint": mirror.fingerprint.replace(" ", ""),
        "pinned": not mirror.unpinned,
    }


class Display:
    """Says what comes: lines, with ``plain`` JSON; a line that moves while much is fetched into a terminal."""

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._live = sys.stderr.isatty() and not plain
        self._trouble: str | None = None
        self._told_key = False

    def progress(self, series: str, number: int, newest: int) -> None:
        """A release is there."""
        if self._live and (number == newest or number % 5 == 0):
            end = "\r" + " " * 60 + "\r" if number == newest else ""
            print(f"\rfetching {series} {number} of {newest} …{end}", end="", file=sys.stderr, flush=True)

    def show_news(self, mirror: Mirror, pulled: Pulled) -> None:
        """Say what came, if anything; trouble that is over."""
        if self._trouble is not None:
            self._trouble = None
            print(
                json.dumps({"trouble": None}) if self._plain else "skrutinium: it works again",
                file=sys.stderr,
            )
        if pulled.changed:
            self.show(mirror, pulled)

    def show(self, mirror: Mirror, pulled: Pulled) -> None:
        """Say what came."""
        if mirror.unpinned and not self._told_key and not self._plain:
            tell_first_met(mirror.fingerprint)
        self._told_key = True
        if self._plain:
            print(json.dumps(values(mirror, pulled)), flush=True)
            return
        tell(sentence(mirror, pulled))

    def trouble(self, error: SkrutiniumError) -> None:
        """Say what is wrong, once."""
        if error.message == self._trouble:
            return
        self._trouble = error.message
        told = {"trouble": error.code, "message": error.message, "address": error.address}
        if self._plain:
            print(json.dumps(told), file=sys.stderr, flush=True)
        else:
            tell(f"skrutinium: {error}; trying again", error=True)


def sentence(mirror: Mirror, pulled: Pulled) -> str:
    """What came, in a line."""
    parts = []
    for name, (first, last) in pulled.releases.items():
        numbers = f"release {last}" if first == last else f"releases {first} to {last}"
        parts.append(f"{numbers} of {name}" if mirror.whole or first == last else f"release {last} of {name}")
    if not parts:
        parts.append(
            "nothing new" if not pulled.changed else "no new release, but state, notices or registers"
        )
    run = mirror.run
    return (
        f"{run.event}/{run.id} ({run.phase}): {', '.join(parts)}; "
        f"{grouped(pulled.files)} files, {grouped(pulled.size)} bytes written"
    )
