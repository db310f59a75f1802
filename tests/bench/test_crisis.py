"""Crisis mail to 500 recipients of the default set over a line of 10 Mbit/s, while a feed on the same machine serves.

The real process sends through a relay at the far end of the line (network namespaces). A message carries as many earlier releases as fit, so it is
as large as the default set gets. Issue "Crisis e-mail": at most 60 s from the start to the last message taken, and nothing else blocked.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from skrutinium_server.crisis.holding import Place
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.triggering import Decision, Start
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.serve import Service
from skrutinium_server.process.site import FeedFolder
from tests.bench.line_link import RATE, Line, client_address, lacking, narrow_line
from tests.crisis.night import KEY, MadeNight, listed, place, recipients
from tests.e2e.at_work import started

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPIENTS = 500
MOST = 60.0
PORT = 2525
RELEASES = 18
MOST_DELAY = 0.1
"""Seconds: 99 of 100 requests to the feed are answered in less while mail goes out, on two busy processors."""


@contextlib.asynccontextmanager
async def relay(line: Line) -> AsyncIterator[asyncio.StreamReader]:
    """The relay at the far end; what it says."""
    process = await asyncio.create_subprocess_exec(
        *line.inside(sys.executable, "-m", "tests.bench.crisis_relay", client_address(0), str(PORT)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process.stdout
    finally:
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[list[float]]:
    """Ask a feed on this machine for its newest summary over and over; how long each answer took, in seconds."""
    took: list[float] = []
    settings = FeedSettings(requests_per_second=0, connections=0)
    service = Service(FeedFolder(folder), lambda _part, _message: None, "127.0.0.1", 0, ("feed",), settings)
    async with service, aiohttp.ClientSession() as session:
        assert service.address is not None
        url = f"http://{service.address[0]}:{service.address[1]}/event/{KEY.event}/newest/summary.xml"

        async def ask() -> None:
            while True:
                began = time.perf_counter()
                async with session.get(url) as answer:
                    await answer.read()
                    assert answer.status == 200
                took.append(time.perf_counter() - began)
                await asyncio.sleep(0.005)

        task = asyncio.create_task(ask())
        try:
            yield took
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def begin(where: Place) -> None:
    """As ``crisis start`` does."""
    decision: Decision = Start("bench", "measured")
    with Outbox(where.folder) as outbox:
        outbox.decide(msgspec.json.encode(decision), wall_time())


def quantile(values: list[float], hundredths: int) -> float:
    """In milliseconds."""
    return sorted(values)[len(values) * hundredths // 100] * 1000


@pytest.mark.skipif(lacking() is not None, reason=str(lacking()))
async def test_crisis_mail_to_500_recipients(tmp_path: Path) -> None:
    """500 messages of the default set are with the relay within 60 s over 10 Mbit/s, and the feed answers as fast as before."""
    night = MadeNight(tmp_path)
    night.release(times=RELEASES)
    night.close()
    told = listed(PORT, recipients(RECIPIENTS), host=client_address(0))
    where = place(tmp_path, night.store, told)
    with (
        narrow_line(1) as line,
        started("crisis", "run", tmp_path, until="The crisis mail is"),
    ):
        async with relay(line) as says, asked(tmp_path) as took:
            await asyncio.sleep(3)
            quiet, took[:] = list(took), []
            before = line.sent()[0]
            began = time.monotonic()
            begin(where)
            sizes: list[int] = []
            seconds = 0.0
            while len(sizes) < RECIPIENTS + len(told.sender.operators):
                message = json.loads(await asyncio.wait_for(says.readline(), 120))
                sizes.append(message["bytes"])
                seconds = message["at"] - began
            carried = line.sent()[0] - before
            busy = list(took)
    largest = sorted(sizes)[len(sizes) // 2]
    print(
        f"\n{RECIPIENTS} messages of {largest:,} bytes in {seconds:.1f} s: {carried * 8 / seconds / RATE:.0%} of the line; "
        f"the feed answers in p50 {quantile(busy, 50):.1f} ms, p99 {quantile(busy, 99):.1f} ms "
        f"(before: {quantile(quiet, 50):.1f} ms, {quantile(quiet, 99):.1f} ms; {len(busy)} requests)"
    )
    assert largest > 70_000
    assert seconds <= MOST
    assert quantile(busy, 99) / 1000 <= MOST_DELAY
