"""A rehearsal with real readers is scored: what was done on the stage, what the feed saw and what receipts say come together."""

import asyncio
import datetime
import re
from asyncio import to_thread
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner
from lxml import etree

import skrutinium
from skrutinium.following import receipts as receipts_module
from skrutinium.testing.outlet import Outlet
from skrutinium_server.commands import group
from skrutinium_server.election.law import load_law
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import made_up_definition, made_up_protocols, scale_of, taken_over
from skrutinium_server.rehearsal.scoring.gathering import Written, gather
from skrutinium_server.rehearsal.scoring.model import ScoringError
from skrutinium_server.rehearsal.stage import Stage

RUN = "rehearsal-1"
START, LENGTH = datetime.datetime(2030, 10, 5, 14, tzinfo=datetime.UTC), datetime.timedelta(hours=4)
NS = "{urn:skrutinium:1}"
ACCESS = "number = 1\n" + "".join(
    f'[[subscriber]]\nid = "{id}"\nname = "{name}"\nlive = ["{network}"]\n'
    for id, name, network in (
        ("operator", "The operator", "127.0.0.0/24"),
        ("paper", "Evening Paper", "127.0.1.0/24"),
        ("radio", "First <Radio>", "127.0.2.0/24"),
        ("asleep", "Nobody", "127.0.3.0/24"),
    )
)


def made(root: Path) -> tuple[Site, list[object]]:
    """A site whose feed is read through an outlet, and the protocols of its night."""
    site = Site.create(root)
    settings = (root / "site.toml").read_text()
    (root / "site.toml").write_text(re.sub(r"(?m)^proxies = .*$", 'proxies = ["127.0.0.1"]', settings))
    (root / "access.toml").write_text(ACCESS)
    definition = made_up_definition(3, scale_of(8), "cz-municipal-2018")
    site.define(definition)
    law = load_law(definition.law)
    protocols = made_up_protocols(definition, 3, START, LENGTH, resends=0)
    return site, [taken_over(one, law) for one in protocols]


def session(network: int) -> aiohttp.ClientSession:
    """Connections from a subscriber's own range."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(f"127.0.{network}.1", 0)))


async def follow(url: str, newest: asyncio.Queue[int]) -> None:
    """A newsroom's program with the SDK: it reads registers and corrections."""
    timing = skrutinium.Timing(poll=0.1, push_retry=0.1)
    async with (
        session(1) as own,
        skrutinium.connect(url, session=own, timing=timing, receipts="Evening graphics 4.2") as feed,
    ):
        async for release in feed.releases():
            if release.snapshot:
                await release.book()
            await release.corrections()
            await feed.done(release)
            await newest.put(release.number)
            if release.state == "final":
                return


async def look(url: str, event: str) -> None:
    """A newsroom's program without it: it fetches the whole event, whether it has changed or not."""
    headers = {"User-Agent": "Radio's own\t1.0"}
    async with session(2) as own, own.get(f"{url}/event/{event}/newest/event.xml", headers=headers) as answer:
        assert answer.status == 200
        await answer.read()


async def rehearse(site: Site, protocols: list[object]) -> None:
    """A short rehearsal: a correction, an outage, and the end."""
    newest: asyncio.Queue[int] = asyncio.Queue()
    async with asyncio.timeout(120), Stage(site, front=Outlet(forwarded=True), cutting=False) as stage:
        await stage.open(RUN)
        reading = asyncio.create_task(follow(stage.url, newest))
        half = len(protocols) // 2

        async def bring(records: list[object]) -> None:
            await stage.ask(
                do="take",
                records=records,
                now="2030-10-05T18:00:00+00:00",
                speed=0,
                who="test",
                path="replay",
            )
            number = await stage.cut()
            if not stage.faults:
                while await newest.get() < number:
                    pass

        await newest.get()
        await bring(protocols[:half])
        await look(stage.url, stage.event)
        await look(stage.url, stage.event)
        await stage.correct()
        await stage.outage()
        await bring(protocols[half:])
        await stage.restore()
        await stage.declare()
        await reading


