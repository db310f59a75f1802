"""A command that sets up much and is ended by Ctrl-C, or with its terminal: whatever the moment, nothing is left behind."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends it; the last comes when its terminal is closed."""


def hold_signals() -> None:
    """Let them wait from now on, until :func:`until_stopped` listens: what is being set up or removed is not to be left half-way."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


async def until_stopped(work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives, None when one of the signals came first and cancelled it; raises what it raises."""
    task = asyncio.ensure_future(work)
    with _cancelled_once(task):
        try:
            return await task
        except asyncio.CancelledError:
            return None


@contextmanager
def _cancelled_once(task: asyncio.Task[Any]) -> Iterator[None]:
    """Listen; signals wait again afterwards."""
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        # Ending takes a moment; an impatient second Ctrl-C must not leave processes or files behind. The handler stays in
        # place for it: taking it away would give Ctrl-C back its ordinary meaning for an instant.
        nonlocal stopped
        if not stopped:
            stopped = True
            task.cancel()

    for number in STOPPING:
        loop.add_signal_handler(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
