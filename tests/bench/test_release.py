"""How fast a release is out at the size of a Czech night: through the publisher, from a ledger to a store on the disk.

15,000 precincts, 6,250 councils, 200,000 candidates, half of the night counted. A release is written, validated,
compressed, signed and stored, durable. The yardstick is lxml, parsing and validating the same documents in the same run.
"""

import asyncio
import datetime
import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skrutinium_server.intake.model import Origin
from skrutinium_server.ledger.sqlite import SqliteLedger
from skrutinium_server.process.clock import RunClock
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.publisher import make_publisher
from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import FULL, made_up_definition, made_up_night
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.validate import Validator

START = datetime.datetime(2030, 4, 1, 14, tzinfo=datetime.UTC)
HOURS = datetime.timedelta(hours=8)
ORIGIN = Origin(who="bench", path="import")
HALF = 9_000
SIZES = (1, 10, 50, 200)
ROUNDS = 5
MOST_SKRUTINIUM = 0.5
MOST_VOLBY = 5.0
MOST_FIRST = 30.0


class Country:
    """The whole country, counted in this process, and both of its publishers."""

    def __init__(self, folder: Path) -> None:
        definition = made_up_definition(7, FULL)
        self.site = Site.create(folder / "site")
        self.site.define(definition)
        prepare_run(self.site, "night", "test")
        self._night = iter(made_up_night(definition, 7, START, HOURS))
        self._runner = asyncio.Runner()
        ledger = SqliteLedger.create(self.site.ledger("night"), self.site.run("night").opened(START))
        clock = RunClock(lambda: START, lambda: 0.0)
        self._counting = Counting(self.site.basis("night"), self.site.settings(), ledger, clock, lambda: 0.0)
        self.publishers = {series: make_publisher(self.site, "night", series) for series in SERIES}
        self._validator = Validator()

    def close(self) -> None:
        """Give up the ledger."""
        self._runner.run(self._counting.close())
        self._runner.close()

    def take(self, count: int) -> None:
        """So many protocols come in."""
        while count:
            brought = [due.taken_over for due in itertools.islice(self._night, min(count, 500))]
            taken = self._runner.run(self._counting.take(brought, ORIGIN))
            assert taken.accepted == len(brought)
            count -= len(brought)

    def release(self, series: str, *, checkpoint: bool = False) -> tuple[float, float, int, int]:
        """Seconds to make a release that is asked for, those of the yardstick, its documents and their bytes."""
        self._runner.run(self._counting.cut(series, START, batch=True, checkpoint=checkpoint))
        publisher = self.publishers[series]
        started = time.perf_counter()
        made = publisher.catch_up()
        seconds = time.perf_counter() - started
        assert made == [publisher.newest]
        return seconds, *self._yardstick(publisher)

    def _yardstick(self, publisher: Publisher) -> tuple[float, int, int]:
        reader = StoreReader(self.site.store)
        rows = reader.manifest(publisher.key, publisher.newest).rows
        documents = [(row.path, reader.object(row.sha256), row.schema) for row in rows]
        for schema in {row.schema for row in rows}:
            self._validator.schema(schema)
        started = time.perf_counter()
        for document in documents:
            self._validator.validate(*document)
        return time.perf_counter() - started, len(rows), sum(row.size for row in rows)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """The country before its first release."""
    made = Country(tmp_path_factory.mktemp("country"))
    yield made
    made.close()


def test_first_releases(country: Country) -> None:
    """The first release of a series, all of its documents, takes at most 30 s; its checkpoint comes after it."""
    print()
    for series in SERIES:
        seconds, yardstick, documents, size = country.release(series, checkpoint=True)
        started = time.perf_counter()
        assert country.publishers[series].write_checkpoint()
        checkpoint = time.perf_counter() - started
        print(
            f"release, {series}, the first: {documents} documents, {size / 1e6:.1f} MB out in {seconds:.2f} s;"
            f" lxml parses and validates them in {yardstick:.2f} s; ratio {seconds / yardstick:.1f};"
            f" checkpoint {checkpoint:.2f} s later"
        )
        assert seconds <= MOST_FIRST


def test_release_of_what_came_in(country: Country) -> None:
    """When 50 precincts came in, skrutinium is out in at most 0.5 s and volby in 5 s: the cost follows what changed."""
    country.take(HALF)
    for series in SERIES:
        country.release(series)
    print()
    found: dict[tuple[str, int], float] = {}
    for size in SIZES:
        rounds: dict[str, list[tuple[float, float, int, int]]] = {series: [] for series in SERIES}
        for _ in range(ROUNDS):
            country.take(size)
            for series in SERIES:
                rounds[series].append(country.release(series))
        for series, measured in rounds.items():
            seconds, yardstick, documents, data = map(statistics.median, zip(*measured, strict=True))
            found[series, size] = seconds
            print(
                f"release, {series}, {size:3} precincts: {documents:3.0f} documents, {data / 1e6:.2f} MB out in"
                f" {seconds * 1e3:.0f} ms; lxml parses and validates them in {yardstick * 1e3:.0f} ms;"
                f" ratio {seconds / yardstick:.1f}"
            )
    assert found["skrutinium", 50] <= MOST_SKRUTINIUM
    assert found["volby", 50] <= MOST_VOLBY
    assert found["skrutinium", 1] * 4 <= found["skrutinium", 50]
