"""What commands tell a person is broken between words in a terminal, and nowhere else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from skrutinium.commands.telling import broken

WORDS = st.lists(
    st.text("abcč:/,.-", min_size=1, max_size=30) | st.just("5.1 %"), min_size=1, max_size=30
).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=4).map("\n".join), st.integers(10, 120))
def test_broken_between_words(text: str, width: int) -> None:
    """No line is wider than the terminal but for a word that is; no word is broken, lost or added."""
    lines = broken(text, width).split("\n")
    assert [word for line in lines for word in line.split()] == text.split()
    assert all(len(line) <= width or len(line.replace(" %", "").split()) == 1 for line in lines)
    assert not any(line.lstrip().startswith("%") for line in lines if line not in text.split("\n"))


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
    lines = told.decode().splitlines()
    assert piped.count("\n") == 1
    assert len(lines) > 1
    assert " ".join(" ".join(lines).split()) == piped.strip()