async def test_rehearsal_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers and one that slept get their cards, each its own; the closing report says who took part, with what."""
    monkeypatch.setattr(receipts_module, "EVERY", 0.1)
    site, protocols = await to_thread(made, tmp_path / "site")
    await rehearse(site, protocols)
    out = tmp_path / "scores"
    result = await to_thread(
        CliRunner().invoke, group, ["score", str(site.root), RUN, "--out", str(out)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "asleep: nothing was seen of it" in result.output
    pages = await to_thread(
        lambda: {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*")}
    )
    assert set(pages) == {
        "index.html",
        "scorecards.xml",
        "closing-report.html",
        "closing-report.xml",
        *(
            f"cards/{id}.{kind}"
            for id in ("operator", "paper", "radio", "asleep")
            for kind in ("html", "xml")
        ),
    }
    check_cards(etree.fromstring(pages["scorecards.xml"]))
    closing = etree.fromstring(pages["closing-report.xml"])
    assert (closing.get("reported"), closing.get("corrections"), closing.get("state")) == (
        closing.get("expected"),
        "1",
        "final",
    )
    took_part = {one.get("subscriber"): one.get("took-part") for one in closing.iter(f"{NS}participant")}
    assert took_part == {"operator": "true", "paper": "true", "radio": "true", "asleep": "false"}
    used = {
        one.get("subscriber"): [(two.get("name"), two.get("program"), two.get("readers")) for two in one]
        for one in closing.iter(f"{NS}participant")
    }
    assert used["paper"] == [(f"skrutinium {skrutinium.__version__}", "Evening graphics 4.2", "1")]
    assert used["radio"] == [("Radio's own 1.0", None, "0")]
    assert used["asleep"] == []
    for path, data in pages.items():
        assert b"<script" not in data, path
    assert b"First &lt;Radio&gt;" in pages["index.html"]
    assert b"radio" not in pages["cards/paper.xml"]
    assert b"Radio" not in pages["cards/paper.html"]


def check_cards(root: etree._Element) -> None:
    """What each subscriber did."""
    cards = {one.get("subscriber"): one for one in root.iter(f"{NS}scorecard")}
    [trouble] = root.iter(f"{NS}trouble")
    assert (trouble.get("what"), trouble.get("which")) == ("outage", "first")
    paper, radio, asleep = cards["paper"], cards["radio"], cards["asleep"]

    def told(card: etree._Element, name: str) -> etree._Element:
        found = card.find(f"{NS}{name}")
        assert found is not None
        return found

    releases = told(paper, "releases")
    assert (releases.get("passed-over"), releases.get("missed")) == ("0", "0")
    assert told(paper, "recovery").get("outcome") == "recovered"
    assert told(paper, "noticed").get("outcome") == "read"
    assert told(paper, "codebooks").get("outcome") == "yes"
    assert told(paper, "mail").get("outcome") == "not-applicable"
    assert told(paper, "reader").get("agrees") == "true"
    assert int(paper.get("receipts", "")) >= 1
    assert dict(told(radio, "conditional").attrib) == {"unchanged": "0", "possible": "1", "share": "0"}
    assert told(radio, "codebooks").get("outcome") == "no"
    assert told(radio, "noticed").get("outcome") == "no"
    assert int(told(radio, "releases").get("missed", "")) >= 2
    assert told(radio, "recovery").get("outcome") == "not-recovered"
    assert (asleep.get("seen"), asleep.find(f"{NS}stale")) == ("false", None)


def test_what_cannot_be_scored(tmp_path: Path) -> None:
    """A run of which nothing was written, and one without a release, are refused with what to do."""
    site, _ = made(tmp_path / "site")
    result = CliRunner().invoke(group, ["score", str(site.root), RUN, "--out", str(tmp_path / "out")])
    assert result.exit_code != 0
    assert not (tmp_path / "out").exists()
    with pytest.raises(ScoringError, match="live run"):
        gather(_Live(site.root), RUN, Written())


class _Live(Site):
    """A site whose runs are live."""

    def run(self, run: str) -> object:  # type: ignore[override]
        """A live one."""
        return type("Record", (), {"phase": "live"})()
