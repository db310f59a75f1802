"""Live tests of the calendar: they open, are played and close at their times, and never beside a live run."""

import asyncio
import datetime
import os
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.authority.persons import Authority
from skrutinium_server.election.calendar import Entry
from skrutinium_server.election.plays import Plays as Told
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.live_tests import read_told
from skrutinium_server.process.status import site_status
from skrutinium_server.rehearsal.live_tests import LiveTests
from skrutinium_server.rehearsal.live_tests.model import (
    Missed,
    Over,
    Plays,
    Refused,
    Standing,
    Waits,
    duty,
    left_over,
    position,
    speed_of,
)
from skrutinium_server.rehearsal.live_tests.night import programme
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from tests.rehearsal.live_test_site import (
    CALENDAR,
    CLOSES,
    EVENT,
    OPENS,
    RUN,
    Clock,
    accepted,
    counted,
    site_at,
    states,
    until,
)

ENTRY = Entry("live-test", "live-test", OPENS, CLOSES, "Live test", plays=Told(precincts=12, seed=7))
REAL = msgspec.structs.replace(made_up_definition(3, SMALL), made_up=False, event="kv2030")
HOUR = datetime.timedelta(hours=1)
pytestmark = pytest.mark.blocking("looks at files beside the counting house")


# ------------------------------------------------------------------ what is to be done
@pytest.mark.parametrize(
    ("now", "standing", "live", "expected"),
    [
        (OPENS - HOUR, "absent", (), Waits(ENTRY)),
        (OPENS, "absent", (), Plays(ENTRY)),
        (OPENS + HOUR, "open", (), Plays(ENTRY)),
        (OPENS + HOUR, "closed", (), Over(ENTRY)),
        (CLOSES, "open", (), Over(ENTRY, close=True)),
        (CLOSES, "open", (EVENT,), Over(ENTRY, close=True)),
        (CLOSES + HOUR, "closed", (), Over(ENTRY)),
        (CLOSES, "absent", (), Missed(ENTRY)),
        (CLOSES, "foreign", (), Over(ENTRY)),
    ],
)
def test_what_is_due(
    now: datetime.datetime, standing: Standing, live: tuple[str, ...], expected: object
) -> None:
    """A window opens at its first moment and is over at its last one; one that passed is not opened any more."""
    assert duty(ENTRY, now, standing, live, EVENT) == expected


def test_live_run_ends_a_live_test() -> None:
    """While a live run of the event is open nothing is opened; what is open is closed; another event's does not matter."""
    refused = duty(ENTRY, OPENS, "absent", (EVENT,), EVENT)
    assert isinstance(refused, Refused)
    assert not refused.close
    ended = duty(ENTRY, OPENS, "open", (EVENT,), EVENT)
    assert isinstance(ended, Refused)
    assert ended.close
    assert duty(ENTRY, OPENS, "open", ("kv2030",), EVENT) == Plays(ENTRY)


def test_run_of_somebody_else_is_left_alone() -> None:
    """A run that has the name of the entry but that no live test opened is neither played into nor closed."""
    assert isinstance(duty(ENTRY, OPENS, "foreign", (), EVENT), Refused)
    assert left_over([], {"live-test": "open", "dress": "foreign", "old": "closed"}) == ("live-test",)
    assert left_over([ENTRY], {"live-test": "open"}) == ()


def test_night_fills_the_window() -> None:
    """Without a speed the last protocol comes in when nine tenths of the window have passed, whenever it is looked."""
    length = datetime.timedelta(hours=9)
    speed = speed_of(ENTRY, length)
    assert speed == 5
    begins = datetime.datetime(2030, 4, 2, 12, tzinfo=datetime.UTC)
    assert position(ENTRY, OPENS, begins, speed) == begins
    assert position(ENTRY, OPENS + (CLOSES - OPENS) * 9 / 10, begins, speed) == begins + length
    assert speed_of(ENTRY, datetime.timedelta(seconds=1)) == speed_of(ENTRY, datetime.timedelta(0))


