"""A night comes in as it did, at any speed, from files or from another run's ledger."""

import asyncio
import datetime
import hashlib
import itertools
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.intake.model import TakenOver
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.rehearsal.replay import (
    CHUNK,
    LONGEST_STEP,
    TICK,
    Due,
    Progress,
    deliveries,
    night_of_ledger,
    replay,
)

START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)


def due(second: int) -> Due:
    data = str(second).encode()
    return Due(
        START + datetime.timedelta(seconds=second), TakenOver(data, "csv", "UTF-8", "a", "0" * 64, second)
    )


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 60), st.integers(0, 30))
def test_everything_due_is_delivered_and_nothing_else(seconds: list[int], now: int, start: int) -> None:
    """What is delivered at a moment is exactly what came in up to then and was not delivered yet."""
    night = [due(second) for second in sorted(seconds)]
    moment = START + datetime.timedelta(seconds=now)
    expected = [one for one in night[start:] if one.at <= moment] if start <= len(night) else []
    assert list(deliveries(night, moment, start)) == expected[:CHUNK]


class Hours:
    """A clock that goes on by an hour of the night each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.asked * TICK


async def test_clock_of_the_run_goes_on_between_protocols() -> None:
    """Every tick tells the run's time, also when nothing came in; at the end everything is cut."""
    told: list[dict[str, Any]] = []

    async def ask(**request: Any) -> dict[str, Any]:
        told.append(request)
        return {"accepted": len(request.get("records", ())), "duplicates": 0, "refused": 0}

    states: list[Progress] = []
    night = [due(0), due(4 * 3600)]
    end = await replay(ask, "night", night, 36_000, "test", states.append, Hours())
    times = [request["now"] for request in told if request["do"] == "take"]
    assert times == sorted(times)
    assert len(times) == 5
    assert [len(request["records"]) for request in told if request["do"] == "take"] == [1, 0, 0, 0, 1]
    assert told[-1] == {"do": "cut", "run": "night"}
    assert end == states[-1]
    assert (end.delivered, end.accepted) == (2, 2)


async def test_slow_counting_house_slows_the_night() -> None:
    """However long a delivery takes, the night's clock goes on by two ticks at most, and ends with its last protocol."""
    seconds = 0.0
    times: list[datetime.datetime] = []

    async def ask(**request: Any) -> dict[str, Any]:
        nonlocal seconds
        seconds += 10
        if request["do"] == "take":
            times.append(datetime.datetime.fromisoformat(request["now"]))
        return {"accepted": 0, "duplicates": 0, "refused": 0}

    step = datetime.timedelta(seconds=LONGEST_STEP * 600)
    night = [due(0), due(900)]
    await replay(ask, "night", night, 600, "test", lambda _: None, lambda: seconds)
    assert all(after - before <= step for before, after in itertools.pairwise(times))
    assert night[-1].at <= times[-1] < night[-1].at + step


async def test_ledger_replays_into_another_run(tmp_path: Path) -> None:
    """The ledger of one run, replayed, gives another run with the same bytes in the same order."""
    site = await asyncio.to_thread(Site.create, tmp_path / "site")
    await asyncio.to_thread(site.define, made_up_definition(3, SMALL))
    night = await asyncio.to_thread(
        made_up_night, made_up_definition(3, SMALL), 3, START, datetime.timedelta(hours=1)
    )
    night = night[:30]
    async with commands(site) as house:
        for run in ("first", "second"):
            await house.ask(do="open", run=run, phase="test")
        records = [msgspec.to_builtins(one.taken_over, builtin_types=(bytes,)) for one in night]
        await house.ask(do="take", run="first", records=records, now=START.isoformat(), speed=0)
        found = await asyncio.to_thread(night_of_ledger, site.ledger("first"))
        end = await replay(house.ask, "second", found, 100_000, "test", lambda _: None)
    assert [one.taken_over for one in found] == [one.taken_over for one in night]
    assert end.accepted == len(night)
    again = await asyncio.to_thread(night_of_ledger, site.ledger("second"))
    assert [hashlib.sha256(one.taken_over.data).digest() for one in again] == [
        hashlib.sha256(one.taken_over.data).digest() for one in night
    ]
