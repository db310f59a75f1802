"""What people decide in the console, carried out by the counting process: alone, or two of them where a run is live."""

import contextlib
from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skrutinium_server.authority.model import (
    ContestHeld,
    ContestLifted,
    Entry,
    NoticeGiven,
    RunClosed,
    RunDeclared,
    RunOpened,
    RunReopened,
)
from skrutinium_server.authority.persons import Authority
from skrutinium_server.console.tries import BOTH
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener
from skrutinium_server.release.store.notices import NoticesReader
from tests.console.visiting import Answer, Browser, Console, console, made
from tests.process.test_decisions import DEFINITION, PASSPHRASES, PROTOCOLS, RUN, Clock, records, take

pytestmark = [
    pytest.mark.blocking("a counting house in this process looks at files"),
    pytest.mark.timeout(900),
]
FIRST, SECOND = PASSPHRASES
SURE = {FIRST: {"passphrase": PASSPHRASES[FIRST]}, SECOND: {"passphrase": PASSPHRASES[SECOND]}}
OPEN_IT = {"run": RUN, "phase": "live", "event": DEFINITION.event}


@contextlib.asynccontextmanager
async def counted(folder: Path) -> AsyncIterator[tuple[Console, House]]:
    """A site that is counted, and its console; both go by the same wall clock."""
    site = await to_thread(made, folder)
    clock = Clock()
    house = House(site, cutting=False, wall=clock)
    listener = Listener(house, site.socket)
    await house.start()
    await listener.start()
    try:
        async with console(site, wall=clock) as served:
            yield served, house
    finally:
        await listener.stop()
        await house.stop()


def refused(answer: Answer, code: str) -> str:
    """The reason on the page, which must have that code."""
    assert answer.status in (422, 429, 503), answer.text
    (told,) = answer.said("[role=alert]")
    assert f"Code: {code}" in told
    return told


async def done(browser: Browser, answer: Answer, path: str) -> Answer:
    """The page on which one is told that it is done."""
    assert answer.status == 303, answer.said("[role=alert]")
    assert answer.headers["Location"] == path
    page = await browser.open(path)
    assert page.status == 200
    assert page.said("[role=status]")
    return page


def log(site: Site, *kinds: type) -> list[Entry]:
    """What the event log says of these kinds."""
    return [one for one in Authority(site.root).log.entries() if isinstance(one.event, kinds)]


async def test_live_run_from_opening_to_closing(tmp_path: Path) -> None:
    """One asks, sees that nothing has happened, and cannot confirm; another one sees what is to be confirmed, and does."""
    async with counted(tmp_path) as (served, house):
        first = await (await served.browser()).at_work(FIRST)
        second = await (await served.browser()).at_work(SECOND)
        refused(await first.send("/runs", OPEN_IT), "form")
        refused(
            await first.send("/runs", OPEN_IT | {"passphrase": "a wrong passphrase"}), "not-authenticated"
        )
        asked = await done(first, await first.send("/runs", OPEN_IT | SURE[FIRST]), f"/confirm/{RUN}")
        assert "Nothing has happened yet" in asked.said("[role=status]")[0]
        assert not asked.page.cssselect("input[name=saw]")
        assert house.runs == {}

        seen = await second.open("/")
        assert f"{FIRST} asks to open the live run {RUN}" in seen.said(".message.ask")[0]
        assert "asks to" not in seen.said("#notes")[0]
        shown = await second.open(f"/confirm/{RUN}")
        facts = " ".join(shown.said(".facts div"))
        digest = await to_thread(house.site.definitions(DEFINITION.event).sha256, 1)
        for said in (FIRST, DEFINITION.name, digest, f"{len(PROTOCOLS)} protocols expected", "2030"):
            assert said in facts
        saw = {"saw": shown.page.cssselect("input[name=saw]")[0].get("value")}
        refused(await first.send(f"/confirm/{RUN}", saw | SURE[FIRST]), "decision")
        refused(await second.send(f"/confirm/{RUN}", {"saw": "0" * 64} | SURE[SECOND]), "decision")
        refused(await second.send(f"/confirm/{RUN}", saw), "form")
        page = await done(second, await second.send(f"/confirm/{RUN}", saw | SURE[SECOND]), f"/runs/{RUN}")
        assert f"by {FIRST} and {SECOND}" in page.said("[role=status]")[0]
        assert page.said("h1 .phase") == ["LIVE"]
        assert page.said(".top-run .phase") == ["LIVE"]
        gone = await second.open(f"/confirm/{RUN}")
        assert gone.status == 422

        close = {"do": "close", "sure": "yes"}
        await done(second, await second.send(f"/runs/{RUN}", close | SURE[SECOND]), f"/confirm/{RUN}")
        shown = await first.open(f"/confirm/{RUN}")
        saw = {"saw": shown.page.cssselect("input[name=saw]")[0].get("value")}
        await done(first, await first.send(f"/confirm/{RUN}", saw | SURE[FIRST]), f"/runs/{RUN}")
        assert house.runs == {}
        site = house.site
    opened, closed = await to_thread(log, site, RunOpened, RunClosed)
    assert opened.event == RunOpened(RUN, DEFINITION.event, "live", (FIRST, SECOND))
    assert closed.who == f"{SECOND}, {FIRST}"


