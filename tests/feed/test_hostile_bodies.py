"""Bodies, which the feed does not take: neither unpacked, nor kept, nor a fault of the feed, on every loop and path."""

import contextlib
import gzip
import itertools
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.feed.hostile import DOCUMENT, KINDS, Attacked, ask, attacked, read_to_end, statuses
from tests.feed.made import MadeStore


@pytest.fixture(scope="module", params=KINDS)
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One feed of each kind for all tests."""
    store = MadeStore(tmp_path_factory.mktemp("attacked"))
    yield from attacked(store, *KINDS[request.param])


BODIES = {
    "gzip that is none": ("Content-Length: 30\r\nContent-Encoding: gzip", b"\x1f\x8b\x08" + bytes(27)),
    "deflate that is none": ("Content-Length: 30\r\nContent-Encoding: deflate", b"\xff" * 30),
    "a bomb": ("Content-Length: 10000000\r\nContent-Encoding: gzip", gzip.compress(bytes(200_000_000), 1)),
    "chunk of garbage": ("Transfer-Encoding: chunked", b"zz\r\n"),
    "chunk that ends wrong": ("Transfer-Encoding: chunked", b"3\r\nabcdef\r\n"),
    "chunks without end": ("Transfer-Encoding: chunked", b"1\r\na\r\n" * 50_000),
}


def answered(feed: Attacked, target: str, lines: str, body: bytes) -> bytes:
    """What a request is answered whose body comes after the answer."""
    with feed.connect() as connection:
        connection.sendall(ask(target, lines))
        answer = connection.recv(65536)
        with contextlib.suppress(OSError):
            connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
        return answer + read_to_end(connection)


def test_bodies_that_come_later_are_nobodys_business(feed: Attacked) -> None:
    """A body that comes after the answer is not unpacked and is no fault of ours, whatever it is, and many at once."""
    asked = list(itertools.product([DOCUMENT, "/access"], BODIES))
    with ThreadPoolExecutor(len(asked)) as clients:
        answers = list(clients.map(lambda told: answered(feed, told[0], *BODIES[told[1]]), asked))
    for (target, body), answer in zip(asked, answers, strict=True):
        assert statuses(answer)[0] == (200 if target == "/access" else 413), (target, body)
        assert statuses(answer)[1:] in ([], [400]), (target, body)
    assert feed.resident() < feed.memory + 64 * 2**20
