"""What is no TLS at the port of TLS: garbage, plain HTTP, handshakes that stop. Others are served over TLS meanwhile."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from skrutinium_server.feed.settings import FeedSettings, write_settings
from tests.feed.hostile import ACCESS, BOTH, KINDS, Attacked, ask, gone, read_to_end, statuses, until
from tests.feed.made import MadeStore, small_night
from tests.feed.test_process import DOCUMENT, STARTED, start
from tests.feed.test_tls import Pair

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.fixture(scope="module", params=BOTH)
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A feed with TLS that gives up on idle connections soon."""
    store = MadeStore(tmp_path_factory.mktemp("tls"))
    store.access.write_text(ACCESS)
    small_night(store)
    store.close()
    pair = Pair(store.access.parent)
    pair.write(1)
    told = FeedSettings(certificate=str(pair.certificate), key=str(pair.key), idle=1)
    process = start(store, *KINDS[request.param], "--settings", write_settings(told))
    STARTED.remove(process)
    feed = Attacked(process)
    try:
        served(feed)
        feed.descriptors = feed.open_descriptors() + 2
        yield feed
        until(lambda: feed.open_descriptors() <= feed.descriptors, "connections are let go")
        served(feed)
        assert "Traceback" not in feed.log, feed.log[-3000:]
        assert "ERROR" not in feed.log, feed.log[-3000:]
    finally:
        process.end()


def served(feed: Attacked) -> None:
    """A subscriber gets the newest document over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with feed.connect("127.0.0.1") as plain, context.wrap_socket(plain) as connection:
        connection.sendall(ask(DOCUMENT, "Connection: close"))
        assert statuses(read_to_end(connection)) == [200]


@pytest.mark.parametrize(
    "garbage",
    [
        ask(DOCUMENT),
        b"\0" * 5000,
        b"\xff" * 100_000,
        HELLO + bytes(501),
        HELLO + b"\xff" * 60_000,
        b"\x80\x2e\x01\x00\x02" + bytes(41),
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=lambda value: repr(value[:12]),
)
def test_garbage_instead_of_tls_is_closed(feed: Attacked, garbage: bytes) -> None:
    """What is no handshake gets an alert or nothing, never a document, and the connection closes."""
    with feed.connect() as connection:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may close before all is sent
        assert len(read_to_end(connection)) < 100
    served(feed)


def test_garbage_within_tls_is_refused(feed: Attacked) -> None:
    """After a good handshake, records that are none end the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with feed.connect() as plain, context.wrap_socket(plain.dup()) as connection:
        connection.sendall(ask(DOCUMENT))
        assert statuses(connection.recv(65536)) == [200]
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"\xff" * 32)
        try:
            rest = connection.recv(65536)
        except (ssl.SSLError, ConnectionError):
            rest = b""
        assert not rest
    served(feed)


def test_handshakes_that_stop_are_given_up(feed: Attacked) -> None:
    """A hundred handshakes that begin and stop are given up after a while; others are served meanwhile."""
    held = [feed.connect() for _ in range(100)]
    try:
        for number, connection in enumerate(held):
            connection.sendall(HELLO[: number % len(HELLO)])
        served(feed)
        until(lambda: all(map(gone, held)), "handshakes are given up", 120)
    finally:
        for connection in held:
            connection.close()
