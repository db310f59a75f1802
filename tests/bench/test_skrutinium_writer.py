"""How fast the documents of a release in the format skrutinium are written at the size of a Czech night.

15,000 precincts, 6,250 councils, 200,000 candidates; 50 precincts came in since the last release. The yardstick is
lxml, parsing and validating the same bytes.
"""

import datetime
import statistics
import time

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.release.formats.skrutinium.writer import SkrutiniumWriter
from skrutinium_server.release.model import Arrival, Cutting, Document
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.tally import Tally
from tests.bench.test_tally import definition, law, night  # noqa: F401 - fixtures
from tests.tally.made import TIME

CAME_IN = 50
ROUNDS = 9
MOST = 0.120
RECORD = (
    b"<OKRSEK CIS_OBEC='500000'>" + b"<HLASY_OKRSEK POR_STR_HLAS_LIST='1' HLASY='100'/>" * 12 + b"</OKRSEK>"
)


def test_release_of_50_precincts(
    definition: Definition,  # noqa: F811
    law: Law,  # noqa: F811
    night: list[bytes],  # noqa: F811
) -> None:
    """Writing a release when 50 precincts came in takes at most 120 ms: the cost follows what changed."""
    index = DefinitionIndex(definition)
    tally, writer, validator = Tally(index, law), SkrutiniumWriter(index, law), Validator()
    decoder = msgspec.json.Decoder(Accepted)
    started = time.thread_time()
    first = _release(writer, tally, 1, ())
    whole = time.thread_time() - started
    entries = iter(enumerate(map(decoder.decode, night), 2))
    for position, body in entries:
        tally.apply(position, body)
        if position > len(night) // 2:
            break
    tally.take_changes()

    built, checked, sizes, numbers = [], [], [], []
    for number in range(2, ROUNDS + 2):
        arrivals = []
        for position, body in (next(entries) for _ in range(CAME_IN)):
            tally.apply(position, body)
            arrivals.append(Arrival(position, body, RECORD))
        started = time.thread_time()
        documents = _release(writer, tally, number, tuple(arrivals))
        built.append(time.thread_time() - started)
        started = time.thread_time()
        for document in documents:
            validator.validate(document.path, document.data, document.schema)
        checked.append(time.thread_time() - started)
        sizes.append(sum(len(document.data) for document in documents))
        numbers.append(len(documents))

    build, check = statistics.median(built), statistics.median(checked)
    print(
        f"\nskrutinium, {CAME_IN} precincts: {statistics.median(numbers)} documents, {statistics.median(sizes) / 1e6:.2f} MB"
        f" written in {build * 1e3:.0f} ms; lxml parses and validates them in {check * 1e3:.0f} ms; ratio {build / check:.2f};"
        f" first release: {len(first)} documents, {sum(len(row.data) for row in first) / 1e6:.1f} MB in {whole:.2f} s"
    )
    assert build <= MOST


def _release(
    writer: SkrutiniumWriter, tally: Tally, number: int, arrivals: tuple[Arrival, ...]
) -> list[Document]:
    cutting = Cutting(
        event="kv2030",
        run="night",
        phase="test",
        number=number,
        time=TIME + datetime.timedelta(seconds=number),
        codebook=1,
        state="interim",
        arrivals=arrivals,
    )
    return list(writer.documents(tally, tally.take_changes(), cutting))
