"""Reading scenarios: what is written is what is played, and what is wrong is told with its line."""

import datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.rehearsal.scenarios import ScenarioError, load, names, read
from skrutinium_server.rehearsal.scenarios.model import After, Clock, Share, Step
from skrutinium_server.rehearsal.scenarios.playing import moment
from skrutinium_server.rehearsal.scenarios.reading import LARGEST

PRAGUE = ZoneInfo("Europe/Prague")
SINCE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
WHOLE = """\
title = "A night"
what = "Something happens."
page = "scenarios/correction.md"

[night]
law = "cz-senate-2018"
precincts = 24
seed = 3

[[step]]
at = "12.5%"
do = "slow"
bytes-per-second = 9
which = "both"

[[step]]
at = "19:30"
do = "hold-back"

[[step]]
at = "+30s"
do = "second-site"
told = false
"""


def test_everything_is_read() -> None:
    """Each field has its place; a name is that of the file."""
    scenario = read(WHOLE.encode(), "folder/our-night.toml")
    assert (scenario.name, scenario.title, scenario.what) == ("our-night", "A night", "Something happens.")
    assert (scenario.night.law, scenario.night.precincts, scenario.night.seed) == ("cz-senate-2018", 24, 3)
    assert scenario.steps == (
        Step(Share(Fraction(1, 8)), "slow", {"bytes_per_second": 9, "which": "both"}, 10),
        Step(Clock(datetime.time(19, 30)), "hold_back", {}, 16),
        Step(After(30), "second_site", {"told": False}, 20),
    )
    assert [str(step.at) for step in scenario.steps] == ["12.5%", "19:30", "+30s"]
    assert str(scenario.steps[0]) == "slow bytes-per-second=9 which=both"


def test_files_can_be_read_by_name_and_by_path(tmp_path: Path) -> None:
    """What comes with the program is found by its name, others by their path; anything else is told with what there is."""
    assert [load(name).name for name in names()] == list(names())
    own = tmp_path / "own.toml"
    own.write_text(WHOLE, "utf-8")
    assert load(own).name == load(str(own)).name == "own"
    with pytest.raises(
        ScenarioError, match="there is no such scenario; expected a file, or one of clock-skew"
    ):
        load(tmp_path / "nothing.toml")


WRONG = [
    ("title = ", "titel = ", 1, "'titel' is unknown"),
    ('"A night"', '""', 1, "there is no title"),
    ("what = ", "# what = ", None, "there is no what"),
    ("scenarios/correction.md", "../etc/passwd", 3, "is no page"),
    ("precincts = 24", "precincts = 'many'", 5, "precincts"),
    ("precincts = 24", "round = 3", 5, "round 3; expected 1 or 2"),
    ('do = "slow"', 'do = "fly"', 12, "'fly' cannot be done; expected one of break-off, bring-late"),
    ('do = "slow"', 'do = "bring_late"', 12, "cannot be done"),
    ('do = "slow"', 'do = "ask"', 12, "cannot be done"),
    ("bytes-per-second = 9", "bytes-per-minute = 9", 13, "only at, do, bytes-per-second, delay, which"),
    ("bytes-per-second = 9", "bytes_per_second = 9", 13, "slow has no 'bytes_per_second'"),
    ("bytes-per-second = 9", "bytes-per-second = 0", 13, ">= 1"),
    ('which = "both"', 'which = "all"', 14, "which is 'all'"),
    ("told = false", "self = 1", 23, "has no 'self'"),
    ('"12.5%"', '"101%"', 11, 'expected "40%" of the protocols'),
    ('"12.5%"', '"25:00"', 11, "at is '25:00'"),
    ('"12.5%"', '"+5s"', 10, "the first step is at +5s"),
    ('"+30s"', '"5%"', 20, "5% comes after 12.5%"),
    ('do = "hold-back"', 'do = "incident"', 16, "incident lacks text"),
    ("[[step]]\nat", "[[step]\nat", 10, "Expected"),
]


@pytest.mark.parametrize(("old", "new", "line", "told"), WRONG)
def test_fault_is_told_with_its_line(old: str, new: str, line: int | None, told: str) -> None:
    """An error says file, line, what is wrong and what was expected."""
    with pytest.raises(ScenarioError) as raised:
        read(WHOLE.replace(old, new, 1).encode(), "our-night.toml")
    assert raised.value.line == line
    assert told in str(raised.value)
    assert str(raised.value).startswith("our-night.toml")
    assert raised.value.code == "scenario"


@pytest.mark.parametrize(
    ("data", "file", "told"),
    [
        (b"title = 'a'\nwhat = '\xff'\n", "a.toml", "a.toml, line 2: not UTF-8"),
        (b"#" * (LARGEST + 1), "a.toml", "more than"),
        (WHOLE.encode(), "Our night.toml", "cannot name a scenario"),
        (b"title = 'a'\nwhat = 'b'\n", "a.toml", "there is no step"),
        (b"title = 'a'\nwhat = 'b'\nstep = 3\n", "a.toml", "there is no step"),
        (WHOLE.encode() + b"\n[[step]]\nat = '100%'\ndo = 'restore'\n" * 500, "a.toml", "at most 500"),
    ],
)
def test_what_is_no_scenario_is_refused(data: bytes, file: str, told: str) -> None:
    """Neither other bytes, nor a file without a name or without steps, nor an endless one is read."""
    with pytest.raises(ScenarioError, match=told):
        read(data, file)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever the bytes: a scenario or its error, nothing else."""
    with pytest.raises(ScenarioError):
        read(data, "any.toml")


@given(
    st.integers(0, 16 * 365 * 24 * 60).map(lambda minutes: SINCE + datetime.timedelta(minutes=minutes)),
    st.times(),
)
def test_time_of_the_night_is_the_next_one(begins: datetime.datetime, time: datetime.time) -> None:
    """A time of the clock is the first such moment from the beginning of the night on, within a day of local time."""
    time = time.replace(second=0, microsecond=0)
    found = moment(time, begins, PRAGUE)
    local, start = found.astimezone(PRAGUE), begins.astimezone(PRAGUE)
    assert found.tzinfo is datetime.UTC
    assert local.replace(tzinfo=None) >= start.replace(tzinfo=None) - datetime.timedelta(hours=1)
    assert local.date() - start.date() <= datetime.timedelta(days=1)
    # Where clocks skip an hour in spring, a time that does not exist is that of an hour later.
    assert (local.hour - time.hour) % 24 in (0, 1)


def test_after_midnight_belongs_to_the_night() -> None:
    """A time before the beginning is one of the next day."""
    begins = datetime.datetime(2030, 4, 2, 12, 35, tzinfo=datetime.UTC)
    assert moment(datetime.time(14, 35), begins, PRAGUE) == begins
    assert moment(datetime.time(1, 15), begins, PRAGUE) == datetime.datetime(
        2030, 4, 2, 23, 15, tzinfo=datetime.UTC
    )
