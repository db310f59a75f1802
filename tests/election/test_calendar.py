"""The calendar: what it tells, where a fault stands, and that other programs read it."""

import contextlib
import datetime
from fractions import Fraction

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.election.calendar import KINDS, Calendar, CalendarError, Entry, read_calendar
from skrutinium_server.election.plays import Plays
from skrutinium_server.release.registers.calendar import calendar_papers
from skrutinium_server.release.registers.publish import edition_of
from skrutinium_server.release.validate import Validator
from tests.contract.pages import blocks
from tests.release.register_samples import CALENDAR, DEFINITION, TIME

UTC = datetime.UTC
WINDOW = """\
zone = "Europe/Prague"

[[entry]]
event = "kv2030"
id = "window-1"
kind = "testing-window"
from = 2030-03-11T08:00:00
to = 2030-03-15T16:00:00
text = "Made-up results every day."

[[entry]]
id = "meeting"
kind = "meeting"
from = 2030-03-01T09:00:00Z
text = "Technical meeting"
"""


def test_local_times_become_utc() -> None:
    """A time without an offset is meant in the calendar's zone; entries stand in the order of time."""
    calendar = read_calendar(WINDOW.encode())

    assert [entry.id for entry in calendar.entries] == ["meeting", "window-1"]
    assert calendar.entries[1].from_ == datetime.datetime(2030, 3, 11, 7, tzinfo=UTC)
    assert calendar.entries[0].to == calendar.entries[0].from_


def test_windows_of_an_event() -> None:
    """An access letter hears of windows of its event and of all events, in local time, and of nothing else."""
    calendar = read_calendar(WINDOW.encode())

    assert calendar.windows_of("kv2030") == (
        "Testing window, 2030-03-11 08:00 to 2030-03-15 16:00 (Europe/Prague): Made-up results every day.",
    )
    assert calendar.windows_of("kv2031") == ()
    assert [entry.id for entry in calendar.of_event("kv2031")] == ["meeting"]


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ('"testing-window"', '"party"', 6, "is no kind"),
        ('"window-1"', '"meeting"', 12, "stands twice"),
        ("2030-03-15T16", "2030-03-10T16", 8, "ends before it begins"),
        ("2030-03-11T08:00:00", "2030-03-31T02:30:00", 7, "does not exist in Europe/Prague"),
        ("2030-03-11T08:00:00", "2030-03-11", 7, "is no date and time"),
        ("2030-03-11T08:00:00", "0001-01-01T00:00:00+14:00", 7, "is too far away"),
        ("2030-03-11T08:00:00", "0001-01-01T00:00:00", 7, "is too far away"),
        ("Europe/Prague", "Europe/Nowhere", 1, "is no time zone"),
        ('text = "Technical meeting"', "", 11, "has no text"),
        ('"Technical meeting"', '""', 15, "empty or too long"),
        ('kind = "meeting"', 'kind = "meeting"\nwhere = "here"', 14, "'where' is unknown"),
        ('event = "kv2030"', 'event = "kv 2030"', 4, "is no event"),
        ('kind = "meeting"', "kind = ", 13, "Invalid value"),
        ("zone =", "zones =", 1, "'zones' is unknown"),
    ],
)
def test_faults_are_told_with_their_line(old: str, new: str, line: int, told: str) -> None:
    """Every fault names its line, what is wrong and what was expected."""
    assert old in WINDOW
    with pytest.raises(CalendarError, match=f"^calendar.toml, line {line}: ") as refused:
        read_calendar(WINDOW.replace(old, new).encode())

    assert told in str(refused.value)
    assert "expected" in str(refused.value)


PLAYED = """\
[[entry]]
id = "live-test"
kind = "live-test"
from = 2030-03-20T16:00:00Z
to = 2030-03-20T18:00:00Z
text = "Live test with everybody."
plays = { precincts = 200, seed = 7, speed = 2.5 }
"""


