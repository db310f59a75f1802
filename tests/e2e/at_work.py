"""A site at work: the real commands in processes of their own, as an operator starts them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from lxml import etree

PROGRAM = [sys.executable, "-m", "skrutinium_server"]


def command(*arguments: object, code: int = 0) -> str:
    """Run one command to its end and return what it said; its exit code must be ``code``."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def skrutinium_command(*arguments: object, code: int = 0) -> str:
    """Run one command of the SDK to its end and return its standard output."""
    program = Path(sys.executable).with_name("skrutinium")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


async def published(session: aiohttp.ClientSession, event: str) -> int:
    """The number of the newest release that can be read."""
    async with session.get(f"/event/{event}/newest/manifest.xml") as answer:
        assert answer.status == 200
        root = etree.fromstring(await answer.read(), etree.XMLParser(resolve_entities=False, no_network=True))
    return int(root.attrib["release"])


def begun(*arguments: object, until: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start a command and wait for the line that holds ``until``; the process, and what it has said up to that line."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if until in line:
            break
    else:
        raise AssertionError(f"{arguments} ended before it said {until!r}:\n{''.join(said)}")
    return process, said


@contextlib.contextmanager
def started(*arguments: object, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a command and wait for the line that holds ``until``; at the end it is stopped as by Ctrl-C and must exit 0."""
    process, said = begun(*arguments, until=until)
    try:
        yield process, said[-1]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"{arguments}: exit {process.returncode}\n{''.join(said)}{rest}"
        assert "Traceback" not in rest, rest
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a site on a free port; the address of its feed."""
    with started("serve", site, "--port", 0, until="The feed listens at") as (_, line):
        yield line.split()[-1].rstrip("/")


def real_site(folder: Path, shared_data: Path) -> Path:
    """A site with the definition of the real election of 2018, from its registers and batches."""
    data = shared_data / "volby" / "kv2018"
    command("site", "create", folder)
    for form, path in (("volby-registers", data / "registers"), ("volby-batches", data / "batches")):
        command("definition", "import", folder, "--law", "cz-municipal-2018", "--format", form, path)
    return folder


def children_of(pid: int) -> list[int]:
    """Process ids of the children of a process, by the kernel's own account."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in told.split()]


def command_line(pid: int) -> str:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def in_session(leader: int) -> list[str]:
    """Command lines of the processes of a session, by the kernel's own account; those that are only to be reaped are gone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            # proc(5): after the name in parentheses come state, parent, group, session.
            state, _, _, session = (folder / "stat").read_text().rpartition(") ")[2].split()[:4]
            if session == str(leader) and state != "Z":
                found.append(command_line(int(folder.name)))
    return found
