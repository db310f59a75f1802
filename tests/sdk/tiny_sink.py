"""A small sink, and a program that follows a feed into it: ``python -m tests.sdk.tiny_sink URL DATABASE UNTIL``.

It keeps the mark in the same transaction as its rows, and says on standard output how far it is with each release.
"""

import asyncio
import dataclasses
import hashlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Self

import skrutinium

TABLES = (
    "CREATE TABLE IF NOT EXISTS release (number INTEGER, sha256 TEXT, event TEXT)",  # nothing forbids doubles: a test counts
    "CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY CHECK (one = 1), seen TEXT NOT NULL)",
)
QUICK = skrutinium.Timing(poll=0.05, heartbeat=0.1, push_retry=0.1)
PATIENT = skrutinium.Patience(attempts=20, first_pause=0.05, longest_pause=0.5)


class TinySink:
    """Rows of releases and the mark, in one database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: sqlite3.Connection

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self._held.close)

    def _open(self) -> None:
        self._held = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for table in TABLES:
            self._held.execute(table)

    async def read(self) -> skrutinium.Seen | None:
        rows = await asyncio.to_thread(lambda: self._held.execute("SELECT seen FROM mark").fetchall())
        if not rows:
            return None
        seen = json.loads(rows[0][0])
        return skrutinium.Seen(**{**seen, "keys": tuple(seen["keys"])})

    async def write(self, seen: skrutinium.Seen) -> None:
        """Nothing: the mark is there since the rows are."""

    async def take(self, release: skrutinium.Release) -> None:
        event = hashlib.sha256(await release.document("event.xml")).hexdigest()
        await asyncio.to_thread(self._take, release, event)

    def _take(self, release: skrutinium.Release, event: str) -> None:
        run = self._held.execute
        run("BEGIN IMMEDIATE")
        run("INSERT INTO release VALUES (?, ?, ?)", (release.number, release.sha256, event))
        say("rows", release.number)
        run(
            "INSERT INTO mark VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seen = excluded.seen",
            (json.dumps(dataclasses.asdict(release.mark)),),
        )
        say("mark", release.number)
        run("COMMIT")
        say("kept", release.number)


def say(*words: object) -> None:
    """One line, at once."""
    print(*words, flush=True)


async def follow(url: str, database: Path, until: int) -> None:
    """Take every release up to ``until``."""
    say("begins")
    async with (
        TinySink(database) as sink,
        skrutinium.connect(url, state=sink, timing=QUICK, requests=PATIENT) as feed,
    ):
        say("open")
        async for release in feed.releases():
            say("got", release.number)
            await sink.take(release)
            if release.number >= until:
                return


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
