"""What is acknowledged stays, whatever happens to the writing process."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.reading import SqliteReader
from skrutinium_server.ledger.sqlite import SqliteLedger
from tests.ledger.made import OPENED


def test_killed_writer_loses_nothing_acknowledged(tmp_path: Path, repository: Path) -> None:
    """kill -9 at random moments, three times over: every receipt is an entry, no gap, and the next writer goes on."""
    path = tmp_path / "ledger.sqlite"
    chance = random.Random(2030)
    acknowledged: dict[int, tuple[str, str]] = {}
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ledger.writing_process", str(path), str(1 + turn * 100_000)],
            cwd=repository,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process, process.stdout:
            lines = [process.stdout.readline() for _ in range(chance.randrange(1, 900))]
            process.kill()
            # What had been printed before the kill was acknowledged too.
            lines += process.stdout.readlines()
        assert process.returncode == -signal.SIGKILL
        for line in lines:
            if line.endswith("\n"):
                number, position, hash_ = line.split()
                acknowledged[int(position)] = (number, hash_)
    with SqliteReader(path) as reader:
        entries = {entry.position: entry for entry in reader.entries()}
    assert len(acknowledged) > 3
    assert list(entries) == list(range(1, len(entries) + 1))
    for place, promised in acknowledged.items():
        body = entries[place].body
        assert isinstance(body, Accepted)
        assert (body.protocol.precinct.split("-")[1], entries[place].hash) == promised


def test_creation_cut_short_leaves_no_ledger(tmp_path: Path) -> None:
    """A file left behind by a creation that was killed is written anew, and never taken for a ledger."""
    (tmp_path / ".ledger.sqlite.new").write_bytes(b"half of a file")
    ledger = SqliteLedger.create(tmp_path / "ledger.sqlite", OPENED)
    assert [entry.position for entry in ledger.entries()] == [1]
    asyncio.run(ledger.close())
    assert not (tmp_path / ".ledger.sqlite.new").exists()
