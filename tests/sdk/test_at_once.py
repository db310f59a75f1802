"""Work on several releases at once, and work that is cancelled: nothing is lost by it."""

import asyncio
import threading
from pathlib import Path

import pytest

import skrutinium
from skrutinium.documents.series import Run
from skrutinium.sinks.sqlite import SqliteSink
from skrutinium.sources.folder import Folder, FolderSeries
from skrutinium.sources.source import SeriesSource
from tests.sdk.several import QUICK, until
from tests.sdk.store_builder import EVENT, SERIES, Written, make_night

UNTOUCHED = "contest/202.xml"
"""A document that releases 2 to 4 do not change."""


@pytest.fixture
async def written(tmp_path: Path) -> Written:
    """A store at release 2."""
    return await asyncio.to_thread(make_night().write, tmp_path / "store", 2)


async def grow(written: Written) -> None:
    await asyncio.to_thread(written.add, written.night.releases[written.number])


class SlowFolder(Folder):
    """A store whose checkpoint comes when it may."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    def series(self, run: Run, series: str = SERIES) -> SeriesSource:
        return SlowSeries(self, self.root / "event" / run.event / run.id / series)


class SlowSeries(FolderSeries):
    def __init__(self, slow: SlowFolder, folder: Path) -> None:
        super().__init__(slow.root, folder)
        self._slow = slow

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        self._slow.asked.set()
        await self._slow.may.wait()
        return await super().checkpoint(number)


async def test_next_release_while_the_one_before_is_read(written: Written) -> None:
    """While documents of one release are looked up, the next one is handed out; the documents of both are read."""
    place = SlowFolder(written.root)
    async with asyncio.timeout(60), skrutinium.connect(place, event=EVENT, timing=QUICK) as feed:
        releases = feed.releases()
        second = await anext(releases)
        reading = asyncio.create_task(second.document(UNTOUCHED))
        await place.asked.wait()
        await grow(written)
        third = await anext(releases)
        after = asyncio.create_task(third.document(UNTOUCHED))
        place.may.set()
        assert await reading == await after


async def test_earlier_release_is_read_after_a_later_one_was_handed_out(written: Written) -> None:
    """Who reads the documents of an earlier release first reads those of the later one as well."""
    async with asyncio.timeout(60), skrutinium.connect(written.root, timing=QUICK) as feed:
        releases = feed.releases()
        second = await anext(releases)
        await grow(written)
        third = await anext(releases)
        assert await second.document(UNTOUCHED) == await third.document(UNTOUCHED)
        assert len(await third.documents()) >= len(second.changed)


async def test_sink_goes_on_after_a_cancelled_take(tmp_path: Path, written: Written) -> None:
    """A release whose taking was cancelled when its transaction began is taken by the next call."""
    gate = threading.Event()
    async with (
        asyncio.timeout(60),
        SqliteSink(tmp_path / "night.sqlite") as sink,
        skrutinium.connect(written.root) as feed,
    ):
        release = await feed.release()
        holding = asyncio.create_task(sink.run(gate.wait))
        taking = asyncio.create_task(sink.take(release))
        await until(lambda: sink._thread._work_queue.qsize() > 0)
        taking.cancel()
        gate.set()
        await holding
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert await sink.take(release)
