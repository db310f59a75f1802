"""``skrutinium watch``: show a night as it comes in."""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import time

from skrutinium.commands.choice import which_run
from skrutinium.commands.going_on import Going, Remembered, going_on
from skrutinium.commands.telling import tell_first_met
from skrutinium.following.feed import Feed, connect
from skrutinium.trust.signing import plain_fingerprint
from skrutinium.watching.plain_values import plain_values
from skrutinium.watching.screen import Screen, one_line, safe
from skrutinium.watching.view import SHOWN, View, view_of

HELP = "show a night as it comes in: a live table, or lines in a pipe"

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument("url", metavar="URL", help="address of the feed")
    parser.add_argument("--state", metavar="FILE", help="remember here what was seen, and go on from it")
    parser.add_argument("--phase", choices=("test", "rehearsal", "live"), help="refuse any other phase")
    parser.add_argument("--once", action="store_true", help="show the newest release and end")
    parser.add_argument("--until-complete", action="store_true", help="end when every protocol is in")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each release")
    parser.add_argument(
        "--receipts", action="store_true", help="tell the organiser of a test or a rehearsal what was shown"
    )
    which_run(parser)


class Display:
    """Where ``watch`` shows: a terminal drawn anew each second, or lines, for people or (``plain``) for programs."""

    def __init__(self, *, plain: bool = False) -> None:
        self.plain = plain
        self.live = sys.stdout.isatty() and not plain
        self._warned = False
        self.view: View | None = None
        self._feed: Feed | None = None
        self._since = 0.0
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, feed: Feed) -> None:
        """Take the screen."""
        self._feed = feed
        if feed.unpinned and not self._warned:
            self._warned = True
            tell_first_met(feed.fingerprint)
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
        if self.view is not None:
            lines = self._lines(self.view)[:-1]
            while lines and not lines[-1]:
                lines.pop()
            sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def show(self, view: View) -> None:
        """Show a release."""
        self.view, self._since = view, time.monotonic()
        if self.live:
            self._draw()
        elif self.plain:
            event = self._feed.run.event if self._feed else ""
            print(json.dumps(plain_values(view, event), ensure_ascii=False), flush=True)
        else:
            print(one_line(view), flush=True)

    def _lines(self, view: View) -> list[str]:
        size = shutil.get_terminal_size()
        health = self._feed.health if self._feed else None
        said = [*(one.text for one in health.incidents), *filter(None, (health.trouble,))] if health else []
        note = safe(" · ".join(("Ctrl-C ends", *said))) if said else ""
        return Screen(size.columns, size.lines).draw(view, health, time.monotonic() - self._since, note)

    def _draw(self) -> None:
        if self.view is None:
            text = "waiting for the first release…" + _CLEAR_LINE
        else:
            text = "\n".join(line + _CLEAR_LINE for line in self._lines(self.view))
        sys.stdout.write(_HOME + text.replace("\n", "\r\n") + _CLEAR_BELOW)
        sys.stdout.flush()

    async def _tick(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(1)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    display = Display(plain=told.json)
    going, remembered = Going(told.event, told.run_id, plain=told.json), Remembered()

    async def follow() -> int:
        async with connect(
            told.url,
            event=going.event,
            run=going.run,
            phase=told.phase,
            fingerprint=told.fingerprint,
            state=told.state or remembered,
            only=SHOWN,
            receipts=told.receipts,
        ) as feed:
            going.opened(feed)
            return await _follow(feed, display, told, going)

    return await (follow() if told.once else going_on(follow, going))


async def _follow(feed: Feed, display: Display, told: argparse.Namespace, going: Going) -> int:
    await display.start(feed)
    try:
        async for release in feed.releases():
            view = await view_of(release, display.view, latest=display.live)
            display.show(view)
            going.goes()
            if told.once or (told.until_complete and view.all_in):
                await feed.done(release)
                return 0
    finally:
        await display.stop()
    return 0
