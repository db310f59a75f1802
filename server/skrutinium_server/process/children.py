"""Child processes that live exactly as long as their parent.

A child reads its standard input; when that ends, whatever became of the parent, it stops. It speaks JSON lines on its
standard output. A child that dies is started again after a pause, and it is said so.
"""

import asyncio
import contextlib
import datetime
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from skrutinium_server.process.clock import wall_time

log = logging.getLogger("skrutinium.process")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
SHORT_LIFE = 2.0
"""Seconds: a child that does not live longer waits twice as long before each new start, so a broken disk is not hammered."""

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that a child says, at most."""

Heard = Callable[[dict[str, Any]], None]


class Child:
    """One module run with ``python -m``; ``heard`` gets every message it says."""

    _starting: ClassVar[int] = 0
    """How many children are being started at this moment."""

    def __init__(self, name: str, module: str, arguments: list[str], heard: Heard) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._heard = heard
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self.stopping = False
        self.inherited: tuple[int, ...] = ()
        """Descriptors that it is given, under the same numbers."""
        self.environment: Mapping[str, str] | None = None
        """Variables of its environment in place of those of this process."""
        self.since: datetime.datetime | None = None
        """Since when it is meant to run (aware, UTC); starting again changes nothing. None before :meth:`start`."""
        self.restarts = 0
        self.failed = asyncio.Event()
        """Set when it ended although nobody told it to."""
        self.lost: Callable[[], None] | None = None
        """Called at that moment."""

    @property
    def pid(self) -> int | None:
        """Process id, None while it is not running."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and keep it running until :meth:`stop`."""
        self.since = wall_time()
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self) -> None:
        """Close its standard input and wait until it has ended."""
        self.stopping = True
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                log.warning("%s did not stop within 20 s and is killed", self.name)
                process.kill()
        if self._task is not None:
            if process is None:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def tell(self, line: str = "") -> None:
        """Say one line to it; nothing when it is not running (it asks for itself when it starts)."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(line.encode() + b"\n")

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing when it is not running."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                how = await self._live()
            except OSError as error:  # no memory or descriptors for another process just now
                how = f"could not be started ({error})"
            if self.stopping:
                break
            self.failed.set()
            if self.lost is not None:
                self.lost()
            pause = FIRST_PAUSE if loop.time() - began > SHORT_LIFE else min(pause * 2, LONGEST_PAUSE)
            log.error("%s %s; it is started again in %.1f s", self.name, how, pause)
            self.restarts += 1
            await asyncio.sleep(pause)

    async def _live(self) -> str:
        """Start it and listen until it has ended; how it did. Raises OSError when it cannot be started."""
        with self._interrupt_held():
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                pass_fds=self.inherited,
                env=self.environment,
            )
        self._process = process
        try:
            await self._listen(process)
        except ValueError as error:  # a line without end
            log.error("%s speaks what nobody can read (%s) and is killed", self.name, error)  # noqa: TRY400
            process.kill()
        code = await process.wait()
        self._process = None
        return _ended(code)

    @classmethod
    @contextlib.contextmanager
    def _interrupt_held(cls) -> Iterator[None]:
        """Ctrl-C reaches the whole process group: a child is born deaf to it, for it cannot see to that before it has loaded.

        Here it is only late by as long as starting takes.
        """
        cls._starting += 1
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            cls._starting -= 1
            if not cls._starting:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                message = json.loads(line)
            except ValueError:
                log.info("%s: %s", self.name, line.decode("utf-8", "replace").rstrip())
                continue
            if isinstance(message, dict):
                self._heard(message)


def _ended(code: int) -> str:
    """How a process ended, in words; a code below zero is the number of a signal."""
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
