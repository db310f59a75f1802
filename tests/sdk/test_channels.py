"""How news come: push, long poll or polling, whichever works, and back again; no more requests than are wanted."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import skrutinium
from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.transport import Transport, retry_after, spread
from tests.feed.made import EVENT as EVENT_AT_FEED
from tests.feed.made import MadeStore, feed_on, small_night
from tests.sdk.several import IMPATIENT, QUICK, Site, until
from tests.sdk.store_builder import EVENT, make_night

NEWEST = f"/event/{EVENT}/newest/manifest.xml"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "store", make_night())
    await site.grow(2)
    await site.up()
    yield site
    await site.down()


def connect(site: Site, url: str | None = None, **settings: object) -> skrutinium.Feed:
    wanted = {"timing": QUICK, "requests": IMPATIENT} | settings
    return skrutinium.connect(url or site.feed.url, **wanted)  # type: ignore[arg-type]


async def next_number(releases: AsyncIterator[skrutinium.Release]) -> int:
    async with asyncio.timeout(60):
        return (await anext(releases)).number


class Proxy:
    """A proxy that passes on what it gets; while it holds back, of an event stream only the beginning gets through."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.holds = True
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.site.feed.port)
            writers.append(there)
            await self._pass_on(reader, writer, there_reader, there)
        for one in writers:  # all before any is waited for: waiting may be cancelled
            one.close()
        for one in writers:
            with contextlib.suppress(ConnectionError):
                await one.wait_closed()
        self._tasks.discard(task)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        there.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        passed = 0
        while piece := await there_reader.read(65536):
            if not (self.holds and b"/push " in head.split(b"\r\n")[0] and passed):
                writer.write(piece)
                await writer.drain()
            passed += len(piece)


async def test_long_poll_where_there_is_no_push(site: Site) -> None:
    """Without push the feed is asked to hold its answer back: a release comes by one request, and quiet costs none."""
    site.feed.push, site.feed.waits = False, True
    async with connect(site) as feed:
        releases = feed.releases()
        assert await next_number(releases) == 2
        await until(lambda: feed.health.channel == "long-poll" or site.feed.asked[NEWEST] > 1)
        await site.grow(3)
        assert await next_number(releases) == 3
        assert feed.health.channel == "long-poll"
        asked = site.feed.asked[NEWEST]
        await site.grow(4)
        assert await next_number(releases) == 4
        assert site.feed.asked[NEWEST] <= asked + 2


async def test_polling_where_nothing_waits(site: Site) -> None:
    """A feed that neither pushes nor waits is looked at, conditionally."""
    site.feed.push = False
    async with connect(site) as feed:
        releases = feed.releases()
        assert await next_number(releases) == 2
        await until(lambda: feed.health.channel == "poll")
        await site.grow(3)
        assert await next_number(releases) == 3


async def test_push_comes_back(site: Site) -> None:
    """When push works again it is used again."""
    site.feed.push, site.feed.waits = False, True
    async with connect(site) as feed:
        releases = feed.releases()
        assert await next_number(releases) == 2
        await site.grow(3)
        assert await next_number(releases) == 3
        site.feed.push = True
        await until(lambda: feed.health.channel == "push")
        asked = site.feed.asked[NEWEST]
        await site.grow(4)
        assert await next_number(releases) == 4
        assert site.feed.asked[NEWEST] == asked


async def test_stream_that_is_held_back_is_left(site: Site) -> None:
    """A proxy that holds a stream back: after a while without a byte another channel is taken, and push when it flows again."""
    site.feed.waits = True
    async with (
        Proxy(site) as proxy,
        connect(site, proxy.url, timing=replace(QUICK, push_silence=0.3)) as feed,
    ):
        releases = feed.releases()
        assert await next_number(releases) == 2
        await until(lambda: feed.health.channel == "long-poll")
        await site.grow(3)
        assert await next_number(releases) == 3
        proxy.holds = False
        before = site.feed.opened.qsize()
        await until(lambda: site.feed.opened.qsize() > before and feed.health.channel == "push")


async def test_stream_that_is_late_is_left(site: Site) -> None:
    """A stream that says nothing of a release that the heartbeat tells is left, long before it is found to be silent."""
    soon = datetime.datetime(2026, 10, 10, 15, tzinfo=datetime.UTC)
    async with Proxy(site) as proxy, connect(site, proxy.url) as feed:
        releases = feed.releases()
        assert await next_number(releases) == 2
        await until(lambda: feed.health.channel == "push")
        await site.grow(3)
        site.written.heartbeat(f"{soon:%Y-%m-%dT%H:%M:%SZ}")
        assert await next_number(releases) == 3
        await until(lambda: feed.health.channel != "push")


