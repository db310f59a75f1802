"""Long polls on the newest manifest: ``Prefer: wait`` with a condition."""

import asyncio
from asyncio import to_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDictProxy

from skrutinium_server.feed.access import AccessList
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.feed.waiting import Waiting, preferred_wait
from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, night
from tests.feed.test_serving import code

Told = tuple[int, bytes, CIMultiDictProxy[str]]
MANIFEST = f"/event/{EVENT}/newest/manifest.xml"


@pytest.mark.parametrize(
    ("lines", "due"),
    [
        ([], 0),
        (["wait=30"], 30),
        (["WAIT=5"], 5),
        (['wait="7"'], 7),
        (["respond-async, wait=10"], 10),
        (["respond-async; x=y, wait=10; z", "wait=20"], 10),
        (["wait=999999999999"], 60),
        (["wait=61"], 60),
        (["wait=0"], 0),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait"], 0),
        (["waits=10"], 0),
        (['foo="wait=10"'], 0),
        (['foo="a, wait=10", wait = 3'], 3),
        ([",,wait=4"], 4),
        (['a; b="c, wait=9"; d , wait=5'], 5),
        (["wait=6 ; c"], 6),
        (['a;b="c"d;e, wait=8'], 8),
    ],
)
def test_preference_is_read_as_rfc_7240_writes_it(lines: list[str], due: int) -> None:
    """The first wait counts, whatever else is preferred; what is no whole number is no wait; nobody waits longer than the setting."""
    assert preferred_wait(lines, 60) == due


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        "a" + ";" * 8000 + '"',
        "a" + " ;" * 4000 + '"',
        "a" + "; " * 4000 + '"',
        'a; "" ' + '"" ' * 2600 + '"',
        "a=" + " " * 8000 + '"',
        'a="' + "\\" * 8000,
        "," * 8000 + '"',
        "a" * 8000 + '"',
    ],
)
def test_no_preference_takes_long_to_read(line: str) -> None:
    """A header that is nearly right, again and again, is read as fast as any other: it would hold up everybody."""
    assert preferred_wait([line, "wait=1"], 60) in (0, 1)


@given(st.lists(st.text(max_size=60), max_size=4), st.integers(0, 100))
def test_whatever_is_preferred_no_wait_is_too_long(lines: list[str], longest: int) -> None:
    """Any header lines give whole seconds between 0 and the longest wait."""
    assert 0 <= preferred_wait(lines, longest) <= longest


async def waiting(fed: Fed, path: str = MANIFEST, **headers: str) -> "asyncio.Task[Told]":
    """A request that waits, which it does when this returns."""
    held = fed.running._handling.waiting
    before = len(held)
    task = asyncio.create_task(fed.get(path, Prefer="wait=30", **headers))
    async with asyncio.timeout(60):
        while len(held) == before:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return task


async def test_waits_for_the_next_release(fed: Fed) -> None:
    """With the tag, or the number, of what the reader has, the answer is the next release as soon as it is there."""
    _, old, headers = await fed.get(MANIFEST)
    tasks = [
        await waiting(fed, If_None_Match=headers["ETag"]),
        await waiting(fed, f"{MANIFEST}?after=3"),
        await waiting(fed, f"/event/{EVENT}/run/night/newest/manifest.xml?after=7"),
    ]
    status = (await fed.get("/status"))[1]
    assert b'"listening": 3' in status
    await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
    async with asyncio.timeout(60):
        for task in tasks[:2]:
            code_, body, told = await task
            assert (code_, told["Preference-Applied"], told["Skrutinium-Release"]) == (200, "wait=30", "4")
            assert body != old
    assert not tasks[2].done()
    tasks[2].cancel()


async def test_does_not_wait_for_what_is_there(fed: Fed) -> None:
    """Who has an older release, or says nothing of what it has, is answered at once."""
    for path, headers in (
        (MANIFEST, {"If_None_Match": '"older"'}),
        (f"{MANIFEST}?after=2", {}),
        (MANIFEST, {}),
        (f"/event/{EVENT}/newest/event.xml", {"If_None_Match": '"older"'}),
    ):
        status, _, told = await fed.get(path, Prefer="wait=30", **headers)
        assert status == 200
        assert told.get("Preference-Applied") == (
            "wait=30" if ("manifest" in path and headers) or "after" in path else None
        )


async def test_nothing_newer_is_told_when_the_time_is_over(fed: Fed) -> None:
    """After the wait, or at once without one, there is nothing but a head, 304 only for a condition; it costs the subscriber nothing."""
    _, _, headers = await fed.get(MANIFEST)
    before = fed.running._handling.connections.limits.by_subscriber()["this-machine"].answered[:]
    tag = {"If_None_Match": headers["ETag"]}
    for path, sent, due in (
        (MANIFEST, {**tag, "Prefer": "wait=1"}, 304),
        (f"{MANIFEST}?after=3", {"Prefer": "wait=1"}, 204),
        (f"{MANIFEST}?after=3", {}, 204),
        (f"{MANIFEST}?after=3", tag, 304),
        (f"{MANIFEST}?after=3", {"If_None_Match": '"older"'}, 204),
        (f"{MANIFEST}?after=4", {}, 204),
    ):
        status, body, told = await fed.get(path, **sent)
        assert (status, body) == (due, b"")
        assert told.get("ETag") == (headers["ETag"] if due == 304 else None)
        assert "Content-Length" not in told
        assert told["Skrutinium-Release"] == "3"
        assert told.get("Preference-Applied") == ("wait=1" if sent.get("Prefer") else None)
    assert fed.running._handling.connections.limits.by_subscriber()["this-machine"].answered == before
    assert not len(fed.running._handling.waiting)


