"""The counting house after kills, and beside another one of the same site."""

import asyncio
from pathlib import Path

import pytest

from skrutinium_server.ledger.errors import LedgerLockedError
from skrutinium_server.process.house import House
from skrutinium_server.process.site import SERIES, Site
from skrutinium_server.process.socket import Listener, connect
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from skrutinium_server.release.store.reading import StoreReader

RUN = "night"


def make_site(folder: Path) -> Site:
    site = Site.create(folder / "site")
    site.definitions.save(made_up_definition(3, SMALL))
    return site


async def test_run_that_was_killed_while_it_opened_is_opened(tmp_path: Path) -> None:
    """Killed between the record of a run and the state file, it is told and published when counting starts again."""
    site = await asyncio.to_thread(make_site, tmp_path)
    await asyncio.to_thread(site.prepare_run, RUN, "test")
    house = House(site, cutting=True)
    try:
        await house.start()
        async with asyncio.timeout(60):
            await asyncio.gather(*(house._runs[RUN].until_published(series) for series in SERIES))
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