# ------------------------------------------------------------------ on a site
async def test_window_opens_is_played_and_closes(tmp_path: Path) -> None:
    """The run opens at its time, gets every protocol of its night, and is closed at its end; the run before it is current again."""
    site, clock = site_at(tmp_path), Clock(OPENS - HOUR)
    expected = programme(site, ENTRY)
    async with counted(site) as house, LiveTests(site, clock) as tests:
        assert "error" not in await house.answer({"do": "open", "run": "dress", "phase": "test"})
        assert 0 < await tests.look() <= 5
        assert (list(house.runs), states(site)) == (["dress"], {RUN: "waiting"})
        clock.share(95)
        await tests.look()
        await tests.playing[RUN]
        assert house.runs[RUN].counting.phase == "rehearsal"
        assert site.told()[RUN].current
        assert not site.told()["dress"].current
        clock.time = CLOSES
        await tests.look()
        assert list(house.runs) == ["dress"]
        await tests.look()
    assert states(site) == {RUN: "over"}
    told = site.told()
    assert (told[RUN].open, told[RUN].current, told["dress"].current) == (False, False, True)
    assert len(set(accepted(site))) == len({row.taken_over.data for row in expected.due})


async def test_restart_in_the_middle_goes_on(tmp_path: Path) -> None:
    """Whoever is killed goes on where the night is by then: each protocol is in the ledger once."""
    site, clock = site_at(tmp_path), Clock(OPENS)
    async with counted(site) as house:
        async with LiveTests(site, clock) as tests:
            clock.share(45)
            await tests.look()
            await until(lambda: RUN in house.runs and house.runs[RUN].counting.reported > 2)
        before = accepted(site)
        clock.share(99)
        async with LiveTests(site, clock) as tests:
            await tests.look()
            await tests.playing[RUN]
    assert accepted(site)[: len(before)] == before
    assert len(accepted(site)) == len(set(accepted(site)))
    assert len(accepted(site)) == len({row.taken_over.data for row in programme(site, ENTRY).due})


async def test_counting_comes_back(tmp_path: Path) -> None:
    """While nobody counts that is told; the test goes on when counting is back, and closes in time."""
    site, clock = site_at(tmp_path), Clock(OPENS)
    clock.share(95)
    async with LiveTests(site, clock) as tests:
        await tests.look()
        with pytest.raises(ProcessError, match="Nobody counts"):
            await tests.playing[RUN]
        await tests.look()
        assert "Nobody counts" in read_told(site.root).alarms[0]
        async with counted(site) as house:
            await until_played(tests)
            assert RUN in house.runs
        clock.time = CLOSES
        await tests.look()
        assert "is in trouble" in read_told(site.root).alarms[0]
        async with counted(site) as house:
            await tests.look()
            assert not house.runs
    assert not site.told()[RUN].open


async def until_played(tests: LiveTests) -> None:
    """Look again until the night is played to its end; a try that began before somebody counted may fail."""
    for _ in range(3):
        await tests.look()
        done, _ = await asyncio.wait([tests.playing[RUN]])
        if all(task.exception() is None for task in done):
            return
    raise AssertionError("it is not played although somebody counts")


async def test_window_that_passed_is_told_not_run(tmp_path: Path) -> None:
    """A window that passed while nothing ran stays closed; the operator is told so for a week."""
    site, clock = site_at(tmp_path), Clock(CLOSES + HOUR)
    async with counted(site) as house, LiveTests(site, clock) as tests:
        await tests.look()
        assert not house.runs
        status = await site_status(site, clock(), ())
        assert any("was not run: its window passed" in note for note in status.notes)
        clock.time += datetime.timedelta(days=8)
        await tests.look()
        assert read_told(site.root).notes == []


async def test_broken_calendar_keeps_the_last_good_one(tmp_path: Path) -> None:
    """What cannot be read changes nothing and is an alarm until it is mended; an entry that is taken out ends its test."""
    site, clock = site_at(tmp_path), Clock(OPENS)
    calendar = site.root / "calendar.toml"
    async with counted(site) as house, LiveTests(site, clock) as tests:
        clock.share(95)
        await tests.look()
        await tests.playing[RUN]
        good = calendar.stat()
        calendar.write_text("broken")
        await tests.look()
        assert RUN in house.runs
        status = await site_status(site, clock(), ())
        assert any("calendar cannot be read" in alarm for alarm in status.alarms)
        calendar.write_text(CALENDAR)
        os.utime(calendar, ns=(good.st_mtime_ns, good.st_mtime_ns))
        await tests.look()
        assert read_told(site.root).alarms == []
        assert RUN in house.runs
        calendar.write_text("")
        await tests.look()
        assert not house.runs


