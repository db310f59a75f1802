"""Nothing of a live run before the legal minute, everything in the second after: by real sockets, on every way to read."""

import asyncio
import contextlib
import datetime
import gzip
import os
import re
import time
from asyncio import to_thread

import msgspec
import pytest

from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, night, small_night
from tests.feed.made_registers import publish_registers, put_archive
from tests.feed.test_push import Stream, opened

MINUTE = datetime.datetime(2018, 10, 6, 12, 0, tzinfo=datetime.UTC)
AHEAD = 8.0
"""Seconds between the start of the feed and the minute."""

SECRET = re.compile(rb"event night|contest night|VYSLEDKY version|manifest/|release=")
PATHS = [
    "newest/event.xml",
    "newest/manifest.xml",
    "newest/manifest.xml.sig",
    "newest/manifest.xml?after=0",
    "release/1/contest/1.xml",
    "at/2018-10-06T14:02:00Z/event.xml",
    "changes?since=0",
    "changes?since=0&only=event.xml",
    "changes?since=2&area=CZ",
    "pack/1",
    "checkpoint/newest.xml",
    "heartbeat.xml",
    "line",
    "archive/newest.zip",
    "run/night/newest/event.xml",
    "series/volby/newest/vysledky.xml",
]


class Clock:
    """The legal minute strikes ``ahead`` seconds after this was made; time passes as it does."""

    def __init__(self, ahead: float = AHEAD) -> None:
        self.strikes = time.monotonic() + ahead

    def __call__(self) -> datetime.datetime:
        """What time it is."""
        return MINUTE + datetime.timedelta(seconds=time.monotonic() - self.strikes)

    async def until(self, seconds: float) -> None:
        """Let time pass until so many seconds after the minute."""
        await asyncio.sleep(max(0.0, self.strikes + seconds - time.monotonic()))


@pytest.fixture
def early_store(store: MadeStore) -> MadeStore:
    """A live night with releases, an archive and registers before its minute; a closed trial of the same event may be read."""
    small_night(store, "trial", "test")
    small_night(store)
    store.runs["night"] = msgspec.structs.replace(store.runs["night"], not_before=MINUTE)
    store.write_state()
    publish_registers(store)
    put_archive(store, night(), 3, b"manifest/ in a zip", b"tables")
    return store


async def refused(fed: Fed, sha256: str) -> None:
    """No way to read tells anything of the night but that it is to come."""
    paths = [f"/event/{EVENT}/{path}" for path in PATHS]
    paths += [f"/object/{sha256}", "/pls/kv2018/vysledky", "/appdata/kv2018/20181005/odata/vysledky.xml"]
    for path in paths:
        status, body, headers = await fed.get(path)
        assert not SECRET.search(body), path
        assert status == 404 or path.startswith("/pls/"), path
        if not path.startswith("/object/"):
            assert 1 <= int(headers["Retry-After"]) <= AHEAD + 1, path
    for path in ("/status", "/status.xml", "/status.atom", "/access"):
        body = (await fed.get(path))[1]
        assert b"interim" not in body or b"night (live)" not in body, path
    assert (await fed.get(f"/event/{EVENT}/run/trial/newest/event.xml"))[0] == 200
    assert (await fed.get(f"/event/{EVENT}/registers/newest/registers.xml"))[0] == 200


@pytest.mark.parametrize("front", [True, False])
async def test_before_the_minute_nothing_and_after_it_everything(early_store: MadeStore, front: bool) -> None:
    """Refused until the clock strikes; push and long polls that wait across it are answered within a second, whoever asks is too."""
    sha256 = early_store.series[night()].rows["event.xml"].sha256
    clock = Clock()
    async with contextlib.AsyncExitStack() as stack:
        fed = await stack.enter_async_context(feed_on(early_store, now=clock, front=front))
        await refused(fed, sha256)
        response = await stack.enter_async_context(opened(fed))
        stream = Stream(response)
        pushed = asyncio.create_task(stream.event("release"))
        poll = asyncio.create_task(fed.get(f"/event/{EVENT}/newest/manifest.xml?after=0", Prefer="wait=30"))
        short = asyncio.create_task(fed.get(f"/event/{EVENT}/newest/manifest.xml?after=0", Prefer="wait=1"))
        status, body, _ = await asyncio.wait_for(short, 60)
        if time.monotonic() < clock.strikes:
            assert status == 404
            assert not SECRET.search(body)
        if time.monotonic() < clock.strikes - 0.2:
            assert not pushed.done()
            assert not poll.done()
        digest = early_store.series[night()].previous
        told = await asyncio.wait_for(pushed, 60)
        assert time.monotonic() >= clock.strikes
        assert told["data"] == f"3 {digest}"
        status, body, headers = await asyncio.wait_for(poll, 60)
        assert (status, headers["Skrutinium-Release"]) == (200, "3")
        assert time.monotonic() >= clock.strikes
        await clock.until(1.0)
        for path in PATHS:
            if path != "line":
                assert (await fed.get(f"/event/{EVENT}/{path}"))[0] == 200, path
        assert (await fed.get(f"/object/{sha256}"))[1] == document("event night", 3)
        body = (await fed.get(f"/event/{EVENT}/newest/event.xml", Accept_Encoding="gzip"))[1]
        assert gzip.decompress(body) == document("event night", 3)
        assert b"VYSLEDKY" in (await fed.get("/pls/kv2018/vysledky"))[1]
        assert b"night (live)" in (await fed.get("/status.atom"))[1]
        await to_thread(early_store.release, night(), {"event.xml": document("event night", 4)})
        assert (await stream.event("release"))["id"] == "4"


async def test_who_leaves_at_the_minute_keeps_nobody_else_waiting(early_store: MadeStore) -> None:
    """While what one stream had missed is still being read, another one is closed: all others are told all the same."""
    strikes = asyncio.Event()

    def clock() -> datetime.datetime:
        return MINUTE if strikes.is_set() else MINUTE - datetime.timedelta(hours=1)

    path = early_store.root / "event" / EVENT / "night/skrutinium/manifest/000000001.xml"
    manifest = await to_thread(path.read_bytes)
    async with contextlib.AsyncExitStack() as stack:
        fed = await stack.enter_async_context(feed_on(early_store, now=clock))
        connections = fed.running._handling.connections
        first = Stream(await stack.enter_async_context(opened(fed, Last_Event_ID="0")))
        leaving = await stack.enter_async_context(opened(fed))
        last = Stream(await stack.enter_async_context(opened(fed)))
        before = len(connections)
        # Reading the first manifest takes as long as this test likes.
        await to_thread(path.unlink)
        await to_thread(os.mkfifo, path)
        strikes.set()
        async with asyncio.timeout(60):
            writing = await to_thread(path.open, "wb")
            leaving.close()
            while len(connections) == before:  # noqa: ASYNC110 - the feed tells nobody
                await asyncio.sleep(0.01)
            await to_thread(writing.write, manifest)
            await to_thread(writing.close)
        assert [(await first.event("release"))["id"] for _ in range(3)] == ["1", "2", "3"]
        assert (await last.event("release"))["id"] == "3"
        await to_thread(early_store.release, night(), {"event.xml": document("event night", 4)})
        assert (await last.event("release"))["id"] == "4"