async def test_number_that_is_none_is_told(fed: Fed) -> None:
    """A malformed after is refused."""
    for bad in ("x", "-1", "01", "", "1&after=2"):
        status, body, _ = await fed.get(f"{MANIFEST}?after={bad}")
        assert (status, code(body)) == (400, "bad-number")
    assert (await fed.get(f"{MANIFEST}?other=1"))[0] == 200


async def test_wait_ends_with_access_and_with_the_feed(night_store: MadeStore) -> None:
    """When the range is withdrawn the connection is closed without an answer; a feed that stops answers those who wait."""
    async with feed_on(night_store) as fed:
        access = fed.running._handling.connections.access
        task = await waiting(fed, f"{MANIFEST}?after=3")
        fed.running.admit(AccessList())
        # The client asks anew when its connection is closed, and is told why then.
        assert (await asyncio.wait_for(task, 60))[0] == 403
        assert fed.running._handling.connections.dropped == 1
        fed.running.admit(access)
        task = await waiting(fed, f"{MANIFEST}?after=3")
        await asyncio.wait_for(fed.running.close(), 10)
        status, _, told = await task
        assert (status, told["Connection"]) == (204, "close")


async def test_setting_says_how_long_anybody_waits(night_store: MadeStore) -> None:
    """Longer waits are cut to the setting, and say so; with 0 nobody waits."""
    for longest, due in ((1, "wait=1"), (0, None)):
        settings = FeedSettings(requests_per_second=0, connections=0, longest_wait=longest)
        async with feed_on(night_store, settings=settings) as fed:
            status, _, told = await fed.get(f"{MANIFEST}?after=3", Prefer="wait=600")
            assert (status, told.get("Preference-Applied")) == (204, due)


async def test_waits_for_the_first_release_and_for_the_run_that_is_current(store: MadeStore) -> None:
    """A series without a release is waited for like any other; another current run answers those who wait for the event's own."""
    await to_thread(store.open_run, "night", "test")
    async with feed_on(store) as fed:
        task = await waiting(fed, f"{MANIFEST}?after=0")
        await to_thread(store.release, night(), {"event.xml": document("event", 1)})
        assert (await asyncio.wait_for(task, 60))[0] == 200
        task = await waiting(fed, f"{MANIFEST}?after=1")
        other = night("other")
        await to_thread(store.open_run, "other", "live")
        await to_thread(store.release, other, {"event.xml": document("other", 1)})
        await to_thread(store.release, other, {"event.xml": document("other", 2)})
        status, _, told = await asyncio.wait_for(task, 60)
        assert (status, told["Skrutinium-Run"], told["Skrutinium-Release"]) == (200, "other", "2")


async def test_ten_thousand_wait_cheaply() -> None:
    """A release wakes all who wait for its series, and nobody else, without holding up the loop for long."""
    held = Waiting()
    far = asyncio.create_task(held.news(night("other"), 60))
    tasks = [asyncio.create_task(held.news(night(), 60)) for _ in range(10_000)]
    await asyncio.sleep(0)
    assert len(held) == 10_001
    held.wake(night())
    turns = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 50  # so many times others had their turn
    assert (len(held), far.done()) == (1, False)
    held.wake_all()
    await asyncio.wait_for(far, 60)


@pytest.mark.parametrize("apart", [False, True])
async def test_what_follows_a_waiting_request_is_answered_after_it(fed: Fed, apart: bool) -> None:
    """Requests sent behind a long poll, in the same piece or in the next, are answered once it is, in order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", fed.running.port)
    poll = f"GET {MANIFEST}?after=3 HTTP/1.1\r\nHost: feed\r\nPrefer: wait=60\r\n\r\n".encode()
    after = (
        f"GET /event/{EVENT}/newest/event.xml HTTP/1.1\r\nHost: feed\r\nConnection: close\r\n\r\n".encode()
    )
    async with asyncio.timeout(60):
        writer.write(poll if apart else poll + after)
        while not len(fed.running._handling.waiting):  # noqa: ASYNC110 - what waits tells nobody
            await asyncio.sleep(0.01)
        if apart:
            writer.write(after)
        await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
        answers = await reader.read()
    writer.close()
    first, _, second = answers.partition(b"</manifest>\n")
    assert b"\r\nSkrutinium-Release: 4\r\n" in first
    assert b"\r\nPreference-Applied: wait=60\r\n" in first
    assert second.startswith(b"HTTP/1.1 200 ")
    assert second.endswith(document("event", 4))