def test_what_a_live_test_plays() -> None:
    """A made-up night or a ledger, and the speed exactly as it is written, in a table inline or of its own."""
    (entry,) = read_calendar(PLAYED.encode()).entries
    assert entry.plays == Plays(precincts=200, seed=7, speed=Fraction(5, 2))
    own = PLAYED.replace(
        "plays = { precincts = 200, seed = 7, speed = 2.5 }", "[entry.plays]\nledger = 'runs/dress'"
    )
    (entry,) = read_calendar(own.encode()).entries
    assert entry.plays == Plays(ledger="runs/dress")


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ('kind = "live-test"', 'kind = "rehearsal"', 7, "a rehearsal plays nothing"),
        ("to = 2030-03-20T18:00:00Z\n", "", 1, "has no end"),
        ("precincts = 200", "precincts = 3", 7, "precincts is 3"),
        ("precincts = 200", "precincts = true", 7, "precincts is True"),
        ("seed = 7", "sed = 7", 7, "'sed' is unknown"),
        ("seed = 7", 'ledger = "runs/dress"', 7, "exclude each other"),
        ("seed = 7", 'law = "cz-2050"', 7, "is no law"),
        ("seed = 7", 'event = "k v"', 7, "is no event"),
        ("speed = 2.5", "speed = 5000", 7, "the speed is 5000"),
        ("speed = 2.5", 'speed = "1/0"', 7, "the speed is '1/0'"),
        ("speed = 2.5", "speed = nan", 7, "the speed is nan"),
        ("{ precincts = 200, seed = 7, speed = 2.5 }", '"a night"', 7, "is no table"),
        ("{ precincts = 200, seed = 7, speed = 2.5 }", '{ ledger = "" }', 7, "is no ledger"),
        ("plays = { precincts = 200, seed = 7, speed = 2.5 }", "[entry.plays]\nseed = -1", 8, "seed is -1"),
    ],
)
def test_faults_of_what_is_played(old: str, new: str, line: int, told: str) -> None:
    """What a live test cannot play is told with its line before the window opens."""
    assert old in PLAYED
    with pytest.raises(CalendarError, match=f"^calendar.toml, line {line}: ") as refused:
        read_calendar(PLAYED.replace(old, new).encode())
    assert told in str(refused.value)


def test_not_utf8() -> None:
    """Bytes that are no UTF-8 are refused with their line."""
    with pytest.raises(CalendarError, match="line 2: not UTF-8"):
        read_calendar(b'zone = "UTC"\n# \xe1\n')


@given(st.binary(max_size=200))
def test_never_fails_otherwise(data: bytes) -> None:
    """Whatever the bytes are, the answer is a calendar or the calendar's own error."""
    with contextlib.suppress(CalendarError):
        assert isinstance(read_calendar(data), Calendar)


def test_documented_example_is_read() -> None:
    """The example in the documentation is a calendar that uses every kind of entry."""
    (example,) = blocks("docs/calendar.md", "toml")

    assert {entry.kind for entry in read_calendar(example.encode()).entries} == set(KINDS)


MOMENTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda at: datetime.datetime.fromtimestamp(at, UTC))
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=200)


@given(MOMENTS, st.integers(0, 10**6), TEXTS, st.sampled_from(KINDS))
def test_icalendar_reads_back(begins: datetime.datetime, lasts: int, text: str, kind: str) -> None:
    """Another program's reading of the iCalendar file finds times, text, UID and DTSTAMP as they were told."""
    ends = begins + datetime.timedelta(seconds=lasts)
    entry = Entry("a", kind, begins, ends, text)  # type: ignore[arg-type]
    papers = {paper.path: paper for paper in calendar_papers(DEFINITION, Calendar("UTC", (entry,)))}
    data = papers["calendar.ics"].written(edition_of(DEFINITION, TIME))

    read = icalendar.Calendar.from_ical(data)
    (event,) = read.walk("VEVENT")
    assert str(read["VERSION"]) == "2.0"
    assert event.decoded("dtstart") == begins
    assert event.decoded("dtend", begins) == ends
    assert event.decoded("dtstamp") == TIME
    assert str(event["uid"]) == "a.sample2030@skrutinium.invalid"
    assert str(event["description"]) == text
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    assert str(event["summary"]).startswith("MADE UP: ")


def test_xml_is_valid() -> None:
    """calendar.xml holds the entries of the event and is valid; an event without entries has no calendar."""
    papers = {paper.path: paper for paper in calendar_papers(DEFINITION, CALENDAR)}
    paper = papers["calendar.xml"]
    assert paper.schema is not None
    Validator().validate(paper.path, paper.written(edition_of(DEFINITION, TIME)), paper.schema)

    assert list(calendar_papers(DEFINITION, Calendar())) == []
