"""The first page works when it is pasted: its programs run as they stand, and say what it shows."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from skrutinium_server.commands import group
from tests.contract.pages import ROOT, blocks

PAGE = "docs/first-steps.md"
FIRST, FOLLOWING = blocks(PAGE, "python")


def run(program: str, folder: Path) -> str:
    """What a program says that is pasted into a file; it must end well and in peace."""
    (folder / "pasted.py").write_text(program, "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "pasted.py"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_first_numbers_are_those_shown(tmp_path: Path) -> None:
    """The first program says exactly what the page says that it says, and is short."""
    assert run(FIRST, tmp_path) == blocks(PAGE, "text")[0]
    assert len([line for line in FIRST.splitlines() if line.strip()]) <= 10


def test_program_that_goes_on_follows_through_an_outage(tmp_path: Path) -> None:
    """The second program shows releases in order, up to the one in which all is in, and leaves its state file."""
    said = run(FOLLOWING, tmp_path)
    numbers = [int(number) for number in re.findall(r"^release (\d+):", said, re.MULTILINE)]
    assert numbers == list(range(numbers[0], 5))
    assert "release 4: 12 of 12, from http://127.0.0.1:" in said
    assert (tmp_path / "seen.json").is_file()


@pytest.mark.parametrize("line", [line for block in blocks(PAGE, "sh") for line in block.splitlines()])
def test_commands_are_there(line: str) -> None:
    """What is to be installed lies in the checkout (that it installs, the test of the packages shows); commands and options exist."""
    words = shlex.split(line)
    if words[0] == "skrutinium-server":
        command = group.get_command(click.Context(group), words[1])
        assert command is not None
        with command.make_context(words[1], words[2:]):
            return
    for word in words:
        assert not word.startswith("./") or (ROOT / word / "pyproject.toml").is_file()
