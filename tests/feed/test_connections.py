"""Every connection is registered: what it may no longer read is cut off within a second, in the middle of it, and nothing else is."""

import asyncio
import contextlib
import datetime
import json
import re
import socket
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from skrutinium_server.feed.access import parse_access
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.permission import permit
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.release.store.model import Run, SeriesKey
from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, night
from tests.feed.test_process import Process, nothing_left_running, start
from tests.feed.test_push import PUSH, Stream, opened

__all__ = ["nothing_left_running"]

TEST_RANGE = '[[subscriber]]\nid = "radio"\nname = "Radio"\ntest = ["127.0.0.0/8", "::1"]\n'
OTHERS = '[[subscriber]]\nid = "others"\nname = "Others"\nlive = ["192.0.2.0/24"]\n'
LARGE = 12_000_000
DOWNLOAD = f"/event/{EVENT}/newest/contest/1.xml"
NOON = datetime.datetime(2018, 10, 6, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def tests_store(store: MadeStore) -> MadeStore:
    """A rehearsal with one large document, read by a test range."""
    store.access.write_text(TEST_RANGE)
    store.open_run("rehearsal", "rehearsal")
    documents = {"event.xml": document("event", 1), "contest/1.xml": document("contest", 1, LARGE)}
    store.release(night("rehearsal"), documents)
    return store


class SlowReader:
    """A client that has asked and reads as slowly as it likes."""

    def __init__(self, port: int, target: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        self.ask(target)

    def ask(self, target: str) -> None:
        """Send a request."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def read(self, size: int) -> bytes:
        """So many bytes."""
        data = b""
        while len(data) < size:
            piece = self.socket.recv(min(65536, size - len(data)))
            if not piece:
                break
            data += piece
        return data

    def answer(self) -> bytes:
        """One whole answer."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.read(1)
        length = re.search(rb"Content-Length: (\d+)", data)
        assert length is not None
        return data + self.read(int(length[1]))

    def rest(self) -> tuple[int, bool]:
        """How many bytes still come, and whether the connection was cut off."""
        received = 0
        try:
            while piece := self.socket.recv(65536):
                received += len(piece)
        except ConnectionResetError:
            return received, True
        return received, False


def open_live(store: MadeStore) -> None:
    """Open a live run of the event, as is told before it opens."""
    store.open_run("night", "live")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("change", ["live run", "list"])
def test_download_under_way_is_cut_off(tests_store: MadeStore, loop: str, change: str) -> None:
    """A slow download of what may no longer be read ends in the middle (how soon: tests/bench); idle connections of the range go on."""
    process = start(tests_store, "--loop", loop)
    slow, idle = (
        SlowReader(process.port, DOWNLOAD),
        SlowReader(process.port, f"/event/{EVENT}/newest/event.xml"),
    )
    with contextlib.closing(slow.socket), contextlib.closing(idle.socket):
        assert slow.read(20_000).startswith(b"HTTP/1.1 200 OK")
        assert idle.answer().endswith(document("event", 1))
        if change == "list":
            tests_store.access.write_text(OTHERS)
        else:
            open_live(tests_store)
        assert _cut(process, slow) < LARGE // 2
        if change == "list":
            assert idle.rest() == (0, True)
            return
        idle.ask("/state.xml")
        assert idle.answer().startswith(b"HTTP/1.1 200 OK")
        idle.ask(f"/event/{EVENT}/run/rehearsal/newest/event.xml")
        assert b'code="run-refused"' in idle.answer()


def _cut(process: Process, slow: SlowReader) -> int:
    """Wait until the feed says that it has dropped someone, then count what still comes."""
    while b"dropped" not in process.errors.read_bytes():
        assert process.child.poll() is None
    received, cut = slow.rest()
    assert cut
    return received


async def _ended(stream: Stream, seconds: float) -> None:
    """Read to the end of a stream, which must come within so many seconds."""
    with contextlib.suppress(EOFError, aiohttp.ClientError):
        async with asyncio.timeout(seconds):
            while True:
                await stream.block()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  the loop has to turn for it
            await asyncio.sleep(0)


async def test_push_of_a_test_range_ends_when_the_live_run_opens(tests_store: MadeStore) -> None:
    """The stream of the event ends within a second; that of another event's test goes on."""
    await to_thread(lambda: tests_store.open_run("other", "test", event="se2018", law="cz-senate-2018"))
    other = SeriesKey("se2018", "other", "skrutinium")
    await to_thread(tests_store.release, other, {"event.xml": document("other", 1)})
    async with (
        feed_on(tests_store) as fed,
        opened(fed, f"/event/{EVENT}/run/rehearsal/push") as one,
        opened(fed, "/event/se2018/push") as two,
    ):
        first, second = Stream(one), Stream(two)
        await first.event("release")
        await second.event("release")
        await to_thread(open_live, tests_store)
        await _ended(first, 60)
        await to_thread(tests_store.release, other, {"event.xml": document("other", 2)})
        assert (await second.event("release"))["id"] == "2"


async def test_push_ends_when_the_time_of_the_range_is_over(night_store: MadeStore) -> None:
    """Who is registered until a moment is cut off at that moment."""
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=6)
    text = f'[[subscriber]]\nid = "r"\nname = "R"\nlive = ["127.0.0.1"]\nuntil = {end.isoformat()}\n'
    await to_thread(night_store.access.write_text, text)
    async with feed_on(night_store) as fed, opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        await _ended(stream, 60)
        assert datetime.datetime.now(datetime.UTC) >= end
        assert len(fed.running._handling.connections) <= 1


async def test_push_waits_for_the_minute_of_the_live_run(night_store: MadeStore) -> None:
    """Before the minute a stream is open and tells nothing, also of new releases; at the minute it tells the newest, then each."""
    minute = [NOON - datetime.timedelta(seconds=5)]
    night_store.runs["night"] = replace(night_store.runs["night"], not_before=NOON)
    await to_thread(night_store.write_state)
    async with feed_on(night_store, now=lambda: minute[0], keep_alive=0.05) as fed, opened(fed) as response:
        stream = Stream(response)
        assert await stream.block() == {"retry": "1000"}
        await to_thread(night_store.release, night(), {"event.xml": document("event", 4)})
        await to_thread(night_store.beat, night())
        answers = fed.running._handling.answers
        await _until(lambda: answers.published.series[night()].number == 4)
        for _ in range(5):
            assert await stream.block() == {"": ""}
        minute[0] = NOON
        assert (await stream.event("release"))["id"] == "4"
        await to_thread(night_store.release, night(), {"event.xml": document("event", 5)})
        assert (await stream.event("release"))["id"] == "5"


async def test_waiting_push_ends_when_its_range_is_cut_off(night_store: MadeStore) -> None:
    """Who waits for the minute and is struck off the list waits no longer."""
    night_store.runs["night"] = replace(night_store.runs["night"], not_before=NOON)
    await to_thread(night_store.write_state)
    async with (
        feed_on(night_store, now=lambda: NOON - datetime.timedelta(hours=1)) as fed,
        opened(fed) as response,
    ):
        stream = Stream(response)
        assert await stream.block() == {"retry": "1000"}
        await to_thread(night_store.access.write_text, OTHERS)
        with pytest.raises((EOFError, aiohttp.ClientError)):
            await stream.block()


async def test_range_that_becomes_a_live_one_keeps_its_stream(tests_store: MadeStore) -> None:
    """A change of the list that still allows what is being read cuts nothing off."""
    async with feed_on(tests_store) as fed, opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        await to_thread(
            tests_store.access.write_text, TEST_RANGE.replace("test =", "live =").replace("radio", "tv")
        )
        await fed.until("/access", b'"kind": "live"')
        await to_thread(tests_store.release, night("rehearsal"), {"event.xml": document("event", 2)})
        assert (await stream.event("release"))["id"] == "2"
        assert fed.running._handling.connections.of_subscribers().keys() == {"tv"}


async def test_connections_are_counted_and_forgotten(fed: Fed) -> None:
    """The registry holds each connection from its beginning to its end."""
    connections = fed.running._handling.connections
    streams = [await to_thread(socket.create_connection, ("127.0.0.1", fed.running.port)) for _ in range(5)]
    await _until(lambda: len(connections) == 5)
    assert connections.of_subscribers() == {"this-machine": 5}
    for stream in streams:
        stream.close()
    await _until(lambda: len(connections) == 0)
    assert connections.of_subscribers() == {}


async def test_connections_of_a_subscriber_are_limited(night_store: MadeStore) -> None:
    """Beyond the limit a connection gets 429 and ends, but /access answers; those before go on, and one may take a free place."""
    async with feed_on(night_store, settings=FeedSettings(connections=2)) as fed:
        held = [SlowReaderSoon(fed.running.port) for _ in range(2)]
        for one in held:
            assert b"200 OK" in await one.get("/state.xml")
        status, body, headers = await fed.get("/state.xml")
        assert (status, headers["Connection"], headers["Retry-After"]) == (429, "close", "5")
        assert b'code="too-many-connections"' in body
        assert (await fed.get("/access"))[0] == 200
        assert b"200 OK" in await held[0].get("/state.xml")
        await held[0].close()
        await fed.until("/state.xml", b"<feed-state")
        await held[1].close()


class SlowReaderSoon:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str) -> bytes:
        """One request; the head of its answer, the body is read too."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        await reader.readexactly(int(length[1]))
        return head

    async def close(self) -> None:
        """End it."""
        assert self.streams is not None
        self.streams[1].close()
        await self.streams[1].wait_closed()


async def test_requests_of_a_subscriber_are_limited_but_not_those_that_cost_nothing(
    night_store: MadeStore,
) -> None:
    """Beyond its burst a subscriber gets 429 with the time to wait; 304, push and /access go on, nobody is banned."""
    async with feed_on(night_store, settings=FeedSettings(requests_per_second=1, burst=5)) as fed:
        path = f"/event/{EVENT}/newest/event.xml"
        _, _, headers = await fed.get(path)
        answers = [await fed.get(path) for _ in range(8)]
        assert {status for status, _, _ in answers} == {200, 429}
        _, body, told = next(answer for answer in answers if answer[0] == 429)
        assert (b'code="too-many-requests"' in body, told["Retry-After"]) == (True, "1")
        assert told["RateLimit-Policy"] == '"subscriber";q=5;w=5'
        assert told["RateLimit"] == '"subscriber";r=0;t=1'
        for _ in range(20):
            assert (await fed.get(path, If_None_Match=headers["ETag"]))[0] == 304
            assert (await fed.get("/access"))[0] == 200
        assert (await fed.get(path, If_None_Match='"other"'))[0] in (200, 429)
        async with opened(fed) as response:
            assert (await Stream(response).event("release"))["id"] == "3"
        await fed.until(path, b'version="3"')
        usage = fed.running._handling.connections.limits.by_subscriber()["this-machine"]
        assert sum(usage.unchanged) == 20
        assert usage.limited > 0


async def test_refusals_do_not_fill_the_log(night_store: MadeStore, caplog: pytest.LogCaptureFixture) -> None:
    """An address that is refused again and again stands in the log once a minute."""
    await to_thread(night_store.access.write_text, OTHERS)
    caplog.set_level("INFO")
    async with feed_on(night_store) as fed:
        for _ in range(30):
            status, _, headers = await fed.get(PUSH)
            assert (status, headers["Connection"]) == (403, "close")
    assert sum("refused" in record.getMessage() for record in caplog.records) == 1


def test_settings_reach_the_process(night_store: MadeStore) -> None:
    """A process takes its settings as JSON, and says what is wrong with them."""
    told = json.dumps({"requests_per_second": 1, "burst": 1, "connections": 1})
    process = start(night_store, "--settings", told)
    assert process.get("/state.xml").startswith(b"HTTP/1.1 200")
    assert process.get("/state.xml").startswith(b"HTTP/1.1 429")


changes = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from(["10.0.0.1", "10.1.0.1", "10.2.0.1", "192.0.2.1"])),
        st.tuples(st.just("read"), st.integers(0, 20)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.tuples(st.just("list"), st.permutations(["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"])),
        st.tuples(st.just("runs"), st.tuples(st.booleans(), st.booleans())),
        st.tuples(st.just("time"), st.integers(-3, 3)),
    ),
    max_size=30,
)


@given(changes)
@settings(deadline=None, max_examples=100)
async def test_nobody_goes_on_reading_what_is_not_allowed(told: list[tuple[str, Any]]) -> None:
    """After any changes of list, runs and time, no connection that is left is reading what its range may not read now."""
    now = [NOON]
    connections = Connections(lambda: now[0])
    left: list[tuple[Registered, socket.socket]] = []
    loop = asyncio.get_running_loop()
    begun: list[tuple[str, Any]] = [
        ("list", ("10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16")),
        ("runs", (False, False)),
    ]
    begun += [("enter", address) for address in ("10.0.0.1", "10.1.0.1")]
    begun += [("read", number) for number in (0, 1, 2)]
    try:
        for what, value in [*begun, *told]:
            if what == "enter":
                here, there = socket.socketpair()
                transport, _ = await loop.create_connection(asyncio.Protocol, sock=here)
                left.append((connections.enter(transport, value), there))
            elif what == "read" and left:
                registered = left[value % len(left)][0]
                if registered.read(("e", "live" if value % 2 else "test")) is None:
                    registered.transport.write(b"x" * 4096)
            elif what == "leave" and left:
                registered, there = left.pop(value % len(left))
                connections.leave(registered)
                registered.transport.abort()
                there.close()
            elif what == "list":
                live, test, _ = value
                text = f"[[subscriber]]\nid='a'\nname='a'\nlive=['{live}']\ntest=['{test}']\nuntil=2018-10-06T12:02:00Z\n"
                connections.admit(parse_access(Path("x"), text.encode()))
            elif what == "runs":
                connections.adopt(_runs(*value))
            else:
                now[0] = NOON + datetime.timedelta(minutes=value)
                connections._tick()
            for registered, _ in left:
                allowed = permit(connections.access.find(registered.address), connections.runs, now[0])
                assert registered.transport.is_closing() or all(
                    allowed.reads(*run) is None for _, run in registered.reading()
                )
                assert registered.allowed.readable == allowed.readable
    finally:
        connections.close()
        for registered, there in left:
            registered.transport.abort()
            there.close()
        await asyncio.sleep(0)


def _runs(counting: bool, later: bool) -> tuple[Run, ...]:
    minute = NOON + datetime.timedelta(minutes=1) if later else None
    return (
        Run("e", "live", "E", "2018-10-05", "law", "live", counting, True, ("skrutinium",), minute),
        Run("e", "test", "E", "2018-10-05", "law", "test", True, False, ("skrutinium",)),
    )
