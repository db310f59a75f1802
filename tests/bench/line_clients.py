"""Many clients of one feed in one process, told on standard input what to do; each has an address of its own.

``line_clients.py sdk|light URL``. Lines come in: ``clients N`` (so many follow; answered with ``ready N``), ``arrivals``
(answered with what came since the last answer: by release, the moments when clients held it verified). Clients of the kind
``sdk`` are feeds of the package ``skrutinium``. Those of the kind ``light`` make exactly the requests of such a feed and keep the
same connections, but an answer that many of them get is verified once: so a small machine has enough of them.
"""

import asyncio
import hashlib
import io
import json
import os
import re
import sys
import time
from collections import defaultdict
from urllib.parse import urlsplit

import aiohttp

import skrutinium
from skrutinium.documents.series import Run
from skrutinium.documents.series_reading import read_manifest, read_state
from skrutinium.sources.address import Address
from skrutinium.sources.choosing import choose_run
from skrutinium.sources.packs import members
from skrutinium.sources.transport import AGENT, Transport, expand
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing
from tests.bench.line_link import client_address

CHOSEN = "summary.xml"
SERIES = "skrutinium"
HEARTBEAT = 10
NOTICES = 30
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOLD = re.compile(rb"^data: *(\d+)", re.MULTILINE)

Arrivals = defaultdict[int, list[float]]


async def follow(url: str, number: int, arrivals: Arrivals, joined: asyncio.Event) -> None:
    """One feed of the SDK; it counts what comes after the release that it joins with."""
    connector = aiohttp.TCPConnector(local_addr=(client_address(number), 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        skrutinium.connect(url, session=session, only=[CHOSEN]) as feed,
    ):
        async for release in feed.releases():
            if not release.snapshot:
                assert (await release.summary()).kinds
            arrivals[release.number].append(time.monotonic())
            joined.set()


def unpacked(body: bytes) -> bytes:
    """An archive as it was sent: packed for the way, packed itself, or neither."""
    for _ in range(2):
        if body.startswith(b"\x1f\x8b"):
            body = expand(body, 1 << 26, CHOSEN)
    return body


class Checked:
    """What light clients share: what each distinct answer brought, verified as the SDK verifies it."""

    def __init__(self, keys: KeyRing, run: Run) -> None:
        self._keys = keys
        self.run = run
        self.hashes: dict[int, str] = {}
        self._held: dict[tuple[int, bytes], list[int]] = {}

    @classmethod
    async def of(cls, url: str) -> "Checked":
        """Of the only event of a feed."""
        address = Address(Transport(url))
        try:
            keys = KeyRing(address.key)
            state = read_state(await keys.signed(await address.state(), url), url)
            return cls(keys, choose_run(state, None, None, SERIES, url))
        finally:
            await address.close()

    async def join(self, url: str) -> int:
        """The newest release, from which one may follow."""
        address = Address(Transport(url))
        try:
            series = address.feed_series(self.run)
            data = (await series.newest_manifest()).body or b""
            number = read_manifest(data, url).release
            await Chain(self._keys, self.run, SERIES).take(data, await series.signature(number), url)
            self.hashes[number] = hashlib.sha256(data).hexdigest()
            return number
        finally:
            await address.close()

    async def take(self, since: int, body: bytes) -> list[int]:
        """The releases in an answer to what changed after ``since``."""
        key = (since, hashlib.sha256(body).digest())
        if (held := self._held.get(key)) is not None:
            return held
        parts = dict(members(io.BytesIO(unpacked(body)), CHOSEN))
        chain = Chain(self._keys, self.run, SERIES, since, self.hashes[since])
        names = sorted(name for name in parts if name.startswith("manifest/") and name.endswith(".xml"))
        rows: dict[str, str] = {}
        numbers = []
        for name in names:
            manifest = await chain.take(parts[name], parts[name + ".sig"], name)
            self.hashes[manifest.release] = hashlib.sha256(parts[name]).hexdigest()
            rows.update((row.path, row.sha256) for row in manifest.documents)
            numbers.append(manifest.release)
        assert hashlib.sha256(parts[CHOSEN]).hexdigest() == rows[CHOSEN]
        self._held[key] = numbers
        return numbers


class Light:
    """One light client: a connection that is told of news, another one that asks."""

    def __init__(self, url: str, number: int, since: int, checked: Checked, arrivals: Arrivals) -> None:
        where = urlsplit(url)
        assert where.hostname is not None
        self._host, self._port = where.hostname, where.port
        self._place = f"/event/{checked.run.event}"
        self._local = (client_address(number), 0)
        self._checked = checked
        self._arrivals = arrivals
        self._held = since
        self._told = self._held
        self._news = asyncio.Event()
        self._asking: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def run(self, joined: asyncio.Event) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(joined))
            group.create_task(self._ask_for_news())
            group.create_task(self._look_after(HEARTBEAT, f"{self._place}/heartbeat.xml"))
            group.create_task(self._look_after(NOTICES, "/notices.xml"))

    async def _listen(self, joined: asyncio.Event) -> None:
        reader, writer = await self._connected()
        line = "Accept: text/event-stream", f"Last-Event-ID: {self._held}"
        writer.write(self._request(f"{self._place}/push", *line))
        try:
            while data := await reader.readline():
                if told := _TOLD.match(data):
                    self._told = max(self._told, int(told[1]))
                    self._news.set()
                joined.set()
        finally:
            writer.close()
        raise ConnectionError("the feed ended the push connection")

    async def _ask_for_news(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._told > self._held:
                body = await self._get(f"{self._place}/changes?since={self._held}&only={CHOSEN}")
                numbers = await self._checked.take(self._held, body)
                now = time.monotonic()
                for number in numbers:
                    self._arrivals[number].append(now)
                self._held = max([self._held, *numbers])

    async def _look_after(self, seconds: float, path: str) -> None:
        while True:
            await self._get(path)
            await asyncio.sleep(seconds)  # the SDK's own cadence

    async def _get(self, path: str) -> bytes:
        async with self._turn:
            self._asking = self._asking or await self._connected()
            reader, writer = self._asking
            writer.write(self._request(path, "Accept: */*"))
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            assert length is not None, head
            body = await reader.readexactly(int(length[1]))
        assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 ")), head
        return body

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port, local_addr=self._local)

    def _request(self, path: str, *lines: str) -> bytes:
        told = "Accept-Encoding: gzip", f"User-Agent: {AGENT}", *lines
        head = f"GET {path} HTTP/1.1", f"Host: {self._host}:{self._port}", *told, "", ""
        return "\r\n".join(head).encode()


