"""A hostile server: whatever it answers, what comes out is a release as it was signed, or an error of the package's own tree."""

import asyncio
import contextlib
import random
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import skrutinium
from skrutinium import Patience, SkrutiniumError, Timing
from tests.feed.test_tls import Pair
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import Night, make_night

QUICK = Timing(
    poll=0.01,
    wait=0.05,
    heartbeat=0.02,
    notices=0.02,
    push_silence=0.05,
    push_retry=0.02,
    rollback_grace=0.02,
)
ONCE = Patience(connect=5, silence=0.2, attempts=1, first_pause=0.001, longest_pause=0.002, limited=0)
Fault = Callable[[bytes, random.Random], bytes]


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "Connection: close", "", "")).encode("latin-1")


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def whole(body: bytes, *lines: str) -> bytes:
    return head("200 OK", f"Content-Length: {len(body)}", *lines) + body


def flipped(answer: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(answer)) if answer else 0
    return answer[:at] + bytes([chance.randrange(256)]) + answer[at + 1 :]


def flipped_body(answer: bytes, chance: random.Random) -> bytes:
    start, gap, body = answer.partition(b"\r\n\r\n")
    return start + gap + flipped(body, chance)


FAULTS: dict[str, Fault] = {
    "right": lambda answer, _: answer,
    "nothing": lambda _, __: b"",
    "cut": lambda answer, chance: answer[: chance.randrange(len(answer) + 1)],
    "flipped": flipped,
    "flipped body": flipped_body,
    "garbage": lambda _, chance: chance.randbytes(chance.randrange(300)),
    "redirect": lambda _, __: head(
        "302 Found", "Location: http://127.0.0.1:9/elsewhere", "Content-Length: 0"
    ),
    "to itself": lambda _, __: head("307 Temporary Redirect", "Location: /state.xml", "Content-Length: 0"),
    "page": lambda _, __: whole(b"<html>Please sign in</html>", "Content-Type: text/html"),
    "brotli": lambda answer, _: answer.replace(b"Content-Encoding: gzip", b"Content-Encoding: br"),
    "plain": lambda answer, _: answer.replace(b"Content-Encoding: gzip", b"X: y"),
    "gzip of nothing": lambda _, __: whole(b"\x1f\x8b\x08", "Content-Encoding: gzip"),
    "longer": lambda answer, _: answer.replace(b"Content-Length: ", b"Content-Length: 9"),
    "shorter": lambda answer, _: answer.replace(b"Content-Length: ", b"Content-Length: 0"),
    "no length": lambda answer, _: answer.replace(b"Content-Length: ", b"Content-Length: -"),
    "empty": lambda _, __: whole(b""),
    "no content": lambda _, __: head("204 No Content"),
    "not modified": lambda _, __: head("304 Not Modified"),
    "partial": lambda answer, _: answer.replace(b"200 OK", b"206 Partial Content"),
    "chunks": lambda _, __: head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\nnothing\r\n",
    "failure": lambda _, __: head("500 Oops", "Content-Length: 4") + b"oops",
    "strange": lambda _, chance: head(
        f"{chance.choice((100, 101, 199, 299, 418, 599, 999))} Strange", "Content-Length: 0"
    ),
    "later": lambda _, chance: head(
        "429 Later",
        f"Retry-After: {chance.choice(('0', '-1', '9' * 5000, 'x', 'Fri, 31 Dec 9999 23:59:59 GMT'))}",
    ),
    "headers": lambda answer, _: answer.replace(b"\r\n", b"\r\nX-Long: " + b"x" * 20_000 + b"\r\n", 1),
    "cookies": lambda answer, _: answer.replace(
        b"\r\n", b"\r\nSet-Cookie: a=\xff\xfe; Max-Age=x\r\nETag: \xc3\r\n", 1
    ),
    "waited": lambda answer, _: answer.replace(b"\r\n", b"\r\nPreference-Applied: wait=99999\r\n", 1),
    "nested": lambda _, __: whole(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'),
    "no text": lambda _, __: whole(b"\xff\xfe\x00"),
    "numbers": lambda _, __: whole(
        b"event: release\ndata: " + b"9" * 6000 + b" x\n\n", "Content-Type: text/event-stream"
    ),
}


class Hostile:
    """Stands before a feed; which fault each answer gets is drawn from ``faults``; when ``shy`` only after it was opened."""

    def __init__(self, feed: StoreFeed, faults: list[str], seed: int, *, shy: bool) -> None:
        self._shy = shy
        self.feed = feed
        self._faults = faults
        self._chance = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            opening = b" /state.xml " in request or b" /keys/" in request
            name = "right" if self._shy and opening else self._chance.choice(self._faults)
            writer.write(FAULTS[name](await self._true(request), self._chance))
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()
        self._tasks.discard(task)

    async def _true(self, request: bytes) -> bytes:
        """What the feed answers; of a stream only its beginning."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.feed.port)
        try:
            writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            if b"/push " in request.split(b"\r\n")[0]:
                return await reader.read(65536)
            return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture(scope="module")
def night() -> Iterator[tuple[Night, Path]]:
    """A store with all releases."""
    made = make_night()
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder) / "store", None)
        yield made, Path(folder) / "store"


async def follow(root: Path, night: Night, faults: list[str], seed: int, *, shy: bool) -> list[int]:
    """Read what can be read in a moment; every release and document must be as it was written."""
    feed = await StoreFeed(root).start()
    hostile = Hostile(feed, faults, seed, shy=shy)
    got: list[int] = []
    url = await hostile.start()
    try:
        reading = asyncio.ensure_future(read(url, night, got))
        await asyncio.wait({reading}, timeout=0.15)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, SkrutiniumError):
            await reading
    finally:
        await hostile.stop()
        await feed.stop()
    return got


async def read(url: str, night: Night, got: list[int]) -> None:
    async with skrutinium.connect(url, timing=QUICK, requests=ONCE) as feed:
        async for release in feed.releases():
            made = night.releases[release.number - 1]
            assert set(release.changed) == set(made.documents)
            for path in sorted(made.documents)[:3]:
                with contextlib.suppress(SkrutiniumError):
                    assert await release.document(path) == made.documents[path]
            for ask in (feed.state, feed.notices, feed.status):
                with contextlib.suppress(SkrutiniumError):
                    await ask()
            got.append(release.number)


@given(
    st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=4), st.integers(0, 2**32), st.booleans()
)
def test_hostile_server(night: tuple[Night, Path], faults: list[str], seed: int, shy: bool) -> None:
    """No other library's error escapes, and nothing is handed on that is not as it was signed."""
    made, root = night
    got = asyncio.run(follow(root, made, ["right", "right", *faults], seed, shy=shy))
    assert got in ([], [len(made.releases)])


def test_without_faults(night: tuple[Night, Path]) -> None:
    """The same server without any fault gives the newest release."""
    made, root = night
    got: list[int] = []

    async def undisturbed() -> None:
        feed = await StoreFeed(root).start()
        hostile = Hostile(feed, ["right"], 1, shy=False)
        url = await hostile.start()
        reading = asyncio.ensure_future(read(url, made, got))
        async with asyncio.timeout(60):
            while not got and not reading.done():  # noqa: ASYNC110 - both end it
                await asyncio.sleep(0.01)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await hostile.stop()
        await feed.stop()

    asyncio.run(undisturbed())
    assert got == [len(made.releases)]


@pytest.mark.parametrize(
    "place",
    [
        "http://nobody.invalid",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://a b/c",
        "http://\u2028",
        "https://127.0.0.1:9",
        "http://127.0.0.1:9/" + "x" * 70_000,
        "/no/such/folder",
        "\0",
        "",
    ],
)
async def test_places_that_are_none(place: str) -> None:
    """A name that does not exist, an address that is none, a folder that is not there: told as such."""
    with pytest.raises((skrutinium.NetworkError, skrutinium.NoSuchPlace)):
        async with skrutinium.connect(place, requests=ONCE):
            pass


async def test_no_tls_there(night: tuple[Night, Path]) -> None:
    """A server without TLS asked by https is a network error."""
    feed = await StoreFeed(night[1]).start()
    try:
        with pytest.raises(skrutinium.NetworkError):
            async with skrutinium.connect(feed.url.replace("http:", "https:"), requests=ONCE):
                pass
    finally:
        await feed.stop()


async def test_certificate_of_nobody(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is a network error, and nothing is read."""
    pair = Pair(tmp_path)
    await asyncio.to_thread(pair.write, 1)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    await asyncio.to_thread(context.load_cert_chain, pair.certificate, pair.key)
    asked: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(skrutinium.NetworkError, match="certificate"):
            async with skrutinium.connect(url, requests=ONCE):
                pass
    assert not any(asked)


async def test_state_file_that_is_none(tmp_path: Path, night: tuple[Night, Path]) -> None:
    """A state file that cannot be read or written is told as such."""
    with pytest.raises(skrutinium.StateFileError):
        async with skrutinium.connect(str(night[1]), state=tmp_path):
            pass
    async with skrutinium.connect(str(night[1]), state=tmp_path / "no" / "state.json") as feed:
        release = await anext(feed.releases())
        with pytest.raises(skrutinium.StateFileError):
            await feed.done(release)