async def test_wrong_passphrases_of_decisions_are_limited(tmp_path: Path) -> None:
    """A stolen session is no way to try passphrases: they count with those of the log-in."""
    async with counted(tmp_path) as (served, house):
        browser = await (await served.browser()).at_work(FIRST)
        for _ in range(BOTH):
            refused(await browser.send("/runs", OPEN_IT | {"passphrase": "wrong"}), "not-authenticated")
        refused(await browser.send("/runs", OPEN_IT | SURE[FIRST]), "too-many-tries")
        assert house.runs == {}


async def test_decisions_about_a_rehearsal(tmp_path: Path) -> None:
    """Of a rehearsal one person decides, without a passphrase: hold, lift, declare, close, open again, under her name."""
    here = f"/runs/{RUN}"
    async with counted(tmp_path) as (served, house):
        browser = await (await served.browser()).at_work(FIRST)
        await done(browser, await browser.send("/runs", OPEN_IT | {"phase": "rehearsal"}), here)
        brought = await to_thread(records, tmp_path, PROTOCOLS)
        await take(house, brought)
        assert (await house.answer({"do": "cut", "run": RUN}))["ok"]
        contest = {"contest": PROTOCOLS[0].contest}
        hold = {"do": "hold", "reason": "Two boxes were mixed up."}
        held = await done(browser, await browser.send(here, hold | contest), here)
        assert contest["contest"] in held.said("form.row")[0]
        refused(await browser.send(here, hold | contest), "ledger-held")
        await done(browser, await browser.send(here, {"do": "lift"} | contest), here)
        assert (await house.answer({"do": "cut", "run": RUN}))["ok"]
        why = {"reason": "Established.", "authority": "commission"}
        again = await browser.send(here, {"do": "declare", "state": "certified"} | why)
        assert "Established." in again.text  # what was typed is still there
        refused(again, "ledger-state")
        page = await done(browser, await browser.send(here, {"do": "declare", "state": "final"} | why), here)
        assert "final" in page.said(".tile dd")
        closed = await done(browser, await browser.send(here, {"do": "close", "sure": "yes"}), here)
        assert "closed" in closed.said(".tile dd")
        page = await done(browser, await browser.send(here, {"do": "reopen"} | why), here)
        assert "open" in page.said(".tile dd")
        refused(await browser.send(here, {"do": "explode"}), "form")
        assert (await browser.open("/runs/none")).status == 404
        shown = await browser.open("/log")
        site = house.site
        assert "contest held" in shown.text
    kinds = (RunOpened, ContestHeld, ContestLifted, RunDeclared, RunClosed, RunReopened)
    entries = await to_thread(log, site, *kinds)
    assert [type(one.event) for one in entries] == list(kinds)
    assert {one.who for one in entries} == {FIRST}


