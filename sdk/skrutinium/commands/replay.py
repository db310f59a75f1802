"""``skrutinium replay``: serve a recorded night again at the addresses of a feed."""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from fractions import Fraction
from pathlib import Path

from skrutinium.commands.choice import which_run
from skrutinium.commands.telling import tell
from skrutinium.errors import ChoiceNeeded
from skrutinium.replaying.player import Player
from skrutinium.replaying.recording import SERIES, Recording, open_recording
from skrutinium.replaying.serving import Server
from skrutinium.replaying.steering import keys, listen, obey, time_of

HELP = "serve a recorded night again at the addresses of a feed"
_SLOWEST, _FASTEST = Fraction(1, 10), Fraction(1000)


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument("folder", metavar="DIR", help="a recording, or a mirror made with pull --all")
    parser.add_argument(
        "--speed",
        metavar="X",
        type=_speed,
        default=Fraction(1),
        help="so many times as fast as it was, 0.1 to 1000",
    )
    parser.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=0,
        help="where to listen on this machine; a free port unless told",
    )
    parser.add_argument("--from", metavar="RELEASE|TIME", dest="start", help="begin at this release or time")
    parser.add_argument("--pause-at", metavar="N", type=int, help="pause at this release")
    parser.add_argument("--loop", action="store_true", help="begin anew at the end")
    parser.add_argument("--json", action="store_true", help="say what happens as JSON, one object a line")
    which_run(parser)


def _speed(text: str) -> Fraction:
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not _SLOWEST <= speed <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 1000")
    return speed


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    recording = await asyncio.to_thread(open_recording, Path(told.folder), told.event, told.run_id)
    player = Player(recording, time.monotonic, speed=told.speed, pause_at=told.pause_at, again=told.loop)
    try:
        if told.start is None:
            await player.seek(1)
        else:
            await obey(player, told.start) if told.start.isdigit() else await player.seek(
                time=time_of(told.start)
            )
    except ValueError as error:
        raise ChoiceNeeded(str(error), address=told.folder) from None
    server = Server(player)
    url = await server.start(told.port)
    saying = Saying(player, server, plain=told.json)
    saying.begins(recording, url)
    orders: asyncio.Queue[str] = asyncio.Queue()
    with keys(sys.stdin):
        listen(sys.stdin, orders)
        work = [asyncio.create_task(player.run()), asyncio.create_task(saying.go_on())]
        try:
            while True:
                order = await orders.get()
                try:
                    if not await obey(player, order):
                        return 0
                except ValueError as error:
                    tell(f"skrutinium: {error}", error=True)
                    continue
                if work[0].done():  # it had come to its end
                    work[0] = asyncio.create_task(player.run())
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await server.stop()


class Saying:
    """Says where the replay is: a line that moves in a terminal, else a line for each release."""

    def __init__(self, player: Player, server: Server, *, plain: bool) -> None:
        self._player = player
        self._server = server
        self._plain = plain
        self._live = sys.stdout.isatty() and not plain

    def begins(self, recording: Recording, url: str) -> None:
        """Say that it is a replay, of what, and where."""
        run, player = recording.run, self._player
        if self._plain:
            told = {"replay": url, "event": run.event, "run": run.id, "phase": run.phase}
            print(
                json.dumps(
                    {**told, "releases": len(recording.series[SERIES].times), "speed": str(player.speed)}
                ),
                flush=True,
            )
            return
        count = len(recording.series[SERIES].times)
        faster = f"{float(player.speed):g} times as fast"
        tell(f"REPLAY of {run.event}, run {run.id} (recorded phase: {run.phase}), {count} releases, {faster}")
        if not recording.timed:
            tell("It has no times of its own: releases come when their publisher made them.")
        tell(f"Serving at {url} on this machine.")
        tell("Signatures and times are the recorded ones; nothing here is news.")
        tell("p pauses, n and b step, a release or a time (then Enter) seeks, q ends.")

    async def go_on(self) -> None:
        """Say what happens, until cancelled."""
        before: tuple[object, ...] = ()
        try:
            while True:
                player = self._player
                now = (dict(player.released), player.paused, player.ended, player.out, player.turns)
                if self._live:
                    self._draw()
                elif now != before:
                    print(json.dumps(self._values()) if self._plain else self._line(), flush=True)
                before = now
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5), player.changed:
                        await player.changed.wait()
        finally:
            if self._live:
                print()

    def _values(self) -> dict[str, object]:
        player = self._player
        return {
            "position": f"{player.position:%Y-%m-%dT%H:%M:%SZ}",
            "released": player.released,
            "paused": player.paused,
            "ended": player.ended,
            "outage": player.out,
        }

    def _line(self) -> str:
        player = self._player
        count = len(player.recording.series[SERIES].times)
        state = (
            "ended" if player.ended else "paused" if player.paused else "outage" if player.out else "playing"
        )
        parts = [
            f"{player.position:%Y-%m-%d %H:%M:%S} UTC",
            f"release {player.released[SERIES]} of {count}",
            state,
        ]
        return " · ".join(parts)

    def _draw(self) -> None:
        player = self._player
        mark = "■" if player.ended else "⏸" if player.paused else "▶"
        tail = f" · ×{float(player.speed):g} · {self._server.listening} listening"
        print(f"\r{mark} {self._line()}{tail}\x1b[K", end="", flush=True)
