"""Whatever is sent, however it is cut up, and whatever happens in between: a feed with the front answers as one without it.

Two feeds on the same store, one with the front and one without, get the same bytes in the same pieces over real sockets. Both must send
the same bytes, but for ``Date`` and ``X-Request-Id``, and close or keep the connection alike. A piece is sent when the one
before was read, and something happens when all that was asked for is answered: so both see the same order of things.
"""

import asyncio
import contextlib
import fcntl
import itertools
import re
import socket
import struct
import termios
from asyncio import to_thread
from collections.abc import Callable, Iterator

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from skrutinium_server.feed.access import AccessList, load_access
from skrutinium_server.feed.door import Connection
from skrutinium_server.feed.front import Front
from skrutinium_server.feed.representation import represent
from skrutinium_server.feed.serving import Running, serve
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.release.store.packing import compress
from tests.feed.made import EVENT, MadeStore, document, night, small_night

MANY = settings(max_examples=settings().max_examples * 4)
VOLATILE = re.compile(rb"(Date|X-Request-Id): [^\r]*\r\n")
SPREAD = FeedSettings(requests_per_second=0, connections=0)


class Pair:
    """Two feeds on one store: ``front`` and ``plain``."""

    def __init__(self, store: MadeStore) -> None:
        self.store = store
        self.version = 3
        self.feeds: list[Running] = []
        self.handed_over = self.answered = 0
        self.access: AccessList | None = None

    async def start(self) -> None:
        """Start both."""
        self.access = await to_thread(load_access, self.store.access)
        for front in (True, False):
            self.feeds.append(
                await serve(
                    self.store.root,
                    self.store.access,
                    "127.0.0.1",
                    0,
                    front=front,
                    interval=0.005,
                    keep_alive=3600,
                    settings=SPREAD,
                )
            )

    async def stop(self) -> None:
        """Stop both."""
        for feed in self.feeds:
            await feed.close()

    async def release(self) -> None:
        """Publish another release and wait until both feeds have it."""
        self.version += 1
        documents = {"event.xml": document("event night", self.version)}
        if self.version % 3:  # there and back, so that one tag holds again and again, and then does not
            documents["contest/1.xml"] = CONTESTS[self.version % 2]
        await to_thread(self.store.release, night(), documents)
        await until(
            lambda: all(
                feed._handling.answers.published.series[night()].number == self.version for feed in self.feeds
            )
        )

    def forget(self) -> None:
        """Let the memories of both hold nothing, so that everything has to be read anew."""
        for feed in self.feeds:
            memory = feed._handling.fetching.memory
            memory._held.clear()
            memory.size, memory.dropped = 0, memory.dropped + 1
            if feed._fronts is not None:
                feed._fronts.memo.tick()

    def admit(self, access: AccessList) -> None:
        """Change who may read, at both."""
        for feed in self.feeds:
            feed.admit(access)


