"""What nothing signs is a reason to look, and no more: a false number in a push message does no lasting harm."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import skrutinium
from skrutinium.errors import RollbackError
from skrutinium.following.followed import Followed
from skrutinium.sources.folder import Folder
from skrutinium.sources.source import Source
from skrutinium.trust.signing import KeyRing
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.several import IMPATIENT, QUICK, Site, until
from tests.sdk.store_builder import make_night


class FalseFeed(StoreFeed):
    """A feed that pushes a number nobody has, once, in the words given."""

    def __init__(self, root: Path, words: str) -> None:
        super().__init__(root)
        self.words = words
        self.lied = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.lied:
            return await super().stream(request)
        self.lied += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(self.words.encode())
        return response


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "store", make_night())
    await site.grow(2)
    await asyncio.to_thread(site.written.heartbeat, "2026-10-10T13:00:02Z")
    yield site
    await site.down()


@pytest.mark.parametrize(
    "words",
    [
        "event: release\nid: 999999999\ndata: 999999999 abc\n\n",
        "event: heartbeat\ndata: 77 2026-10-10T13:00:00Z\n\n",
        f"event: release\nid: 4\ndata: 4 {'0' * 64}\n\n",
    ],
)
async def test_false_number_is_forgotten(site: Site, words: str) -> None:
    """After it the source is not set aside, what it really has is its newest again, and the next release comes."""
    site.feed = feed = FalseFeed(site.root, words)
    await site.up()
    async with (
        asyncio.timeout(60),
        skrutinium.connect(feed.url, timing=QUICK, requests=IMPATIENT) as reader,
    ):
        releases = reader.releases()
        assert (await anext(releases)).number == 2
        await until(lambda: feed.lied == 1 and reader.health.sources[0].newest == 2)
        await until(lambda: reader.health.channel == "push" and reader.health.trouble is None)
        assert not reader.health.sources[0].set_aside
        for number in (3, 4):
            await site.grow(number)
            assert (await anext(releases)).number == number
            assert not reader.health.sources[0].set_aside


async def test_signed_number_is_not_forgotten(site: Site) -> None:
    """Behind what it once gave signed a source may not go back, whatever it pushes."""
    await site.grow(4)
    await asyncio.to_thread(site.written.heartbeat, "2026-10-10T13:00:04Z")
    await site.up()
    async with (
        asyncio.timeout(60),
        skrutinium.connect(site.feed.url, timing=QUICK, requests=IMPATIENT) as reader,
    ):
        releases = reader.releases()
        assert (await anext(releases)).number == 4
        await asyncio.to_thread((site.feed.series / "heartbeat.xml").unlink)
        await asyncio.to_thread((site.feed.series / "newest").write_text, "3 " + "0" * 64 + "\n")
        site.feed.push = False
        site.feed.end_streams()
        with pytest.raises(RollbackError):
            await anext(releases)


# ------------------------------------------------------------------ opening once
async def test_opened_once_however_many_ask(tmp_path: Path) -> None:
    """Callers at once get the same source: none is left open that nobody closes; after closing it is not opened again."""
    opened: list[Source] = []
    go_on = asyncio.Event()

    async def opening() -> Source:
        await go_on.wait()
        opened.append(Folder(tmp_path))
        return opened[-1]

    followed = Followed("here", opening, KeyRing(Folder(tmp_path).key), QUICK, lambda: None)
    asking = [asyncio.create_task(followed.opened()) for _ in range(3)]
    first = asyncio.create_task(followed.opened())
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    go_on.set()
    async with asyncio.timeout(60):
        got = await asyncio.gather(first, *asking)
    assert (len(opened), {id(one) for one in got}) == (1, {id(opened[0])})
    await followed.close()
    with pytest.raises(skrutinium.SkrutiniumError, match="closed"):
        await followed.opened()