async def test_comes_back_when_told_to(site: Site) -> None:
    """`Retry-After` is kept to: nothing is asked before that time is over, neither by polling nor by push."""
    site.feed.push = False
    loop = asyncio.get_running_loop()
    async with connect(site) as feed:
        releases = feed.releases()
        assert await next_number(releases) == 2
        await until(lambda: feed.health.channel == "poll")
        refusal = web.Response(status=429, headers={"Retry-After": "1"})
        site.feed.faults[NEWEST] = [refusal]
        await until(lambda: not site.feed.faults[NEWEST])
        began, asked = loop.time(), site.feed.asked[NEWEST]
        await until(lambda: site.feed.asked[NEWEST] > asked)
        assert loop.time() - began > 0.9
        await site.grow(3)
        assert await next_number(releases) == 3


# ------------------------------------------------------------------ sessions, spreading
async def test_session_that_is_passed_in(site: Site) -> None:
    """A session that is passed in is used, with what it brings, and stays open; one that is closed is told as such."""
    async with aiohttp.ClientSession(headers={"X-Newsroom": "7"}) as session:
        async with connect(site, session=session) as feed:
            assert await next_number(feed.releases()) == 2
        assert not session.closed
    with pytest.raises(skrutinium.NetworkError, match="closed"):
        async with connect(site, session=session):
            pass


async def test_own_session_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of its own is closed at the end, also when opening fails."""
    made: list[aiohttp.ClientSession] = []
    begin = aiohttp.ClientSession.__init__

    def noted(session: aiohttp.ClientSession, *args: object, **kwargs: object) -> None:
        made.append(session)
        begin(session, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", noted)
    async with connect(site) as feed:
        assert await next_number(feed.releases()) == 2
    with pytest.raises(skrutinium.MixedPhases):
        async with connect(site, phase="live"):
            pass
    assert len(made) == 2
    assert all(one.closed for one in made)


async def test_closed_stays_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was closed nothing is asked for any more: no session is opened that nobody would close."""
    transport = Transport(site.feed.url)
    assert (await transport.get("/state.xml")).body
    await transport.close()
    monkeypatch.setattr(aiohttp, "ClientSession", lambda **_: pytest.fail("a session was opened"))
    for ask in (transport.get("/state.xml"), transport.once("/state.xml")):
        with pytest.raises(skrutinium.SkrutiniumError, match="closed"):
            await ask
    await transport.close()


@given(st.floats(0.01, 1000), st.floats(0, 1, exclude_max=True))
def test_spread(seconds: float, picked: float) -> None:
    """Pauses are spread by a quarter to either side."""
    assert seconds * 0.749 <= spread(seconds, lambda: picked) <= seconds * 1.251


@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True), st.floats(0, 500) | st.none())
def test_pauses(attempt: int, picked: float, asked: float | None) -> None:
    """Pauses are never longer than set, unless the server asks for it, and never shorter than the server asks for."""
    transport = Transport("http://127.0.0.1:9", pick=lambda: picked)
    error = skrutinium.LimitReached("later", wait=asked)
    pause = transport.pause(attempt, error)
    if asked is None:
        assert 0 <= pause <= transport.patience.longest_pause
    else:
        assert asked <= pause <= 2 * asked + transport.patience.first_pause


NOW = datetime.datetime(2026, 10, 10, 15, tzinfo=datetime.UTC)


@given(st.text(max_size=40) | st.integers(0, 10**30).map(str) | st.just("9" * 6000))
def test_any_retry_after(value: str) -> None:
    """Whatever a server says, it is a time of at most a day, or nothing usable."""
    told = retry_after(value, NOW)
    assert told is None or 0 <= told <= 86_400


@pytest.fixture
def quiet_store(tmp_path: Path) -> Iterator[MadeStore]:
    """A store with a small night, and the schema at hand: the first one who asks for it reads a file."""
    schema_text(SCHEMA)
    made = MadeStore(tmp_path)
    small_night(made)
    yield made
    made.close()


async def test_quiet_wait_without_an_etag_is_no_fault(quiet_store: MadeStore) -> None:
    """A feed answers 204 when a wait after a number brought nothing: nothing is new, and the feed has let us wait."""
    async with feed_on(quiet_store) as fed:
        transport = Transport(f"http://127.0.0.1:{fed.running.port}")
        series = AddressSeries(transport, f"/event/{EVENT_AT_FEED}")
        newest, _ = await series.newest()
        quiet = await series.look(after=newest, wait=1)
        news = await series.look(after=newest - 1, wait=1)
        await transport.close()
    assert (quiet.body, quiet.waited) == (None, True)
    assert news.body is not None
