"""Sandboxes: nights that are replayed for ever beside a site, read like a live night, steered over a socket, and begun again where they were."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

import skrutinium
from skrutinium_server.commands import group
from skrutinium_server.ledger.errors import LedgerLockedError
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.made_up import Rates, Settings
from skrutinium_server.rehearsal.nights import Night, of_settings
from skrutinium_server.rehearsal.sandboxes import Sandboxes, SandboxSettings, passages, sweeping
from skrutinium_server.rehearsal.sandboxes.model import read_sandbox
from skrutinium_server.rehearsal.sandboxes.serving import StageManager, stage_manager
from skrutinium_server.rehearsal.sandboxes.sweeping import sweep
from tests.rehearsal.live_test_site import accepted

NAME = "box"
FAST = SandboxSettings(port=0, speed="1000", rest=3600)
HASH = re.compile(rb' sha256="([0-9a-f]{64})"')


@pytest.fixture(scope="module")
def night() -> Night:
    """Ten minutes of a night with a correction in it; played in less than a second."""
    return of_settings(
        Settings(law="cz-municipal-2018", precincts=12, seed=5, minutes=10, rates=Rates(corrections=1))
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.create(tmp_path / "site")


@contextlib.asynccontextmanager
async def played(site: Site, night: Night, settings: SandboxSettings = FAST) -> AsyncIterator[StageManager]:
    await asyncio.to_thread(Sandboxes(site).add, NAME, settings, night)
    async with StageManager(site) as manager:
        yield manager


async def until(manager: StageManager, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The row of the sandbox once a condition holds."""
    async with asyncio.timeout(90):
        while True:
            row = manager.running[NAME].told()
            if row["run"] and condition(row):
                return row
            await asyncio.sleep(0.02)


async def told(manager: StageManager, **request: Any) -> dict[str, Any]:
    answer = await manager.answer({"sandbox": NAME, **request})
    assert "error" not in answer, answer
    row: dict[str, Any] = answer["sandboxes"][NAME]
    return row


async def box_of(site: Site) -> Site:
    """The site of the sandbox."""
    return await asyncio.to_thread(lambda: Sandboxes(site).find(NAME).site())


