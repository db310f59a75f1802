"""What each subscriber is doing, from the access log as the feed writes it."""

import datetime
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.console.feeds import Told, add
from skrutinium_server.console.readers import QUIET, Readers
from skrutinium_server.console.tailing import BEFORE, LONGEST, Tail

NOW = datetime.datetime(2030, 10, 5, 18, 0, tzinfo=datetime.UTC)


def stamp(seconds: int) -> str:
    return f"{NOW - datetime.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.000Z}"


def answer(path: str, status: int = 200, seconds: int = 0, **more: Any) -> dict[str, Any]:
    """A line of the log."""
    told = {"subscriber": "radio", "address": "192.0.2.1", "phase": "rehearsal", "request_id": None}
    return {
        "time": stamp(seconds),
        **told,
        "method": "GET",
        "path": path,
        "status": status,
        "bytes": 1000,
        "ms": 0.4,
        **more,
    }


def test_reader_that_polls() -> None:
    """Documents, unchanged answers and refusals of the last minute are counted; what is older is not."""
    readers = Readers()
    for seconds in (90, 30, 10):
        readers.note(answer("/event/kv/changes?since=41", seconds=seconds, run="night", release=42))
    readers.note(
        {"time": stamp(5), "subscriber": "radio", "kind": "manifest", "status": 304, "count": 12, "bytes": 0}
    )
    readers.note(answer("/event/kv/newest/area/CZ.xml", 429, seconds=3))
    doing = readers.doing("radio", NOW)
    assert doing is not None
    assert (doing.answers, doing.unchanged, doing.bytes, dict(doing.refused)) == (2, 12, 2000, {429: 1})
    assert doing.words == "reads, with refusals"
    assert (doing.seen.run, doing.seen.release) == ("night", 42)
    assert doing.seen.addresses == ["192.0.2.1"]
    assert doing.silent == datetime.timedelta(seconds=3)
    assert doing.seen.news == NOW - datetime.timedelta(seconds=5)
    assert readers.doing("tv", NOW) is None


def test_who_reads_the_past_does_not_know_the_newest() -> None:
    """A release of long ago, a pack or an object is no news; what is newest is, also to programs that read as at volby.cz."""
    readers = Readers()
    for path in (
        "/event/kv/release/3/summary.xml",
        "/event/kv/pack/7",
        "/object/00ff",
        "/access",
        "/event/kv/run/x/release/9/manifest.xml",
    ):
        readers.note(answer(path))
    past = readers.doing("radio", NOW)
    assert past is not None
    assert past.seen.news is None
    for path in (
        "/event/kv/newest/summary.xml",
        "/event/kv/changes?since=1",
        "/pls/kv2018/vysledky",
        "/event/kv/push",
    ):
        readers = Readers()
        readers.note(answer(path))
        newest = readers.doing("radio", NOW)
        assert newest is not None
        assert newest.seen.news == NOW


def test_reader_that_is_silent_or_refused() -> None:
    """Who asks for nothing for two minutes is silent; who is only refused is said to be."""
    readers = Readers()
    readers.note(answer("/event/kv/newest/manifest.xml", 403, subscriber="tv"))
    refused = readers.doing("tv", NOW)
    assert refused is not None
    assert refused.words == "is refused"
    assert refused.seen.news is None
    later = readers.doing("tv", NOW + QUIET + datetime.timedelta(seconds=1))
    assert later is not None
    assert later.words == "silent"
    assert not later.refused


@given(
    st.dictionaries(
        st.sampled_from(
            ["time", "subscriber", "status", "path", "kind", "count", "bytes", "address", "method"]
        ),
        st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=20),
            st.just(stamp(1)),
            st.booleans(),
            st.lists(st.integers()),
        ),
    )
)
def test_any_line_is_understood_or_passed_over(line: dict[str, Any]) -> None:
    """A line of another version, or of somebody else, breaks nothing."""
    readers = Readers()
    readers.note(line)
    for name in readers.known():
        doing = readers.doing(name, NOW)
        assert doing is not None
        assert doing.answers >= 0


def test_metrics_of_feeds_are_added_up() -> None:
    """Two feeds tell of the same subscriber: connections, answers and refusals are added."""
    text = (
        "# TYPE skrutinium_connections gauge\n"
        'skrutinium_connections{subscriber="radio"} 3.0\n'
        "# TYPE skrutinium_requests counter\n"
        'skrutinium_requests_total{subscriber="radio",kind="manifest",status="304"} 40.0\n'
        'skrutinium_requests_total{subscriber="radio",kind="pack",status="200"} 7.0\n'
        "# TYPE skrutinium_refused counter\n"
        'skrutinium_refused_total{subscriber="radio",status="429",code="too-many-requests"} 2.0\n'
        "# TYPE skrutinium_sent_bytes counter\n"
        'skrutinium_sent_bytes_total{subscriber="radio"} 900.0\n'
    )
    found: dict[str, Told] = {}
    add(found, text)
    add(found, text)
    told = found["radio"]
    assert (told.connections, told.unchanged, told.answered, told.bytes) == (6, 80, 14, 1800)
    assert told.refused == {"too-many-requests": 4}


class Ear:
    """Collects lines until there are enough."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self._come = threading.Condition()

    def __call__(self, lines: list[dict[str, Any]]) -> None:
        with self._come:
            self.heard += lines
            self._come.notify()

    def until(self, count: int) -> list[int]:
        with self._come:
            assert self._come.wait_for(lambda: len(self.heard) >= count, 60)
            return [one["n"] for one in self.heard]


def write(path: Path, *numbers: int) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps({"n": number}) + "\n" for number in numbers)


@pytest.mark.blocking("waits in threads, has no event loop")
def test_log_is_followed_over_moves_and_cuts(tmp_path: Path) -> None:
    """The log need not be there yet; lines are read once, also after it was moved away, or emptied and begun anew."""
    path, ear = tmp_path / "access.jsonl", Ear()
    tail = Tail(path, ear, 0.01)
    tail.start()
    write(path, 1, 2)
    assert ear.until(2) == [1, 2]
    with path.open("a") as file:
        file.write('{"n": 3')
        file.flush()
        file.write("}\nno line of JSON\n[4]\n")
    assert ear.until(3) == [1, 2, 3]
    path.rename(tmp_path / "access.jsonl.1")
    write(tmp_path / "access.jsonl.1", 5)
    assert ear.until(4)[-1] == 5
    write(path, 6)
    assert ear.until(5)[-1] == 6
    path.write_text('{"n": 7}\n')  # emptied and begun anew, shorter than before or just as long
    write(path, 8)
    assert ear.until(6)[-1] in (7, 8)
    tail.stop()


def test_old_log_is_read_from_its_end(tmp_path: Path) -> None:
    """Of a log of days only the last megabyte is read; a line without end is given up."""
    path, heard = tmp_path / "access.jsonl", list[dict[str, Any]]()
    path.write_bytes(b'{"n":1}\n' * (BEFORE // 4) + b'{"n":2}\n' + b"x" * (LONGEST + 10))
    tail = Tail(path, heard.extend)
    while tail.look():
        pass
    assert 0 < len(heard) <= BEFORE // 8 + 1
    assert heard[-1] == {"n": 2}
    with path.open("ab") as file:
        file.write(b'\n{"n":3}\n')
    while tail.look():
        pass
    assert heard[-1] == {"n": 3}
    tail._close()
