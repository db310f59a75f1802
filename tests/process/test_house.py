"""The counting house after kills, and beside another one of the same site."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.ledger.errors import LedgerLockedError
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.house import House
from skrutinium_server.process.opening import check_publishable, prepare_run
from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener, begin, commands, connect
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from skrutinium_server.release.store.reading import StoreReader

RUN = "night"


def make_site(folder: Path) -> Site:
    site = Site.create(folder / "site")
    site.define(made_up_definition(3, SMALL))
    return site


async def test_run_that_was_killed_while_it_opened_is_opened(tmp_path: Path) -> None:
    """Killed between the record of a run and the state file, it is told and published when counting starts again."""
    site = await asyncio.to_thread(make_site, tmp_path)
    await asyncio.to_thread(prepare_run, site, RUN, "test")
    house = House(site, cutting=True)
    try:
        await house.start()
        async with asyncio.timeout(60):
            await asyncio.gather(*(house.runs[RUN].until_published(series) for series in SERIES))
        number, (run,) = await asyncio.to_thread(StoreReader(site.store).state)
        assert (number, run.id, run.phase, run.open, run.current) == (1, RUN, "test", True, True)
    finally:
        await house.stop()
    again = House(site, cutting=True)
    try:
        await again.start()
        assert (await asyncio.to_thread(StoreReader(site.store).state))[0] == 1
    finally:
        await again.stop()


async def test_second_house_leaves_the_socket_alone(tmp_path: Path) -> None:
    """Who cannot count a site because another process does must not cut that one off from its commands."""
    site = await asyncio.to_thread(make_site, tmp_path)
    house = House(site, cutting=False)
    listener = Listener(house, site.socket)
    try:
        await house.start()
        await listener.start()
        assert (await house.answer({"do": "open", "run": RUN, "phase": "test"}))["ok"]
        second = House(site, cutting=False)
        other = Listener(second, site.socket)
        with pytest.raises(LedgerLockedError):
            await second.start()
        await other.stop()
        await second.stop()
        there = await connect(site)
        assert there is not None
        assert (await there.ask(do="status"))["ok"]
        there.close()
    finally:
        await listener.stop()
        await house.stop()
    assert await connect(site) is None


async def test_who_begins_to_count_while_a_command_counts_for_itself_knows_its_run(tmp_path: Path) -> None:
    """A run that a command opens on its own is counted by a process that was started meanwhile, and takes protocols."""
    site = await asyncio.to_thread(make_site, tmp_path)
    async with asyncio.timeout(60):
        async with commands(site) as alone:
            beginning = asyncio.create_task(begin(site, cutting=True))
            assert (await alone.ask(do="open", run=RUN, phase="test"))["ok"]
            assert not beginning.done()
        counting = await beginning
    assert isinstance(counting, House)
    try:
        assert (await counting.answer({"do": "take", "run": RUN, "records": []}))["ok"]
    finally:
        await counting.stop()


async def test_command_waits_for_the_process_that_is_about_to_listen(tmp_path: Path) -> None:
    """Between the start of a counting process and its socket a command neither fails nor counts for itself."""
    site = await asyncio.to_thread(make_site, tmp_path)
    counting = House(site, cutting=True)
    listener = Listener(counting, site.socket)

    async def asked() -> None:
        async with commands(site) as house:
            assert (await house.ask(do="open", run=RUN, phase="test"))["ok"]

    try:
        await counting.start()
        asking = asyncio.create_task(asked())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asking), 0.5)
        await listener.start()
        async with asyncio.timeout(60):
            await asking
        assert RUN in counting.runs
    finally:
        await listener.stop()
        await counting.stop()


async def test_definition_that_a_format_cannot_carry_opens_no_run(tmp_path: Path) -> None:
    """A run whose releases could never be written is refused when it is opened, with the reason, and leaves nothing."""
    site = await asyncio.to_thread(Site.create, tmp_path / "site")
    definition = await asyncio.to_thread(made_up_definition, 3, SMALL)
    changed = msgspec.structs.replace(
        definition,
        committees=tuple(msgspec.structs.replace(row, id=f"c{row.id}") for row in definition.committees),
        lists=tuple(msgspec.structs.replace(row, committee=f"c{row.committee}") for row in definition.lists),
    )
    await asyncio.to_thread(site.define, changed)
    house = House(site, cutting=True)
    try:
        await house.start()
        answer = await house.answer({"do": "open", "run": RUN, "phase": "test"})
    finally:
        await house.stop()
    assert answer["error"] == "run"
    assert "volby" in answer["message"]
    assert "committee" in answer["message"]
    assert not (site.root / "runs" / RUN).exists()


async def test_nobody_waits_for_a_publisher_that_ends_again_and_again(tmp_path: Path) -> None:
    """When a series cannot be published, whoever waits for it is told so, and intake goes on."""
    site = await asyncio.to_thread(make_site, tmp_path)
    house = House(site, cutting=False)
    try:
        await house.start()
        assert (await house.answer({"do": "open", "run": RUN, "phase": "test"}))["ok"]
        await asyncio.to_thread((site.root / "keys" / "signing.pem").write_bytes, b"no key\n")
        publishers = house.runs[RUN].publishers.values()
        for publisher in publishers:
            assert publisher.pid is not None
            os.kill(publisher.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            answer = await house.answer({"do": "cut", "run": RUN})
        assert answer["error"] == "run"
        assert "log" in answer["message"]
        taken = await house.answer({"do": "take", "run": RUN, "records": []})
        assert taken["ok"]
    finally:
        await house.stop()


def test_definition_that_changes_while_a_run_is_opened_opens_nothing(tmp_path: Path) -> None:
    """What people looked at when they asked is what the run rests on, or there is no run."""
    site = make_site(tmp_path)
    seen = check_publishable(site, RUN, "test", site.event(None))
    site.define(made_up_definition(4, SMALL))
    with pytest.raises(RunError, match="was changed while"):
        prepare_run(site, RUN, "test", rests_on=seen)
    assert not (site.root / "runs" / RUN).exists()
    now = check_publishable(site, RUN, "test", site.event(None))
    assert prepare_run(site, RUN, "test", rests_on=now).definition_sha256 == now
