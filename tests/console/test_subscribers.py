"""The page of subscribers: who is registered, who was seen, what each is doing, and whether it has the newest release."""

import asyncio
import datetime
import json
import os
from asyncio import to_thread
from pathlib import Path
from typing import Any

import pytest

from skrutinium_server.authority.registering import Registry
from skrutinium_server.process.house import House
from skrutinium_server.release.store.layout import Layout
from skrutinium_server.release.store.model import SeriesKey
from tests.authority.made import EXAMPLES, application, authority
from tests.console.visiting import Answer, Browser, console, made
from tests.process.test_decisions import DEFINITION, RUN, Clock

pytestmark = pytest.mark.blocking("a counting house in this process looks at files")

PERSON = "j.novakova"


def lines(path: Path, *told: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in told)


def answer(moment: datetime.datetime, subscriber: str, path: str, **more: Any) -> dict[str, Any]:
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    told = {"time": stamp, "subscriber": subscriber, "address": "192.0.2.1", "event": DEFINITION.event}
    return {**told, "run": RUN, "method": "GET", "path": path, "status": 200, "bytes": 10, "ms": 1.0, **more}


async def until(browser: Browser, words: str) -> Answer:
    """The page once it says these words."""
    async with asyncio.timeout(60):
        while True:
            page = await browser.open("/subscribers")
            if words in page.text:
                return page
            await asyncio.sleep(0.05)


async def test_what_each_is_doing(tmp_path: Path) -> None:
    """Who is refused or behind comes first; who has the newest release is up to date, by a document or by being told that nothing is new."""
    site, clock, log = await to_thread(made, tmp_path), Clock(), tmp_path / "access.jsonl"
    registry = await to_thread(Registry, authority(site.root), EXAMPLES)
    for last, id in enumerate(("agency", "portal"), 16):
        await to_thread(registry.request, application(id, (f"192.0.2.{last}/32",)))
    house = House(site, cutting=False, wall=clock)
    await house.start()
    assert (await house.answer({"do": "open", "run": RUN, "phase": "rehearsal", "event": DEFINITION.event}))[
        "ok"
    ]
    await house.runs[RUN].until_all_published()
    await house.stop()
    newest = Layout(site.store).newest(SeriesKey(DEFINITION.event, RUN, "skrutinium"))
    # The release came out a minute ago.
    os.utime(newest, (clock.time.timestamp() - 60, clock.time.timestamp() - 60))
    ago = {seconds: clock.time - datetime.timedelta(seconds=seconds) for seconds in (2, 30, 90)}
    path = f"/event/{DEFINITION.event}/newest/manifest.xml"
    lines(
        log,
        answer(ago[90], "late", path, release=0),
        answer(ago[30], "told", path, release=0),
        {
            "time": f"{ago[2]:%Y-%m-%dT%H:%M:%SZ}",
            "subscriber": "told",
            "kind": "manifest",
            "status": 304,
            "count": 3,
            "bytes": 0,
        },
        answer(ago[2], "polls", f"/event/{DEFINITION.event}/pack/1", release=1),
        answer(ago[2], "wrong", path, status=429),
        answer(ago[2], "<b>evil</b>", path),
    )
    async with console(site, wall=clock, access_log=log, metrics=(("127.0.0.1", 9),)) as served:
        browser = await (await served.browser()).at_work(PERSON)
        page = await until(browser, "evil")
        rows = {
            row.cssselect("th")[0].text_content().split()[0]: " ".join(row.text_content().split())
            for row in page.page.cssselect("#rows tbody tr:not(.beneath)")
        }
        assert list(rows)[:2] == ["wrong", "late"]
        assert "is refused" in rows["wrong"]
        assert "1 × 429" in rows["wrong"]
        assert "behind: has not asked since release 1" in rows["late"]
        assert "up to date" in rows["told"]
        assert "up to date" in rows["polls"]
        assert "not seen" in rows["agency"]
        assert "pending" in rows["portal"]
        assert "<b>evil" not in page.text
        assert "got release 1" in page.text
        assert any(
            "127.0.0.1:9 cannot be read" in one for one in (await browser.open("/")).said("#alarms li")
        )


async def test_without_log_and_metrics_it_says_what_to_give(tmp_path: Path) -> None:
    """Without anything to look at, the page says how to start feed and console."""
    site = await to_thread(made, tmp_path)
    async with console(site) as served:
        browser = await (await served.browser()).at_work(PERSON)
        page = await browser.open("/subscribers")
        assert "--access-log" in page.said(".message.ask")[0]
