"""Following without ``await``: the same releases, documents and errors; Ctrl-C and leaving early end everything."""

import asyncio
import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import skrutinium
import skrutinium.sync
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.several import IMPATIENT, QUICK
from tests.sdk.sinks_at_work import expected, read_back
from tests.sdk.store_builder import Written, make_night


class Serving:
    """A feed of a growing store, in a thread of its own."""

    def __init__(self, root: Path) -> None:
        self.night = make_night()
        self.written = Written(root, self.night)
        self.feed = StoreFeed(root)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def begin(self) -> None:
        self.grow(2)
        asyncio.run_coroutine_threadsafe(self.feed.start(), self._loop).result(60)

    def grow(self, number: int) -> None:
        while self.written.number < number:
            self.written.add(self.night.releases[self.written.number])
        asyncio.run_coroutine_threadsafe(self.feed.tell(), self._loop).result(60)

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self.feed.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(tmp_path / "store")
    serving.begin()
    yield serving
    serving.end()


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "skrutinium"]


def connect(
    serving: Serving, state: skrutinium.Marks | Path | None = None, **settings: object
) -> skrutinium.sync.Feed:
    wanted = {"timing": QUICK, "requests": IMPATIENT, "state": state} | settings
    return skrutinium.sync.connect(serving.feed.url, **wanted)  # type: ignore[arg-type]


def test_releases_and_documents(serving: Serving, tmp_path: Path) -> None:
    """Releases come in order with their typed documents, and with a state file a restart goes on with the next one."""
    state = tmp_path / "state.json"
    numbers = []
    with connect(serving, state) as feed:
        assert (feed.run.id, feed.unpinned, feed.health.stale) == ("night", True, False)
        assert feed.state().number == 1
        for release in feed.releases():
            numbers.append(release.number)
            assert release.event().release == release.number
            assert release.mark.manifest == release.sha256
            if release.number == 3:
                break
            serving.grow(3)
    serving.grow(4)
    with connect(serving, state) as feed:
        for release in feed.releases():
            numbers.append(release.number)
            if release.number == 4:
                feed.done(release)
                break
    assert numbers == [2, 3, 3, 4]
    assert '"number": 4' in state.read_text()


def test_everything_of_a_release_is_there() -> None:
    """Whatever a release offers is offered without ``await`` too, and of a feed as well."""
    for kind, twin in (
        (skrutinium.Release, skrutinium.sync.Release),
        (skrutinium.Feed, skrutinium.sync.Feed),
        (skrutinium.Sink, skrutinium.sync.Sink),
    ):
        names = {name for name in vars(kind) if not name.startswith("_")}
        assert names - set(vars(twin)) == set()
        for name in names:
            for_feeds = kind is skrutinium.Sink and name in ("read", "write")
            assert inspect.iscoroutinefunction(vars(twin)[name]) == for_feeds


SINKS = {"csv": skrutinium.sync.CsvSink, "sqlite": skrutinium.sync.SqliteSink}


@pytest.mark.parametrize("kind", SINKS)
def test_sinks(kind: str, serving: Serving, tmp_path: Path) -> None:
    """A sink keeps the mark of its feed and is equal to it; a restart goes on with the next release, and no thread is left."""
    place, told = tmp_path / f"tables.{kind}", dict[str, list[skrutinium.Record]]()
    for last in (3, 4):
        with SINKS[kind](place, tables=["lists", "event"]) as sink, connect(serving, sink) as feed:
            for release in feed.releases():
                assert sink.take(release)
                assert not sink.take(release)
                assert sink.missing() == ()
                if release.number == last:
                    told = skrutinium.sync.records(release, tables=["lists", "event"])
                    break
                serving.grow(last)
        tables = asyncio.run(read_back(kind, str(place)))
        assert tables.pop("releases") == [(number,) for number in range(2, last + 1)]
        assert tables == expected(told)
        serving.grow(4)
    assert not threads()


def test_sinks_need_the_loop_of_their_feed(serving: Serving, tmp_path: Path) -> None:
    """A sink that is not open, or a release of a feed that was connected without the sink, is told how to do it."""
    sink = skrutinium.sync.SqliteSink(tmp_path / "night.sqlite")
    with pytest.raises(skrutinium.SkrutiniumError, match="use it as `with`"), connect(serving, sink):
        pass
    with sink, connect(serving) as feed, pytest.raises(skrutinium.SkrutiniumError, match="state=sink"):
        sink.take(feed.release())
    with pytest.raises(skrutinium.SinkError), skrutinium.sync.SqliteSink(tmp_path):
        pass
    assert not threads()


def test_errors_are_the_same(serving: Serving) -> None:
    """What cannot be read, or must not be trusted, raises what it raises with ``await``, and no thread is left."""
    with pytest.raises(skrutinium.MixedPhases), connect(serving, phase="live"):
        pass
    with (
        pytest.raises(skrutinium.NetworkError),
        skrutinium.sync.connect("http://127.0.0.1:9", requests=IMPATIENT),
    ):
        pass
    with connect(serving) as feed:
        release = next(feed.releases())
        with pytest.raises(skrutinium.NotYet):
            release.contest("999")
        with pytest.raises(skrutinium.SkrutiniumError, match="already called"):
            next(feed.releases())
    with pytest.raises(skrutinium.SkrutiniumError, match="closed"):
        release.event()
    assert not threads()


def test_not_open() -> None:
    """A feed outside of its ``with`` block says so."""
    feed = skrutinium.sync.connect("http://127.0.0.1:9")
    with pytest.raises(skrutinium.SkrutiniumError, match="not open"):
        feed.state()
    with pytest.raises(ValueError, match="loop of its own"):
        skrutinium.sync.connect("http://127.0.0.1:9", session=object())  # type: ignore[arg-type]


async def test_inside_a_loop() -> None:
    """Where an event loop runs it refuses to hold it up."""
    loop = skrutinium.waiting.Loop.__new__(skrutinium.waiting.Loop)

    async def nothing() -> None:
        """Never awaited."""

    with pytest.raises(skrutinium.SkrutiniumError, match=r"use skrutinium\.connect"):
        loop.wait(nothing())


def test_leaving_early(serving: Serving) -> None:
    """A loop that is left, a generator that is dropped, an exception in the body: the thread ends, connections are closed."""
    with connect(serving) as feed:
        for _ in feed.releases():
            break
    with connect(serving) as feed:
        next(feed.releases())
    with pytest.raises(RuntimeError, match="mine"), connect(serving) as feed:  # noqa: PT012 - both fail
        for _ in feed.releases():
            raise RuntimeError("mine")
    assert not threads()


PROGRAM = """
import sys
import skrutinium.sync
try:
    with skrutinium.sync.connect(sys.argv[1]) as feed:
        for release in feed.releases():
            print(release.number, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_interrupted(serving: Serving) -> None:
    """Ctrl-C while a release is waited for ends the program as it would end any other."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, serving.feed.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "2\n"
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=60)
    assert (out, errors, child.returncode) == ("interrupted\n", "", 0)
