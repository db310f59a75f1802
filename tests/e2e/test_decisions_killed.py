"""The counting process is killed in the middle of a decision about a live run; what was begun is whole or did not happen."""

import asyncio
import datetime
import os
import random
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skrutinium.verifying.night import open_source, verify
from skrutinium_server.authority.persons import Authority
from skrutinium_server.ledger.model import Cut, Declared, Held, Lifted
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import CountingRefused, ProcessError
from skrutinium_server.process.recording import RUN_EVENTS
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from tests.e2e.at_work import children_of, command, command_line, started
from tests.e2e.test_killed import START, reach

RUN = "air"
PERSONS = {"j.novakova": "slepice v trave spi", "p.dvorak": "kocour na strese mnouka"}
AGAIN = {"decision", "run", "ledger-held", "ledger-state"}
"""Refusals of somebody who asks once more for what was done before the kill."""


def counting(parent: int) -> list[int]:
    return [pid for pid in children_of(parent) if "process.count" in command_line(pid)]


class Operators:
    """Two persons at a site whose counting process is killed while it does what they ask."""

    def __init__(self, site: Site, parent: int, chance: random.Random) -> None:
        self.site, self.parent, self.chance = site, parent, chance

    async def ask(self, kill: bool, **request: Any) -> dict[str, Any]:
        """Ask, kill in the middle if told so, and ask again until it is answered."""
        while True:
            house = await asyncio.wait_for(reach(self.site), 60)
            asked = asyncio.create_task(house.ask(run=RUN, **request))
            if kill:
                await asyncio.wait([asked], timeout=self.chance.random() * 0.25)
                for pid in await asyncio.to_thread(counting, self.parent):
                    os.kill(pid, signal.SIGKILL)
                kill = False
            try:
                return await asked
            except CountingRefused as error:
                return {"error": error.code, "message": str(error)}
            except ProcessError:
                continue  # killed: it is not known whether it was done
            finally:
                house.close()

    async def both(self, do: str, **told: Any) -> None:
        """One asks and is killed, then the other confirms and is killed."""
        (first, one), (second, two) = PERSONS.items()
        await self.ask(True, do=do, by=first, passphrase=one, **told)
        answer = await self.ask(False, do=do, by=first, passphrase=one, **told)
        assert "pending" in answer, answer
        answer = await self.ask(True, do="confirm", by=second, passphrase=two)
        assert answer.get("ok") or answer["error"] in AGAIN, answer


@pytest.mark.blocking("looks at processes and files from outside while they work")
@pytest.mark.timeout(900)
async def test_kills_in_the_middle_of_decisions(tmp_path: Path) -> None:
    """Opening, holding, lifting and declaring survive a kill each; ledger, event log and what is published agree."""
    await asyncio.to_thread(command, "site", "create", tmp_path / "site")
    site = Site(tmp_path / "site")
    made_up = made_up_definition(7, SMALL)
    site.define(msgspec.structs.replace(made_up, made_up=False))
    authority = Authority(site.root, who="test")
    for name, passphrase in PERSONS.items():
        authority.add_person(name, "operator", passphrase)
    night = [
        msgspec.to_builtins(due.taken_over, builtin_types=(bytes,))
        for due in made_up_night(made_up, 7, START, datetime.timedelta(hours=1))
    ]
    contest = made_up.contests[0].id
    first, passphrase = next(iter(PERSONS.items()))
    proof = {"by": first, "passphrase": passphrase}
    with started("count", site.root, until="Stop with Ctrl-C") as (process, _):
        at = Operators(site, process.pid, random.Random(7))
        await at.both("open", phase="live")
        answer = await at.ask(True, do="hold", contest=contest, reason="Two boxes were mixed up.", **proof)
        assert answer.get("ok") or answer["error"] == "ledger-held", answer
        answer = await at.ask(False, do="take", records=night, who="test")
        assert answer["refused"] == 0
        answer = await at.ask(True, do="lift", contest=contest, **proof)
        assert answer.get("ok") or answer["error"] == "ledger-held", answer
        await at.both("declare", state="final", reason="established", authority="the commission")
        assert (await at.ask(False, do="cut"))["ok"]

    with SqliteReader(site.ledger(RUN)) as ledger:
        bodies = [entry.body for entry in ledger.entries()]
    steps = [body for body in bodies if isinstance(body, (Held, Lifted, Declared))]
    assert list(map(type, steps)) == [Held, Lifted, Declared]
    for place, body in enumerate(bodies):
        if isinstance(body, (Held, Lifted, Declared)):
            following = next(later for later in bodies[place:] if isinstance(later, Cut))
            assert following.series == "skrutinium"
    events = [entry.event for entry in authority.log.entries() if isinstance(entry.event, RUN_EVENTS)]
    assert len(events) == 1 + len(steps)
    async with open_source(str(site.store)) as source:
        report = await verify(source)
    assert report.differences == []
    assert report.counting == len(made_up.polls)
