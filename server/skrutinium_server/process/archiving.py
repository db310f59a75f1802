"""The complete archive after a decision: ``python -m skrutinium_server.process.archiving SITE RUN``.

Results that are declared, and those of a run that is closed, are archived by themselves. Reading and packing every document of
a country holds the interpreter for long, so it is done in a process of its own, which ends when its standard input ends.
It never undoes what was decided: when it fails it says so, and what is missing is made at the next start. Source: requirement M8.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from skrutinium_server.archive.complete.making import archive_release
from skrutinium_server.archive.complete.zipping import drop_unfinished
from skrutinium_server.archive.errors import ArchiveError
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.ledger.model import Closed, Cut, Declared, Entry, Step
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.archives import SERIES, ArchiveLayout, read_newest_archive
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader

log = logging.getLogger("skrutinium.archive")


def asks(step: Step) -> bool:
    """Whether a decision asks for an archive."""
    return isinstance(step, Declared | Closed)


def asked_for(entries: Iterable[Entry]) -> int:
    """The release that tells of the last declaration, or that stood when the run was last closed; 0 when none is asked for."""
    newest = asked = 0
    declared = False
    for entry in entries:
        match entry.body:
            case Cut(series=series, number=number) if series == SERIES:
                newest = number
                if declared:
                    asked, declared = number, False
            case Declared():
                declared = True
            case Closed():
                asked = newest
            case _:
                pass
    return asked


def archived(store: Path, key: SeriesKey) -> int:
    """The release that was archived last, 0 before the first one or when what says so is damaged; reads a file."""
    try:
        newest = read_newest_archive(ArchiveLayout(store, key))
    except StoreError as error:
        log.warning("%s; the archive is made again", error)
        return 0
    return 0 if newest is None else newest.number


def lacks(store: Path, key: SeriesKey) -> bool:
    """Whether a closed run has a release that came after its last archive; reads files.

    A store that cannot be read lacks it: the process that tries to make it says what is wrong.
    """
    try:
        newest = StoreReader(store).newest(key._replace(series=SERIES))
    except StoreError:
        return True
    return newest is not None and archived(store, key) < newest.number


def make(site: Site, run: str) -> int:
    """Make the archive that the decisions about a run ask for, unless it is there; the number of the release, 0 for none."""
    key = SeriesKey(site.run(run).event, run, SERIES)
    with SqliteReader(site.ledger(run)) as ledger:
        number = asked_for(ledger.entries())
    if number <= archived(site.store, key):
        return 0
    drop_unfinished(ArchiveLayout(site.store, key).folder)
    archive_release(site.store, key, number)
    return number


class Archives:
    """Makes archives one after the other, while the house goes on counting."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def make(self, run: str, published: Callable[[], Awaitable[None]] | None = None) -> None:
        """Begin to make what is missing of a run, after ``published`` where its releases are still being published."""
        task = asyncio.get_running_loop().create_task(self._make(run, published), name=f"archive {run}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until everything that was begun is made, or has failed."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Give up what is being made; the next start makes it."""
        for task in self._tasks:
            task.cancel()
        await self.finish()

    async def _make(self, run: str, published: Callable[[], Awaitable[None]] | None) -> None:
        try:
            if published is not None:
                await published()
            async with self._turn:
                code = await self._run(run)
        except (OSError, ProcessError) as error:
            self._tell(run, str(error))
        else:
            if code:
                self._tell(run, f"the process that makes it ended with exit code {code}")

    async def _run(self, run: str) -> int:
        # A session of its own: Ctrl-C in the terminal is for us, who then close its input.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(self._site.root),
            run,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        try:
            return await process.wait()
        finally:
            process.stdin.close()
            await process.wait()

    @staticmethod
    def _tell(run: str, why: str) -> None:
        log.error(
            "run %s: the complete archive could not be made (%s). What was decided stands; it is tried again at the next start, "
            "or make it by skrutinium-server archive make",
            run,
            why,
        )


def _end_with_input() -> None:
    """End at once when the parent is gone or wants so: what is unfinished has a name that nobody reads."""
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    os._exit(1)


def main() -> int:
    """Make what is missing; returns the exit code."""
    log_to_stderr()
    threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    try:
        number = make(Site(Path(sys.argv[1])), sys.argv[2])
    except (ArchiveError, LedgerError, ProcessError, StoreError) as error:
        log.error("run %s: %s", sys.argv[2], error)  # noqa: TRY400 - told to a person
        return 1
    if number:
        log.info("run %s: release %s is archived", sys.argv[2], number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
