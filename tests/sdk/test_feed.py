"""Following a feed over real sockets: in order, checked, resumed, never backwards."""

import asyncio
import contextlib
import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import skrutinium
from skrutinium import Feed, Patience, Release, Reporting, Timing
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import EVENT, Written, fingerprint, make_night

QUICK = Timing(poll=0.05, heartbeat=0.05, stale_after=0.6, push_retry=0.1, rollback_grace=0.1)
IMPATIENT = Patience(connect=2, silence=2, attempts=2, first_pause=0.01, longest_pause=0.05)


class Scene:
    """A store that grows, and the feed of it."""

    def __init__(self, root: Path, feed: StoreFeed, written: Written) -> None:
        self.root = root
        self.feed = feed
        self.written = written
        self.state_file = root.parent / "state.json"

    async def grow(self, count: int = 1) -> None:
        for _ in range(count):
            made = self.written.night.releases[self.written.number]
            await asyncio.to_thread(self.written.add, made)
        await self.feed.tell()

    def connect(self, **settings: object) -> Feed:
        wanted = {"timing": QUICK, "requests": IMPATIENT, "state": self.state_file} | settings
        return skrutinium.connect(self.feed.url, **wanted)  # type: ignore[arg-type]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    root = tmp_path / "store"
    written = await asyncio.to_thread(make_night().write, root, 2)
    feed = await StoreFeed(root).start()
    yield Scene(root, feed, written)
    await feed.stop()


async def take(feed: Feed, count: int) -> list[Release]:
    taken: list[Release] = []
    async with asyncio.timeout(60):
        async for release in feed.releases():
            taken.append(release)
            if len(taken) == count:
                await feed.done(release)
                break
    return taken


async def test_fresh_start_and_what_follows(scene: Scene) -> None:
    """A fresh start gives the newest release first, then each one that follows, typed and checked."""
    async with scene.connect(fingerprint=fingerprint(scene.written.night.key)) as feed:
        assert not feed.unpinned
        numbers = []
        async with asyncio.timeout(60):
            async for release in feed.releases():
                numbers.append((release.number, release.snapshot))
                event = await release.event()
                assert (event.release, event.made_up, event.phase) == (release.number, True, "rehearsal")
                if release.number == 2:
                    contest = await release.contest("100")
                    assert [one.votes for one in contest.districts[0].lists] == [80, 61, 7]
                    untouched = await release.contest("202")
                    assert untouched.count.reporting is Reporting.NONE
                    assert untouched.districts[0].lists[0].votes is None
                    await scene.grow()
                if release.number == 3:
                    corrections = await release.corrections()
                    assert corrections is not None
                    assert [(one.list, one.old, one.new) for one in corrections.corrections[0].changes][
                        :1
                    ] == [(1, 80, 79)]
                    batch = await release.batch()
                    assert batch is not None
                    assert [one.precinct for one in batch.protocols] == ["201-1", "100-1"]
                    break
    assert numbers == [(2, True), (3, False)]
    assert scene.feed.asked[f"/event/{EVENT}/changes"] <= 2


async def test_several_at_once(scene: Scene) -> None:
    """Releases that piled up are yielded one by one, each with its own documents."""
    async with scene.connect() as feed:
        releases = aiter(feed.releases())
        first = await anext(releases)
        await scene.grow(3)
        async with asyncio.timeout(60):
            later = [await anext(releases) for _ in range(3)]
        assert [first.number, *(one.number for one in later)] == [2, 3, 4, 5]
        assert (await later[0].contest("100")).release == 3
        assert (await later[2].contest("100")).release == 5
        assert later[2].state == "complete"


async def test_resume(scene: Scene) -> None:
    """After a restart with the state file the next release comes: none twice, none skipped."""
    async with scene.connect() as feed:
        assert [one.number for one in await take(feed, 1)] == [2]
    await scene.grow(2)
    async with scene.connect() as feed:
        assert [one.number for one in await take(feed, 2)] == [3, 4]
    assert json.loads(scene.state_file.read_text())["number"] == 4


