"""What fails inside the counting house: it is told to whoever asked, and the night goes on."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.process.errors import CountingRefused, SiteError
from skrutinium_server.process.house import House
from skrutinium_server.process.settings import read_settings
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener, connect
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition

RUN = "night"
pytestmark = pytest.mark.timeout(900)


def make_site(folder: Path) -> Site:
    """A site with a made-up election."""
    site = Site.create(folder / "site")
    site.define(made_up_definition(3, SMALL))
    return site


async def test_damaged_store_is_told_to_who_asked_and_the_run_stays_open(tmp_path: Path) -> None:
    """A store that fails while a run is closed is named in the answer; the socket and the run go on, and closing can be repeated."""
    site = await asyncio.to_thread(make_site, tmp_path)
    state, aside = site.store / "state.xml", tmp_path / "state.xml"
    house = House(site, cutting=False)
    listener = Listener(house, site.socket)
    try:
        await house.start()
        await listener.start()
        there = await connect(site)
        assert there is not None
        async with asyncio.timeout(60):
            assert (await there.ask(do="open", run=RUN, phase="test"))["ok"]
        await asyncio.to_thread(state.rename, aside)
        await asyncio.to_thread(state.mkdir)
        async with asyncio.timeout(60):
            with pytest.raises(CountingRefused) as told:
                await there.ask(do="close", run=RUN)
        assert told.value.code == "store-damaged"
        assert "state.xml" in str(told.value)
        assert (await there.ask(do="take", run=RUN, records=[]))["ok"]
        await asyncio.to_thread(state.rmdir)
        await asyncio.to_thread(aside.rename, state)
        async with asyncio.timeout(60):
            assert (await there.ask(do="close", run=RUN))["ok"]
        there.close()
    finally:
        await listener.stop()
        await house.stop()


async def test_fault_while_cutting_is_told_and_does_not_end_the_cutting(tmp_path: Path) -> None:
    """Whatever goes wrong when a release is due is a trouble of the run, and releases go on when it is over."""
    site = await asyncio.to_thread(make_site, tmp_path)
    house = House(site, cutting=True)
    try:
        await house.start()
        async with asyncio.timeout(60):
            assert (await house.answer({"do": "open", "run": RUN, "phase": "test"}))["ok"]
        run = house.runs[RUN]
        good = run.counting.settings
        # A cadence of nothing is refused in site.toml; here it stands for a fault that nobody thought of.
        run.counting.settings = msgspec.structs.replace(
            good, volby_aggregate_seconds=0, volby_batch_seconds=0
        )
        run.counting._note_arrivals(1, 1, run.counting.clock.now())
        run.wake.set()
        async with asyncio.timeout(60):
            while "ledger" not in run.trouble:  # noqa: ASYNC110 - nobody tells of a trouble
                await asyncio.sleep(0.02)
        assert (await house.answer({"do": "status"}))["runs"][RUN]["trouble"]["ledger"]
        run.counting.settings = good
        run.wake.set()
        async with asyncio.timeout(60):
            while "ledger" in run.trouble or run.newest["skrutinium"] < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await house.stop()


@pytest.mark.parametrize(
    "line", ["volby_aggregate_seconds = 0", "volby_batch_seconds = -1", "skrutinium_seconds = 1e9"]
)
def test_cadence_of_nothing_is_refused(tmp_path: Path, line: str) -> None:
    """A cadence that nothing can be cut at is refused when the settings are read, naming the setting."""
    path = tmp_path / "site.toml"
    path.write_text(f"[release]\n{line}\n")
    with pytest.raises(SiteError, match=line.split(maxsplit=1)[0]):
        read_settings(path)
