"""Manifest, checkpoint, heartbeat and feed state as bytes."""

import datetime
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.skrutinium.series import checkpoint, feed_state, heartbeat, manifest
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA, Stamp, utc
from skrutinium_server.release.store.model import ManifestRow, Run
from skrutinium_server.release.validate import Validator

VALIDATOR = Validator()
TIME = datetime.datetime(2030, 10, 5, 16, 3, 7, 654321, datetime.timezone(datetime.timedelta(hours=2)))
STAMP = Stamp("mu2030", "night", "rehearsal", 17, TIME, 2)
HASH = "0123456789abcdef" * 4
RUN = Run(
    "mu2030",
    "night",
    "Made-up <election>",
    "2030-10-05",
    "cz-municipal-2018",
    "live",
    True,
    True,
    ("volby", "skrutinium"),
)
PATHS = st.from_regex(r"(area|contest|precinct)/[A-Za-z0-9][A-Za-z0-9.\-]{0,20}\.xml", fullmatch=True)


def row(path: str) -> ManifestRow:
    return ManifestRow(path, len(path), HASH, SCHEMA, 2)


def read(path: str, data: bytes) -> etree._Element:
    VALIDATOR.validate(path, data, SCHEMA)
    assert data.endswith(b"\n")
    assert b"\n\n" not in data
    return etree.fromstring(data)


@given(paths=st.lists(PATHS, unique=True, max_size=20), order=st.randoms(use_true_random=False))
def test_manifest_is_in_order_of_path(paths: list[str], order: random.Random) -> None:
    """The same rows give the same bytes in whatever order they come, sorted by path."""
    rows = list(map(row, paths))
    first = manifest(STAMP, "skrutinium", HASH, 40, HASH, "interim", 6, 3, False, rows)
    order.shuffle(rows)
    second = manifest(STAMP, "skrutinium", HASH, 40, HASH, "interim", 6, 3, False, iter(rows))

    assert first == second
    assert [one.get("path") for one in read("manifest.xml", first)] == sorted(paths)


def test_manifest() -> None:
    """A manifest tells its stamp, its place in chain and ledger, and how far the count is."""
    root = read(
        "manifest.xml",
        manifest(STAMP, "skrutinium", HASH, 40, HASH, "interim", 6, 3, True, [row("event.xml")]),
    )

    assert dict(root.attrib) == {
        "event": "mu2030",
        "run": "night",
        "phase": "rehearsal",
        "release": "17",
        "time": "2030-10-05T14:03:07Z",
        "schema": "1.0",
        "codebook": "2",
        "series": "skrutinium",
        "previous": HASH,
        "position": "40",
        "ledger": HASH,
        "state": "interim",
        "expected": "6",
        "reported": "3",
        "checkpoint": "true",
    }
    assert dict(root[0].attrib) == {
        "path": "event.xml",
        "size": "9",
        "sha256": HASH,
        "schema": SCHEMA,
        "codebook": "2",
    }
    plain = manifest(STAMP, "skrutinium", HASH, 40, HASH, "interim", 6, 3, False, [])
    assert read("manifest.xml", plain).get("checkpoint") is None


def test_path_twice() -> None:
    """A path that comes twice is refused by manifest and checkpoint alike."""
    rows = [row("event.xml"), row("area/K.xml"), row("event.xml")]

    with pytest.raises(NotIssuable, match=r"'event\.xml' comes twice"):
        manifest(STAMP, "skrutinium", HASH, 40, HASH, "interim", 6, 3, False, rows)
    with pytest.raises(NotIssuable, match=r"'event\.xml' comes twice"):
        checkpoint(STAMP, "skrutinium", HASH, rows)


def test_checkpoint() -> None:
    """A checkpoint names the manifest of its release and every document by path."""
    root = read(
        "checkpoint.xml", checkpoint(STAMP, "skrutinium", HASH, [row("event.xml"), row("area/K.xml")])
    )

    assert (root.get("manifest"), root.get("series"), root.get("release")) == (HASH, "skrutinium", "17")
    assert [one.get("path") for one in root] == ["area/K.xml", "event.xml"]


def test_heartbeat() -> None:
    """A heartbeat tells the newest release and, apart from its time, when it was made."""
    root = read("heartbeat.xml", heartbeat(STAMP, "skrutinium", HASH, TIME + datetime.timedelta(seconds=20)))

    assert (root.get("release"), root.get("time")) == ("17", "2030-10-05T14:03:07Z")
    assert (root.get("manifest"), root.get("alive")) == (HASH, "2030-10-05T14:03:27Z")


def test_feed_state() -> None:
    """The feed state names runs by event and id with their series; an unknown date is left out."""
    older = Run("mu2030", "dress", "Made-up", "", "cz-municipal-2018", "test", False, False, ())
    root = read("state.xml", feed_state(4, TIME, [RUN, older]))

    assert (root.get("number"), root.get("time")) == ("4", "2030-10-05T14:03:07Z")
    assert [run.get("id") for run in root] == ["dress", "night"]
    assert root[0].get("date") is None
    assert (root[1].get("name"), root[1].get("date")) == ("Made-up <election>", "2030-10-05")
    assert (root[1].get("phase"), root[1].get("open"), root[1].get("current")) == ("live", "true", "true")
    assert [series.get("id") for series in root[1]] == ["skrutinium", "volby"]


def test_feed_state_has_one_current_run() -> None:
    """Two current runs of one event, or one run twice, are refused."""
    with pytest.raises(NotIssuable, match="current run of the event 'mu2030' comes twice"):
        feed_state(1, TIME, [RUN, Run("mu2030", "other", "x", "", "law", "test", True, True, ())])
    with pytest.raises(NotIssuable, match="run 'mu2030/night' comes twice"):
        feed_state(1, TIME, [RUN, RUN])


def test_time_without_offset() -> None:
    """A time without an offset could be any time, and is refused."""
    with pytest.raises(NotIssuable, match="no offset"):
        utc(TIME.replace(tzinfo=None))
