"""Ten thousand readers of a feed in a process of their own: what each costs, and how soon the last one is told of a release."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.bench.test_feed import started_feed
from tests.feed.made import EVENT, MadeStore, document, night

READERS = 10_000
MOST_MEMORY = 10 * 1024
MOST_SECONDS = 0.5
RELEASES = 5


class Crowd:
    """Readers of the feed at ``port``; ``lines`` is what their process says."""

    def __init__(self, store: MadeStore, feed: int, port: int, readers: int, lines: IO[str]) -> None:
        self.port = port
        self.readers = readers
        self.each = 0.0
        self._before = held(feed)
        self._feed = feed
        self._lines = lines
        self._store = store
        self._took: list[float] = []

    def said(self, line: str) -> None:
        """Wait until the readers say so."""
        assert self._lines.readline() == f"{line}\n"

    def weigh(self) -> None:
        """How many bytes of the feed each reader costs now."""
        self.each = (held(self._feed) - self._before) / self.readers

    def release(self, number: int) -> None:
        """Publish, and note how long it took until the last reader was told."""
        store = self._store
        store.release(night(), {"event.xml": document("event", number)})
        published = (store.root / "event" / EVENT / "night" / "skrutinium" / "newest").stat().st_mtime_ns
        self._took.append((int(self._lines.readline()) - published) / 1e9)

    def check(self, what: str) -> None:
        """Tell the figures, and hold them against what is asked for."""
        took = sorted(self._took)
        told = ", ".join(f"{one:.2f}" for one in took)
        print(
            f"\n{what}, {self.readers:,} connections: {self.each / 1024:.1f} KiB each, "
            f"the last is told after {told} s; load {os.getloadavg()[0]:.1f}"
        )
        assert self.readers == READERS
        assert self.each <= MOST_MEMORY
        assert took[RELEASES // 2] <= MOST_SECONDS


@contextmanager
def crowd(folder: Path, reading: str, target: str) -> Iterator[Crowd]:
    """A feed with one release, and the program ``reading`` with its readers of ``target``: port, readers, releases, target."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    readers = min(READERS, limit[1] - 200)
    store = MadeStore(folder)
    store.open_run("night", "live")
    store.release(night(), {"event.xml": document("event", 1)})
    settings = json.dumps({"requests_per_second": 1_000_000, "burst": 1_000_000, "connections": 0})
    child, port = started_feed(store, "--settings", settings)
    told = [sys.executable, "-c", reading, str(port), str(readers), str(RELEASES), target]
    process = subprocess.Popen(told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    assert child.stdin is not None
    try:
        yield Crowd(store, child.pid, port, readers, process.stdout)
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
        child.stdin.close()
        child.wait(30)
        store.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def held(pid: int) -> int:
    """Bytes of memory of a process that are its own."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
