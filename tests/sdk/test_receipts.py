"""Receipts: sent when asked for, never in a live run, whole and true, and never in the way of following."""

import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import skrutinium
from skrutinium.documents.series import Run
from skrutinium.following import receipts as module
from skrutinium.following.receipts import MOST, Done, Receipts, sender_of
from skrutinium.sources.transport import Transport
from skrutinium.testing import Night, night
from skrutinium_server.feed.logs import VARIABLE
from skrutinium_server.feed.receipts import LARGEST
from skrutinium_server.process.serve import Service, Watching
from skrutinium_server.process.site import FeedFolder
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import make_night
from tests.sdk.test_feed import Scene

ROOT = Path(__file__).resolve().parents[2]
REHEARSAL = ROOT / "xsd/skrutinium/1.0/rehearsal.xsd"
RUN = Run(
    "kv2030",
    "night",
    "Made up",
    None,
    "cz-municipal-2018",
    "rehearsal",
    open=True,
    current=True,
    series=("skrutinium",),
)
NOW = datetime.datetime(2030, 10, 5, 14, 3, 2, 417_300, datetime.UTC)


@contextlib.asynccontextmanager
async def taking(staged: Night, file: Path) -> AsyncIterator[None]:
    """A feed of the staged night that takes receipts, at the address of the night."""
    service = await to_thread(
        lambda: Service(
            FeedFolder(staged._site.root / "site"),
            lambda _part, _message: None,
            port=0,
            parts=("feed",),
            watching=Watching(receipts=file),
            environment={VARIABLE: "WARNING"} | dict(os.environ),
        )
    )
    async with service:
        assert service.address is not None
        await staged.lead_to(service.address)
        yield


async def written(path: Path, release: int) -> list[dict[str, Any]]:
    """The receipts as soon as one tells of that release."""
    async with asyncio.timeout(60):
        while True:
            told = [json.loads(line) for line in (await to_thread(path.read_text, "utf-8")).splitlines()]
            if any(done["release"] == release for one in told for done in one["done"]):
                return told
            await asyncio.sleep(0.02)


async def test_what_was_done_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader tells each release with its hash, what brought it, what it read of it, and its name; what was done in an outage is told afterwards."""
    monkeypatch.setattr(module, "EVERY", 0.05)
    file = tmp_path / "receipts.jsonl"
    timing = skrutinium.Timing(poll=0.05, others=0.05, first=0, push_retry=0.1)
    hashes = {}
    async with night(8) as staged, taking(staged, file):
        folder = await staged.mail()
        for mail in (folder / "new").iterdir():  # of release 1, which is to come from the feed alone
            mail.unlink()
        box = f"maildir:{folder}"
        terms: dict[str, Any] = {"timing": timing, "fingerprint": staged.fingerprint}
        async with skrutinium.connect(
            staged.url, others=[box], receipts="Evening graphics 4.2", **terms
        ) as feed:
            async for release in feed.releases():
                hashes[release.number] = release.sha256
                if release.number == 1:
                    await staged.report(6)
                elif release.number == 2:
                    await release.book()
                    await staged.correct()
                elif release.number == 3:
                    assert await release.corrections() is not None
                    await staged.outage()
                    await staged.report(2)
                    await staged.mail()
                else:
                    await feed.done(release)
                    break
            await staged._listen()
            told = await written(file, 4)
        event, run = staged.event, staged.run
    assert {(one["event"], one["run"], one["phase"]) for one in told} == {(event, run, "rehearsal")}
    assert {(one["software"], one["program"]) for one in told} == {
        (f"skrutinium {skrutinium.__version__}", "Evening graphics 4.2")
    }
    assert len({one["client"] for one in told}) == 1
    done = [row for one in told for row in one["done"]]
    assert [(row["release"], row["manifest"]) for row in done] == sorted(hashes.items())
    assert [row.get("snapshot", False) for row in done] == [True, False, False, False]
    assert [row.get("corrections", 0) for row in done] == [0, 0, 1, 0]
    assert [row["source"] for row in done] == ["feed", "feed", "feed", "mail"]
    last = told[-1]
    assert (last["codebook"], last["by-mail"], last["corrections"]) == (1, 1, 1)
    assert last["mails"] >= 1


async def test_feed_that_takes_none_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that takes no receipts is asked once, and following goes on as if nothing had been asked."""
    asked: list[int] = []
    post = Transport.post

    async def counted(transport: Transport, path: str, body: bytes, *, seconds: float) -> int:
        asked.append(await post(transport, path, body, seconds=seconds))
        return asked[-1]

    monkeypatch.setattr(Transport, "post", counted)
    monkeypatch.setattr(module, "EVERY", 0.01)
    made = await to_thread(make_night().write, tmp_path, 1)
    site = await StoreFeed(tmp_path).start()
    scene = Scene(tmp_path, site, made)
    numbers = []
    try:
        async with skrutinium.connect(site.url, receipts=True) as feed:
            async for release in feed.releases():
                numbers.append(release.number)
                if release.number == 3:
                    break
                await scene.grow()
    finally:
        await site.stop()
    assert (numbers, asked) == ([1, 2, 3], [405])


@pytest.mark.parametrize(
    ("phase", "wanted", "count"),
    [("test", True, 1), ("rehearsal", "A name", 1), ("rehearsal", False, 0), ("live", True, 0)],
)
async def test_live_runs_have_no_receipts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, wanted: bool | str, count: int
) -> None:
    """A reader of a live run sends nothing, whatever it was asked; in other phases it sends when it was asked."""
    sent: list[bytes] = []

    async def post(_transport: Transport, _path: str, body: bytes, *, seconds: float) -> int:
        sent.append(body)
        return 204

    monkeypatch.setattr(Transport, "post", post)
    await to_thread(make_night(phase=phase).write, tmp_path)
    site = await StoreFeed(tmp_path).start()
    try:
        async with skrutinium.connect(site.url, receipts=wanted) as feed:
            async for release in feed.releases():
                await feed.done(release)
                break
    finally:
        await site.stop()
    assert len(sent) == count


def test_receipts_of_a_live_run_cannot_be_made() -> None:
    """Whoever tries is stopped."""
    live = dataclasses.replace(RUN, phase="live")
    with pytest.raises(AssertionError):
        Receipts(live, sender_of(True, "1"), [], {}, lambda: None, lambda: 0.5)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines"])
def test_names_that_are_none(name: str) -> None:
    """A program's name that is empty, long or of several lines is refused at once."""
    with pytest.raises(ValueError, match="receipts"):
        skrutinium.connect("http://feed.example", receipts=name)


def test_largest_receipt_is_valid_and_small_enough() -> None:
    """However much is to be told, a receipt is valid and never larger than a feed takes."""
    sender = sender_of("&" * 100, "0.1.0", lambda count: "ab" * count)
    noticed = dict.fromkeys(range(999_999_000, 999_999_999), 999)
    told = Receipts(RUN, sender, [], noticed, lambda: 999_999_999, lambda: 0.5, lambda: NOW)
    done = [
        Done(999_999_000 + number, "0123456789abcdef" * 4, NOW, "second-site", snapshot=True)
        for number in range(MOST)
    ]
    document = told._document(done)
    assert len(document) <= LARGEST
    root = etree.fromstring(document)
    etree.XMLSchema(etree.parse(str(REHEARSAL))).assertValid(root)
    assert root.get("sent") == "2030-10-05T14:03:02.417Z"
    assert root.get("program") == "&" * 100
