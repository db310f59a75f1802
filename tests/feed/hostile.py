"""A feed in a process of its own that others attack, and what it may cost: descriptors, memory, and no word of a fault in its log."""

import contextlib
import dataclasses
import os
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.feed.made import EVENT, MadeStore, document, small_night
from tests.feed.test_process import STARTED, Process, start

FRIEND = "127.0.0.1"
"""A subscriber who must not notice anything."""
CROWD = "127.0.1.1"
"""A subscriber who attacks."""
STRANGER = "127.0.2.1"
"""In no range."""

ACCESS = """
[[subscriber]]
id = "friend"
name = "Friend"
live = ["127.0.0.0/24"]

[[subscriber]]
id = "crowd"
name = "Crowd"
live = ["127.0.1.0/24"]
"""
DOCUMENT = f"/event/{EVENT}/newest/event.xml"
LARGE = 3_000_000
KINDS = {
    "uvloop-front": (),
    "uvloop-ordinary": ("--no-front",),
    "asyncio-front": ("--loop", "asyncio"),
    "asyncio-ordinary": ("--loop", "asyncio", "--no-front"),
}
BOTH = list(KINDS) if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else ["uvloop-front", "asyncio-ordinary"]
"""The kinds that a quick test looks at: each loop and each path once; a proof of its own compares front and ordinary path."""


def ask(target: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request that keeps the connection."""
    return "\r\n".join([f"{method} {target} {version}", "Host: x", *lines, "", ""]).encode("latin-1")


def raise_limit() -> int:
    """As many descriptors as this process may have; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Look again and again until something holds that another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"


@dataclasses.dataclass
class Attacked:
    """A feed that is attacked; ``descriptors`` and ``memory`` are what it had before."""

    process: Process
    descriptors: int = 0
    memory: int = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.process.port

    @property
    def log(self) -> str:
        """What it said."""
        return self.process.errors.read_text()

    def open_descriptors(self) -> int:
        """How many descriptors it holds."""
        return len(list(Path(f"/proc/{self.process.child.pid}/fd").iterdir()))

    def resident(self) -> int:
        """Memory in bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.child.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def connect(self, source: str = CROWD, timeout: float = 10, buffer: int = 0) -> socket.socket:
        """A connection from one of the addresses of this machine; ``buffer``: bytes that the system takes in unread."""
        connection = socket.socket()
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", self.port))
        return connection

    def served(self) -> None:
        """The friend gets the newest document on a new connection."""
        with self.connect(FRIEND) as connection:
            connection.sendall(ask(DOCUMENT, "Connection: close"))
            assert read_to_end(connection).endswith(document("event night", 3))

    def unharmed(self) -> None:
        """All who came are gone from its descriptors, it serves, and nothing it said tells of a fault."""
        until(lambda: self.open_descriptors() <= self.descriptors, "connections are let go")
        self.served()
        assert not re.search("Traceback|Unhandled|never retrieved|ERROR", self.log), self.log[-4000:]


def read_to_end(connection: socket.socket) -> bytes:
    """All that comes until the feed closes, politely or not."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionError:
        pass
    return received


def statuses(answer: bytes) -> list[int]:
    """The status of each answer."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) [A-Z]", answer)]


def gone(connection: socket.socket) -> bool:
    """Whether the feed has closed, whatever it said before."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def attacked(store: MadeStore, *options: str, descriptors: int | None = None) -> Iterator[Attacked]:
    """Start a feed with a night and a large document, and look at it again when everything is over."""
    store.access.write_text(ACCESS)
    small_night(store)
    key = next(key for key in store.series if key.series == "skrutinium")
    store.release(key, {"large.xml": document("large", 1, LARGE)})
    store.close()
    process = start(store, *options, descriptors=descriptors)
    STARTED.remove(process)
    feed = Attacked(process)
    try:
        feed.served()
        until(lambda: feed.open_descriptors() > 0, "it lives")
        feed.descriptors = feed.open_descriptors() + 2
        feed.memory = feed.resident()
        yield feed
        feed.unharmed()
    finally:
        ended = process.end()
    assert ended == 0


@contextlib.contextmanager
def holding(
    feed: Attacked, number: int, source: str = CROWD, sent: bytes = b""
) -> Iterator[list[socket.socket]]:
    """So many connections that have sent the same; ended without a word."""
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(number):
            connection = stack.enter_context(feed.connect(source))
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
            held.append(connection)
        yield held