async def test_resume_after_more_than_a_feed_sends_at_once(scene: Scene) -> None:
    """Who was away for longer than ``changes`` reaches back gets every release all the same, in order."""
    async with scene.connect() as feed:
        await take(feed, 1)
    await scene.grow(2)
    scene.feed.faults[f"/event/{EVENT}/changes"] = [web.Response(status=410)] * 2
    async with scene.connect() as feed:
        releases = await take(feed, 2)
        assert [one.number for one in releases] == [3, 4]
        assert (await releases[-1].event()).release == 4
    assert scene.feed.asked[f"/event/{EVENT}/changes"] >= 1


async def test_joining_long_after_a_checkpoint(scene: Scene) -> None:
    """A document that changed before the newest release is found though ``changes`` does not reach back to the checkpoint."""
    await scene.grow()
    scene.feed.faults[f"/event/{EVENT}/changes"] = [web.Response(status=410)]
    async with scene.connect() as feed:
        (release,) = await take(feed, 1)
        assert (release.number, (await release.contest("202")).count.reporting) == (3, Reporting.NONE)
    assert not scene.feed.faults[f"/event/{EVENT}/changes"]


@pytest.mark.parametrize("path", ["changes", "newest/manifest.xml"])
async def test_what_is_not_there_for_a_moment(scene: Scene, path: str) -> None:
    """A server that lags, or a proxy's page in place of a manifest, is waited out."""
    scene.feed.push = False
    async with scene.connect() as feed:
        await take(feed, 1)
    await scene.grow()
    page = web.Response(body=b"<html>sign in</html>") if "newest" in path else web.Response(status=404)
    scene.feed.faults[f"/event/{EVENT}/{path}"] = [page]
    async with scene.connect() as feed:
        assert [one.number for one in await take(feed, 1)] == [3]
    assert not scene.feed.faults[f"/event/{EVENT}/{path}"]


async def test_body_that_fails_is_not_done(scene: Scene) -> None:
    """A release whose loop body did not return is given again."""
    with contextlib.suppress(RuntimeError):
        async with scene.connect() as feed:
            async for _ in feed.releases():
                raise RuntimeError
    assert not scene.state_file.exists()
    async with scene.connect() as feed:
        assert [one.number for one in await take(feed, 1)] == [2]


async def test_push_resumes_by_id(scene: Scene) -> None:
    """A push connection that was cut is made again with the last number seen."""
    async with scene.connect() as feed:
        releases = aiter(feed.releases())
        await anext(releases)
        async with asyncio.timeout(60):
            assert await scene.feed.opened.get() is None
            scene.feed.end_streams()
            assert await scene.feed.opened.get() == "2"
            await scene.grow()
            assert (await anext(releases)).number == 3


async def test_pull_fallback(scene: Scene) -> None:
    """Without push the feed is polled, conditionally."""
    scene.feed.push = False
    async with scene.connect() as feed:
        releases = aiter(feed.releases())
        await anext(releases)
        assert feed.health.channel != "push"
        await scene.grow()
        async with asyncio.timeout(60):
            assert (await anext(releases)).number == 3


async def test_rollback(scene: Scene) -> None:
    """A feed that offers an older release than was seen is refused."""
    await scene.grow(2)
    async with scene.connect() as feed:
        assert [one.number for one in await take(feed, 1)] == [4]
    scene.written.in_series("newest", f"2 {'0' * 64}\n".encode())
    async with scene.connect() as feed:
        with pytest.raises(skrutinium.RollbackError, match="4 was seen"):
            await take(feed, 1)


async def test_another_history(scene: Scene) -> None:
    """A feed whose history is not the one that was seen is refused, though it is rightly signed."""
    async with scene.connect() as feed:
        await take(feed, 1)
    night = make_night()
    night.key = scene.written.night.key
    night.releases[0].position = 1_000_000
    await asyncio.to_thread(night.write, scene.root, 4)
    async with scene.connect() as feed:
        with pytest.raises(skrutinium.ChainError, match="does not follow"):
            await take(feed, 1)


async def test_wrong_key(scene: Scene) -> None:
    """A feed signed by another key than the one on paper is refused at once."""
    with pytest.raises(skrutinium.SignatureError, match="not trusted"):
        async with scene.connect(fingerprint=fingerprint(make_night().key)):
            pass


async def test_key_is_kept(scene: Scene) -> None:
    """The first key met is kept in the state file: the same feed with another key is refused later."""
    async with scene.connect() as feed:
        assert feed.unpinned
        await take(feed, 1)
    await asyncio.to_thread(make_night().write, scene.root, 3)
    with pytest.raises(skrutinium.SignatureError, match="not trusted"):
        async with scene.connect():
            pass