async def _all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


class Clients:
    """Those that follow now."""

    def __init__(self, kind: str, url: str) -> None:
        self._kind = kind
        self._url = url
        self._tasks: list[asyncio.Task[None]] = []
        self._checked: Checked | None = None
        self.arrivals: Arrivals = defaultdict(list)

    async def become(self, count: int) -> None:
        """So many; returns when all of them have joined."""
        leaving, self._tasks = self._tasks[count:], self._tasks[:count]
        for task in leaving:
            task.cancel()
        for ended in await asyncio.gather(*leaving, return_exceptions=True):
            assert isinstance(ended, asyncio.CancelledError), ended
        if self._kind == "light" and self._checked is None:
            self._checked = await Checked.of(self._url)
        since = await self._checked.join(self._url) if self._checked else 0
        joined: list[asyncio.Event] = []
        for number in range(len(self._tasks), count):
            joined.append(asyncio.Event())
            self._tasks.append(asyncio.create_task(self._client(number, since, joined[-1])))
        if joined:
            waits = asyncio.ensure_future(_all(joined))
            await asyncio.wait([waits, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            self.check()
            await waits

    def check(self) -> None:
        """Raise what ended a client."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _client(self, number: int, since: int, joined: asyncio.Event) -> None:
        if self._checked is None:
            await follow(self._url, number, self.arrivals, joined)
        else:
            await Light(self._url, number, since, self._checked, self.arrivals).run(joined)


async def obey(kind: str, url: str) -> None:
    """Do what standard input says until it ends."""
    clients = Clients(kind, url)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := (await reader.readline()).decode().split():
        if line[0] == "clients":
            await clients.become(int(line[1]))
            print(f"ready {line[1]}", flush=True)
        else:
            clients.check()
            told = {"cpu": sum(os.times()[:2]), "arrivals": clients.arrivals}
            print(json.dumps(told), flush=True)
            clients.arrivals.clear()
    await clients.become(0)


if __name__ == "__main__":
    asyncio.run(obey(sys.argv[1], sys.argv[2]))
