"""Sinks take what crisis mail brings, remember what it does not bring, and are equal to the feed once that is back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import skrutinium
from tests.sdk.mails import Box, mail
from tests.sdk.postgres_server import postgres
from tests.sdk.registers_builder import make_registers
from tests.sdk.several import Sites, until
from tests.sdk.sinks_at_work import KINDS, fresh, read_back, sink_at
from tests.sdk.test_sinks import CONNECTS, database

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as folder:
        yield folder


@pytest.fixture(params=[pytest.param(one, marks=[CONNECTS] if one == "postgresql" else []) for one in KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if kind != "postgresql":
        return str(tmp_path / f"tables.{kind}")
    return await database(request.getfixturevalue("server"))


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Sites]:
    sites = Sites(tmp_path)
    await sites.begin()
    yield sites
    await sites.end()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "mail")


async def equals(kind: str, place: str, sites: Sites, number: int) -> None:
    """The tables are those of a release of the second site, which has no gaps."""
    told = await read_back(kind, place)
    del told["releases"]
    assert told == await fresh(sites.second.root, number)


async def test_what_mail_lacks_comes_with_a_later_release(
    kind: str, place: str, sites: Sites, box: Box
) -> None:
    """By mail a sink is at each release with what is there, names what is missing, and is equal to the feed when that is back."""
    await sites.second.grow(4)
    async with sink_at(kind, place) as sink, sites.connect(box.place, state=sink) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        assert await sink.take(sites.got[-1])
        assert await sink.missing() == ()
        before = await read_back(kind, place)
        await sites.first.down()
        box.deliver(mail(sites.second.root, [3, 4]))
        lacking: set[str] = set()
        for number in (3, 4):
            await sites.follow(releases, number)
            release = sites.got[-1]
            assert await sink.take(release)
            assert not await sink.take(release)
            lacking |= {
                path
                for path in release.changed
                if path.startswith(("area/", "contest/", "precinct/", "summary"))
            }
            assert await sink.missing() == tuple(sorted(lacking))
        assert lacking
        told, whole = await read_back(kind, place), await fresh(sites.second.root, 4)
        assert told["releases"] == [(2,), (3,), (4,)]
        assert told["committees"] == whole["committees"]
        assert told["lists"] == before["lists"] != whole["lists"]
    async with sink_at(kind, place) as sink:  # what is missing is known after a restart
        assert await sink.missing() == tuple(sorted(lacking))
        await sites.first.grow(5)
        await sites.second.grow(5)
        await sites.first.up()
        async with sites.connect(box.place, state=sink) as feed:
            releases = feed.releases()
            await sites.follow(releases, 5)
            assert await sink.take(sites.got[-1])
        assert await sink.missing() == ()
    await equals(kind, place, sites, 5)


async def test_what_mail_lacks_comes_without_a_later_release(
    kind: str, place: str, sites: Sites, box: Box
) -> None:
    """A release that came by mail, taken again when the feed is back, fills what was missing; the release is there once."""
    await sites.second.grow(3)
    async with sink_at(kind, place) as sink, sites.connect(box.place, state=sink) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sink.take(sites.got[-1])
        await sites.first.down()
        box.deliver(mail(sites.second.root, [3]))
        await sites.follow(releases, 3)
        assert await sink.take(sites.got[-1])
        assert await sink.missing()
        await sites.first.grow(3)
        await sites.first.up()
        async with asyncio.timeout(60):
            while not await sink.take(sites.got[-1]):
                pass
        assert await sink.missing() == ()
        assert not await sink.take(sites.got[-1])
    async with sink_at(kind, place) as sink:
        assert await sink.missing() == ()
        assert await sink.read() == sites.got[-1].mark
    assert (await read_back(kind, place))["releases"] == [(2,), (3,)]
    await equals(kind, place, sites, 3)


async def test_part_of_the_country_by_mail(kind: str, place: str, sites: Sites, box: Box) -> None:
    """A sink of some contests that took a release from the feed goes on by mail without registers, after a restart too."""
    for site in (sites.first, sites.second):
        await asyncio.to_thread(make_registers().write, site.written)
    chosen = {"contests": ["201"]}
    async with sink_at(kind, place, **chosen) as sink, sites.connect(box.place, state=sink) as feed:
        assert await sink.take(await feed.release())
    await sites.first.down()
    await sites.second.grow(4)
    box.deliver(mail(sites.second.root, [3, 4], agreed=("event.xml", "contest/201")))
    async with sink_at(kind, place, **chosen) as sink, sites.connect(box.place, state=sink) as feed:
        releases = feed.releases()
        for number in (3, 4):
            await sites.follow(releases, number)
            assert await sink.take(sites.got[-1])
        assert {path.partition("/")[0] for path in await sink.missing() or ()} <= {"precinct", "corrections"}
    told = await read_back(kind, place)
    assert told["lists"] == (await fresh(sites.second.root, 4, **chosen))["lists"]


async def test_begun_by_mail_alone(kind: str, place: str, sites: Sites, box: Box) -> None:
    """A sink that begins in the middle by mail has what mail brings, says that nobody knows what is missing, and is filled by the feed."""
    await sites.second.grow(4)
    await sites.first.grow(5)
    for numbers in ([3], [4]):
        box.deliver(mail(sites.second.root, numbers))
        async with sink_at(kind, place) as sink, sites.connect(place=box.place, state=sink) as feed:
            release = await feed.release()
            assert await sink.take(release)
            assert not await sink.take(release)
            assert await sink.missing() is None
        told = await read_back(kind, place)
        assert told["committees"] == (await fresh(sites.second.root, numbers[0]))["committees"]
        assert told["lists"] == []
    async with sink_at(kind, place) as sink, sites.connect(box.place, state=sink) as feed:
        assert await sink.take(await feed.release())
        assert await sink.missing() == ()
    await sites.second.grow(5)
    await equals(kind, place, sites, 5)


async def test_feed_that_is_away_is_not_waited_for(tmp_path: Path, sites: Sites, box: Box) -> None:
    """What the mail of a release lacks is asked for once at a feed that is away: a night has thousands of documents."""
    patient = skrutinium.Patience(connect=5, silence=5, attempts=2, first_pause=600, longest_pause=600)
    await sites.second.grow(3)
    async with (
        sink_at("sqlite", str(tmp_path / "night.sqlite")) as sink,
        sites.connect(box.place, state=sink, requests=patient, pick=lambda: 1.0) as feed,
    ):
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sink.take(sites.got[-1])
        await sites.first.down()
        box.deliver(mail(sites.second.root, [3]))
        await sites.follow(releases, 3)
        async with asyncio.timeout(200):
            assert await sink.take(sites.got[-1])
        assert await sink.missing()


async def test_newest_state_of_every_source_is_kept_with_the_tables(
    kind: str, place: str, sites: Sites
) -> None:
    """A sink remembers the newest state that was seen at each source, whichever is the first: none of them may go back after a restart."""
    first, second = sites.first, sites.second
    second.written.state(9)
    async with sink_at(kind, place) as sink, sites.connect(second.feed.url, state=sink) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        assert await sink.take(sites.got[-1])
        await until(lambda: feed.health.sources[1].newest == 2)
        await first.grow(3)
        await sites.follow(releases, 3)
        assert await sink.take(sites.got[-1])
    async with sink_at(kind, place) as sink:
        seen = await sink.read()
        assert seen is not None
        assert dict(seen.feed_states) == {first.feed.url: 1, second.feed.url: 9}
        assert seen == sites.got[-1].mark
        second.written.state(8)
        with pytest.raises(skrutinium.RollbackError):
            async with sites.connect(place=second.feed.url, state=sink):
                pass