class Client:
    """One connection to one feed, and what came back so far."""

    def __init__(self, feed: Running) -> None:
        self.feed = feed
        self.received = b""
        self.closed = False
        self.sends = True
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    async def connect(self) -> None:
        """Connect, and wait until the feed has accepted."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self.feed.port))
        port = self.socket.getsockname()[1]
        held = self.feed._handling.connections._held
        await until(lambda: port in {one.transport.get_extra_info("peername")[1] for one in held})
        self.transport = next(
            one.transport for one in held if one.transport.get_extra_info("peername")[1] == port
        )

    async def send(self, data: bytes) -> None:
        """Send one piece, and wait until the feed has read it or is gone."""
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self.socket, data)
            await self._until(lambda: queued(self.socket, termios.TIOCOUTQ) == 0 and self._read())

    async def answered(self) -> None:
        """Wait until everything that was asked for is answered and has arrived."""
        await self._until(self._idle)
        for _ in range(3):  # what the feed writes leaves at the end of a turn of its loop
            await asyncio.sleep(0)
        await self._until(self._sent)
        self._take()

    async def end(self) -> None:
        """Send nothing more, and read until the feed closes."""
        self._take()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        await until(self._ended)

    async def _until(self, holds: Callable[[], bool]) -> None:
        def reads_and_holds() -> bool:
            self._take()  # a stream may tell of more releases than the system holds for a client that does not read
            return self.transport.is_closing() or holds()

        await until(reads_and_holds)

    def _server_socket(self) -> socket.socket:
        return self.transport.get_extra_info("socket")  # type: ignore[no-any-return]

    def _read(self) -> bool:
        protocol = self.transport.get_protocol()
        if isinstance(protocol, Front) and not self.transport.is_reading():
            return True  # it reads on when the answer before is made
        return queued(self._server_socket(), termios.FIONREAD) == 0

    def _idle(self) -> bool:
        protocol = self.transport.get_protocol()
        if queued(self._server_socket(), termios.FIONREAD):
            return False
        if self.feed.broadcaster.waiting or len(self.feed._handling.waiting):
            return True
        if isinstance(protocol, Front):
            return not protocol._busy
        assert isinstance(protocol, Connection)
        waiter = protocol._waiter
        return waiter is not None and not waiter.done() and not protocol._messages

    def _sent(self) -> bool:
        return (
            self.transport.get_write_buffer_size() == 0
            and queued(self._server_socket(), termios.TIOCOUTQ) == 0
        )

    def _ended(self) -> bool:
        self._take()
        return self.closed

    def _take(self) -> None:
        while not self.closed:
            try:
                piece = self.socket.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionError:
                piece = b""
            self.received += piece
            self.closed = not piece


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop go round until something holds; what it waits for tells nobody."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)


def queued(of: socket.socket, which: int) -> int:
    """Bytes that wait in the system for a socket."""
    return int(struct.unpack("i", fcntl.ioctl(of.fileno(), which, bytes(4)))[0])


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for both feeds, the one that feeds run on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as made:
        yield made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, runner: asyncio.Runner) -> Iterator[Pair]:
    """Two feeds on a small night; the front must have answered, and handed over, many times in the end."""
    store = MadeStore(tmp_path_factory.mktemp("pair"))
    small_night(store)
    made = Pair(store)
    runner.run(made.start())
    yield made
    runner.run(made.stop())
    store.close()
    assert made.answered > 10
    assert made.handed_over > 10


AREA = document("area", 2)
TAGS = [represent(AREA).etag, represent(compress(AREA), "gzip").etag]
CONTESTS = [document("contest night", version, 3000) for version in (1, 2)]
for contest in CONTESTS:
    TAGS += [represent(contest).etag, represent(compress(contest), "gzip").etag]
PREFIX = f"/event/{EVENT}"

COMMON = ["newest/area/CZ.xml", "newest/contest/1.xml", "newest/event.xml", "newest/manifest.xml"]
TARGETS = [
    *(f"{PREFIX}/{path}" for path in COMMON),
    *(
        f"{PREFIX}/{path}"
        for path in (
            "run/night/newest/area/CZ.xml",
            "newest/manifest.xml.sig",
            "newest/nothing.xml",
            "release/1/event.xml",
            "release/2/area/CZ.xml",
            "release/9999/event.xml",
            "release/01/event.xml",
            "at/2018-10-06T14:02:00Z/event.xml",
            "changes?since=1",
            "changes?since=x",
            "changes?since=1&only=event.xml",
            "changes?since=2&area=CZ,6202",
            "changes?since=2&area=",
            "newest/manifest.xml?after=2",
            "newest/manifest.xml?after=9999",
            "newest/manifest.xml?x=1",
            "line",
            "archive/newest.zip",
            "registers/newest/registers.xml",
            "pack/2",
            "checkpoint/newest.xml",
            "heartbeat.xml",
            "newest/event.xml?x=1",
            "newest//event.xml",
            "newest/%65vent.xml",
            "newest/event.xml#x",
            "newest/../event.xml",
            "run/other/newest/event.xml",
        )
    ),
    "/event/other/newest/event.xml",
    "/state.xml",
    "/access",
    "/xsd/skrutinium/1.0/skrutinium.xsd",
    "/xsd/nothing.xsd",
    f"/object/{'0' * 64}",
    "/pls/kv2018/vysledky",
    "/pls/kv2018/vysledky_obec?cislo_obce=582786",
    "/appdata/kv2018/20181005/odata/vysledky.xml",
    "/",
    "/notices.xml",
    "/status.atom",
    "*",
    "",
    "/x y",
    "/ž",
    "/" + "a" * 300,
    "/" + "a" * 2500,
    f"http://127.0.0.1{PREFIX}/newest/event.xml",
    f"HTTP://x{PREFIX}/newest/event.xml",
    "ftp://x/",
]
ACCEPTED = [
    "gzip",
    "gzip, deflate",
    "gzip, deflate, br",
    "identity",
    "gzip;q=0",
    "*;q=0",
    "identity;q=0",
    "",
    "GZIP",
    "gzip;q=0.5, identity",
    "x-gzip",
    "*",
]
DATES = ["Sat, 06 Oct 2018 14:02:00 GMT", "Sat, 06 Oct 2018 14:01:00 GMT", "yesterday", ""]

tag = st.sampled_from(TAGS)
CONDITIONS = st.one_of(
    tag,
    tag.map(lambda told: f"W/{told}"),
    st.lists(tag, min_size=2, max_size=3).map(", ".join),
    tag.map(lambda told: f'"x",W/"y" , {told}'),
    tag.map(lambda told: f"{told} "),
    tag.map(lambda told: f"{told}\t"),
    tag.map(lambda told: told[:-1]),
    tag.map(lambda told: told.upper()),
    st.sampled_from(["*", '""', '"x"', "x", "", ",", '"0123456789abcdef0123456789abcdef"', '"\u017e"']),
)
SPELL = st.sampled_from([str, str, str, str.lower, str.upper])
COLONS = st.sampled_from([": ", ": ", ": ", ": ", ":", ":  ", ":\t", " : "])


def field(name: str, values: "st.SearchStrategy[str]") -> "st.SearchStrategy[str]":
    """A header line, mostly as clients write it."""
    return st.builds(lambda spell, colon, value: f"{spell(name)}{colon}{value}", SPELL, COLONS, values)


FIELDS = st.one_of(
    field("Accept-Encoding", st.sampled_from(ACCEPTED)),
    field("If-None-Match", CONDITIONS),
    field("If-None-Match", tag),
    field("If-Modified-Since", st.sampled_from(DATES)),
    field("Connection", st.sampled_from(["keep-alive", "close", "Close", "close, x", "Upgrade", "x", ""])),
    st.sampled_from(
        [
            "Range: bytes=0-9",
            "Range: bytes=999999-",
            "Range: bytes=5-, 7-8",
            'If-Match: "x"',
            'If-Range: "x"',
            "If-Match: *",
            "Prefer: wait=0",
            "Content-Length: 0",
            "Content-Length: 5",
            "Content-Length: x",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
            "Expect: 100-continue",
            "Upgrade: websocket",
            "Upgrade: h2c",
            "X-Forwarded-For: 192.0.2.1",
            "Forwarded: for=192.0.2.1",
            "Last-Event-ID: 1",
            "X-If-None-Match: " + TAGS[0],
            "X-If-None-Match: " + TAGS[2],
            "Cookie: a=b; c=d",
            "User-Agent: \u017e",
            "X: a\r\n b",
            "If-None-Match: " + TAGS[0] + "\r\n , " + TAGS[1],
            " X: leading",
            "X y: z",
            "X",
            ": z",
            "X: \0",
            "X: a\rb",
            "X: a\nIf-None-Match: " + TAGS[0],
            "X: " + "y" * 9000,
            "\r\n".join(f"X-{number}: y" for number in range(70)),
        ]
    ),
)
HOST = st.sampled_from(["Host: 127.0.0.1"] * 6 + ["host: x", "Host: a\r\nHost: b", "Host:", "X: no host"])


def odd(usual: str, *unusual: str) -> "st.SearchStrategy[str]":
    """Mostly the usual."""
    return st.one_of(st.just(usual), st.just(usual), st.just(usual), st.sampled_from([usual, *unusual]))


def written(
    method: str, target: str, version: str, space: str, end: str, host: str, fields: list[str]
) -> bytes:
    """One request."""
    lines = "".join(f"{line}{end}" for line in (f"{method}{space}{target} {version}", host, *fields))
    body = "hello" if "Content-Length: 5" in fields else ""
    body = "0\r\n\r\n" if "Transfer-Encoding: chunked" in fields else body
    return f"{lines}{end}{body}".encode()


PLAIN = st.builds(
    written,
    st.just("GET"),
    st.sampled_from([f"{PREFIX}/{path}" for path in COMMON]),
    st.just("HTTP/1.1"),
    st.just(" "),
    st.just("\r\n"),
    st.just("Host: 127.0.0.1"),
    st.lists(
        st.one_of(
            st.sampled_from(ACCEPTED[:3]).map(lambda told: f"Accept-Encoding: {told}"),
            tag.map(lambda told: f"If-None-Match: {told}"),
            tag.map(lambda told: f"if-none-match: {told}"),
            tag.map(lambda told: f"X-If-None-Match: {told}"),
        ),
        max_size=3,
    ),
)
ODD = st.builds(
    written,
    odd("GET", "HEAD", "OPTIONS", "POST", "get", "GETT", " GET", "\r\nGET", "TRACE"),
    st.sampled_from(TARGETS),
    odd("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""),
    odd(" ", "  ", "\t"),
    odd("\r\n", "\n", " \r\n"),
    HOST,
    st.lists(FIELDS, max_size=4),
)
PUSH = st.builds(
    written,
    odd("GET", "HEAD"),
    st.sampled_from([f"{PREFIX}/push", f"{PREFIX}/run/night/push", "/event/other/push"]),
    odd("HTTP/1.1", "HTTP/1.0"),
    st.just(" "),
    st.just("\r\n"),
    HOST,
    st.lists(
        st.sampled_from(["Last-Event-ID: 2", "last-event-id: x", "Accept: text/event-stream"]), max_size=1
    ),
)


@st.composite
def pieces(draw: st.DrawFn) -> list[bytes]:
    """Some requests in a row, cut anywhere, now and then with one byte changed."""
    requests = draw(st.lists(st.one_of(PLAIN, PLAIN, ODD, PUSH), min_size=1, max_size=5))
    data = bytearray(b"".join(requests))
    if draw(st.integers(0, 9)) == 0:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    ends = list(itertools.accumulate(map(len, requests)))
    cuts = draw(
        st.one_of(
            st.just(ends),
            st.lists(st.one_of(st.sampled_from(ends), st.integers(0, len(data))), max_size=4),
        )
    )
    places = sorted({cut for cut in cuts if cut < len(data)} | {0, len(data)})
    return [bytes(data[start:end]) for start, end in itertools.pairwise(places)]


MIXED = st.lists(
    st.one_of(pieces(), pieces(), st.sampled_from(["release", "withdraw", "restore", "forget"])),
    min_size=1,
    max_size=4,
)
PLAIN_PIECES = st.lists(PLAIN, min_size=1, max_size=3).map(lambda requests: [b"".join(requests)])
POLL = st.builds(
    lambda version, coding, n: (
        f"GET {PREFIX}/newest/contest/1.xml HTTP/1.1\r\nHost: x\r\n{coding}If-None-Match: {TAGS[2 + 2 * version + n]}\r\n\r\n"
    ).encode(),
    st.integers(0, 1),
    st.sampled_from(["", "Accept-Encoding: gzip\r\n"]),
    st.integers(0, 1),
)
# Whoever polls sends the same bytes again and again.
REPEATED = st.lists(POLL, min_size=1, max_size=2).flatmap(
    lambda told: st.lists(
        st.sampled_from(
            [*([one] for one in told), *([one] for one in told), "release", "forget", "withdraw", "restore"]
        ),
        min_size=3,
        max_size=8,
    )
)
WAITING = st.builds(
    written,
    st.just("GET"),
    st.sampled_from(
        [
            f"{PREFIX}/{path}"
            for path in (
                "newest/manifest.xml?after=NEWEST",
                "newest/manifest.xml?after=1",
                "run/night/newest/manifest.xml?after=NEWEST",
                "newest/manifest.xml",
                "newest/event.xml",
            )
        ]
    ),
    odd("HTTP/1.1", "HTTP/1.0"),
    st.just(" "),
    st.just("\r\n"),
    HOST,
    st.tuples(
        st.sampled_from(
            [
                "Prefer: wait=3600",
                "prefer: respond-async, wait=99",
                "Prefer: wait=x",
                "Prefer: a\r\nPrefer: wait=60",
                "Prefer: wait=60;x",
            ]
        ),
        st.sampled_from(
            [
                "Accept: */*",
                "Accept-Encoding: gzip",
                "Connection: close",
                "If-None-Match: *",
                'If-None-Match: "x"',
                "Accept-Encoding: identity;q=0",
            ]
        ),
        st.sampled_from(["X: y", "If-None-Match: *", "Accept-Encoding: gzip"]),
    ).map(list),
)
# Some wait, more is sent meanwhile, and then there is a release, or no access any more. ``NEWEST`` is put in when it is sent.
LATER = st.tuples(
    st.lists(
        st.one_of(
            PLAIN_PIECES,
            WAITING.map(lambda one: [one]),
            st.tuples(WAITING, PLAIN).map(lambda two: [b"".join(two)]),
        ),
        min_size=1,
        max_size=2,
    ),
    st.lists(
        st.one_of(
            PLAIN_PIECES, WAITING.map(lambda one: [one]), st.sampled_from(["release", "release", "withdraw"])
        ),
        min_size=1,
        max_size=4,
    ),
).map(lambda told: [*told[0], *told[1]])
# Some conversations stay with the front to their end, so that every run sees it answer.
STEPS = st.one_of(
    MIXED,
    MIXED,
    MIXED,
    REPEATED,
    LATER,
    st.lists(st.one_of(PLAIN_PIECES, st.sampled_from(["release", "forget"])), min_size=1, max_size=4),
)


async def step_by_step(pair: Pair, clients: list[Client], steps: list[list[bytes] | str]) -> None:
    """Send pieces to both and let things happen to both, one after the other."""
    assert pair.access is not None
    for step in steps:
        if isinstance(step, list):
            for piece, client in itertools.product(step, clients):
                await client.send(piece.replace(b"=NEWEST", b"=%d" % pair.version))
            continue
        for client in clients:
            await client.answered()
        if step == "release":
            await pair.release()
        elif step == "forget":
            pair.forget()
        else:
            pair.admit(AccessList() if step == "withdraw" else pair.access)
    for client in clients:
        await client.answered()


async def exchange(pair: Pair, steps: list[list[bytes] | str], half_closes: bool) -> list[tuple[bytes, bool]]:
    """What each feed answered, and whether it closed the connection."""
    assert pair.access is not None
    clients = [Client(feed) for feed in pair.feeds]
    try:
        for client in clients:
            await client.connect()
        front = clients[0].transport.get_protocol()
        await step_by_step(pair, clients, steps)
        handed_over = clients[0].transport.get_protocol() is not front
        pair.handed_over += handed_over
        pair.answered += not handed_over and bool(clients[0].received)
        for client in clients:
            waits = len(client.feed._handling.waiting)
            if (half_closes and not waits) or client.transport.is_closing():
                await client.end()
        return [(client.received, client.closed) for client in clients]
    finally:
        for client in clients:
            # A reset: who only sends nothing more goes on waiting.
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        await until(lambda: not any(len(feed._handling.connections) for feed in pair.feeds))
        pair.admit(pair.access)


@MANY
@given(STEPS, st.booleans())
def test_front_answers_as_the_ordinary_path_does(
    pair: Pair, runner: asyncio.Runner, steps: list[list[bytes] | str], half_closes: bool
) -> None:
    """The same bytes and the same end of the connection, for every stream of requests, releases and withdrawals."""
    front, plain = runner.run(exchange(pair, steps, half_closes))
    assert VOLATILE.sub(b"", front[0]) == VOLATILE.sub(b"", plain[0])
    assert front[1] == plain[1]
