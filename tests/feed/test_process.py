"""The feed as a process of its own: starts, is killed, starts again; and whatever is thrown at it, it lives."""

import dataclasses
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.feed.made import EVENT, MadeStore, document, night, small_night

DOCUMENT = f"/event/{EVENT}/newest/event.xml"


@dataclasses.dataclass
class Process:
    """A feed in a process of its own; ``errors`` is where its standard error goes."""

    child: subprocess.Popen[bytes]
    port: int
    errors: Path

    def exchange(self, data: bytes) -> bytes:
        """Send bytes on a new connection, say that there are no more, and read to the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    received += piece
            except ConnectionError:
                pass  # the feed may close as soon as it has seen enough; what it said before that counts
            return received

    def get(self, target: str) -> bytes:
        """One request, the connection closed after it."""
        return self.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    def end(self) -> int:
        """Close its standard input and wait for its end."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.close()
            return self.child.wait(15)
        finally:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()


STARTED: list[Process] = []


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """A test that fails leaves no process behind."""
    yield
    while STARTED:
        STARTED.pop().end()


def start(store: MadeStore, *options: str, port: int = 0, descriptors: int | None = None) -> Process:
    """Start a feed, with at most so many descriptors, and wait until it says where it listens."""
    errors = store.root.parent / "errors"
    with errors.open("ab") as file:
        child = subprocess.Popen(
            [
                *(() if descriptors is None else ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh")),
                sys.executable,
                "-m",
                "skrutinium_server.feed.server",
                store.root,
                store.access,
                "127.0.0.1",
                str(port),
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, errors.read_text()
    host, taken = json.loads(line)["listening"]
    assert host == "127.0.0.1"
    process = Process(child, taken, errors)
    STARTED.append(process)
    return process


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_ends_with_its_standard_input(night_store: MadeStore, loop: str) -> None:
    """It serves on either loop, is deaf to SIGINT, ends with its standard input, and says nothing but where it listens."""
    process = start(night_store, "--loop", loop)
    assert process.get(DOCUMENT).endswith(document("event night", 3))
    process.child.send_signal(signal.SIGINT)
    assert process.get(DOCUMENT).endswith(document("event night", 3))
    assert process.end() == 0
    assert "Traceback" not in process.errors.read_text()


def test_ends_on_sigterm(night_store: MadeStore) -> None:
    """SIGTERM ends it in order."""
    process = start(night_store)
    process.child.send_signal(signal.SIGTERM)
    assert process.end() == 0


def test_killed_and_started_again_it_goes_on(night_store: MadeStore) -> None:
    """Killed, it starts again on the same port with the newest release, and serves the same bytes and tags."""
    process = start(night_store)
    before = process.get(f"/event/{EVENT}/newest/contest/1.xml")
    process.child.kill()
    process.end()
    night_store.release(night(), {"event.xml": document("event", 4)})
    again = start(night_store, port=process.port)
    assert again.get(DOCUMENT).endswith(document("event", 4))
    after = again.get(f"/event/{EVENT}/newest/contest/1.xml")
    tags = [re.search(rb"ETag: (.*)\r\n", answer) for answer in (before, after)]
    assert tags[0] is not None
    assert tags[1] is not None
    assert tags[0][1] == tags[1][1]
    assert again.end() == 0


def test_several_share_a_port(night_store: MadeStore) -> None:
    """With --reuse-port several processes listen at one port; without it the second says what is wrong."""
    first = start(night_store, "--reuse-port")
    second = start(night_store, "--reuse-port", port=first.port)
    assert second.port == first.port
    assert first.get(DOCUMENT).endswith(document("event night", 3))
    assert (first.end(), second.end()) == (0, 0)
    alone = start(night_store)
    refused = subprocess.run(
        [
            sys.executable,
            "-m",
            "skrutinium_server.feed.server",
            night_store.root,
            night_store.access,
            "127.0.0.1",
            str(alone.port),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"port {alone.port}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert alone.end() == 0


def test_store_that_is_not_there_yet(store: MadeStore) -> None:
    """A feed that starts before the first run says so to its readers, and serves the run when it comes."""
    shutil.rmtree(store.root)
    process = start(store)
    assert b" 404 " in process.get(DOCUMENT)
    small_night(store)
    while not (answer := process.get(DOCUMENT)).endswith(document("event night", 3)):
        assert re.match(rb"HTTP/1.1 (404|200) ", answer)
    assert process.end() == 0


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A feed that all hostile tests share: it must outlive them."""
    store = MadeStore(tmp_path_factory.mktemp("hostile"))
    small_night(store)
    store.close()
    running = start(store)
    STARTED.remove(running)  # it outlives the single test
    yield running
    assert running.get(DOCUMENT).endswith(document("event night", 3))
    assert running.end() == 0
    assert "Traceback" not in running.errors.read_text()


def well_refused(process: Process, answer: bytes) -> None:
    """Every answer is HTTP, none is a fault of the feed, and every refusal has an error document; then the feed still serves."""
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ", head)
        assert found, answer[:200]
        status = int(found[1])
        assert status != 500
        assert b"Traceback" not in answer
        if status >= 400 and b"\r\nContent-Length: " in head and body:
            length = int(head.partition(b"\r\nContent-Length: ")[2].split(b"\r\n")[0])
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            root = etree.fromstring(body[:length], parser)
            assert etree.QName(root).localname == "error" or root.find("{*}CHYBA") is not None
    assert b" 200 OK" in process.get("/health")


HOSTILE = [
    (b"GET /event/kv2018/newest/../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /xsd/%2e%2e/%2e%2e/errors.py HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET //etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /state.xml%00.png HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /state.xml\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /state.xml HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    (
        b"GET /state.xml HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: a\r\n" % n for n in range(500)) + b"\r\n",
        431,
    ),
    (b"GET /state.xml HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400),
    (b"GET /state.xml HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    (
        b"GET /state.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (b"GET /state.xml HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"GET /state.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\nx", 413),
    (b"POST /state.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"GET /state.xml HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 413),
    (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET /event/kv2018/changes?since=" + b"9" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /state.xml HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
    (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204),
    (b"GET /state.xml HTTP/1.0\r\n\r\n", 200),
    (b"GET /event/kv2018/push HTTP/1.1\r\nHost: x\r\nLast-Event-ID: -1\r\n\r\n", 400),
]


@pytest.mark.parametrize(("data", "status"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_request_is_refused_well(process: Process, data: bytes, status: int) -> None:
    """Each known trick gets its small answer, and the feed lives."""
    answer = process.exchange(data)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    well_refused(process, answer)


HURRIED = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
PARTS = [
    "event",
    "kv2018",
    "newest",
    "release",
    "1",
    "-1",
    "at",
    "2018-10-06T14:01:00Z",
    "changes?since=1",
    "pack",
    "..",
    "%2e%2e",
    "",
    "pls",
    "vysledky?davka=1",
    "\x00",
    "event.xml",
    "appdata",
    "odata",
    "20181005",
    "?",
    "#",
    "%",
    "run",
    "series",
]
TARGETS = st.lists(st.sampled_from(PARTS), max_size=7).map(
    lambda parts: ("/" + "/".join(parts)).encode()
) | st.binary(max_size=60).map(lambda data: b"/" + data)
NAMES = st.sampled_from(
    [
        b"If-None-Match",
        b"If-Modified-Since",
        b"Accept-Encoding",
        b"Range",
        b"Connection",
        b"Last-Event-ID",
        b"Host",
        b"Expect",
        b"X",
    ]
)
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=5)


@HURRIED
@given(
    method=st.sampled_from([b"GET", b"HEAD", b"OPTIONS", b"POST", b"get", b"\xff"]),
    target=TARGETS,
    headers=HEADERS,
)
def test_any_request_is_answered_well(
    process: Process, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """Whatever path, query and header lines hold, the answer is HTTP, never a fault of the feed, and the feed lives."""
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    well_refused(
        process,
        process.exchange(
            method + b" " + target + b" HTTP/1.1\r\nHost: x\r\n" + lines + b"Connection: close\r\n\r\n"
        ),
    )


@HURRIED
@given(st.binary(max_size=300))
def test_any_bytes_are_survived(process: Process, data: bytes) -> None:
    """Bytes that are no request are answered as HTTP or not at all, and the feed lives."""
    well_refused(process, process.exchange(data))


def test_pipelined_and_split_requests_are_answered_in_order(process: Process) -> None:
    """Requests sent at once, or byte by byte, are all answered, in order."""
    one = b"GET /event/kv2018/release/%d/event.xml HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = process.exchange(b"".join(one % number for number in (1, 2, 3)))
    assert [int(number) for number in re.findall(rb'version="(\d)"', answer)] == [1, 2, 3]
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in one % 2:
            connection.sendall(bytes([byte]))
        assert b"200 OK" in connection.recv(65536)


def test_half_open_connections_do_not_matter(night_store: MadeStore) -> None:
    """Hundreds of connections that say nothing, or half a request, keep nobody from reading."""
    process = start(night_store, "--settings", '{"connections": 0}')
    idle = [socket.create_connection(("127.0.0.1", process.port), timeout=60) for _ in range(300)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"GET /state.xml HTTP/1.1\r\nHo")
        assert process.get(DOCUMENT).endswith(document("event night", 3))
    finally:
        for connection in idle:
            connection.close()


def test_leaves_no_files_open(process: Process) -> None:
    """After many requests for past releases no file of the store stays open."""
    for number in (1, 2, 3):
        process.get(f"/event/{EVENT}/release/{number}/area/CZ.xml")
    held = [str(link.readlink()) for link in Path(f"/proc/{process.child.pid}/fd").iterdir()]
    assert not [name for name in held if "/store/" in name]
