"""Sandboxes in the console: seen and steered by the real process of the sandboxes."""

import asyncio
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from skrutinium_server.authority.model import SandboxSteered
from skrutinium_server.authority.persons import Authority
from skrutinium_server.console.errors import StageAbsent
from skrutinium_server.console.sandboxes import Sandbox, Stage, read_sandboxes
from skrutinium_server.rehearsal.made_up import Settings
from skrutinium_server.rehearsal.nights import of_settings
from skrutinium_server.rehearsal.sandboxes import Sandboxes, SandboxSettings
from skrutinium_server.rehearsal.sandboxes.serving import StageManager
from tests.console.test_deciding import done, refused
from tests.console.visiting import Browser, console, made

NAME, PERSON = "autumn", "j.novakova"
HERE = f"/sandboxes/{NAME}"
NIGHT = of_settings(Settings(law="cz-municipal-2018", precincts=12, seed=5, minutes=600))


async def until(stage: Stage, condition: Callable[[Sandbox], object]) -> Sandbox:
    """The sandbox once a condition holds."""
    async with asyncio.timeout(90):
        while True:
            one = (await stage.list())[NAME]
            if one.run and condition(one):
                return one
            await asyncio.sleep(0.05)


async def scenario(browser: Browser, stage: Stage) -> None:
    """The button of a scenario lets it happen, the page says what goes wrong now, and the other button mends it."""
    buttons = (await browser.open(HERE)).page.cssselect(".scenarios button")
    assert len({one.get("value") for one in buttons}) >= 16
    page = await done(browser, await browser.send(HERE, {"do": "play", "scenario": "limit"}), HERE)
    assert "Scenario limit is being played" in page.said(".message.ask")[0]
    await done(browser, await browser.send(HERE, {"do": "seek", "to": "50%"}), HERE)
    await until(stage, lambda one: one.faults)
    assert "goes wrong now" in (await browser.open(HERE)).said(".message.ask")[1]
    await done(browser, await browser.send(HERE, {"do": "stop"}), HERE)
    await until(stage, lambda one: not one.faults and not one.scenarios)


async def read_by_somebody(browser: Browser, sandbox: Sandbox) -> None:
    """Who reads the sandbox is seen on its page."""
    async with aiohttp.ClientSession() as reader, asyncio.timeout(60):
        while True:
            async with reader.get(f"{sandbox.url}/event/{sandbox.event}/newest/manifest.xml") as got:
                assert got.status == 200
            if "reads" in " ".join((await browser.open(HERE)).said("#reading tbody")):
                return
            await asyncio.sleep(0.1)


@pytest.mark.timeout(600)
async def test_sandbox_is_steered(tmp_path: Path) -> None:
    """Pause, go, seek by share and by time, speed, scenario, stop, begin anew: each is done, shown, and recorded under a name."""
    site = await to_thread(made, tmp_path)
    await to_thread(Sandboxes(site).add, NAME, SandboxSettings(port=0, speed="1/10", rest=3600), NIGHT)
    async with console(site) as served:
        browser = await (await served.browser()).at_work(PERSON)
        nobody = await browser.open("/sandboxes")
        assert "sandbox serve" in nobody.said(".message")[0]
        assert (await browser.open(HERE)).status == 503
        refused(await browser.send("/sandboxes", {"do": "pause", "sandbox": NAME}), "sandbox")
        async with StageManager(site):
            stage = served.desk.stage
            begun = await until(stage, lambda one: one.url)
            page = await browser.open("/sandboxes")
            assert page.said(".sandboxes h2") == [f"{NAME} plays"]
            await done(
                browser, await browser.send("/sandboxes", {"do": "pause", "sandbox": NAME}), "/sandboxes"
            )
            assert (await until(stage, lambda one: one.paused)).says == "paused"
            page = await done(browser, await browser.send(HERE, {"do": "seek", "to": "50%"}), HERE)
            half = await until(stage, lambda one: one.delivered >= one.all // 2)
            assert half.run == begun.run
            assert half.fingerprint in page.said(".facts dd")
            await done(browser, await browser.send(HERE, {"do": "speed", "speed": "1/2"}), HERE)
            assert (await until(stage, lambda one: one.pace == "1/2")).paused
            assert begun.begins is not None
            first = begun.begins.astimezone(ZoneInfo("Europe/Prague"))
            to = {"do": "seek", "to": f"{(first.hour + 1) % 24}:{first:%M}"}
            await done(browser, await browser.send(HERE, to), HERE)  # back: a new run
            early = await until(stage, lambda one: one.passage == 2)
            assert early.delivered < half.delivered
            assert early.time is not None
            assert 55 <= (early.time - begun.begins).total_seconds() / 60 <= 65
            await done(browser, await browser.send(HERE, {"do": "restart"}), HERE)
            await until(stage, lambda one: one.passage == 3)
            await read_by_somebody(browser, await until(stage, lambda one: one.url))
            await scenario(browser, stage)
            for told in ({"do": "seek", "to": "soon"}, {"do": "speed", "speed": "0"}, {"do": "dance"}):
                assert (await browser.send(HERE, told)).status == 422
            assert (await browser.send(HERE, {"do": "play", "scenario": "none"})).status == 422
            assert (await browser.open("/sandboxes/none")).status == 404
    entries = await to_thread(Authority(site.root).log.entries)
    steered = [one for one in entries if isinstance(one.event, SandboxSteered)]
    assert [one.event.do for one in steered if isinstance(one.event, SandboxSteered)] == [
        *("pause", "seek", "speed", "seek", "restart", "play", "seek", "stop"),
    ]
    assert {one.who for one in steered} == {PERSON}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"sandboxes": None},
        {"sandboxes": {"a": {"delivered": "many"}}},
        {"sandboxes": {"a": {"time": "2030-10-05T12:00:00"}}},
    ],
)
def test_other_answers_are_told(told: dict[str, object]) -> None:
    """An answer that is not understood is said to be so; it is no empty list."""
    with pytest.raises(StageAbsent):
        read_sandboxes(told)


def test_what_is_left_out_is_left_out() -> None:
    """A sandbox that has only just begun tells little, and what another version tells more of is passed over."""
    (one,) = read_sandboxes({"sandboxes": {"a": {"url": "http://x/", "new": 1, "speed": "60/1"}}}).values()
    assert (one.name, one.says, one.pace, one.all) == ("a", "begins", "60", 0)
