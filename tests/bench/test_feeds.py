"""Two processes of the feed at one port beside one: how the connections are shared out, what a request costs, and the rate."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.process.serve import Service
from skrutinium_server.process.site import FeedFolder
from tests.feed.made import EVENT, MadeStore, small_night

SECONDS = 3
CONNECTIONS = 256
MOST_COST = 1.5
"""A request may cost so many times as much when another process shares the cores."""


def spent(pid: int) -> int:
    """Nanoseconds on a processor so far, all threads."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


def nothing(_part: str, _message: dict[str, Any]) -> None:
    """Who listens to nothing."""


def _run(command: list[str | Path]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, check=True, text=True)


async def measured(folder: FeedFolder, feeds: int, wrk: str) -> tuple[float, list[float]]:
    """Requests a second, and the CPU microseconds a request of each process."""
    settings = FeedSettings(requests_per_second=0, connections=0)
    async with Service(folder, nothing, port=0, parts=("feed",), settings=settings, feeds=feeds) as service:
        assert service.address is not None
        pids = [child.pid for child in service.children.values() if child.pid is not None]
        file = folder.root / "requests"
        file.write_text(f"GET /event/{EVENT}/newest/contest/1.xml HTTP/1.1\r\nHost: x\r\n\r\n\n.\n")
        script = Path(__file__).with_name("rotating.lua")
        url = f"http://127.0.0.1:{service.address[1]}/"
        before = [spent(pid) for pid in pids]
        load: list[str | Path] = [
            wrk,
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{SECONDS}s",
            "--timeout=20s",
            "--latency",
            "-s",
            script,
        ]
        done = await asyncio.to_thread(_run, [*load, url, "--", file])
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["errors"] == 0, done.stdout
        cost = [(spent(pid) - was) / told["requests"] / 1e3 for pid, was in zip(pids, before, strict=True)]
        return told["requests"] / told["seconds"], cost


def test_two_feeds_beside_one(tmp_path: Path) -> None:
    """Both processes take part, none less than a quarter, and a request costs hardly more than with one."""
    wrk = shutil.which("wrk")
    if wrk is None:
        message = "wrk not here; to get it: sudo apt-get install wrk"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    store = MadeStore(tmp_path)
    small_night(store)
    store.close()
    (tmp_path / "site").mkdir()
    store.root.rename(tmp_path / "site" / "store")
    store.access.rename(tmp_path / "site" / "access.toml")
    folder = FeedFolder(tmp_path / "site")
    runs = [(asyncio.run(measured(folder, 1, wrk)), asyncio.run(measured(folder, 2, wrk))) for _ in range(3)]
    (rate, (cost,)), (both, costs) = sorted(runs, key=lambda run: sum(run[1][1]) / run[0][1][0])[1]
    print(
        f"\ntwo feeds beside one, 3 KB, {CONNECTIONS} connections, {os.cpu_count()} cores with the load: {both:,.0f}/s beside {rate:,.0f}/s, "
        f"ratio {both / rate:.2f}; CPU {sum(costs):.1f} beside {cost:.1f} us/request; shares "
        f"{', '.join(f'{one / sum(costs):.0%}' for one in costs)}; load {os.getloadavg()[0]:.1f}"
    )
    assert min(costs) >= sum(costs) / 4
    assert sum(costs) <= cost * MOST_COST
