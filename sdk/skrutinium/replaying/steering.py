"""Steering a replay from a terminal by keys, or from another program by lines on standard input."""

import asyncio
import contextlib
import datetime
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from skrutinium.replaying.player import Player
from skrutinium.replaying.recording import SERIES


async def obey(player: Player, order: str) -> bool:
    """Do what was said: ``p`` pauses or goes on, a number or a time seeks, ``n`` and ``b`` step, ``q`` ends. Whether to go on.

    Raises ValueError for anything else.
    """
    order = order.strip()
    if order == "q":
        return False
    if order in ("p", ""):
        player.pause(not player.paused)
    elif order in ("n", "b"):
        there = player.released[SERIES] + (1 if order == "n" else -1)
        await player.seek(min(max(1, there), len(player.recording.series[SERIES].times)))
    elif order.isascii() and order.isdigit():
        await player.seek(int(order[:9]))
    else:
        await player.seek(time=time_of(order))
    return True


def time_of(text: str) -> datetime.datetime:
    """A time such as ``2026-10-10T15:00:00Z``; raises ValueError. Without a zone it is UTC."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a release nor a time; say 17, 2026-10-10T15:00:00Z, p, n, b or q"
        ) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)


@contextlib.contextmanager
def keys(stream: TextIO) -> Iterator[None]:
    """A terminal gives each key at once meanwhile."""
    if not stream.isatty() or sys.platform == "win32":
        yield
        return
    import termios  # noqa: PLC0415 - not everywhere
    import tty  # noqa: PLC0415 - not everywhere

    before = termios.tcgetattr(stream)
    tty.setcbreak(stream)
    try:
        yield
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)


def listen(stream: TextIO, orders: "asyncio.Queue[str]") -> None:
    """Put what is typed into a queue, from a thread that ends with the program."""
    loop = asyncio.get_running_loop()
    by_key = stream.isatty() and sys.platform != "win32"

    def put(order: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            loop.call_soon_threadsafe(orders.put_nowait, order)

    def read() -> None:
        typed = ""
        while letter := stream.read(1) if by_key else stream.readline():
            if not by_key:
                put(letter)
            elif letter in "\r\n":
                put(typed)
                typed = ""
            elif not typed and letter in "pnbq ":
                put(letter.strip())
            elif letter in "\x7f\b":
                typed = typed[:-1]
            else:
                typed += letter

    threading.Thread(target=read, name="steering", daemon=True).start()
