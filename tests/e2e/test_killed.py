"""The counting process is killed in the middle of a night, again and again."""

import asyncio
import datetime
import hashlib
import os
import random
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skrutinium.verifying.night import open_source, verify
from skrutinium_server.ledger.model import Accepted, Cut
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import There, connect
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.store.reading import StoreReader
from tests.e2e.at_work import children_of, command, command_line, started

KILLS = 10
START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)


def releases(site: Site) -> dict[tuple[str, int], bytes]:
    """Every manifest that can be read now."""
    reader = StoreReader(site.store)
    found = {}
    for series in SERIES:
        key = site.series_key("night", series)
        newest = reader.newest(key)
        for number in range(1, newest.number + 1 if newest else 1):
            found[series, number] = reader.manifest_bytes(key, number) + reader.manifest_signature(
                key, number
            )
    return found


def processes(parent: int) -> list[int]:
    """The counting process and its publishers."""
    counting = [pid for pid in children_of(parent) if "process.count" in command_line(pid)]
    return counting + [child for pid in counting for child in children_of(pid)]


async def reach(site: Site) -> There:
    """A connection to the counting process, as soon as there is one again."""
    while True:
        there = await connect(site)
        if there is not None:
            return there
        await asyncio.sleep(0.02)


class Night:
    """Brings a night in small groups and remembers what was acknowledged."""

    def __init__(self, site: Site, night: list[Due], chance: random.Random) -> None:
        self.site = site
        self.night = night
        self.chance = chance
        self.acknowledged: set[str] = set()

    async def bring(self, kill_at: set[int], parent: int) -> list[dict[tuple[str, int], bytes]]:
        """Bring everything; before some groups a process is killed. Returns what could be read at each kill."""
        seen = []
        house = await self.reached()
        for place in range(0, len(self.night), 3):
            group = self.night[place : place + 3]
            now = group[-1].at.isoformat()
            records = [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in group]
            asked = asyncio.create_task(
                house.ask(do="take", run="night", records=records, now=now, speed=0, who="test")
            )
            if place // 3 in kill_at:
                await self.some_steps()
                os.kill(self.chance.choice(await asyncio.to_thread(processes, parent)), signal.SIGKILL)
                seen.append(await asyncio.to_thread(releases, self.site))
            answer: dict[str, Any] | None = None
            while answer is None:
                try:
                    answer = await asked
                except ProcessError:
                    house.close()
                    house = await self.reached()
                    asked = asyncio.create_task(
                        house.ask(do="take", run="night", records=records, now=now, speed=0, who="test")
                    )
            assert answer["refused"] == 0
            self.acknowledged |= {hashlib.sha256(due.taken_over.data).hexdigest() for due in group}
        await house.ask(do="cut", run="night")
        house.close()
        return seen

    async def reached(self) -> There:
        return await asyncio.wait_for(reach(self.site), 60)

    async def some_steps(self) -> None:
        """Let a random, small part of the work under way happen."""
        for _ in range(self.chance.randrange(40)):
            await asyncio.sleep(0)


@pytest.mark.blocking("looks at processes and files from outside while they work")
@pytest.mark.timeout(900)
async def test_ten_kills_cost_nothing(tmp_path: Path) -> None:
    """No accepted protocol is lost, no number is skipped or used twice, every earlier release keeps its bytes."""
    await asyncio.to_thread(command, "site", "create", tmp_path / "site")
    site = Site(tmp_path / "site")
    definition = made_up_definition(7, SMALL)
    site.define(definition)
    chance = random.Random(7)
    night = Night(site, made_up_night(definition, 7, START, datetime.timedelta(hours=8)), chance)
    groups = len(night.night) // 3
    with started("count", site.root, until="Stop with Ctrl-C") as (process, _):
        await asyncio.to_thread(command, "run", "open", site.root, "night", "--phase", "rehearsal")
        seen = await night.bring(set(chance.sample(range(groups), KILLS)), process.pid)

    assert len(seen) == KILLS
    last = releases(site)
    for earlier in seen:
        assert {key: last.get(key) for key in earlier} == earlier

    with SqliteReader(site.ledger("night")) as ledger:
        bodies = [entry.body for entry in ledger.entries()]
    stored = [body.data_sha256 for body in bodies if isinstance(body, Accepted)]
    assert set(stored) == night.acknowledged
    assert len(stored) == len(set(stored))
    for series in SERIES:
        numbers = [body.number for body in bodies if isinstance(body, Cut) and body.series == series]
        assert numbers == list(range(1, len(numbers) + 1))
        assert sorted(number for name, number in last if name == series) == numbers

    async with open_source(str(site.store)) as source:
        report = await verify(source)
    assert report.differences == []
    assert report.counting == len(definition.polls)