async def test_broken_calendar_at_the_start_closes_nothing(tmp_path: Path) -> None:
    """Whoever starts with a calendar that cannot be read does not know what is over: a test that is open stays so."""
    site, clock = site_at(tmp_path), Clock(OPENS)
    clock.share(95)
    async with counted(site) as house:
        async with LiveTests(site, clock) as tests:
            await tests.look()
            await tests.playing[RUN]
        (site.root / "calendar.toml").write_text("broken")
        async with LiveTests(site, clock) as tests:
            await tests.look()
        assert RUN in house.runs


@pytest.mark.parametrize(
    ("plays", "said"),
    [
        ('{ ledger = "runs/nothing" }', "which is not there"),
        ('{ precincts = 12, event = "kv2030" }', "needs an event of its own"),
    ],
)
async def test_what_cannot_be_played_is_an_alarm(tmp_path: Path, plays: str, said: str) -> None:
    """A night that is not there, or that would stand under a real event, opens nothing and the operator is told why."""
    site = site_at(tmp_path, CALENDAR.replace("{ precincts = 12, seed = 7 }", plays))
    site.define(REAL)
    async with counted(site) as house, LiveTests(site, Clock(OPENS)) as tests:
        await tests.look()
        with pytest.raises(ProcessError, match=said):
            await tests.playing[RUN]
        await tests.look()
        assert said in read_told(site.root).alarms[0]
        assert not house.runs


async def test_live_run_and_live_test_of_one_event(tmp_path: Path) -> None:
    """When two persons open the live run of the event whose rehearsal is played, the test is closed and the operator told; it stays closed."""
    site = site_at(tmp_path, CALENDAR.replace("{ precincts = 12, seed = 7 }", '{ ledger = "runs/dress" }'))
    site.define(REAL)
    people = {"j.novakova": "slepice v trave spi", "p.dvorak": "kocour na strese mnouka"}
    for name, passphrase in people.items():
        Authority(site.root, who="test").add_person(name, "operator", passphrase)
    first, second = ({"by": name, "passphrase": passphrase} for name, passphrase in people.items())
    night = made_up_night(made_up_definition(3, SMALL), 3, OPENS, HOUR, resends=0)[:20]
    records = [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in night]
    clock = Clock(OPENS)
    clock.share(95)
    async with counted(site) as house, LiveTests(site, clock) as tests:
        for request in (
            {"do": "open", "phase": "rehearsal"},
            {"do": "take", "records": records, "now": night[-1].at.isoformat(), "speed": 0},
            {"do": "close"},
        ):
            assert "error" not in await house.answer({"run": "dress", **request})
        await tests.look()
        await tests.playing[RUN]
        assert house.runs[RUN].counting.reported == 20
        assert "pending" in await house.answer({"do": "open", "run": "air", "phase": "live", **first})
        assert (await house.answer({"do": "confirm", "run": "air", **second}))["ok"]
        await tests.look()
        assert list(house.runs) == ["air"]
        assert "has a live run open" in read_told(site.root).alarms[0]
        assert site.told()["air"].current
        await tests.look()
        assert (list(house.runs), states(site)) == (["air"], {RUN: "over"})


async def test_address_goes_back_only_to_a_run_that_is_open(tmp_path: Path) -> None:
    """A run that was closed meanwhile does not get the event's own address back: what was played last stays there."""
    site = site_at(tmp_path)
    programme(site, ENTRY)
    async with counted(site) as house:
        requests = (
            {"do": "open", "run": "dress", "phase": "test"},
            {"do": "open", "run": RUN, "phase": "rehearsal", "gives_back": True},
            {"do": "close", "run": "dress"},
            {"do": "close", "run": RUN},
        )
        for request in requests:
            assert "error" not in await house.answer(request)
    assert [run.id for run in site.told().values() if run.current] == [RUN]
