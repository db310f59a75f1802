"""The event log: what is acknowledged stays, what was changed is noticed."""

import datetime
import fcntl
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.authority import chain
from skrutinium_server.authority.errors import EventLogBusy, EventLogDamaged, EventRefused
from skrutinium_server.authority.log import EventLog
from skrutinium_server.authority.model import Entry, Event, NoticeGiven, PersonRemoved
from tests.authority.made import START


def notice(number: int) -> Event:
    return NoticeGiven(f"n{number}", f"Text {number}: žluťoučký")


def append(log: EventLog, *events: Event, now: datetime.datetime = START) -> tuple[Entry, ...]:
    return log.append("novakova", lambda: now, lambda _: events)


def filled(folder: Path, count: int = 3) -> EventLog:
    log = EventLog(folder)
    for number in range(1, count + 1):
        append(log, notice(number))
    return log


def test_entries_are_numbered_and_chained(tmp_path: Path) -> None:
    """Positions run from 1 without gaps, each entry names the hash before, and a new reader finds the same."""
    log = filled(tmp_path)
    entries = EventLog(tmp_path).entries()
    assert [entry.position for entry in entries] == [1, 2, 3]
    assert [entry.previous for entry in entries] == [chain.GENESIS, entries[0].hash, entries[1].hash]
    assert log.entries() == entries
    assert b"".join(map(chain.line, entries)) == log.path.read_bytes()


def test_nothing_recorded_is_empty(tmp_path: Path) -> None:
    """A site without a log has no entries, and reading makes no file."""
    assert EventLog(tmp_path / "authority").entries() == ()
    assert not (tmp_path / "authority").exists()


def test_refused_event_leaves_no_trace(tmp_path: Path) -> None:
    """An event that does not follow is refused, with everything that came with it."""
    log = filled(tmp_path, 1)
    before = log.path.read_bytes()
    with pytest.raises(EventRefused):
        append(log, notice(2), PersonRemoved("nobody"))
    assert log.path.read_bytes() == before


def test_time_does_not_go_back(tmp_path: Path) -> None:
    """A clock that was set back does not put an entry before the one it follows."""
    log = filled(tmp_path, 1)
    (entry,) = append(log, notice(2), now=START - datetime.timedelta(hours=1))
    assert entry.time == START


@given(cut=st.integers(min_value=1, max_value=400))
def test_torn_line_is_set_aside(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any beginning of a line that was never acknowledged is kept beside the log, and the log goes on."""
    log = filled(tmp_path_factory.mktemp("log"))
    entries = log.entries()
    next_line = chain.line(chain.make(4, entries[-1].hash, START, "x", notice(4)))
    torn = next_line[: min(cut, len(next_line) - 2)]
    with log.path.open("ab") as file:
        file.write(torn)
    assert log.entries() == entries
    (added,) = append(log, notice(5))
    assert added.position == 4
    assert log.entries() == (*entries, added)
    assert log.torn.read_bytes() == torn + b"\n"


def test_whole_line_without_acknowledgement_counts(tmp_path: Path) -> None:
    """A line that is whole but for its line feed is completed, not dropped."""
    log = filled(tmp_path)
    line = chain.line(chain.make(4, log.entries()[-1].hash, START, "x", notice(4)))
    with log.path.open("ab") as file:
        file.write(line[:-1])
    assert len(log.entries()) == 4
    (added,) = append(log, notice(5))
    assert added.position == 5
    assert not log.torn.exists()


def _cut_last(data: bytes) -> bytes:
    return data[: data.rstrip(b"\n").rfind(b"\n") + 1]


@pytest.mark.parametrize(
    "damage",
    [
        _cut_last,
        lambda data: data[:-20],
        lambda data: b"",
        lambda data: data.replace(b"Text 2", b"Text 7"),
        lambda data: data.replace(b"novakova", b"novak", 1),
        lambda data: b"".join(data.splitlines(keepends=True)[1:]),
        lambda data: b"".join(reversed(data.splitlines(keepends=True))),
        lambda data: data.replace(b'{"position"', b'{ "position"', 1),
        lambda data: data + b"\n",
        lambda data: data + data.splitlines(keepends=True)[-1],
    ],
)
def test_damage_is_noticed(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Acknowledged lines that are cut off, changed, moved, doubled or written otherwise are refused, by readers and writers."""
    log = filled(tmp_path)
    log.path.write_bytes(damage(log.path.read_bytes()))
    with pytest.raises(EventLogDamaged):
        log.entries()
    with pytest.raises(EventLogDamaged):
        append(log, notice(4))


def test_lost_file_is_noticed(tmp_path: Path) -> None:
    """A log that is gone is not taken for a new one."""
    log = filled(tmp_path)
    log.path.unlink()
    with pytest.raises(EventLogDamaged):
        log.entries()
    with pytest.raises(EventLogDamaged):
        append(log, notice(1))


def test_last_lines_written_anew_are_noticed(tmp_path: Path) -> None:
    """A tail that was written again with a chain of its own is not the one that was acknowledged."""
    log = filled(tmp_path)
    entries = log.entries()
    forged = chain.make(3, entries[1].hash, START, "novakova", notice(99))
    log.path.write_bytes(b"".join(map(chain.line, (*entries[:2], forged))))
    with pytest.raises(EventLogDamaged, match="acknowledged"):
        log.entries()


def test_held_log_is_told(tmp_path: Path) -> None:
    """A command waits for another one only so long, and says so."""
    log = filled(tmp_path, 1)
    with log.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(EventLogBusy):
            EventLog(tmp_path, patience=0.05).entries()


def test_killed_writers_lose_nothing_acknowledged(tmp_path: Path, repository: Path) -> None:
    """kill -9 at random moments, two writers at a time: every printed hash is in the log, and the next writer goes on."""
    chance = random.Random(2030)
    acknowledged: dict[int, str] = {}
    for _ in range(4):
        processes = [
            subprocess.Popen(
                [sys.executable, repository / "tests" / "authority" / "appending_process.py", tmp_path, who],
                cwd=repository,
                stdout=subprocess.PIPE,
                text=True,
            )
            for who in ("first", "second")
        ]
        lines: list[str] = []
        for process in processes:
            assert process.stdout is not None
            lines += [process.stdout.readline() for _ in range(chance.randrange(1, 15))]
        for process in processes:
            process.kill()
        for process in processes:
            rest, _ = process.communicate()
            # What had been printed before the kill was acknowledged too.
            lines += rest.splitlines(keepends=True)
            assert process.returncode == -signal.SIGKILL
        for line in lines:
            if line.endswith("\n"):
                position, digest = line.split()
                assert int(position) not in acknowledged
                acknowledged[int(position)] = digest
    (last,) = append(EventLog(tmp_path), notice(1))
    entries = {entry.position: entry.hash for entry in EventLog(tmp_path).entries()}
    assert len(acknowledged) > 8
    assert list(entries) == list(range(1, last.position + 1))
    assert {place: entries[place] for place in acknowledged} == acknowledged
