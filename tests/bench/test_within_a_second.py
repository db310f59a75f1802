"""What the feed does at a moment is done within a second of it: what may no longer be read is cut off, the legal minute strikes."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.feed.made import EVENT, MadeStore, document, feed_on, night, small_night
from tests.feed.test_connections import DOWNLOAD, LARGE, OTHERS, TEST_RANGE, SlowReader, open_live
from tests.feed.test_legal_minute import MINUTE, Clock
from tests.feed.test_process import nothing_left_running, start
from tests.feed.test_push import Stream, opened

__all__ = ["nothing_left_running"]

MOST_SECONDS = 1.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MadeStore]:
    """An empty store."""
    made = MadeStore(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("change", ["live run", "list"])
def test_a_download_is_cut_off(store: MadeStore, change: str) -> None:
    """A slow download of what may no longer be read ends in the middle, within a second of the change."""
    store.access.write_text(TEST_RANGE)
    store.open_run("rehearsal", "rehearsal")
    documents = {"event.xml": document("event", 1), "contest/1.xml": document("contest", 1, LARGE)}
    store.release(night("rehearsal"), documents)
    process = start(store)
    slow = SlowReader(process.port, DOWNLOAD)
    with contextlib.closing(slow.socket):
        slow.read(20_000)
        begun = time.monotonic()
        if change == "list":
            store.access.write_text(OTHERS)
        else:
            open_live(store)
        while b"dropped" not in process.errors.read_bytes():
            assert process.child.poll() is None
        seconds = time.monotonic() - begun
        assert slow.rest()[0] < LARGE // 2
    print(f"\ndownload cut off after a new {change}: {seconds:.2f} s")
    assert seconds < MOST_SECONDS


async def test_the_legal_minute(store: MadeStore) -> None:
    """After the minute push and a long poll are told, and whoever asks again and again is answered, within a second."""
    small_night(store)
    store.runs["night"] = msgspec.structs.replace(store.runs["night"], not_before=MINUTE)
    store.write_state()
    clock = Clock(3.0)
    async with contextlib.AsyncExitStack() as stack:
        fed = await stack.enter_async_context(feed_on(store, now=clock))
        response = await stack.enter_async_context(opened(fed))

        async def pushed() -> float:
            await Stream(response).event("release")
            return time.monotonic()

        async def polled() -> float:
            await fed.get(f"/event/{EVENT}/newest/manifest.xml?after=0", Prefer="wait=30")
            return time.monotonic()

        async def asked() -> float:
            while (await fed.get(f"/event/{EVENT}/newest/event.xml"))[0] != 200:
                pass
            return time.monotonic()

        moments = await asyncio.gather(pushed(), polled(), asked())
    late = [moment - clock.strikes for moment in moments]
    words = ", ".join(f"{seconds:.3f} s" for seconds in late)
    print(f"\nafter the legal minute: {words} (push, long poll, asking again and again)")
    assert all(0 <= seconds < MOST_SECONDS for seconds in late)
