"""How fast the documents of the series volby are written at the size of a Czech night.

15,000 precincts, 6,250 councils in 77 counties, 200,000 candidates. The yardstick is lxml, parsing and validating the
same bytes.
"""

import datetime
import statistics
import time
from collections.abc import Iterator

import msgspec
import pytest

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.release.formats.volby.writer import VolbyWriter
from skrutinium_server.release.model import Arrival, Cutting, Document
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.tally import Tally
from tests.bench.test_tally import COUNCILS, COUNTIES, definition, law, night  # noqa: F401 - fixtures
from tests.tally.made import TIME

CAME_IN = 50
ROUNDS = 9
MOST_BUILT = 0.150
MOST_WHOLE = 5.0


class Country:
    """The made-up country with Czech codes, its night still to come."""

    def __init__(self, made_up: Definition, act: Law, entries: list[bytes]) -> None:
        index = DefinitionIndex(_czech(made_up))
        self.tally, self.writer, self.validator = Tally(index, act), VolbyWriter(index, act), Validator()
        self._arrivals: Iterator[tuple[int, Accepted]] = enumerate(
            map(msgspec.json.Decoder(Accepted).decode, entries), 2
        )
        self._release = 0

    def take(self, count: int) -> tuple[Arrival, ...]:
        """Count so many protocols."""
        arrivals = []
        for (position, body), _ in zip(self._arrivals, range(count), strict=False):
            self.tally.apply(position, body)
            arrivals.append(Arrival(position, body, b""))
        return tuple(arrivals)

    def release(
        self, arrivals: tuple[Arrival, ...], batch: int | None
    ) -> tuple[list[Document], float, float]:
        """The documents of a release, and the seconds it took to write and to parse and validate them."""
        self._release += 1
        cutting = Cutting(
            event="kv2030",
            run="bench",
            phase="test",
            number=self._release,
            time=TIME + datetime.timedelta(minutes=self._release),
            codebook=1,
            state="interim",
            arrivals=arrivals,
            batch=batch,
        )
        changes = self.tally.take_changes()
        started = time.thread_time()
        documents = list(self.writer.documents(self.tally, changes, cutting))
        built = time.thread_time() - started
        started = time.thread_time()
        for document in documents:
            self.validator.validate(document.path, document.data, document.schema)
        return documents, built, time.thread_time() - started


@pytest.fixture
def country(definition: Definition, law: Law, night: list[bytes]) -> Country:  # noqa: F811
    return Country(definition, law, night)


def test_whole_country(country: Country, night: list[bytes]) -> None:  # noqa: F811
    """Writing and validating every document of a complete night takes at most 5 s."""
    country.take(len(night))
    documents, built, checked = country.release((), None)
    size = sum(len(document.data) for document in documents)
    print(
        f"\nvolby, all {len(documents)} documents, {size / 1e6:.1f} MB: written in {built:.2f} s; lxml parses and validates them"
        f" in {checked:.2f} s; ratio {built / checked:.2f}"
    )
    assert len(documents) == 1 + COUNTIES + COUNCILS
    assert built + checked <= MOST_WHOLE


def test_50_precincts(country: Country, night: list[bytes]) -> None:  # noqa: F811
    """Writing a batch and the aggregates that 50 precincts changed takes at most 150 ms: the cost follows the change."""
    country.release((), None)
    country.take(len(night) // 2)
    country.release((), None)
    rows = [country.release(country.take(CAME_IN), batch) for batch in range(1, ROUNDS + 1)]
    built, checked = statistics.median(row[1] for row in rows), statistics.median(row[2] for row in rows)
    size = statistics.median(sum(len(document.data) for document in documents) for documents, _, _ in rows)
    print(
        f"\nvolby, {CAME_IN} precincts: {statistics.median(len(row[0]) for row in rows)} documents, {size / 1e6:.2f} MB written in"
        f" {built * 1e3:.0f} ms; lxml parses and validates them in {checked * 1e3:.0f} ms; ratio {built / checked:.2f}"
    )
    assert built <= MOST_BUILT


def _czech(made_up: Definition) -> Definition:
    """The same with codes as the format wants them: committees 1, 2, 3 …, counties with NUTS codes."""
    codes = {row.id: str(place) for place, row in enumerate(made_up.committees, 1)}
    return msgspec.structs.replace(
        made_up,
        areas=tuple(
            msgspec.structs.replace(row, nuts=f"CZ{place:04d}") if row.kind == "county" else row
            for place, row in enumerate(made_up.areas)
        ),
        committees=tuple(msgspec.structs.replace(row, id=codes[row.id]) for row in made_up.committees),
        lists=tuple(
            msgspec.structs.replace(row, committee=codes[row.committee]) if row.committee else row
            for row in made_up.lists
        ),
    )
