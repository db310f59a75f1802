"""What the operator is told of a site: by status, and by the metrics of the counting process."""

import asyncio
import datetime
from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skrutinium_server.feed.metrics import MetricsServer
from skrutinium_server.process import status
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.house import House
from skrutinium_server.process.metrics import CountMetrics
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener, short_name
from skrutinium_server.process.status import site_status
from skrutinium_server.process.wishes import VALID, Wish, Wishes
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from tests.e2e.made_up import made_up_site
from tests.feed.test_metrics import labels, samples, scrape


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A site that is counted, with an open run; its publishers are processes."""
    site = await to_thread(lambda: Site(made_up_site(tmp_path)))
    house = House(site, cutting=True)
    listener = Listener(house, site.socket)
    await house.start()
    await listener.start()
    try:
        assert (await house.answer({"do": "open", "run": "night", "phase": "test"}))["ok"]
        await house.runs["night"].until_all_published()
        yield house
    finally:
        await listener.stop()
        await house.stop()


async def test_status_of_a_site_at_work(house: House) -> None:
    """Status tells run, releases, progress, what is held and what waits for a person; a feed that cannot be reached is an alarm; so is a publisher without sign of life."""
    told = await site_status(house.site, wall_time())
    assert told.counting
    assert told.alarms == ()
    expected = len(house.runs["night"].counting.index.definition.polls)
    assert told.protocols == {"night": (0, expected)}
    assert {(one.run, one.series, one.release, one.behind) for one in told.series} == {
        ("night", "skrutinium", 1, 0),
        ("night", "volby", 1, 0),
    }
    reader = StoreReader(house.site.store)
    async with asyncio.timeout(60):
        for one in told.series:
            while not await to_thread(reader.heartbeat, SeriesKey(one.event, one.run, one.series)):
                pass
    contest = house.runs["night"].counting.index.definition.contests[0].id
    assert (await house.answer({"do": "hold", "run": "night", "contest": contest, "reason": "Boxes."}))["ok"]
    wish = Wish("close", "night", {}, "j.novakova", wall_time() + VALID)
    await to_thread(Wishes(house.site.root).put, wish)
    noted = await site_status(house.site, wall_time())
    assert noted.since == house._since
    assert noted.alarms == ()
    assert noted.held == {"night": {contest: 0}}
    assert f"Contest {contest} of run night is held" in noted.notes[0]
    assert "j.novakova asks to close run night" in noted.notes[1]
    later = await site_status(house.site, wall_time() + datetime.timedelta(minutes=5), [("127.0.0.1", 9)])
    assert sum("sign of life" in text for text in later.alarms) == 2
    assert any("127.0.0.1:9 cannot be read" in text for text in later.alarms)


async def test_metrics_and_trouble_of_counting(house: House) -> None:
    """The counting process tells releases, lag, commits and room; a publisher that cannot write is an alarm in both."""
    run = house.runs["night"]
    told_by = CountMetrics(house)
    async with MetricsServer("127.0.0.1", 0, told_by, asyncio.get_running_loop(), told_by.room) as server:
        found = samples(await to_thread(scrape, server.address))
        assert found["skrutinium_releases_cut", labels(run="night", series="skrutinium")] == 1
        assert found["skrutinium_publisher_lag", labels(run="night", series="volby")] == 0
        assert found["skrutinium_disk_free_bytes", ()] > 0
        assert found["skrutinium_ledger_commit_seconds_count", labels(run="night")] >= 2
        manifests = (
            house.site.store / "event" / run.counting.record.event / "night" / "skrutinium" / "manifest"
        )
        await to_thread(_break, manifests)
        await run.counting.cut("skrutinium", run.counting.clock.now(), batch=False)
        alarm = ("skrutinium_count_alarm", labels(run="night", part="skrutinium"))
        async with asyncio.timeout(60):
            while not samples(await to_thread(scrape, server.address)).get(alarm):
                pass
        told = await site_status(house.site, wall_time())
        assert any(text.startswith("Run night, skrutinium: ") for text in told.alarms)
        await to_thread(_mend, manifests)
        await run.until_published("skrutinium")
        assert alarm not in samples(await to_thread(scrape, server.address))


def _break(folder: Path) -> None:
    """Put a file where the folder was: nothing can be written into it, by root neither."""
    folder.rename(folder.with_name("aside"))
    folder.write_text("")


def _mend(folder: Path) -> None:
    folder.unlink()
    folder.with_name("aside").rename(folder)


async def test_nobody_counts(tmp_path: Path) -> None:
    """A site without a counting process says so; it is an alarm when a run is open."""
    site = await to_thread(lambda: Site(made_up_site(tmp_path)))
    told = await site_status(site, wall_time())
    assert not told.counting
    assert told.alarms == ()
    house = House(site, cutting=False)
    await house.start()
    assert (await house.answer({"do": "open", "run": "night", "phase": "test"}))["ok"]
    await house.stop()
    told = await site_status(site, wall_time())
    assert [text for text in told.alarms if "nobody counts" in text]


async def test_counting_process_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counting process that takes a command and says nothing is an alarm of its own, not one that nobody counts."""
    monkeypatch.setattr(status, "PATIENCE", 0.2)
    site = await to_thread(lambda: Site(made_up_site(tmp_path)))
    house = House(site, cutting=False)
    await house.start()
    assert (await house.answer({"do": "open", "run": "night", "phase": "test"}))["ok"]
    await house.stop()
    ends = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ends.wait()
        writer.close()

    with short_name(site.socket) as name:
        listening = await asyncio.start_unix_server(hang, name)
    told = await site_status(site, wall_time())
    assert [text for text in told.alarms if "does not answer" in text]
    assert not [text for text in told.alarms if "nobody counts" in text]
    ends.set()
    listening.close()
    await listening.wait_closed()
