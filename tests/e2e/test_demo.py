"""``skrutinium-server demo``: agrees at the end, draws in a terminal, and Ctrl-C leaves nothing behind at any moment."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.at_work import PROGRAM, in_session

pytestmark = pytest.mark.timeout(900)

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
PATIENCE = 60


class Demo:
    """The demo in a session of its own, as in a terminal that belongs to it; all it says is kept."""

    def __init__(self, temporary: Path, *options: object, terminal: bool = False) -> None:
        self.temporary = temporary
        self.said = b""
        self._reading, writing = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [*PROGRAM, "demo", *map(str, options)],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary), "TERM": "xterm-256color"},
        )
        os.close(writing)

    def until(self, pattern: bytes) -> None:
        """Read until it has said that."""
        while not re.search(pattern, self.said):
            assert self._read(), f"ended before it said {pattern!r}:\n{self.text}"

    def _read(self) -> bool:
        ready, _, _ = select.select([self._reading], [], [], PATIENCE)
        assert ready, f"silent for {PATIENCE} s after:\n{self.text}"
        try:
            data = os.read(self._reading, 65536)
        except OSError:  # a terminal's way to say that nobody is at its other side
            data = b""
        self.said += data
        return bool(data)

    def interrupt(self) -> None:
        """Ctrl-C: the whole process group gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; its exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End what is left of it after a failed test."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._reading)

    @property
    def text(self) -> str:
        return self.said.decode("utf-8", "replace")


@contextlib.contextmanager
def demo(temporary: Path, *options: object, terminal: bool = False) -> Iterator[Demo]:
    running = Demo(temporary, *options, terminal=terminal)
    try:
        yield running
    finally:
        running.close()


def assert_clean(running: Demo) -> None:
    """No traceback, no warning, no process and no file of it is left."""
    assert "Traceback" not in running.text, running.text
    assert "Error" not in running.text, running.text
    assert "ERROR" not in running.text, running.text
    assert in_session(running.process.pid) == []
    assert list(running.temporary.iterdir()) == []


def test_a_whole_night(tmp_path: Path) -> None:
    """In a pipe the demo tells its releases line by line, shows who is elected, agrees and ends with exit code 0."""
    with demo(tmp_path, "--speed", 4000) as running:
        assert running.end() == 0, running.text

        assert "AGREEMENT" in running.text
        assert "The feed listens at http://127.0.0.1:" in running.text
        assert "elected in the order of award" in running.text
        numbers = [int(number) for number in re.findall(r"release (\d+) \(", running.text)]
        assert numbers == sorted(set(numbers))
        assert len(numbers) >= 3
        assert ENTER not in running.said
        assert_clean(running)


def test_in_a_terminal(tmp_path: Path) -> None:
    """In a terminal the live table is drawn on the alternate screen, which is left before the verdict is said."""
    with demo(tmp_path, "--speed", 20_000, terminal=True) as running:
        assert running.end() == 0, running.text

        assert (running.said.count(ENTER), running.said.count(LEAVE)) == (1, 1)
        drawn, after = running.said.split(ENTER)[1].split(LEAVE)
        assert "REHEARSAL" in drawn.decode("utf-8", "replace")
        assert "protocols" in drawn.decode("utf-8", "replace")
        assert b"AGREEMENT" in after
        assert_clean(running)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(rb"Made up", id="before the feed is up"),
        pytest.param(rb"The feed listens", id="before the first release"),
        pytest.param(rb"release [3-9] \(", id="in the middle"),
        pytest.param(rb"elected in the order of award", id="while verifying"),
    ],
)
def test_ctrl_c(tmp_path: Path, moment: bytes) -> None:
    """Ctrl-C ends the demo at once with exit code 0 and leaves nothing: no traceback, no process, no file."""
    with demo(tmp_path, "--speed", 20_000 if b"elected" in moment else 200) as running:
        running.until(moment)
        running.interrupt()
        assert running.end() == 0, running.text

        assert running.text.endswith("Stopped.\n") or (b"elected" in moment and "AGREEMENT" in running.text)
        assert_clean(running)


def test_impatient_ctrl_c(tmp_path: Path) -> None:
    """Ctrl-C again and again while it is ending changes nothing: it ends in order."""
    with demo(tmp_path, "--speed", 200) as running:
        running.until(rb"release 2 \(")
        for _ in range(100):
            if running.process.poll() is None:
                running.interrupt()
        assert running.end() == 0, running.text

        assert_clean(running)


def test_ctrl_c_while_loading(tmp_path: Path) -> None:
    """Ctrl-C before the demo has said a word is clean too."""
    with demo(tmp_path) as running:
        # The package is being loaded, no longer Python itself, once the first library is mapped.
        while b"msgspec" not in Path(f"/proc/{running.process.pid}/maps").read_bytes():
            assert running.process.poll() is None
        running.interrupt()
        # Inside the `exec` of a string, as dataclasses are made by, CPython notes the interrupt and dies of the signal when it exits;
        # a shell calls both 130.
        assert running.end() in (0, 130, -signal.SIGINT)

        assert_clean(running)


def test_ctrl_c_in_a_terminal(tmp_path: Path) -> None:
    """Ctrl-C while the live table is drawn gives the terminal back."""
    with demo(tmp_path, "--speed", 200, terminal=True) as running:
        running.until(rb"release [2-9]")
        running.interrupt()
        assert running.end() == 0, running.text

        assert (running.said.count(ENTER), running.said.count(LEAVE)) == (1, 1)
        assert running.text.endswith("Stopped.\r\n")
        assert_clean(running)


def test_closed_terminal(tmp_path: Path) -> None:
    """When its terminal is closed the demo ends, and leaves no process and no file."""
    with demo(tmp_path, "--speed", 200) as running:
        running.until(rb"release [2-9] \(")
        os.killpg(running.process.pid, signal.SIGHUP)
        running.end()

        assert_clean(running)
