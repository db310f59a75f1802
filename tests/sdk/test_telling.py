"""What commands tell a person is broken between words in a terminal, and nowhere else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from skrutinium.commands.doctor import lines
from skrutinium.commands.telling import broken
from skrutinium.examining.finding import Finding

WORDS = st.lists(
    st.text("abcč:/,.-", min_size=1, max_size=30) | st.just("5.1 %"), min_size=1, max_size=30
).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=4).map("\n".join), st.integers(10, 120))
def test_broken_between_words(text: str, width: int) -> None:
    """No line is wider than the terminal but for a word that is; no word is broken, lost or added."""
    told = broken(text, width).split("\n")
    assert [word for line in told for word in line.split()] == text.split()
    assert all(len(line) <= width or len(line.replace(" %", "").split()) == 1 for line in told)
    assert not any(line.lstrip().startswith("%") for line in told if line not in text.split("\n"))


@given(WORDS, st.binary(min_size=32, max_size=32), WORDS, st.integers(10, 120))
def test_fingerprints_are_broken_in_the_middle_at_most(
    before: str, key: bytes, after: str, width: int
) -> None:
    """A fingerprint is in one line where it fits, else in two of eight groups, in what is told and in findings of the doctor."""
    groups = [key.hex()[start : start + 4] for start in range(0, 64, 4)]
    halves = " ".join(groups[:8]), " ".join(groups[8:])
    text = f"{before} {' '.join(groups)} {after}"
    told = broken(text, width).split("\n")
    found = lines(Finding("key", "warn", text, text, text), width + 25, colour=False)
    room = max(30, width)
    assert " ".join(" ".join(told).split()) == text
    for seen, fits in ((told, width >= 81 or len(text) <= width), (found, room >= 81)):
        assert any(" ".join(halves) in line for line in seen) or not fits
        assert all(any(half in line for line in seen) for half in halves) or (seen is found and room < 41)


def test_in_a_terminal_and_in_a_pipe(tmp_path: Path) -> None:
    """The same error is several lines in a terminal of 40 characters, and one line in a pipe."""
    command = [
        sys.executable,
        "-c",
        "from skrutinium.commands import main; main()",
        "verify",
        str(tmp_path / "nothing"),
    ]
    piped = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    ours, theirs = pty.openpty()
    told = b""
    with subprocess.Popen(command, stderr=theirs, env=os.environ | {"COLUMNS": "40"}) as process:
        os.close(theirs)
        try:
            while piece := os.read(ours, 4096):
                told += piece
        except OSError:  # Linux says so when the other end has gone
            pass
    os.close(ours)
    assert process.returncode == 25
    shown = told.decode().splitlines()
    assert piped.count("\n") == 1
    assert len(shown) > 1
    assert " ".join(" ".join(shown).split()) == piped.strip()