async def test_nobody_counts(tmp_path: Path) -> None:
    """Without a counting process nothing is decided, and the page says what to start; notices need none."""
    site = await to_thread(made, tmp_path)
    async with console(site) as served:
        browser = await (await served.browser()).at_work(SECOND)
        told = refused(await browser.send("/runs", OPEN_IT | SURE[SECOND]), "not-counting")
        assert "skrutinium-server serve" in told
        for _ in range(BOTH + 1):  # the right passphrase is no wrong one because nobody looked at it
            refused(await browser.send("/runs", OPEN_IT | SURE[SECOND]), "not-counting")
        incident = {"do": "incident", "text": "The line to the feed is slow."}
        page = await done(browser, await browser.send("/notices", incident), "/notices")
        (id,) = [one.get("value") for one in page.page.cssselect("input[name=id]")]
        assert "slow" in (await browser.open("/")).said("#notes")[0]
        refused(await browser.send("/notices", {"do": "end", "id": "none"}), "notice")
        await done(browser, await browser.send("/notices", {"do": "end", "id": id}), "/notices")
        later = {"do": "planned", "time": "2035-10-01 20:00", "text": "A new certificate."}
        refused(await browser.send("/notices", later | {"time": "2001-01-01 20:00"}), "notice")
        await done(browser, await browser.send("/notices", later), "/notices")
    notices = await to_thread(NoticesReader(site.store).read)
    assert [(one.text, one.ended is not None) for one in notices.incidents] == [(incident["text"], True)]
    assert f"{notices.planned[0].time:%Y-%m-%dT%H:%M}" == "2035-10-01T18:00"  # 20:00 in Prague
    assert {one.who for one in await to_thread(log, site, NoticeGiven)} == {SECOND}


async def test_go_or_no_go(tmp_path: Path) -> None:
    """The page says what preflight says, and its verdict in one word."""
    site = await to_thread(made, tmp_path)
    async with console(site) as served:
        browser = await (await served.browser()).at_work(FIRST)
        page = await browser.open("/preflight")
        assert page.said(".verdict strong") == ["GO"]
        assert any("2 persons may act" in one for one in page.said(".findings li li"))
        (site.root / "access.toml").unlink()
        page = await browser.open(f"/preflight?event={DEFINITION.event}")
        assert page.said(".verdict strong") == ["NO-GO"]
        assert (await browser.open("/preflight?event=none")).status == 200


async def test_what_is_coming_up(tmp_path: Path) -> None:
    """The first page shows what the calendar has now and next; one that cannot be read is an alarm."""
    site, clock = await to_thread(made, tmp_path), Clock()
    entry = '[[entry]]\nid = "{}"\nkind = "{}"\nfrom = {}\nto = {}\ntext = "{}"\n'
    (site.root / "calendar.toml").write_text(
        'zone = "Europe/Prague"\n'
        + entry.format("past", "meeting", "2030-10-01T09:00:00", "2030-10-01T10:00:00", "Over.")
        + entry.format("next", "voting", "2030-10-06T08:00:00", "2030-10-06T14:00:00", "People vote.")
        + entry.format("now", "testing-window", "2030-10-05T08:00:00", "2030-10-05T20:00:00", "Try it.")
    )
    async with console(site, wall=clock) as served:
        browser = await (await served.browser()).at_work(FIRST)
        now, later = (await browser.open("/")).said("#coming li")
        assert now.startswith("Now: Testing window, 2030-10-05 08:00 to 20:00")
        assert "People vote." in later
        (site.root / "calendar.toml").write_text("zone = 1\n")
        served.desk.looking.forget()
        page = await browser.open("/")
        assert any("calendar.toml" in one for one in page.said("#alarms li"))
        assert not page.page.cssselect("#coming")


async def test_names_cannot_put_markup_into_pages(tmp_path: Path) -> None:
    """What people type is text, wherever it is shown."""
    site = await to_thread(made, tmp_path)
    evil = "<script>alert(1)</script>\"'"
    async with console(site) as served:
        browser = await (await served.browser()).at_work(FIRST)
        await done(browser, await browser.send("/notices", {"do": "incident", "text": evil}), "/notices")
        for path in ("/", "/notices", "/log"):
            assert "<script>alert" not in (await browser.open(path)).text
        wrong = await browser.send("/runs", {"run": evil, "phase": evil})
        assert "<script>alert" not in wrong.text
        assert wrong.page.cssselect("#run")[0].get("value") == evil
