"""Runs into which a night is replayed: their clock begins where the night did, and what is brought together is released together."""

import asyncio
import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skrutinium_server.ledger.model import Accepted, Body, Cut
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night

RUN = "night"
BEGINS = datetime.datetime(2030, 4, 1, 12, tzinfo=datetime.UTC)
DEFINITION = made_up_definition(3, SMALL)


def next_morning() -> datetime.datetime:
    """The wall's time is later than the night's, on a day on which the event is not long past."""
    return datetime.datetime(2030, 4, 2, 9, tzinfo=datetime.UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site.create(tmp_path / "site")
    made.define(DEFINITION)
    return made


@pytest.fixture
def records() -> list[Any]:
    night = made_up_night(DEFINITION, 3, BEGINS, datetime.timedelta(hours=1))
    return [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in night]


def bodies(site: Site) -> list[Body]:
    with SqliteReader(site.ledger(RUN)) as reader:
        return [entry.body for entry in reader.entries()]


async def test_clock_of_a_replayed_run_begins_where_the_night_did(site: Site, records: list[Any]) -> None:
    """Whatever the wall's time is, protocols come in at the night's, before and after the house was started again."""
    house = House(site, cutting=False, wall=next_morning)
    await house.start()
    begun = await house.answer({"do": "open", "run": RUN, "phase": "test", "begins": BEGINS.isoformat()})
    assert begun["ok"]
    times = [BEGINS + datetime.timedelta(minutes=minute) for minute in (5, 10)]
    take = {"do": "take", "run": RUN, "speed": 0}
    await house.answer({**take, "records": records[:1], "now": times[0].isoformat()})
    await house.stop()
    again = House(site, cutting=False, wall=next_morning)
    await again.start()
    await again.answer({**take, "records": records[1:2], "now": times[1].isoformat()})
    await again.stop()
    kept = await asyncio.to_thread(bodies, site)
    assert [body.time for body in kept if isinstance(body, Accepted)] == times


async def test_live_run_has_no_other_clock(site: Site) -> None:
    """A live run cannot be told where its clock begins."""
    house = House(site, cutting=False)
    await house.start()
    try:
        asked = {"do": "open", "run": RUN, "phase": "live", "begins": BEGINS.isoformat(), "by": "somebody"}
        assert "error" in await house.answer(asked)
        assert not house.runs
    finally:
        await house.stop()


async def test_what_is_brought_quietly_is_released_together(site: Site, records: list[Any]) -> None:
    """However many takings a seek needs and whatever falls due meanwhile, one release of each series follows it."""
    house = House(site, cutting=True)
    await house.start()
    await house.answer({"do": "open", "run": RUN, "phase": "test", "begins": BEGINS.isoformat()})
    for hour, start in enumerate(range(0, len(records), 20), 1):
        now = (BEGINS + datetime.timedelta(hours=hour)).isoformat()
        part = records[start : start + 20]
        await house.answer({"do": "take", "run": RUN, "records": part, "now": now, "speed": 0, "quiet": True})
        house.runs[RUN].wake.set()
    await house.answer({"do": "cut", "run": RUN})
    await house.stop()
    kept = await asyncio.to_thread(bodies, site)
    first = next(place for place, body in enumerate(kept) if isinstance(body, Accepted))
    cuts = [body for body in kept[first:] if isinstance(body, Cut)]
    assert sorted(cut.series for cut in cuts) == ["skrutinium", "volby"]
    assert isinstance(kept[-1], Cut)
    assert isinstance(kept[-2], Cut)


async def test_flags_are_true_or_false(site: Site) -> None:
    """What only looks like a flag opens nothing."""
    house = House(site, cutting=False)
    await house.start()
    answer = await house.answer({"do": "open", "run": RUN, "phase": "test", "gives_back": "True"})
    await house.stop()
    assert answer["error"] == "malformed"
    assert house.runs == {}


async def test_passages_that_were_dropped_are_told_no_more(site: Site) -> None:
    """The state file names what is left, under a higher number."""
    house = House(site, cutting=False)
    await house.start()
    for run in ("first", "second"):
        await house.answer({"do": "open", "run": run, "phase": "test"})
    await house.stop()
    await asyncio.to_thread(write_state, site, dropped=["first"], now=BEGINS)
    told = await asyncio.to_thread(site.told)
    assert list(told) == ["second"]
    assert told["second"].current
