"""Looking at a real feed: what counts as served, as failing, and as saying nothing."""

import asyncio
import datetime
from collections.abc import Callable
from pathlib import Path

import aiohttp.web
import pytest

from skrutinium_server.crisis.probing import probing
from skrutinium_server.crisis.recipients import Watch
from skrutinium_server.crisis.triggering import Looked
from skrutinium_server.process.clock import wall_time
from tests.crisis.night import RUN, MadeNight
from tests.feed.made import feed_on

NAME = f"madeup2030/{RUN}"


async def look(address: str, store: Path, clock: Callable[[], datetime.datetime] = wall_time) -> Looked:
    async with probing(Watch(address, stale=60), store) as probe:
        return await probe.look(clock)


async def test_a_feed_that_serves(night: MadeNight) -> None:
    """A feed with its own signatures and a young heartbeat serves, and tells which release readers have."""
    newest = await asyncio.to_thread(night.release, times=3)
    await asyncio.to_thread(night.beat, wall_time())
    async with feed_on(night.made) as fed:
        assert await look(fed.base, night.store) == Looked("serves", "", {NAME: newest})


async def test_an_old_heartbeat_fails(night: MadeNight) -> None:
    """A feed whose newest sign of life is old fails, although it answers."""
    await asyncio.to_thread(night.beat, wall_time() - datetime.timedelta(seconds=100))
    async with feed_on(night.made) as fed:
        looked = await look(fed.base, night.store)
    assert looked.verdict == "fails"
    assert "heartbeat of madeup2030/night is 10" in looked.why


async def test_without_an_open_run_no_heartbeat_is_asked_for(night: MadeNight) -> None:
    """When nothing is counted a feed serves without a sign of life."""
    await asyncio.to_thread(night.state, open=False)
    async with feed_on(night.made) as fed:
        assert await look(fed.base, night.store) == Looked("serves", "", {})


async def test_a_feed_that_is_gone_fails(night: MadeNight) -> None:
    """Nobody answers: that is a failure, told with the address."""
    async with feed_on(night.made) as fed:
        base = fed.base
    looked = await look(base, night.store)
    assert looked.verdict == "fails"
    assert base in looked.why


async def test_a_refusal_says_nothing(night: MadeNight) -> None:
    """A feed that does not let this machine in may serve others: that is unclear, and the way out is told."""
    await asyncio.to_thread(
        night.made.access.write_text, '[[subscriber]]\nid = "a"\nname = "A"\nlive = ["192.0.2.1"]\n'
    )
    async with feed_on(night.made) as fed:
        looked = await look(fed.base, night.store)
    assert looked.verdict == "unclear"
    assert "register its address" in looked.why


async def test_a_foreign_signature_fails(night: MadeNight, tmp_path: Path) -> None:
    """What is not signed by a key of the release store is not our feed."""
    other = tmp_path / "other"
    await asyncio.to_thread(other.mkdir)
    foreign = await asyncio.to_thread(MadeNight, other)
    async with feed_on(foreign.made) as fed:
        looked = await look(fed.base, night.store)
    await asyncio.to_thread(foreign.close)
    assert looked.verdict == "fails"


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>parked</html>"), (200, b"x" * 2_000_000), (302, b""), (500, b""), (404, b"")],
    ids=["page of somebody else", "without end", "moved", "broken", "empty"],
)
async def test_other_answers_fail(night: MadeNight, status: int, body: bytes) -> None:
    """Whatever answers in the feed's place is a failure, and no exception."""

    async def answer(_request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        return aiohttp.web.Response(status=status, body=body, headers={"Location": "/"})

    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(answer))
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0]
        assert (await look(f"http://{host}:{port}", night.store)).verdict == "fails"
    finally:
        await runner.cleanup()
