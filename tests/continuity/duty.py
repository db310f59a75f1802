"""Whoever is on duty: carries out the commands of docs/continuity.md, as they stand there, on a site in a folder of a test."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Self

from click.testing import CliRunner
from click.testing import Result as Done

from skrutinium_server.commands import group
from tests.contract.pages import DOCS
from tests.e2e.at_work import children_of

PAGE = DOCS / "continuity.md"
LASTING = {"serve": "Stop with Ctrl-C", "feed": "Stop with Ctrl-C", "crisis run": "Stop with Ctrl-C"}
"""Commands that run until they are stopped, and what they say when they are there."""


def steps(title: str) -> list[list[str]]:
    """The commands of a section, a list for each of its blocks."""
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    (section,) = (one for one in sections if one.startswith(f"{title}\n"))
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block).strip().splitlines() for block in found]


def sections() -> list[str]:
    """The sections that tell what to do."""
    titles = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [title for title in titles if steps(title)]


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Duty:
    """Carries out steps; ``words`` of the page stand for what is there in the test. To be used in ``with``."""

    def __init__(self, folder: Path, **words: object) -> None:
        self.folder = folder
        self.port, self.second = free_port(), free_port()
        self.words: dict[str, str] = {
            "8000": str(self.port),
            "8001": str(self.second),
            "0.0.0.0": "127.0.0.1",
            "second.example": "127.0.0.1",
            **{word: str(value) for word, value in words.items()},
        }
        self.lasting: dict[str, subprocess.Popen[str]] = {}
        self.carried_out: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in tuple(self.lasting):
            self.kill(name)

    def line(self, command: str) -> list[str]:
        """The words of a command, with what they stand for."""
        pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w-])" for word in self.words))
        return [pattern.sub(lambda found: self.words[found[0]], word) for word in shlex.split(command)]

    def do(self, block: list[str], code: int = 0, typed: str = "") -> str:
        """Carry out a block; what its commands said. Its last command must end with ``code``; ``typed`` goes to each."""
        said = ""
        for place, command in enumerate(block):
            expected = code if place == len(block) - 1 else 0
            self.carried_out.append(command)
            said += self.one(self.line(command), expected, typed)
        return said

    def one(self, words: list[str], code: int = 0, typed: str = "") -> str:
        """Carry out one command; what it said."""
        program, *arguments = words
        if program == "skrutinium-server":
            name = " ".join(arguments[:2]) if arguments[0] == "crisis" else arguments[0]
            return self.begin(name, arguments) if name in LASTING else served(arguments, code, typed)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        shown = " ".join(word if "*" in word else shlex.quote(word) for word in words)
        done = subprocess.run(
            ["bash", "-c", shown],
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "PATH": path},
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def begin(self, name: str, arguments: list[str]) -> str:
        """Start a command that lasts, and wait until it is there; what it said until then."""
        log = (self.folder / f"{name}.log").open("a+")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "skrutinium_server", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        assert name not in self.lasting, f"{name} runs already"
        self.lasting[name] = process
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if LASTING[name] in line:
                return "".join(said)
        raise AssertionError(f"{name} ended: {''.join(said)}{(self.folder / f'{name}.log').read_text()}")

    def stop(self, name: str) -> None:
        """Ctrl-C."""
        process = self.lasting.pop(name)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode == 0

    def kill(self, name: str) -> None:
        """A power cut: the process and everything below it, at once."""
        process = self.lasting.pop(name)
        family = [process.pid]
        for pid in family:
            with contextlib.suppress(FileNotFoundError):
                family += children_of(pid)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def served(arguments: list[str], code: int | None = 0, typed: str = "") -> str:
    """What a command of the server says that ends by itself; None: whatever its exit code is."""
    done: Done = CliRunner().invoke(group, arguments, input=typed or None)
    refused = done.exception if not isinstance(done.exception, SystemExit) else None
    ended = 1 if refused is not None else done.exit_code
    assert code is None or ended == code, f"{arguments}: {ended} {refused!r}\n{done.output}"
    return f"{done.output}{refused or ''}"
