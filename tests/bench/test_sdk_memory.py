"""How much memory a reader takes that follows a whole made-up night: 15,000 precincts, 6,250 councils, 200,000 candidates."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skrutinium_server.process.state import write_state
from skrutinium_server.release.store.reading import StoreReader
from tests.bench.test_release import START, Country
from tests.sdk.test_follow_killed import served

PRECINCTS = 15_000
AT_ONCE = 150
WARM = 20
MOST_GROWTH = 3
MOST = 120
"""Megabytes; what a release itself grew by comes on top once: a batch of 150 large precincts is held whole while it comes."""


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """The country after its first release, which holds all documents."""
    made = Country(tmp_path_factory.mktemp("country"))
    made.release("skrutinium", checkpoint=True)
    assert made.publishers["skrutinium"].write_checkpoint()
    write_state(made.site, opened="night", now=START)
    yield made
    made.close()


def test_memory_stays_flat(country: Country) -> None:
    """After the first releases of a night a reader takes less than 3 MB more until every precinct is in, but for what releases themselves grow by."""
    lines: list[tuple[int, ...]] = []
    with served(country.site.store) as url:
        program = [sys.executable, str(Path(__file__).with_name("memory_client.py")), url]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            for due in range(1, PRECINCTS // AT_ONCE + 2):
                while not lines or lines[-1][0] < due:
                    line = client.stdout.readline()
                    assert line, "the reader has ended"
                    lines.append(tuple(map(int, line.split())))
                if due <= PRECINCTS // AT_ONCE:
                    country.take(AT_ONCE)
                    country.release("skrutinium")
            client.kill()
    largest = [size(country, number) / 1e6 for number in (lines[WARM][0], lines[-1][0])]
    warm, end = lines[WARM][2] / 1024, lines[-1][2] / 1024
    told = ", ".join(f"{rss / 1024:.0f} MB at {number}" for number, rss, _ in lines[:: len(lines) // 6])
    print(
        f"\nmemory of a reader: {told}; most {end:.0f} MB, {end - warm:.1f} MB more than after {WARM} releases;"
        f" a release grew from {largest[0]:.1f} MB to {largest[1]:.1f} MB"
    )
    assert end - warm < MOST_GROWTH + (largest[1] - largest[0])
    assert end < MOST


def size(country: Country, number: int) -> int:
    """Bytes of the documents of a release."""
    key = country.publishers["skrutinium"].key
    return sum(row.size for row in StoreReader(country.site.store).manifest(key, number).rows)
