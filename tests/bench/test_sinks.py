"""How long tables take at the size of a Czech night: 15,000 precincts, 6,250 councils, 200,000 candidates, 21,500 documents.

First everything, by HTTP from a feed with its limits as they are; then what 50 precincts change. The yardstick is asking for each
document at the feed's limit of requests, and reading the changed documents without keeping anything.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import skrutinium
from skrutinium.tables.reading import in_order, portions
from skrutinium.tables.selection import selection
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.process.state import write_state
from tests.bench.test_release import HALF, START, Country
from tests.sdk.sinks_at_work import sink_at
from tests.sdk.test_follow_killed import served

MOST_FIRST = 120.0
MOST_THEN = 3.0
"""Seconds."""


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """The country with half of the night counted, in two releases."""
    made = Country(tmp_path_factory.mktemp("country"))
    for count in (0, HALF):
        made.take(count)
        made.release("skrutinium", checkpoint=True)
        assert made.publishers["skrutinium"].write_checkpoint()
    write_state(made.site, opened="night", now=START)
    yield made
    made.close()


@pytest.mark.blocking("the country is counted in this process")
@pytest.mark.parametrize("kind", ["sqlite", "csv"])
def test_sinks_at_full_size(kind: str, country: Country, tmp_path: Path) -> None:
    """The whole country is in a sink within two minutes, and what 50 precincts change within 3 s."""
    with served(country.site.store) as url, asyncio.Runner() as runner:
        documents, first = runner.run(_taken(kind, tmp_path / "tables", url))
        country.take(50)
        country.release("skrutinium")
        changed, then = runner.run(_taken(kind, tmp_path / "tables", url))
        read = runner.run(_read(url))
    least = documents / FeedSettings().requests_per_second
    print(
        f"\nsink, {kind}: {documents} documents by HTTP in {first:.1f} s (one by one at the feed's limit at least {least:.0f} s);"
        f" then {changed} changed documents in {then * 1e3:.0f} ms, reading them alone takes {read * 1e3:.0f} ms; ratio {then / read:.1f}"
    )
    assert first <= MOST_FIRST
    assert then <= MOST_THEN


async def _taken(kind: str, place: Path, url: str) -> tuple[int, float]:
    async with sink_at(kind, str(place)) as sink, skrutinium.connect(url, state=sink) as feed:
        release = await feed.release()
        count = len(await release.documents()) if await sink.read() is None else len(release.changed)
        started = time.perf_counter()
        assert await sink.take(release)
        return count, time.perf_counter() - started


async def _read(url: str) -> float:
    """Seconds to fetch and read the documents of the newest release."""
    async with skrutinium.connect(url) as feed:
        release = await feed.release()
        scope = await selection().scope(release.event_id, release.book)
        placed = [(place, row) for row in release.manifest.documents if (place := scope.place(row.path))]
        started = time.perf_counter()
        async for _ in portions(release, scope, in_order(placed)):
            pass
        return time.perf_counter() - started
