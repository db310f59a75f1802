"""A site under load: its real processes with a log, protocols brought over the socket, and what can be seen from outside."""

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skrutinium.verifying.night import open_source, verify
from skrutinium.verifying.report import Report
from skrutinium_server.election.model import Definition
from skrutinium_server.ledger.model import Accepted, Cut
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import CountingRefused, ProcessError
from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import There, connect
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.store.reading import StoreReader
from tests.e2e.at_work import children_of, command_line

RUN = "night"


def made_site(folder: Path, definition: Definition, seconds: int = 1) -> Site:
    """A new site for a definition; at least so many seconds between two releases, and no limits of what an address asks."""
    site = Site.create(folder)
    settings = folder / "site.toml"
    text = settings.read_text()
    for old, new in (
        ("skrutinium_seconds = 1\n", f"skrutinium_seconds = {seconds}\n"),
        ("requests_per_second = 50\n", "requests_per_second = 0\n"),
        ("connections = 200\n", "connections = 0\n"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    settings.write_text(text)
    site.define(definition)
    return site


class Program:
    """A command of the server in a process of its own; what it and its children say goes into ``log``."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "skrutinium_server", *map(str, arguments)],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def said(self) -> str:
        """Everything so far."""
        return self.log.read_text("utf-8", "replace")

    async def until_said(self, words: str) -> str:
        """Wait until it has said something; the whole line."""
        while True:
            found = re.search(f".*{re.escape(words)}.*", self.said)
            if found:
                return found[0]
            assert self.process.poll() is None, self.said
            await asyncio.sleep(0.02)

    def tree(self) -> dict[int, str]:
        """Process ids with their command lines: its own, its children's and theirs."""
        found: dict[int, str] = {}
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[pid] = command_line(pid)
                waiting += children_of(pid)
        return found

    def end(self) -> int:
        """Stop it as Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(120)


@contextlib.contextmanager
def running(log: Path, *arguments: object) -> Iterator[Program]:
    """A program that must end well when it is told to."""
    program = Program(log, *arguments)
    try:
        yield program
        assert program.end() == 0, program.said[-5000:]
    finally:
        program.process.kill()
        program.process.wait()


def resident(pid: int) -> int:
    """Memory that a process holds in RAM, in bytes; 0 when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


async def reach(site: Site) -> There:
    """A connection to the counting process, as soon as there is one."""
    while True:
        with contextlib.suppress(ConnectionResetError):
            there = await connect(site)
            if there is not None:
                return there
        await asyncio.sleep(0.02)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that only looking from outside tells; the time limit of the test ends it otherwise."""
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - another process, which signals nothing
        await asyncio.sleep(0.02)


class Bringer:
    """Brings protocols and remembers what was acknowledged; a connection that breaks is made anew, and it asks again."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.acknowledged: set[str] = set()
        self._there: There | None = None

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Ask until there is an answer; raises CountingRefused."""
        while True:
            if self._there is None:
                self._there = await reach(self.site)
            try:
                return await self._there.ask(**request)
            except CountingRefused as error:
                if (
                    error.code == "run" and request["do"] != "open"
                ):  # started again, and not through its runs yet
                    await asyncio.sleep(0.05)
                    continue
                raise
            except ProcessError:
                self.close()

    async def bring(self, group: Sequence[Due], **more: Any) -> None:
        """Bring a group: acknowledged, or CountingRefused."""
        records = [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in group]
        answer = await self.ask(do="take", run=RUN, records=records, who="test", path="replay", **more)
        assert answer["refused"] == 0, answer["reasons"]
        self.acknowledged |= {hashlib.sha256(due.taken_over.data).hexdigest() for due in group}

    def close(self) -> None:
        """Give up the connection."""
        if self._there is not None:
            self._there.close()
            self._there = None


@contextlib.asynccontextmanager
async def bringing(site: Site) -> AsyncIterator[Bringer]:
    """A bringer for as long as this lasts."""
    bringer = Bringer(site)
    try:
        yield bringer
    finally:
        bringer.close()


def in_groups(night: Sequence[Due], size: int) -> list[Sequence[Due]]:
    """The night in groups of so many protocols."""
    return [night[place : place + size] for place in range(0, len(night), size)]


def released(site: Site) -> dict[tuple[str, int], bytes]:
    """Every manifest with its signature that can be read now."""
    reader = StoreReader(site.store)
    found = {}
    for series in SERIES:
        key = site.series_key(RUN, series)
        newest = reader.newest(key)
        for number in range(1, newest.number + 1 if newest else 1):
            found[series, number] = reader.manifest_bytes(key, number) + reader.manifest_signature(
                key, number
            )
    return found


def stored(site: Site) -> list[str]:
    """The hashes of the bytes of every protocol in the ledger."""
    with SqliteReader(site.ledger(RUN)) as ledger:
        return [entry.body.data_sha256 for entry in ledger.entries() if isinstance(entry.body, Accepted)]


def whole(site: Site, acknowledged: Iterable[str], earlier: Iterable[dict[tuple[str, int], bytes]]) -> None:
    """Nothing acknowledged is lost or doubled, numbers have no gap, and what could be read before reads the same now."""
    held = stored(site)
    assert len(held) == len(set(held))
    assert set(acknowledged) <= set(held)
    last = released(site)
    for seen in earlier:
        assert {key: last.get(key) for key in seen} == seen
    with SqliteReader(site.ledger(RUN)) as ledger:
        cuts = [entry.body for entry in ledger.entries() if isinstance(entry.body, Cut)]
    for series in SERIES:
        numbers = [cut.number for cut in cuts if cut.series == series]
        assert numbers == list(range(1, len(numbers) + 1))
        assert sorted(number for name, number in last if name == series) == numbers


async def verified(where: str) -> Report:
    """Everything added up again from a folder or a feed; there may be no difference."""
    async with open_source(where) as source:
        report = await verify(source)
    assert report.differences == []
    return report
