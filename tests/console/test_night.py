"""The curve of the night: what is read of the releases, the picture, and the same as a table."""

import datetime
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.console.curve import Curves, Point, read_point
from skrutinium_server.console.pictures import ROWS, WIDE, awake, curve, rows, thinned
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from tests.archive.night import Night

PRAGUE = ZoneInfo("Europe/Prague")
START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)


def point(number: int, minutes: int, reported: int, expected: int = 1000) -> Point:
    return Point(number, START + datetime.timedelta(minutes=minutes), reported, expected, "interim")


nights = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 1000)), min_size=0, max_size=40).map(
    lambda told: [
        point(number + 1, sum(pause for pause, _ in told[: number + 1]), sorted(r for _, r in told)[number])
        for number in range(len(told))
    ]
)


def test_points_are_those_of_the_manifests(tmp_path: Path) -> None:
    """Each release of a night is a point with the numbers of its manifest; later looks add what is new."""
    night = Night(tmp_path)
    key = SeriesKey(night.definition.event, "night", "skrutinium")
    curves, reader = Curves(night.store), StoreReader(night.store)
    for _ in range(3):
        night.take(5)
        night.cut()
        points = curves.of(key)
        manifests = [reader.manifest(key, number) for number in range(1, len(points) + 1)]
        assert [(one.release, one.reported, one.expected) for one in points] == [
            (one.number, one.reported, one.expected) for one in manifests
        ]
        assert [one.time for one in points] == [
            datetime.datetime.fromisoformat(one.time) for one in manifests
        ]
        assert curves.newest(key) == points[-1]
    newest = reader.newest(key)
    assert newest is not None
    assert len(curves.of(key)) == newest.number
    night.close()
    assert curves.of(SeriesKey("nothing", "night", "skrutinium")) == []
    assert curves.newest(SeriesKey("nothing", "night", "skrutinium")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<manifest",
        b'<other xmlns="urn:skrutinium:1"/>',
        b'<manifest xmlns="urn:skrutinium:1" release="1"/>',
        b'<manifest xmlns="urn:skrutinium:1" release="x" time="2030-10-05T12:00:00Z" reported="0" expected="1" state="interim"/>',
        b'<manifest xmlns="urn:skrutinium:1" release="1" time="2030-10-05T12:00:00" reported="0" expected="1" state="interim"/>',
        b'<!DOCTYPE a [<!ENTITY e "1">]><manifest xmlns="urn:skrutinium:1" release="&e;" time="2030-10-05T12:00:00Z" reported="0" expected="1" state="interim"/>',
    ],
)
def test_damaged_manifest_is_told(tmp_path: Path, data: bytes) -> None:
    """What is no manifest is damage of the store, told with its file; it is no point."""
    path = tmp_path / "000000001.xml"
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="000000001"):
        read_point(path)


@given(nights)
def test_picture_stays_in_its_frame(night: list[Point]) -> None:
    """The picture is well-formed, its line rises only, and nothing of it lies outside; a night without a span has none."""
    picture = curve(night, PRAGUE, "Protocols <reported>")
    shown = awake(night)
    if len(shown) < 2 or shown[0].time == shown[-1].time:
        assert picture == ""
        return
    root = etree.fromstring(f"<both>{picture}</both>")
    assert len(root) == 2
    assert {one.get("aria-label") for one in root} == {"Protocols <reported>"}
    for one in root:
        width, height = map(int, str(one.get("viewBox")).split()[2:])
        line = one.find("polyline[@class='line']")
        assert line is not None
        at = [tuple(map(float, pair.split(","))) for pair in str(line.get("points")).split()]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in at)
        assert [x for x, _ in at] == sorted(x for x, _ in at)
        assert [y for _, y in at] == sorted((y for _, y in at), reverse=True)
        assert len(one.findall("text")) <= 5 + (10 if width == WIDE.width else 4) + 1


def test_marks_are_round_times_of_the_zone() -> None:
    """A night of eight hours has a mark for each hour, in the time of the country."""
    picture = curve([point(n + 1, 48 * n, 100 * n) for n in range(11)], PRAGUE, "")
    marks = re.findall(r'class="foot[^>]*>([^<]+)<', picture.partition("</svg>")[0])
    assert marks == [f"{hour}:00" for hour in range(15, 23)]


def test_run_that_was_open_for_hours_begins_with_its_first_protocols() -> None:
    """Hours, or years of another clock, in which nothing was reported are not part of the picture."""
    night = [point(1, -2_000_000, 0), point(2, 0, 10), point(3, 60, 500)]
    assert [(one.time, one.reported) for one in awake(night)] == [
        (night[1].time, 0),
        (night[1].time, 10),
        (night[2].time, 500),
    ]
    assert awake(night[:1]) == []


@given(nights)
def test_table_is_the_night_in_few_rows(night: list[Point]) -> None:
    """The table has the newest release first and the first one with protocols last, and never more rows than fit."""
    table, reported = rows(night), [one for one in night if one.reported]
    assert len(table) <= ROWS
    assert [one.release for one in table] == sorted((one.release for one in table), reverse=True)
    assert set(table) <= set(night)
    if reported:
        assert (table[0], table[-1]) == (reported[-1], reported[0])
    assert len(thinned(night, 5)) <= 5
