"""A reader that is killed at any moment, again and again, loses no release and keeps each once."""

import hashlib
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.sdk.store_builder import NIGHT, Sent, Written, make_night

ALLOWED = '[[subscriber]]\nid = "this-machine"\nname = "This machine"\nlive = ["127.0.0.0/8"]\n'
RELEASES = 24
KILLS = 9


@contextmanager
def served(root: Path) -> Iterator[str]:
    """A real feed of the store; its address."""
    access = root.parent / "access.toml"
    access.write_text(ALLOWED)
    program = [
        sys.executable,
        "-m",
        "skrutinium_server.feed.server",
        str(root),
        str(access),
        "127.0.0.1",
        "0",
    ]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as feed:
        assert feed.stdin is not None
        assert feed.stdout is not None
        try:
            yield "http://127.0.0.1:{}".format(json.loads(feed.stdout.readline())["listening"][1])
            feed.stdin.close()  # which is how it is told to end
            assert feed.wait(60) == 0
        finally:
            feed.kill()


def follower(url: str, database: Path, until: int) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "tests.sdk.tiny_sink", url, str(database), str(until)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def kept(database: Path) -> list[tuple[int, str, str]]:
    with closing(sqlite3.connect(database)) as held:
        return held.execute("SELECT number, sha256, event FROM release ORDER BY rowid").fetchall()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    """Killed while connecting, between releases, within and right after a transaction: in the end each release is there once, in order."""
    chance = random.Random(seed)
    more = tuple((Sent("202-1", "200", 100 + one, (40 + one, 2, 0)),) for one in range(RELEASES - len(NIGHT)))
    night = make_night((*NIGHT, *more))
    written = Written(tmp_path / "store", night)
    written.add(night.releases[0])
    database = tmp_path / "kept.sqlite"
    with served(tmp_path / "store") as url:
        for _ in range(KILLS):
            last_line = chance.randrange(1, 12)
            with follower(url, database, RELEASES) as child:
                assert child.stdout is not None
                for _ in range(last_line):
                    if child.stdout.readline().startswith(("open", "kept")):
                        if written.number == RELEASES - 1:  # it would wait for more in vain
                            break
                        written.add(night.releases[written.number])
                child.kill()
        while written.number < RELEASES:
            written.add(night.releases[written.number])
        with follower(url, database, RELEASES) as child:
            child.communicate(timeout=60)
        assert child.returncode == 0

    rows = kept(database)
    assert [number for number, _, _ in rows] == list(range(rows[0][0], RELEASES + 1))
    series = written.series
    for number, sha256, event in rows:
        manifest = (series / "manifest" / f"{number:09d}.xml").read_bytes()
        assert hashlib.sha256(manifest).hexdigest() == sha256
        newest = max(one for one in range(1, number + 1) if "event.xml" in night.releases[one - 1].documents)
        assert hashlib.sha256(night.releases[newest - 1].documents["event.xml"]).hexdigest() == event