# ------------------------------------------------------------------ reading and steering
async def test_sandbox_is_read_like_a_live_night(site: Site, night: Night) -> None:
    """A newsroom follows it to its end with the address and the fingerprint of the sandboxes, which is not the site's."""
    async with played(site, night) as manager:
        row = await until(manager, lambda row: row["url"])
        assert row["fingerprint"] == (await asyncio.to_thread(Sandboxes(site).signer)).fingerprint
        assert row["fingerprint"] != (await asyncio.to_thread(site.signer)).fingerprint
        async with (
            asyncio.timeout(90),
            skrutinium.connect(row["url"], fingerprint=row["fingerprint"]) as feed,
        ):
            async for release in feed.releases():
                assert (release.phase, release.run) == ("rehearsal", "box-000001")
                if release.reported == release.expected:
                    break
        row = await until(manager, lambda row: row["ended"])
        assert (row["delivered"], row["time"], row["trouble"]) == (row["all"], row["ends"], "")
        begins = row["begins"]

        assert (await told(manager, do="pause"))["paused"]
        row = await told(manager, do="seek", to="50%")
        assert row["paused"]
        assert (row["run"], row["passage"], row["delivered"]) == ("box-000002", 2, -(-row["all"] // 2))
        assert begins < (await told(manager, do="list"))["time"] < row["ends"]
        assert (await told(manager, do="speed", speed="1/2"))["speed"] == "1/2"
        row = await told(manager, do="seek", to=row["ends"])
        assert (row["delivered"], row["paused"], row["ended"], row["passage"]) == (row["all"], True, False, 2)
        async with aiohttp.ClientSession(row["url"]) as session, session.get("/state.xml") as answer:
            state = await answer.text()
        assert re.findall(r'id="(box-\d+)".*? open="(\w+)" current="(\w+)"', state) == [
            ("box-000001", "false", "false"),
            ("box-000002", "true", "true"),
        ]
        row = await told(manager, do="restart")
        assert (row["run"], row["paused"], row["speed"]) == ("box-000003", False, "1/2")
        runs = {path.name for path in (site.root / "sandboxes" / NAME / "site" / "runs").iterdir()}
        assert runs == {"box-000002", "box-000003"}


async def test_whoever_may_read_the_site_may_read_its_sandboxes(site: Site, night: Night) -> None:
    """The outlet tells whose request it passes on, and the sandbox follows the site's list; a header of the reader's counts for nothing."""
    async with played(site, night, SandboxSettings(port=0, speed="1")) as manager:
        row = await until(manager, lambda row: row["url"])
        async with aiohttp.ClientSession(row["url"], headers={"X-Forwarded-For": "192.0.2.7"}) as session:

            async def status() -> int:
                async with session.get("/state.xml") as answer:
                    return answer.status

            assert await status() == 200
            listed = site.access.read_text("utf-8")
            site.access.write_text(listed.replace('"127.0.0.0/8", "::1"', '"192.0.2.0/24"'), "utf-8")
            async with asyncio.timeout(60):
                while await status() != 403:  # noqa: ASYNC110 - another process looks
                    await asyncio.sleep(0.02)


async def test_scenarios_are_played_in_every_passage(site: Site, night: Night) -> None:
    """Each passage has its correction from the stage, also the one after a seek back; by command one more is played beside."""
    settings = SandboxSettings(port=0, speed="1000", rest=3600, scenarios=("correction",))
    async with played(site, night, settings) as manager:
        for passage in (1, 2):
            row = await until(manager, lambda row: row["ended"] and not row["scenarios"])
            assert (row["passage"], row["trouble"]) == (passage, "")
            box = await box_of(site)
            kept = await asyncio.to_thread(accepted, box, row["run"])
            assert len(kept) == len(night.due) + 1
            if passage == 1:
                await told(manager, do="restart")
        row = await told(manager, do="play", scenario="feed-down")
        row = await until(manager, lambda row: row["faults"])
        assert (row["faults"], row["scenario"]["name"]) == (["outage"], "feed-down")
        again = await manager.answer({"do": "play", "sandbox": NAME, "scenario": "feed-down"})
        assert again["error"] == "sandbox"
        row = await told(manager, do="stop")
        assert (row["faults"], row["scenario"]) == ([], None)
        async with aiohttp.ClientSession(row["url"]) as session, session.get("/state.xml") as answer:
            assert answer.status == 200


# ------------------------------------------------------------------ for ever
async def test_nights_that_loop_do_not_fill_the_disk(
    site: Site, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each passage what is older than the one before is gone from the disk, and all that is left is whole.

    Now and then its processes are replaced as well, and what they wrote down of persons and runs begins anew.
    """
    monkeypatch.setattr(passages, "RENEWED", 3)
    monkeypatch.setattr(sweeping, "LARGEST_LOG", 100)
    async with played(site, night, SandboxSettings(port=0, speed="1000", rest=0)) as manager:
        await until(manager, lambda row: row["passage"] >= 4)
        await told(manager, do="pause")
        row = await until(manager, lambda row: row["run"].endswith(f"{row['passage']:06d}"))
    box = await box_of(site)
    await asyncio.to_thread(check_swept, box, row["passage"])
    log = await asyncio.to_thread((box.root / "authority" / "events.jsonl").read_text, "utf-8")
    assert "box-000001" not in log


def check_swept(box: Site, present: int) -> None:
    """Two passages are left, and of all objects exactly what they and the registers name."""
    runs = [f"box-{one:06d}" for one in (present - 1, present)]
    assert sorted(path.name for path in (box.root / "runs").iterdir()) == runs
    assert list(box.told()) == runs
    objects = {path.name.removesuffix(".gz") for path in (box.store / "objects").rglob("*.gz")}
    assert all(any(folder.iterdir()) for folder in (box.store / "objects").rglob("*") if folder.is_dir())
    named = {
        found.decode()
        for path in (box.store / "event").rglob("*.xml")
        if path.parent.name in ("manifest", "registers")
        for found in HASH.findall(path.read_bytes())
    }
    taken = {sha256 for run in runs for sha256 in accepted(box, run)}
    assert named <= objects
    assert objects <= named | taken


async def test_sweep_that_was_killed_is_done_again(site: Site, night: Night) -> None:
    """Whatever was left of a passage that was being swept away goes with the next sweep; what is kept stays."""
    await asyncio.to_thread(site.define, night.definition)
    house = House(site, cutting=False)
    await house.start()
    for run in ("one", "two"):
        assert (await house.answer({"do": "open", "run": run, "phase": "test"}))["ok"]
        assert (await house.answer({"do": "close", "run": run}))["ok"]
    await house.archived()
    await house.stop()
    event = night.definition.event
    (site.run_folder("one") / "run.json").unlink()
    (site.run_folder("one") / "ledger.sqlite").write_bytes(b"half")
    assert await asyncio.to_thread(sweep, site, event, {"two"}, wall_time()) == ("one",)
    assert await asyncio.to_thread(sweep, site, event, {"two"}, wall_time()) == ()
    assert not site.run_folder("one").exists()
    assert sorted(path.name for path in (site.store / "event" / event).iterdir()) == ["registers", "two"]
    assert list(await asyncio.to_thread(site.told)) == ["two"]
    again = House(site, cutting=False)
    await again.start()
    await again.stop()
    assert not again.left_alone


async def test_processes_that_are_killed_begin_again(site: Site, night: Night) -> None:
    """Whichever process of a sandbox dies, the night goes on where it was, and every protocol is in once."""
    async with played(site, night, SandboxSettings(port=0, speed="100", rest=3600)) as manager:
        await until(manager, lambda row: row["delivered"])
        for part in ("process.count", "process.publisher", "feed.server"):
            os.kill(await asyncio.to_thread(child_of, site.root, part), signal.SIGKILL)
            before = manager.running[NAME].told()["delivered"]
            await until(manager, further(before))
        await told(manager, do="seek", to="100%")
        row = await until(manager, lambda row: row["ended"] and not row["trouble"])
        assert row["passage"] == 1
        async with (
            asyncio.timeout(90),
            skrutinium.connect(row["url"], fingerprint=row["fingerprint"]) as feed,
        ):
            async for release in feed.releases():
                if release.reported == release.expected:
                    break
    box = await box_of(site)
    kept = await asyncio.to_thread(accepted, box, row["run"])
    assert len(kept) == len(set(kept)) == len({one.taken_over.data for one in night.due})


def further(than: int) -> Callable[[dict[str, Any]], bool]:
    return lambda row: row["delivered"] > than or row["ended"]


def child_of(root: Path, module: str) -> int:
    """The number of a process of the sandbox, found by its module and the folder it works in."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode().split("\0")
            if any(word.endswith(module) for word in words) and any(str(root) in word for word in words):
                return int(path.parent.name)
    raise AssertionError(f"no process of {module}")


async def test_killed_with_all_its_processes_it_goes_on_where_it_was(site: Site, night: Night) -> None:
    """The process of the sandboxes is killed: what it started ends, and the next one goes on in the same passage, paused as it was."""
    await asyncio.to_thread(Sandboxes(site).add, NAME, FAST, night)
    process = await serve(site)
    async with asyncio.timeout(90):
        async with stage_manager(site) as there:
            row = (await there.ask(do="list"))["sandboxes"][NAME]
            while not row["run"]:
                await asyncio.sleep(0.05)
                row = (await there.ask(do="list"))["sandboxes"][NAME]
            await there.ask(do="pause", sandbox=NAME)
            before = (await there.ask(do="seek", sandbox=NAME, to="70%"))["sandboxes"][NAME]
        process.kill()
        await process.wait()
        with pytest.raises(SandboxError, match="sandbox serve"):
            async with stage_manager(site):
                pass
        async with StageManager(site) as manager:
            row = await until(manager, lambda row: not row["trouble"])
    keys = ("run", "passage", "delivered", "time", "paused", "speed")
    assert {key: row[key] for key in keys} == {key: before[key] for key in keys}


async def serve(site: Site) -> asyncio.subprocess.Process:
    """``skrutinium-server sandbox serve`` once it answers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skrutinium_server",
        "sandbox",
        "serve",
        site.root,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(90):
        assert b"Serving the sandboxes" in await process.stdout.readline()
    return process


# ------------------------------------------------------------------ commands
def test_commands_of_sandboxes(site: Site) -> None:
    """From the command line a sandbox is made, served, listed, steered and removed; each says where the night is then."""

    def told(*words: object, code: int = 0) -> str:
        answer = CliRunner().invoke(group, ["sandbox", *map(str, words)], standalone_mode=False)
        if isinstance(answer.exception, ProcessError):
            assert code == 1
            return f"{answer.output}{answer.exception}"
        assert answer.exit_code == 0, answer.output
        return answer.output

    made = told(
        "add", site.root, NAME, "--precincts", 12, "--port", 0, "--speed", "1/2", "--scenario", "correction"
    )
    assert Sandboxes(site).signer().fingerprint in made
    assert "Start it with" in made
    assert "not served" in told("list", site.root)
    assert "sandbox serve" in told("pause", site.root, NAME, code=1)
    command = [sys.executable, "-m", "skrutinium_server", "sandbox", "serve", str(site.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            assert NAME in served.stdout.readline()
            deadline = time.monotonic() + 90
            while "playing" not in (listed := told("list", site.root)) or "\u00d70.5" not in listed:
                assert time.monotonic() < deadline, listed
            assert re.search(rf"{NAME}: http://127\.0\.0\.1:\d+\n  {NAME}-000001, 2030-04-02 ", listed)
            assert "paused" in told("pause", site.root, NAME)
            assert "9 of 18 protocols, paused" in told("seek", site.root, NAME, "50%")
            assert "\u00d7120" in told("speed", site.root, NAME, 120)
            assert "scenario feed-down 0/2" in told("play", site.root, NAME, "feed-down")
            assert "scenario" not in told("stop", site.root, NAME)
            assert f"{NAME}-000002" in told("restart", site.root, NAME)
            assert "playing" in told("go", site.root, NAME)
            told("remove", site.root, NAME)
            assert told("list", site.root) == ""
            assert [path.name for path in Sandboxes(site).root.iterdir() if path.is_dir()] == ["keys"]
        finally:
            served.send_signal(signal.SIGTERM)
            assert served.wait(60) == 0


@pytest.mark.parametrize("told", ["made-up:x", "ledger", "tape:x", "ledger:nowhere/ledger.sqlite"])
def test_night_that_is_none_is_refused_by_the_command(site: Site, told: str) -> None:
    """The command says which nights there are, and makes nothing."""
    answer = CliRunner().invoke(
        group, ["sandbox", "add", str(site.root), NAME, "--port", "0", "--night", told]
    )
    assert answer.exit_code == 2
    assert not Sandboxes(site).names()


# ------------------------------------------------------------------ what is refused
async def test_what_cannot_be_is_told(site: Site, night: Night) -> None:
    """Names, ports and commands that cannot be are refused with a code and what was expected; nothing is left behind."""
    sandboxes = Sandboxes(site)
    await asyncio.to_thread(sandboxes.add, NAME, SandboxSettings(port=8123), night)
    for name, port, why in (
        (NAME, 1, "is a sandbox 'box' already"),
        ("../x", 1, "cannot name a sandbox"),
        ("keys", 1, "cannot name a sandbox"),
        ("x" * 41, 1, "cannot name a sandbox"),
        ("other", 8123, "has the port 8123"),
    ):
        with pytest.raises(SandboxError, match=why):
            await asyncio.to_thread(sandboxes.add, name, SandboxSettings(port=port), night)
    assert await asyncio.to_thread(sandboxes.names) == (NAME,)
    manager = StageManager(site)
    for request, code in (
        ({"do": "dance"}, "process"),
        ({"do": "pause"}, "malformed"),
        ({"do": "pause", "sandbox": "nobody"}, "sandbox"),
    ):
        assert (await manager.answer(request))["error"] == code
    await asyncio.to_thread(sandboxes.take_away, NAME)
    assert await asyncio.to_thread(sandboxes.names) == ()


async def test_steering_needs_what_it_steers(site: Site, night: Night) -> None:
    """Points, speeds and scenarios that are none are refused; a sandbox whose port is taken says so and is tried again; two cannot serve one site."""
    async with played(site, night) as manager:
        await until(manager, lambda row: row["url"])
        for request, code in (
            ({"do": "seek", "to": "noon"}, "seek"),
            ({"do": "speed", "speed": "2000"}, "speed"),
            ({"do": "play", "scenario": "nothing"}, "sandbox"),
            ({"do": "seek"}, "malformed"),
        ):
            assert (await manager.answer({"sandbox": NAME, **request}))["error"] == code
        with pytest.raises(LedgerLockedError, match="run by one process"):
            async with StageManager(site):
                pass
        port = int(manager.running[NAME].told()["url"].rpartition(":")[2])
        await asyncio.to_thread(Sandboxes(site).add, "other", SandboxSettings(port=port), night)
        await told(manager, do="look")
        async with asyncio.timeout(90):
            while "ddress" not in manager.running["other"].told()["trouble"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await manager.answer({"do": "go", "sandbox": "other"}))["error"] == "sandbox"
        gone = await asyncio.to_thread(Sandboxes(site).take_away, "other")
        await told(manager, do="look")
        assert list(manager.running) == [NAME]
        assert await asyncio.to_thread(gone.is_dir)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "port = 0\nspeed = 60",
        'port = 0\nphase = "live"',
        'port = 0\nspeed = "0"',
        "port = 0\nnight = 1",
        "port",
    ],
)
def test_file_of_a_sandbox_that_is_none(text: str, tmp_path: Path) -> None:
    """What is wrong in sandbox.toml is told with its path; a sandbox is never live."""
    path = tmp_path / "sandbox.toml"
    path.write_text(text)
    with pytest.raises(SandboxError, match=r"sandbox\.toml"):
        read_sandbox(path)
