"""Several sources in order: the first that works is preferred, each release counts once, nothing is missed or jumped over."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

import skrutinium
from skrutinium.following.statefile import StateFile
from skrutinium.sources.folder import Folder, FolderSeries
from skrutinium.sources.source import SeriesSource
from tests.sdk.several import QUICK, Sites, until
from tests.sdk.store_builder import HEAD, NS, fingerprint, make_night, sign


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Sites]:
    sites = Sites(tmp_path)
    await sites.begin()
    yield sites
    await sites.end()


async def test_first_site_goes_down_and_comes_back(sites: Sites) -> None:
    """While the first site is down the second one delivers; when it is back it is preferred again; nothing is lost or comes twice."""
    first, second = sites.first, sites.second
    async with sites.connect(second.feed.url) as feed:
        releases = feed.releases()
        assert await sites.follow(releases, 2) == [first.feed.url]

        await first.down()
        await second.grow(4)
        assert await sites.follow(releases, 4) == [second.feed.url] * 2
        await until(lambda: feed.health.sources[0].channel == "none")
        assert feed.health.sources[0].trouble is not None

        await first.grow(4)
        await first.up()
        await until(lambda: feed.health.sources[0].channel == "push")
        await second.down()
        await first.grow(5)
        assert await sites.follow(releases, 5) == [first.feed.url]
    assert sites.numbers == [2, 3, 4, 5]
    assert [one.snapshot for one in sites.got] == [True, False, False, False]


async def test_both_deliver_and_each_counts_once(sites: Sites) -> None:
    """Releases that both sites have come once each, by the first site."""
    async with sites.connect(sites.second.feed.url) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await until(lambda: feed.health.sources[1].newest == 2)
        for number in (3, 4, 5):
            await sites.first.grow(number)
            await sites.second.grow(number)
            await sites.follow(releases, number)
        await until(lambda: feed.health.sources[1].newest == 5)
        assert feed.health.sources[1].trouble is None
    assert sites.numbers == [2, 3, 4, 5]


async def test_what_only_another_source_has(sites: Sites) -> None:
    """A release that only a folder has, while the first site works and knows nothing of it, is not missed."""
    async with sites.connect(str(sites.second.root)) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(4)
        assert await sites.follow(releases, 4) == [str(sites.second.root)] * 2
        assert (await sites.got[0].event()).release == 2
        await until(lambda: feed.health.sources[0].channel == "push")
        assert not feed.health.sources[0].set_aside
    assert sites.numbers == [2, 3, 4]


async def test_begin_while_the_first_site_is_down(sites: Sites) -> None:
    """Who starts while the first site is down begins with the second, and goes over to the first when it is up."""
    await sites.first.down()
    async with sites.connect(sites.second.feed.url, place=sites.first.feed.url) as feed:
        releases = feed.releases()
        assert await sites.follow(releases, 2) == [sites.second.feed.url]
        await sites.first.up()
        await until(lambda: feed.health.sources[0].channel == "push")
        await until(lambda: feed.health.sources[1].channel == "poll")
        await sites.first.grow(3)
        assert await sites.follow(releases, 3) == [sites.first.feed.url]


async def test_state_of_each_site_is_its_own(sites: Sites) -> None:
    """After a restart, in whatever order, a site whose state lags behind that of another is used; one that goes back is not."""
    first, second = sites.first, sites.second
    second.written.state(9)
    async with sites.connect(second.feed.url) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await until(lambda: feed.health.sources[1].newest == 2)
        await first.grow(3)
        await sites.follow(releases, 3)
        await feed.done(sites.got[-1])
    seen = await StateFile(sites.folder / "state.json").read()
    assert seen is not None
    assert dict(seen.feed_states) == {first.feed.url: 1, second.feed.url: 9}

    async with sites.connect(second.feed.url) as feed:
        await first.grow(4)
        assert await sites.follow(feed.releases(), 4) == [first.feed.url]
        assert feed.health.sources[0].trouble is None
    async with sites.connect(first.feed.url, place=second.feed.url) as feed:
        assert (await feed.state()).number == 9
    second.written.state(8)
    with pytest.raises(skrutinium.RollbackError):
        async with sites.connect(place=second.feed.url):
            pass


async def test_nobody_is_there(sites: Sites, tmp_path: Path) -> None:
    """When no place can be read, what is wrong with the first is told."""
    await sites.first.down()
    with pytest.raises(skrutinium.NetworkError):
        async with sites.connect(str(tmp_path / "nowhere")):
            pass
    with pytest.raises(skrutinium.NoSuchPlace):
        async with sites.connect(sites.first.feed.url, place=str(tmp_path / "nowhere")):
            pass


async def test_folder_alone(sites: Sites) -> None:
    """A folder is followed like a feed, and says that it is looked at."""
    async with sites.connect(place=str(sites.second.root)) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(5)
        await sites.follow(releases, 5)
        assert feed.health.channel == "poll"
        assert (await sites.got[-1].event()).release == 5
        assert (await sites.got[-1].document("contest/202.xml")).startswith(b"<?xml")
    assert sites.numbers == [2, 3, 4, 5]


async def test_store_on_any_web_server(sites: Sites) -> None:
    """A release store behind a plain web server is followed by its address."""
    app = web.Application()
    app.router.add_static("/", sites.second.root)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with sites.connect(place=f"http://127.0.0.1:{runner.addresses[0][1]}") as feed:
            releases = feed.releases()
            await sites.follow(releases, 2)
            await sites.second.grow(4)
            await sites.follow(releases, 4)
            assert (await sites.got[-1].event()).release == 4
    finally:
        await runner.cleanup()
    assert sites.numbers == [2, 3, 4]


# ------------------------------------------------------------------ sources that must not be trusted
async def test_another_history_elsewhere(sites: Sites) -> None:
    """A second site with another release under the same number, rightly signed: set aside, and both places are named."""
    other = make_night()
    other.key = sites.night.key
    other.releases[1].position = 1_000_000
    await asyncio.to_thread(other.write, sites.folder / "other", 5)
    async with sites.connect(str(sites.folder / "other")) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        waiting = asyncio.ensure_future(sites.follow(releases, 5))
        await until(lambda: feed.health.sources[1].set_aside)
        assert sites.first.feed.url in str(feed.health.sources[1].trouble)
        await sites.first.grow(5)
        assert set(await waiting) == {sites.first.feed.url}
    assert sites.numbers == [2, 3, 4, 5]


@pytest.mark.parametrize("what", ["signature", "key", "phase", "rollback"])
async def test_bad_source_is_set_aside(sites: Sites, what: str) -> None:
    """A second site with a wrong signature, another key, another phase, or that goes back is set aside; the first goes on."""
    second = sites.second
    match what:
        case "signature":
            await second.grow(3)
            path = second.written.series / "manifest" / "000000003.xml.sig"
            await asyncio.to_thread(path.write_bytes, sign(make_night().key, b"something else"))
        case "key":
            await asyncio.to_thread(shutil.rmtree, second.root)
            await asyncio.to_thread(make_night().write, second.root, 3)
        case "phase":
            second.written.state(9, phase="live")
        case _:
            await second.grow(4)
            await sites.first.grow(4)
    async with sites.connect(second.feed.url) as feed:
        releases = feed.releases()
        await sites.follow(releases, sites.first.written.number)
        if what == "rollback":
            await until(lambda: feed.health.sources[1].newest == 4)
            second.written.in_series("newest", f"3 {'0' * 64}\n".encode())
        waiting = asyncio.ensure_future(sites.follow(releases, 5))
        await until(lambda: feed.health.sources[1].set_aside)
        assert second.feed.url in str(feed.health.trouble)
        assert feed.health.channel != "none"
        await sites.first.grow(5)
        assert set(await waiting) == {sites.first.feed.url}
    assert sites.numbers == sorted(set(sites.numbers))


async def test_bad_source_gets_well(sites: Sites) -> None:
    """A source that was set aside is looked at again after a while, and used when it is as it should be."""
    path = sites.second.written.series / "manifest" / "000000003.xml.sig"
    await sites.second.grow(3)
    good = await asyncio.to_thread(path.read_bytes)
    await asyncio.to_thread(path.write_bytes, sign(make_night().key, b"something else"))
    async with sites.connect(sites.second.feed.url, timing=replace(QUICK, again=0.2)) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        waiting = asyncio.ensure_future(sites.follow(releases, 3))
        await until(lambda: feed.health.sources[1].set_aside)
        await asyncio.to_thread(path.write_bytes, good)
        assert await waiting == [sites.second.feed.url]


async def test_first_site_is_bad(sites: Sites) -> None:
    """When the first site gives what must not be trusted, the second one delivers."""
    async with sites.connect(sites.second.feed.url) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(3)
        await sites.first.grow(3)
        path = sites.first.written.series / "manifest" / "000000003.xml.sig"
        await asyncio.to_thread(path.write_bytes, sign(make_night().key, b"something else"))
        await sites.follow(releases, 3)
        assert (sites.numbers, (await sites.got[-1].event()).release) == ([2, 3], 3)


async def test_all_are_bad(sites: Sites) -> None:
    """When no source is left that may be trusted, it is an error and no endless waiting."""
    async with sites.connect(sites.second.feed.url) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        for site in (sites.first, sites.second):
            await site.grow(3)
            path = site.written.series / "manifest" / "000000003.xml.sig"
            await asyncio.to_thread(path.write_bytes, sign(make_night().key, b"something else"))
        with pytest.raises(skrutinium.SignatureError):
            await sites.follow(releases, 3)


# ------------------------------------------------------------------ what is missing at one of them
class Partly(Folder):
    """A store of which some releases and documents did not arrive, as crisis mail may leave it."""

    def __init__(self, root: Path, missing: set[int], documents: bool = True) -> None:
        super().__init__(root)
        self.missing = missing
        self.documents = documents

    def series(self, run: skrutinium.Run, series: str = "skrutinium") -> SeriesSource:
        return PartlySeries(self, self.root / "event" / run.event / run.id / series)


class PartlySeries(FolderSeries):
    def __init__(self, partly: Partly, folder: Path) -> None:
        super().__init__(partly.root, folder)
        self.partly = partly

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        if number in self.partly.missing:
            raise skrutinium.NotYet(f"release {number} did not arrive", address=self.where)
        return await super().manifest(number)

    async def object(self, sha256: str) -> bytes:
        if not self.partly.documents:
            raise skrutinium.NotYet("this document did not arrive", address=self.where)
        return await super().object(sha256)


async def test_gap_waits(sites: Sites) -> None:
    """What is newer than a missing release waits until that one comes from anywhere; nothing is jumped over."""
    partly = Partly(sites.second.root, {3})
    async with sites.connect(partly) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(5)
        waiting = asyncio.ensure_future(sites.follow(releases, 5))
        await until(lambda: "release 3 is not there; 4 to 5 wait" in (feed.health.trouble or ""))
        assert not waiting.done()
        await sites.first.grow(3)
        sources = await waiting
    assert sites.numbers == [2, 3, 4, 5]
    assert sources == [sites.first.feed.url, partly.where, partly.where]


async def test_documents_of_another_source(sites: Sites) -> None:
    """A document that the source of a release lacks comes from another one by its hash; when nobody has it, that is told."""
    partly = Partly(sites.second.root, set(), documents=False)
    async with sites.connect(partly) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(3)
        assert await sites.follow(releases, 3) == [partly.where]
        release = sites.got[-1]
        with pytest.raises(skrutinium.NotDelivered, match=r"event\.xml"):
            await release.event()
        await sites.first.grow(3)
        assert (await release.event()).release == 3


async def test_damaged_document_of_one_source(sites: Sites) -> None:
    """A document whose bytes are not those announced is taken from another source."""
    async with sites.connect(str(sites.second.root)) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(3)
        await sites.follow(releases, 3)
        await sites.first.grow(3)
        for path in (sites.second.root / "objects").rglob("*.gz"):
            path.write_bytes(b"\x1f\x8b damaged")
        assert (await sites.got[-1].event()).release == 3


# ------------------------------------------------------------------ the second site that the operator tells of
def tell_second_site(sites: Sites, key: str, number: int = 1) -> None:
    body = (
        f'{HEAD}<notices {NS} schema="1.0" number="{number}" time="2026-10-10T12:00:00Z">'
        f'<second-site address="{sites.second.feed.url}" fingerprint="{key}"/></notices>\n'
    ).encode()
    sites.first.written.put("notices.xml", body + sign(sites.night.key, body))


async def test_second_site_by_notice(sites: Sites) -> None:
    """The second site that signed notices tell of is used by itself when its key is the trusted one."""
    key = fingerprint(sites.night.key)
    async with sites.connect(fingerprint=key) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        tell_second_site(sites, key)
        await until(lambda: len(feed.health.sources) == 2 and feed.health.sources[1].newest == 2)
        await sites.first.down()
        await sites.second.grow(4)
        assert await sites.follow(releases, 4) == [sites.second.feed.url] * 2
    assert sites.numbers == [2, 3, 4]


async def test_second_site_with_another_key(sites: Sites) -> None:
    """A second site whose key is not trusted is not asked for anything, and that is told."""
    async with sites.connect() as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        tell_second_site(sites, "ab" * 32)
        await until(lambda: len(feed.health.sources) == 2)
        assert feed.health.sources[1].set_aside
        await sites.first.grow(3)
        await sites.follow(releases, 3)
    assert not sites.second.feed.asked


async def test_second_site_is_not_wanted(sites: Sites) -> None:
    """Without `follow_second_site` the notice is told and the site left alone."""
    async with sites.connect(follow_second_site=False) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        tell_second_site(sites, fingerprint(sites.night.key))
        await until(lambda: feed.health.second_site is not None)
        await sites.first.grow(3)
        await sites.follow(releases, 3)
        assert len(feed.health.sources) == 1
    assert not sites.second.feed.asked


async def test_resume_from_another_source(sites: Sites) -> None:
    """After a restart it goes on after the mark, whichever source there is now."""
    async with sites.connect() as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await feed.done(sites.got[-1])
    await sites.first.down()
    await sites.second.grow(4)
    async with sites.connect(str(sites.second.root), place=sites.first.feed.url) as feed:
        assert await sites.follow(feed.releases(), 4) == [str(sites.second.root)] * 2
    assert sites.numbers == [2, 3, 4]


async def test_stale_is_told_for_each_source(sites: Sites) -> None:
    """A source whose publisher is silent is stale; altogether it is stale only when all are."""
    sites.second.written.heartbeat("2026-10-10T12:00:00Z")
    sites.first.written.heartbeat("2026-10-10T12:00:00Z")
    async with sites.connect(sites.second.feed.url, timing=replace(QUICK, stale_after=0.5)) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await until(lambda: feed.health.stale)
        assert all(one.stale for one in feed.health.sources)
        beats = 0

        def alive() -> bool:
            nonlocal beats
            beats += 1
            sites.second.written.heartbeat(f"2026-10-10T13:{beats // 60 % 60:02d}:{beats % 60:02d}Z")
            first, second = feed.health.sources
            return first.stale and not second.stale and not feed.health.stale

        await until(alive)


async def test_foreign_files_beside_checkpoints(sites: Sites) -> None:
    """A file that somebody copied beside the checkpoints of a folder is passed over."""
    root = sites.first.root
    folder = next(iter(await asyncio.to_thread(lambda: list(root.glob("event/*/*/*/manifest"))))).parent

    def copy() -> None:
        (folder / "checkpoint").mkdir(exist_ok=True)
        (folder / "checkpoint" / "a copy of 000000001.xml.gz").write_bytes(b"")

    await asyncio.to_thread(copy)
    async with skrutinium.connect(root) as feed:
        assert (await (await feed.release()).contest("202")).id == "202"
