"""Whatever is sent to a feed, in whatever pieces and by however many: it answers in HTTP, never with a fault, and serves the others."""

import contextlib
import itertools
import re
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrutinium_server.feed.settings import FeedSettings, write_settings
from tests.feed.made import EVENT, MadeStore, document, small_night
from tests.feed.test_process import STARTED, Process, start
from tests.fuzz.mutating import mutated

FEW = settings(max_examples=max(20, settings().max_examples // 5))
GOOD = [
    f"GET /event/{EVENT}/newest/event.xml HTTP/1.1\r\nHost: x\r\n\r\n",
    f"HEAD /event/{EVENT}/release/2/event.xml HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
    f'GET /event/{EVENT}/at/2018-10-06T14:02:00Z/event.xml HTTP/1.1\r\nHost: x\r\nIf-None-Match: "a", W/"b"\r\n\r\n',
    f"GET /event/{EVENT}/changes?since=1 HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Sat, 06 Oct 2018 14:00:00 GMT\r\n\r\n",
    f"GET /event/{EVENT}/pack/2 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n",
    "GET /state.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "GET /access HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /pls/kv2018/vysledky HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /event/{EVENT}/run/night/newest/manifest.xml.sig HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /event/{EVENT}/newest/manifest.xml?after=1 HTTP/1.1\r\nHost: x\r\nPrefer: wait=0\r\n\r\n",
    f"GET /event/{EVENT}/changes?since=1&path=event.xml HTTP/1.1\r\nHost: x\r\nRange: bytes=5-\r\n\r\n",
    f"GET /event/{EVENT}/registers/newest/registers.xml HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /event/{EVENT}/archive/newest.zip HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /event/{EVENT}/line HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    "OPTIONS /notices.xml HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    "GET /status.atom HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0.5\r\n\r\n",
]
REQUESTS = [one.encode() for one in GOOD]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One feed for all tests: it must outlive them, without a traceback in what it said, and without growing."""
    store = MadeStore(tmp_path_factory.mktemp("feed"))
    small_night(store)
    small_night(store, "dress", "rehearsal", current=False)
    store.close()
    free = FeedSettings(requests_per_second=0, connections=0)
    receipts = str(store.root.parent / "receipts.jsonl")
    running = start(store, "--settings", write_settings(free), "--receipts", receipts)
    STARTED.remove(running)
    served(running)
    before = resident(running)
    yield running
    served(running)
    assert resident(running) < before + 128 * 2**20
    assert running.end() == 0
    assert "Traceback" not in running.errors.read_text()


def resident(process: Process) -> int:
    """Memory of the feed in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.child.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def served(process: Process) -> None:
    """Somebody else gets the newest document, now."""
    began = time.monotonic()
    assert process.get(f"/event/{EVENT}/newest/event.xml").endswith(document("event night", 3))
    assert time.monotonic() - began < 30


def exchange(process: Process, pieces: list[bytes]) -> bytes:
    """Send in pieces, each in a segment of its own, read until the feed closes; a feed that closes early may."""
    received = b""
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # a connection that is closed already cannot be shut down either
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
    return received


def answers_well(answer: bytes) -> None:
    """Nothing, or HTTP without a fault of the feed."""
    assert not answer or re.match(rb"HTTP/1\.[01] [1-5]\d\d ", answer), answer[:200]
    statuses = re.findall(rb"HTTP/1\.[01] (\d\d\d) [A-Z][^\r]*\r\n", answer)
    assert not {status for status in statuses if status.startswith(b"5")} - {b"503"}, statuses
    assert b"Traceback" not in answer


def cut_up(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


RECEIPT = (
    (Path(__file__).resolve().parents[2] / "samples/skrutinium/1.0/rehearsal/valid/receipt.xml")
    .read_bytes()
    .replace(b'"kv2030"', f'"{EVENT}"'.encode())
    .replace(b'"rehearsal-1"', b'"dress"')
)


def sent(receipt: bytes) -> bytes:
    """A request that brings a receipt."""
    head = f"POST /event/{EVENT}/receipt HTTP/1.1\r\nHost: x\r\nContent-Length: {len(receipt)}\r\n\r\n"
    return head.encode() + receipt


PIPELINED = st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=8).map(b"".join)


@FEW
@given(PIPELINED.flatmap(lambda data: mutated([data], 3)), st.lists(st.integers(0, 5000), max_size=6))
def test_mutated_requests_are_answered_well(process: Process, data: bytes, cuts: list[int]) -> None:
    """Damaged requests, many in a row and cut anywhere, get HTTP or nothing; others are served meanwhile."""
    answers_well(exchange(process, cut_up(data, cuts)))
    served(process)


@FEW
@given(mutated([RECEIPT], 3), st.booleans(), st.lists(st.integers(0, 3000), max_size=4))
def test_mutated_receipts_are_refused_or_taken(
    process: Process, data: bytes, whole: bool, cuts: list[int]
) -> None:
    """Damaged receipts, and requests with damage anywhere, cut anywhere, get HTTP or nothing; others are served meanwhile."""
    request = sent(data) if whole else sent(RECEIPT)[: -len(RECEIPT)] + data
    answer = exchange(process, cut_up(request + REQUESTS[0], cuts))
    answers_well(answer)
    if whole and len(data) <= 16 * 1024:
        assert re.match(rb"HTTP/1.1 (204|400|403) ", answer), answer[:200]
    served(process)


def test_receipt_is_taken_unless_damaged(process: Process) -> None:
    """The receipt that the mutations begin with is taken."""
    assert exchange(process, [sent(RECEIPT)]).startswith(b"HTTP/1.1 204 ")


@FEW
@given(
    st.lists(st.sampled_from(REQUESTS[:6]), min_size=1, max_size=8),
    st.lists(st.integers(0, 5000), max_size=9),
)
def test_cuts_change_no_answer(process: Process, requests: list[bytes], cuts: list[int]) -> None:
    """However good requests are cut and pipelined, each gets its answer, the same bytes, in order."""
    whole = exchange(process, [b"".join(requests)])
    cut = exchange(process, cut_up(b"".join(requests), cuts))
    volatile = re.compile(rb"(Date|X-Request-Id|Age): [^\r]*\r\n")
    assert volatile.sub(b"", cut) == volatile.sub(b"", whole)
    assert len(re.findall(rb"HTTP/1\.1 (?:200|206|304) ", whole)) == len(requests)


@FEW
@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=4), st.integers(0, 5000), st.booleans())
def test_readers_that_leave_hurt_nobody(
    process: Process, requests: list[bytes], at: int, reset: bool
) -> None:
    """A reader that goes away in the middle of a request or of an answer, politely or not, is forgotten."""
    data = b"".join(requests)
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        connection.sendall(data[: at % (len(data) + 1)])
        if reset:  # RST instead of FIN
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    served(process)


def test_flood_of_connections_and_requests(process: Process) -> None:
    """Hundreds of connections that send without pause and never read cost the others nothing but a little time."""
    seconds = 1 if settings().max_examples < 1000 else 60
    sending = b"".join(REQUESTS) * 20
    stop = threading.Event()
    sent = [0]

    def flood() -> None:
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as opened:
            for _ in range(200):
                connection = opened.enter_context(
                    socket.create_connection(("127.0.0.1", process.port), timeout=60)
                )
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_WRITE)
            while not stop.is_set():
                for key, _ in selector.select(0.1):
                    assert isinstance(key.fileobj, socket.socket)
                    try:
                        sent[0] += key.fileobj.send(sending)
                    except (BlockingIOError, ConnectionError):
                        selector.unregister(key.fileobj)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        end = time.monotonic() + seconds
        times = 0
        while time.monotonic() < end or times < 5:
            served(process)
            times += 1
    finally:
        stop.set()
        flooding.join()
    assert sent[0] > 2**20
