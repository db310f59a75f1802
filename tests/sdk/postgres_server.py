"""A PostgreSQL of the test's own: in a new folder, on a socket in it, run by somebody who is not root."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = "skrutinium"


def program(name: str) -> str | None:
    """Where a program of PostgreSQL is: Debian keeps them out of PATH, by version."""
    there = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda one: int(one.parts[4]))
    return str(there[-1]) if there else shutil.which(name)


def _unprivileged() -> list[str]:
    """What goes before a command: root may not run PostgreSQL; and the server ends when the tests do."""
    nobody = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *nobody, "--pdeathsig=QUIT"]


@contextlib.contextmanager
def postgres(*settings: str) -> Iterator[str]:
    """A running server; gives the folder of its socket. ``settings`` are as ``name=value``."""
    if program("postgres") is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed, and in CI nothing is skipped")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="skrutinium-pg-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        data = folder / "data"
        made = [*_unprivileged(), str(program("initdb")), "-D", str(data), "-U", USER, "-A", "trust"]
        subprocess.run(
            [*made, "-E", "UTF8", "--no-locale", "--no-sync"], check=True, capture_output=True, cwd=folder
        )
        chosen = [part for one in ("fsync=off", *settings) for part in ("-c", one)]
        run = [
            *_unprivileged(),
            str(program("postgres")),
            "-D",
            str(data),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=",
        ]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*run, *chosen], cwd=folder, stdout=log, stderr=log)
        try:
            _wait(folder, server)
            yield str(folder)
        finally:
            server.send_signal(signal.SIGQUIT)  # at once
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder)


def _wait(folder: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    asked = [str(program("pg_isready")), "-h", str(folder), "-U", USER, "-d", "postgres", "-q"]
    while subprocess.run(asked, check=False).returncode != 0:
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < end, "PostgreSQL does not start"
        time.sleep(0.05)


def address(folder: str, database: str = "postgres") -> str:
    """How a program reaches it."""
    return f"postgresql://{USER}@/{database}?host={folder}"
