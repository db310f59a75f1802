"""How long it takes from the durable acceptance of a protocol to verified bytes in the hands of 50 connected clients.

The whole country (15,000 precincts, 6,250 councils, 200,000 candidates), half of it counted; counting, publishing, feed and
clients are processes of their own on this machine and follow by push. The yardstick is a plain GET of the same releases'
packs by as many clients in the same run. Run as a program, this file is the clients: ``test_acceptance.py URL COUNT``.
"""

import asyncio
import datetime
import itertools
import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

import skrutinium
from skrutinium_server.intake.model import Origin
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.clock import RunClock, wall_time
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.serve import Service
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.made_up import FULL, made_up_definition, made_up_night
from skrutinium_server.rehearsal.replay import Due
from tests.soak.working import made_site

START = datetime.datetime(2030, 4, 1, 14, tzinfo=datetime.UTC)
HOURS = datetime.timedelta(hours=8)
HALF = 9_000
PROCESSES = 2
CLIENTS = 50
ROUNDS = 30
MOST = 1.0


async def follow(url: str, count: int) -> None:
    """Follow with so many clients; say when each had which release, and get packs when told to."""
    arrived: dict[int, list[float]] = {}

    async def client() -> None:
        async with skrutinium.connect(url) as feed:
            async for release in feed.releases():
                now = time.monotonic()
                times = arrived.setdefault(release.number, [])
                times.append(now)
                if len(times) == count:
                    say(position=release.manifest.position, number=release.number, at=times)

    async def pack(session: aiohttp.ClientSession, path: str) -> float:
        started = time.monotonic()
        async with session.get(url + path) as response:
            assert response.status == 200
            await response.read()
        return time.monotonic() - started

    following = [asyncio.create_task(client()) for _ in range(count)]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    sessions = [aiohttp.ClientSession() for _ in range(count)]
    while line := await reader.readline():
        path = line.decode().strip()
        say(took=list(await asyncio.gather(*(pack(session, path) for session in sessions))))
    for session in sessions:
        await session.close()
    for task in following:
        task.cancel()
    for ended in await asyncio.gather(*following, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), ended


def say(**message: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Clients:
    """One process with some of the clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.arrived: dict[int, list[float]] = {}
        self.numbers: dict[int, int] = {}

    @classmethod
    async def start(cls, url: str, count: int) -> "Clients":
        """Start them; they have the newest release when this returns."""
        started = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                __file__,
                url,
                str(count),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**20,
            )
        )
        await started._heard()
        return started

    async def until(self, position: int) -> None:
        """Wait until all of them have a release that holds the entry at that position."""
        while max(self.arrived, default=0) < position:
            await self._heard()

    async def packs(self, path: str) -> list[float]:
        """How long each of them takes to get this."""
        assert self._process.stdin is not None
        self._process.stdin.write(path.encode() + b"\n")
        while (told := await self._heard()) is None:
            pass
        return told

    async def stop(self) -> None:
        """Let them end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert await self._process.wait() == 0

    async def _heard(self) -> list[float] | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the clients ended"
        message = json.loads(line)
        if "took" in message:
            took: list[float] = message["took"]
            return took
        self.arrived[message["position"]] = message["at"]
        self.numbers[message["number"]] = message["position"]
        return None


async def counted(folder: Path, night: list[Due]) -> Site:
    """A site whose run has half of the night in its ledger."""
    site = Site(folder)
    prepare_run(site, "night", "test")
    write_state(site, opened="night", closed=None, now=wall_time())
    ledger = SqliteLedger.create(site.ledger("night"), site.run("night").opened(START))
    basis, settings = site.basis("night"), site.settings()
    clock = RunClock(lambda: START)
    counting = await asyncio.to_thread(Counting, basis, settings, ledger, clock, time.monotonic)
    for start in range(0, HALF, 500):
        brought = [due.taken_over for due in night[start : min(start + 500, HALF)]]
        await counting.take(brought, Origin(who="bench", path="import"))
    await counting.close()
    return site


async def measured(site: Site, night: list[Due]) -> tuple[list[float], list[float], list[int]]:
    """Seconds from receipt to each client, seconds of each plain GET, and how many clients each release reached."""
    maker = random.Random(5)
    brought = iter(night[HALF:])
    receipts: list[tuple[float, int]] = []
    async with (
        Service(site, lambda _part, _message: None, port=0) as service,
        commands(site) as house,
    ):
        await house.ask(do="cut", run="night")
        assert service.address is not None
        host, port = service.address
        url = f"http://{host}:{port}"
        with SqliteReader(site.ledger("night")) as ledger:
            base = [entry.position for entry in ledger.entries()][-1]
        parts = [await Clients.start(url, CLIENTS // PROCESSES) for _ in range(PROCESSES)]
        count = 0
        for _ in range(ROUNDS):
            # Releases are at least a second apart by design, so each round begins in a quiet moment.
            await asyncio.sleep(maker.uniform(1.1, 1.6))
            records = [
                msgspec.to_builtins(due.taken_over, builtin_types=(bytes,))
                for due in itertools.islice(brought, maker.randint(1, 3))
            ]
            answer = await house.ask(do="take", run="night", records=records, who="bench", path="import")
            count += answer["accepted"]
            receipts.append((time.monotonic(), count))
        with SqliteReader(site.ledger("night")) as ledger:
            accepted = [entry.position for entry in ledger.entries(base) if isinstance(entry.body, Accepted)]
        await asyncio.gather(*(part.until(accepted[-1]) for part in parts))
        numbers = sorted(parts[0].numbers)[1:]
        event = site.run("night").event
        plain = []
        for number in numbers[:10]:
            told = await asyncio.gather(*(part.packs(f"/event/{event}/pack/{number}") for part in parts))
            plain += [seconds for part in told for seconds in part]
        for part in parts:
            await part.stop()
    seconds = []
    for at, place in receipts:
        position = accepted[place - 1]
        for part in parts:
            release = min(found for found in part.arrived if found > position)
            seconds += [arrival - at for arrival in part.arrived[release]]
    return seconds, plain, numbers


def test_acceptance_to_clients(tmp_path: Path) -> None:
    """99 of 100 clients have the verified release within a second of the durable receipt of what it holds."""
    definition = made_up_definition(7, FULL)
    night = made_up_night(definition, 7, START, HOURS)
    made_site(tmp_path / "site", definition)
    site = asyncio.run(counted(tmp_path / "site", night))
    seconds, plain, numbers = asyncio.run(measured(site, night))
    seconds.sort()
    plain.sort()
    assert len(seconds) == ROUNDS * CLIENTS
    assert seconds[0] > 0
    median, p99 = statistics.median(seconds), seconds[len(seconds) * 99 // 100]
    yardstick = plain[len(plain) * 99 // 100]
    print(
        f"\nacceptance to {CLIENTS} clients, {len(numbers)} releases: median {median * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms,"
        f" most {seconds[-1] * 1e3:.0f} ms; plain GET of the packs by {CLIENTS}: median {statistics.median(plain) * 1e3:.0f} ms,"
        f" p99 {yardstick * 1e3:.0f} ms; ratio {p99 / yardstick:.1f}"
    )
    assert p99 <= MOST


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], int(sys.argv[2])))