async def test_only_live(scene: Scene) -> None:
    """Whoever asks for live only never gets a rehearsal."""
    with pytest.raises(skrutinium.MixedPhases, match="only live was asked for"):
        async with scene.connect(phase="live"):
            pass


async def test_phase_of_the_state_file(scene: Scene) -> None:
    """A state file of a rehearsal is not carried on with a live run."""
    async with scene.connect() as feed:
        await take(feed, 1)
    scene.written.state(2, phase="live")
    with pytest.raises(skrutinium.MixedPhases, match="another state file"):
        async with scene.connect():
            pass


async def test_release_of_another_phase(scene: Scene) -> None:
    """A release of another phase than the feed's state says is refused."""
    scene.written.state(2, phase="live")
    async with scene.connect(phase="live") as feed:
        with pytest.raises(skrutinium.MixedPhases):
            await take(feed, 1)


async def test_truncated_changes(scene: Scene) -> None:
    """An archive that is cut off is tried again, then refused; nothing of it is used."""
    async with scene.connect() as feed:
        releases = aiter(feed.releases())
        await anext(releases)
        scene.feed.truncate.add(f"/event/{EVENT}/changes")
        await scene.grow()
        with pytest.raises(skrutinium.DamagedError, match="cut off"):
            async with asyncio.timeout(60):
                await anext(releases)
    assert scene.feed.asked[f"/event/{EVENT}/changes"] > 1


async def test_trouble_passes(scene: Scene) -> None:
    """A server that fails for a while only delays."""
    async with scene.connect() as feed:
        releases = aiter(feed.releases())
        await anext(releases)
        scene.feed.faults[f"/event/{EVENT}/changes"] = [
            web.Response(status=500, body=b"<html>oops</html>")
        ] * 3
        await scene.grow()
        async with asyncio.timeout(60):
            assert (await anext(releases)).number == 3
    assert scene.feed.asked[f"/event/{EVENT}/changes"] == 4


async def test_refused_access(scene: Scene) -> None:
    """A refusal carries the server's own words and its request id."""
    scene.feed.faults["/state.xml"] = [
        web.Response(
            status=403,
            body=b'<error xmlns="urn:skrutinium:1" code="access-refused" status="403"><message>192.0.2.1 is in no range.'
            b"</message><expected>an address of a subscriber</expected></error>",
            headers={"X-Request-Id": "r-17"},
        )
    ]
    with pytest.raises(skrutinium.AccessRefused) as caught:
        async with scene.connect():
            pass
    assert caught.value.request_id == "r-17"
    assert caught.value.words == "192.0.2.1 is in no range. (expected: an address of a subscriber)"


async def test_limit(scene: Scene) -> None:
    """A limit that asks for a long wait is told with that wait."""
    scene.feed.faults["/state.xml"] = [web.Response(status=429, headers={"Retry-After": "120"})]
    with pytest.raises(skrutinium.LimitReached) as caught:
        async with scene.connect():
            pass
    assert caught.value.wait == 120


async def test_stale(scene: Scene) -> None:
    """A publisher whose heartbeat stops is reported, and with patience it is an error."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
        seconds=1
    )  # the stamp is cut to whole seconds
    scene.written.heartbeat(f"{soon:%Y-%m-%dT%H:%M:%SZ}")
    async with scene.connect(patience=0.5) as feed:
        releases = aiter(feed.releases())
        await anext(releases)
        assert not feed.health.stale
        with pytest.raises(skrutinium.StaleError, match="no sign of life"):
            async with asyncio.timeout(60):
                await anext(releases)
        assert feed.health.stale


async def test_nobody_there(tmp_path: Path) -> None:
    """A server that is not there is a network error, not another library's."""
    with pytest.raises(skrutinium.NetworkError):
        async with skrutinium.connect("http://127.0.0.1:9", requests=IMPATIENT):
            pass


async def test_verify_over_the_feed(scene: Scene) -> None:
    """A night verifies over the network as it does from a folder."""
    await scene.grow(3)

    async with skrutinium.open_source(scene.feed.url, IMPATIENT) as source:
        report = await skrutinium.verify(source)

    assert report.differences == []
    assert report.releases == 5
