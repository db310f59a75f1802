"""The feed follows its store and its access list while it runs, and never goes back."""

import asyncio
from asyncio import to_thread

import aiohttp
import pytest

from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.store.layout import Layout
from tests.feed.made import ALLOWED, EVENT, Fed, MadeStore, document, feed_on, night, small_night
from tests.feed.test_push import Stream, opened

OTHERS = '[[subscriber]]\nid = "others"\nname = "Others"\nlive = ["192.0.2.0/24"]\n'
DOCUMENT = f"/event/{EVENT}/newest/event.xml"


async def test_new_release_changes_tag_and_document(fed: Fed) -> None:
    """A new release is served without a restart; what changed has another tag, what did not keeps its own."""
    _, _, before = await fed.get(DOCUMENT)
    _, _, still = await fed.get(f"/event/{EVENT}/newest/contest/1.xml")
    await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
    await fed.until(DOCUMENT, b'version="4"')
    status, _, after = await fed.get(DOCUMENT, If_None_Match=before["ETag"])
    assert status == 200
    assert after["ETag"] != before["ETag"]
    assert after["Skrutinium-Release"] == "4"
    status, _, after = await fed.get(f"/event/{EVENT}/newest/contest/1.xml", If_None_Match=still["ETag"])
    assert (status, after["Skrutinium-Release"]) == (304, "4")
    assert (await fed.get(f"/event/{EVENT}/release/3/event.xml"))[1] == document("event night", 3)


async def test_newest_never_goes_back(fed: Fed) -> None:
    """When the store offers an older or another release, the feed keeps what it has and raises an alarm."""
    layout = Layout(fed.store.root)
    digest = fed.store.series[night()].previous
    for offered in ("2 " + "b" * 64, "3 " + "b" * 64, "4 " + "b" * 64, "nonsense"):
        await to_thread(layout.newest(night()).write_text, offered + "\n")
        await fed.until("/status", b"kv2018/night/skrutinium/newest")
        assert (await fed.get(f"/event/{EVENT}/newest/event.xml"))[1] == document("event night", 3)
        await to_thread(layout.newest(night()).write_text, f"3 {digest}\n")
        await fed.until("/status", b'"alarms": []')


async def test_two_runs_are_apart(fed: Fed) -> None:
    """Each run has its own address; the event's own address is that of the current run."""
    await to_thread(small_night, fed.store, "dress", "rehearsal", current=False)
    await fed.until(f"/event/{EVENT}/run/dress/newest/event.xml", b'name="event dress" version="3"')
    assert (await fed.get(DOCUMENT))[1] == document("event night", 3)
    _, _, headers = await fed.get(f"/event/{EVENT}/run/dress/newest/event.xml")
    assert (headers["Skrutinium-Run"], headers["Skrutinium-Phase"]) == ("dress", "rehearsal")
    await to_thread(fed.store.open_run, "dress", "rehearsal")
    await fed.until(DOCUMENT, b'name="event dress"')
    assert (await fed.get(f"/event/{EVENT}/run/night/newest/event.xml"))[1] == document("event night", 3)


async def test_broken_state_keeps_the_last_one(fed: Fed) -> None:
    """A state file that cannot be read, or an older one, changes nothing."""
    path = Layout(fed.store.root).state
    good = await to_thread(path.read_bytes)
    for broken in (
        b"",
        b"<feed-state",
        good.replace(b'number="1"', b'number="x"'),
        good.replace(b"event=", b"happening="),
    ):
        await to_thread(path.write_bytes, broken)
        await fed.until("/status", b'\n  "state"\n')
        assert (await fed.get(DOCUMENT))[0] == 200
        assert (await fed.get("/state.xml"))[1] == good
    await to_thread(path.write_bytes, good)
    await fed.until("/status", b'"alarms": []')


async def test_access_list_is_reloaded(fed: Fed) -> None:
    """Who is taken off the list loses requests, streams and data at once, and may still ask for /access; back on it, all returns."""
    async with opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        await to_thread(fed.store.access.write_text, OTHERS)
        with pytest.raises((EOFError, aiohttp.ClientError)):
            await stream.event("release")
    status, body, headers = await fed.get(DOCUMENT)
    assert status == 403
    assert b'code="access-refused"' in body
    assert headers["Connection"] == "close"
    for path in (
        "/state.xml",
        "/health",
        "/status",
        "/nothing",
        "/xsd/skrutinium/1.0/skrutinium.xsd",
        f"/event/{EVENT}/push",
    ):
        assert (await fed.get(path))[0] == 403
    async with fed.client.get(fed.base + "/access") as response:
        told = await response.json()
        assert (told["address"], told["allowed"], told["range"]) == ("127.0.0.1", False, None)
        assert told["why"]["code"] == "access-refused"
    await to_thread(fed.store.access.write_text, ALLOWED)
    await fed.until(DOCUMENT, b'version="3"')


async def test_broken_access_list_keeps_the_last_one(fed: Fed) -> None:
    """A broken list raises an alarm and changes nothing; a list that is taken away lets nobody in."""
    await to_thread(
        fed.store.access.write_text, OTHERS + "[[subscriber]]\nid = 'x'\nname = 'y'\nlive = ['z']\n"
    )
    await fed.until("/status", b'"access"\n')
    assert (await fed.get(DOCUMENT))[0] == 200
    await to_thread(fed.store.access.unlink)
    await fed.until(DOCUMENT, b"access-refused")


async def test_without_a_list_nobody_reads(night_store: MadeStore) -> None:
    """A feed that starts without a list, or with a broken one, lets nobody in."""
    await to_thread(night_store.access.write_text, "nonsense")
    async with feed_on(night_store) as fed:
        assert (await fed.get(DOCUMENT))[0] == 403


@pytest.mark.parametrize(("host", "seen"), [("::1", "::1"), ("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1")])
async def test_addresses_of_both_versions(night_store: MadeStore, host: str, seen: str) -> None:
    """IPv4, IPv6 and IPv4 that arrives as mapped IPv6 are let in by their own ranges, and by no other."""
    async with feed_on(night_store, host) as fed:
        async with fed.client.get(fed.base + "/access") as response:
            assert (await response.json())["address"] == seen
        assert (await fed.get(DOCUMENT))[0] == 200
        other = "::1" if seen == "127.0.0.1" else "127.0.0.0/8"
        await to_thread(
            night_store.access.write_text,
            f'[[subscriber]]\nid = "other"\nname = "Other"\nlive = ["{other}"]\n',
        )
        await fed.until(DOCUMENT, b"access-refused")


async def test_many_ask_for_the_same_old_document_at_once(fed: Fed) -> None:
    """Fifty who ask at once for what is not in memory all get it."""
    answers = await asyncio.gather(*(fed.get(f"/event/{EVENT}/release/1/event.xml") for _ in range(50)))
    assert {(status, body) for status, body, _ in answers} == {(200, document("event night", 1))}


async def test_checkpoint_comes_after_its_release(fed: Fed) -> None:
    """The newest checkpoint is the one that is there: the one before, until that of a newer release has followed it."""
    address = f"/event/{EVENT}/checkpoint/newest.xml"
    stamp = fed.store.stamp(night(), 4)
    await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
    await fed.until(DOCUMENT, b'version="4"')
    assert b' release="2"' in (await fed.get(address))[1]
    held = fed.store.series[night()]
    index = papers.checkpoint(stamp, "skrutinium", held.previous, held.rows.values())
    await to_thread(fed.store.writer.write_checkpoint, night(), 4, index)
    await fed.until(address, b' release="4"')
    assert (await fed.get(address))[1] == index
