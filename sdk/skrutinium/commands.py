"""The command line ``skrutinium``.

Exit codes: 0 done, or everything agrees; 1 differences were found; 2 the command was not understood; 10 network;
11 access refused; 12 not yet; 13 gone; 14 limit reached; 15 schema; 16 damaged; 17 signature; 18 chain; 19 rollback;
20 stale; 21 mixed phases; 22 state file; 23 choice needed; 24 server fault; 25 no such place; 70 another error; 130 stopped by Ctrl-C.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import time
from importlib.metadata import version

from skrutinium.errors import LimitReached, NetworkError, NotYet, ServerFault, SkrutiniumError
from skrutinium.feed import Feed, connect
from skrutinium.report import SERIES, Report
from skrutinium.signing import plain_fingerprint
from skrutinium.verifying import open_source, verify
from skrutinium.view import SHOWN, View, grouped, view_of
from skrutinium.watching import Screen, one_line, safe

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_SHOWN = 20


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    main = argparse.ArgumentParser(
        prog="skrutinium",
        description="Follow and check the results of an election night.",
        epilog=(__doc__ or "").split("\n\n", 1)[1],
    )
    main.add_argument("--version", action="version", version=f"skrutinium {version('skrutinium')}")
    commands = main.add_subparsers(dest="command", required=True)
    watch = commands.add_parser("watch", help="show a night as it comes in: a live table, or lines in a pipe")
    watch.add_argument("url", metavar="URL", help="address of the feed")
    watch.add_argument("--state", metavar="FILE", help="remember here what was seen, and go on from it")
    watch.add_argument("--phase", choices=("test", "rehearsal", "live"), help="refuse any other phase")
    watch.add_argument("--once", action="store_true", help="show the newest release and end")
    watch.add_argument("--until-complete", action="store_true", help="end when every protocol is in")
    check = commands.add_parser("verify", help="check a whole night and add every vote up again")
    check.add_argument("place", metavar="URL|DIR", help="address of a feed, or a folder with a release store")
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    for one in (watch, check):
        one.add_argument("--event", metavar="E", help="which event, when there are several")
        one.add_argument("--run", metavar="R", help="which run; the current one unless told")
        one.add_argument("--fingerprint", metavar="F", help="the publisher's key, as given on paper")
    return main


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    told = parser().parse_args(arguments)
    try:
        code = asyncio.run(_watch(told) if told.command == "watch" else _verify(told))
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of our pipe has enough
        sys.stderr.close()
        code = 0
    except SkrutiniumError as error:
        print(f"skrutinium: {error} [{error.code}]", file=sys.stderr)
        code = error.exit_code
    sys.exit(code)


# -------------------------------------------------------------------- watch
class Display:
    """Where ``watch`` shows: a terminal drawn anew each second, or lines."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty()
        self._view: View | None = None
        self._feed: Feed | None = None
        self._since = 0.0
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, feed: Feed) -> None:
        """Take the screen."""
        self._feed = feed
        if feed.unpinned:
            words = f"key {feed.fingerprint} is trusted because it was met first: compare it with paper (--fingerprint)"
            print(f"skrutinium: {words}", file=sys.stderr)
        if self.live:
            sys.stdout.write(_ENTER)
            self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Give the screen back, with the last picture left on it."""
        if self._ticker is None:
            return
        self._ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticker
        self._ticker = None
        sys.stdout.write(_LEAVE)
        if self._view is not None:
            lines = self._lines(self._view)[:-1]
            while lines and not lines[-1]:
                lines.pop()
            sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def show(self, view: View) -> None:
        """Show a release."""
        self._view, self._since = view, time.monotonic()
        if self.live:
            self._draw()
        else:
            print(one_line(view), flush=True)

    def _lines(self, view: View) -> list[str]:
        size = shutil.get_terminal_size()
        health = self._feed.health if self._feed else None
        said = [*(one.text for one in health.incidents), *filter(None, (health.trouble,))] if health else []
        note = safe(" · ".join(("Ctrl-C ends", *said))) if said else ""
        return Screen(size.columns, size.lines).draw(view, health, time.monotonic() - self._since, note)

    def _draw(self) -> None:
        if self._view is None:
            text = "waiting for the first release…" + _CLEAR_LINE
        else:
            text = "\n".join(line + _CLEAR_LINE for line in self._lines(self._view))
        sys.stdout.write(_HOME + text.replace("\n", "\r\n") + _CLEAR_BELOW)
        sys.stdout.flush()

    async def _tick(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(1)


async def _watch(told: argparse.Namespace) -> int:
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    display = Display()
    waited = False
    while True:
        feed = connect(
            told.url,
            event=told.event,
            run=told.run,
            phase=told.phase,
            fingerprint=told.fingerprint,
            state=told.state,
            only=SHOWN,
        )
        try:
            async with feed:
                return await _follow(feed, display, told)
        except (NotYet, NetworkError, ServerFault, LimitReached) as error:
            if told.once:
                raise
            if not waited:
                print(f"skrutinium: {error}; waiting", file=sys.stderr)
            waited = True
        await asyncio.sleep(2)


async def _follow(feed: Feed, display: Display, told: argparse.Namespace) -> int:
    view: View | None = None
    await display.start(feed)
    try:
        async for release in feed.releases():
            view = await view_of(release, view, latest=display.live)
            display.show(view)
            if told.once or (told.until_complete and view.all_in):
                await feed.done(release)
                return 0
    finally:
        await display.stop()
    return 0


# -------------------------------------------------------------------- verify
async def _verify(told: argparse.Namespace) -> int:
    live = sys.stderr.isatty() and not told.json

    def progress(number: int, newest: int) -> None:
        if live and (number == newest or number % 5 == 0):
            end = "\r" + " " * 50 + "\r" if number == newest else ""
            print(f"\rchecking release {number} of {newest} …{end}", end="", file=sys.stderr, flush=True)

    began = time.monotonic()
    async with open_source(told.place) as source:
        report = await verify(
            source, event=told.event, run=told.run, fingerprint=told.fingerprint, progress=progress
        )
    if told.json:
        print(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        print("\n".join(verdict(report, time.monotonic() - began)))
    return 0 if report.agrees else 1


def _of(series: str) -> str:
    return "" if series == SERIES else f"{series}: "


def verdict(report: Report, seconds: float) -> list[str]:
    """The report for people."""
    lines = [
        f"{report.where}: event {report.event}, run {report.run} ({report.phase})",
        *(
            f"  {_of(series)}{grouped(looked.releases)} releases, {grouped(looked.documents)} documents: signatures, "
            "chain, hashes, schema"
            for series, looked in report.series.items()
        ),
        f"  {grouped(report.protocols)} protocols taken over, {grouped(report.reread)} of them read again from their bytes",
        (
            f"  {grouped(report.counting)} of {grouped(report.expected)} expected protocols count, added up again and "
            f"compared in {grouped(sum(one.totals for one in report.series.values()))} documents (seats excepted)"
        ),
        *(
            f"  registers {number}: {grouped(size)} documents; every precinct, contest, list and candidate compared with them"
            for number, size in report.registers.items()
        ),
        f"  key {report.fingerprint}" + ("" if report.pinned else " (not pinned: compare it with paper)"),
        *(f"  note: {note}" for note in report.notes),
    ]
    lines += [f"  {one}" for one in report.differences[:_SHOWN]]
    more = len(report.differences) + report.more_differences - _SHOWN
    if more > 0:
        lines.append(f"  … and {grouped(more)} more")
    if report.agrees:
        return [*lines, f"AGREEMENT: everything published is what the protocols add up to ({seconds:.1f} s)"]
    count = len(report.differences) + report.more_differences
    return [*lines, f"DIFFERENCES: {grouped(count)} found ({seconds:.1f} s)"]
