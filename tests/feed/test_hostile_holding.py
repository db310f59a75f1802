"""Attackers that hold on: slow senders, half-open and idle connections, readers that never read, churn. Others never notice.

Nothing here depends on how fast the machine is: what is asserted is that others are served at all while the attackers hold, that
memory stays bounded, and that the feed lets go of everything in the end.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest

from skrutinium_server.feed.settings import FeedSettings, write_settings
from tests.feed.hostile import (
    BOTH,
    DOCUMENT,
    KINDS,
    LARGE,
    Attacked,
    ask,
    attacked,
    gone,
    holding,
    raise_limit,
    read_to_end,
    statuses,
    until,
)
from tests.feed.made import EVENT, MadeStore

pytestmark = pytest.mark.usefixtures("many_descriptors")

IDLE = 1
HELD = FeedSettings(requests_per_second=0, connections=0, idle=IDLE)
PUSH = f"/event/{EVENT}/push"
LARGE_DOCUMENT = f"/event/{EVENT}/newest/large.xml"
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module", params=BOTH)
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A feed without limits, which closes idle connections soon."""
    store = MadeStore(tmp_path_factory.mktemp("held"))
    yield from attacked(store, *KINDS[request.param], "--settings", write_settings(HELD))


STARTS = [
    b"",
    b"GET /event/kv20",
    ask(DOCUMENT)[:-2],
    ask(DOCUMENT)[:-2] + b"X-Made: u",
    ask(DOCUMENT) + ask(DOCUMENT)[:-2],
    ask("/access", "Content-Length: 100") + b"x",
]
"""From nothing at all to half a body."""


def test_connections_that_stop_in_the_middle_are_closed(feed: Attacked) -> None:
    """Hundreds of connections that send a beginning and nothing more are closed after a while; meanwhile others are served."""
    with contextlib.ExitStack() as stack:
        held = [one for begun in STARTS for one in stack.enter_context(holding(feed, 80, sent=begun))]
        feed.served()
        until(lambda: all(map(gone, held)), "idle connections are closed", 120)
    feed.served()


def test_headers_that_come_byte_by_byte_are_cut_off(feed: Attacked) -> None:
    """Who sends a header byte by byte does not keep its connection open by that."""
    with holding(feed, 200, sent=b"GET / HTTP/1.1\r\nX: ") as held:
        left = list(held)
        rounds = 0
        while left:
            rounds += 1
            feed.served()
            for connection in list(left):
                try:
                    connection.sendall(b"y")
                except ConnectionError:
                    left.remove(connection)
            assert rounds < 5000
    assert rounds > 1


def test_headers_without_end_are_refused_early(feed: Attacked) -> None:
    """A header that grows and grows is refused after some 32 KiB, long before all of the lines and lengths that are allowed."""
    line = b"X-Made: " + b"y" * 4000 + b"\r\n"
    with feed.connect() as connection:
        sent = 0
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 60 * len(line):
                connection.sendall(line)
                sent += len(line)
                connection.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if connection.recv(1, socket.MSG_PEEK):
                        break
        assert sent < 16 * len(line)
        connection.settimeout(10)
        answer = read_to_end(connection)
    assert statuses(answer) in ([431], [])


def test_half_open_connections_are_let_go(feed: Attacked) -> None:
    """Who says that nothing more comes, and never closes, is answered and let go."""
    with holding(feed, 200, sent=ask(DOCUMENT)) as held:
        for connection in held:
            connection.shutdown(socket.SHUT_WR)
        assert all(statuses(read_to_end(connection)) == [200] for connection in held)
        until(lambda: feed.open_descriptors() <= feed.descriptors, "half-open connections are let go")


def test_readers_that_never_read_cost_little(feed: Attacked) -> None:
    """Two hundred connections that ask for gigabytes and read none of it: memory stays bounded, and others are served."""
    sent = ask(LARGE_DOCUMENT) * 20
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(feed.connect(buffer=4096))
            connection.sendall(sent)
        for _ in range(20):
            feed.served()
        grown = feed.resident() - feed.memory
    # All bodies together would be 12 GB; each connection may hold what the transport and the system take.
    assert grown < 200 * 1024 * 1024 + 8 * LARGE, grown


def test_floods_behind_a_slow_answer_stay_with_the_system(feed: Attacked) -> None:
    """Who keeps sending, in the smallest pieces, while it does not read its answer, fills no memory."""
    before = feed.resident()
    with contextlib.ExitStack() as stack:
        flooding = []
        for _ in range(20):
            connection = stack.enter_context(feed.connect(buffer=4096))
            connection.sendall(ask(LARGE_DOCUMENT) * 4)
            connection.setblocking(False)
            flooding.append(connection)
        for _ in range(300):
            for connection in flooding:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    connection.send(b"G")
        feed.served()
        for _ in range(30):
            for connection in flooding:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    connection.send(ask(DOCUMENT) * 500)
        feed.served()
        grown = feed.resident() - before
    assert grown < 96 * 1024 * 1024, grown


def test_pushing_at_push_fills_nothing(feed: Attacked) -> None:
    """A stream of events whose reader keeps sending requests grows by none of them."""
    before = feed.resident()
    with feed.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(ask(PUSH))
        assert statuses(connection.recv(65536)) == [200]
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(200):
                connection.sendall(ask(DOCUMENT) * 1000)
    feed.served()
    assert feed.resident() < before + 32 * 1024 * 1024


def test_churn_leaves_nothing(feed: Attacked) -> None:
    """Thousands of connections that end in every way leave no descriptor, and the second thousand no memory."""
    before = 0
    for number in range(2000):
        if number == 1000:
            before = feed.resident()
        connection = feed.connect()
        if number % 4:
            connection.sendall(ask(DOCUMENT)[: 40 * (number % 4)])
        if number % 3 == 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
    feed.unharmed()
    assert feed.resident() < before + 16 * 1024 * 1024


def test_ten_thousand_idle_connections_hold_up_nobody(feed: Attacked) -> None:
    """Thousands of idle connections, ten thousand where the system has so many descriptors, are closed; others are served meanwhile."""
    number = min(10_000, (raise_limit() - 500) // 2 * 2)
    before = feed.resident()
    with contextlib.ExitStack() as stack:
        held = []
        for count in range(number):
            held.append(stack.enter_context(feed.connect(f"127.0.1.{1 + count % 250}")))
            if count % 1000 == 0:
                feed.served()
        feed.served()
        assert feed.resident() < before + number * 40_000
        until(lambda: all(map(gone, held)), "idle connections are closed", 120)
    feed.served()
