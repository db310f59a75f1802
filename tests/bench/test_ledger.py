"""How fast the ledger takes in protocols that are durable before they are acknowledged."""

import asyncio
import sqlite3
import statistics
import time
from pathlib import Path

from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger.reading import SqliteReader
from skrutinium_server.ledger.sqlite import SqliteLedger
from tests.ledger.made import NIGHT, OPENED, admission

IN_FLIGHT = 64
PROTOCOLS = 6_400
ROUNDS = 3
WANTED = 5_000


async def append_all(path: Path, admissions: list[Admission]) -> float:
    """Protocols per second through `append`, one protocol a call, from 64 callers that each wait for their receipt."""
    async with SqliteLedger.create(path, OPENED) as ledger:
        waiting = iter(admissions)

        async def caller() -> None:
            for admitted in waiting:
                await ledger.append((admitted,), NIGHT)

        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        return len(admissions) / (time.perf_counter() - start)


def insert_all(path: Path, rows: list[tuple[int, bytes, bytes, bytes]]) -> float:
    """The yardstick: the same rows by bare sqlite3, as many to a commit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE entries (position INTEGER PRIMARY KEY, head BLOB, data BLOB, hash BLOB)")
    start = time.perf_counter()
    for begin in range(0, len(rows), IN_FLIGHT):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows[begin : begin + IN_FLIGHT])
        connection.execute("COMMIT")
    speed = len(rows) / (time.perf_counter() - start)
    connection.close()
    return speed


def test_ledger_appends_5000_durable_protocols_a_second(tmp_path: Path) -> None:
    """With 64 appends in flight at least 5,000 Czech-size protocols a second are durable and acknowledged."""
    admissions = [admission(number) for number in range(1, PROTOCOLS + 1)]
    speeds: list[float] = []
    yardsticks: list[float] = []
    rows: list[tuple[int, bytes, bytes, bytes]] = []
    for round_ in range(ROUNDS):
        folder = tmp_path / str(round_)
        folder.mkdir()
        speeds.append(asyncio.run(append_all(folder / "ledger.sqlite", admissions)))
        stored = sqlite3.connect(folder / "ledger.sqlite")
        rows = stored.execute("SELECT * FROM entries").fetchall()
        stored.close()
        yardsticks.append(insert_all(folder / "bare.sqlite", rows))
    start = time.perf_counter()
    with SqliteReader(tmp_path / "0" / "ledger.sqlite") as reader:
        read = sum(1 for _ in reader.entries())
    reading = read / (time.perf_counter() - start)
    size = sum(len(head) + len(data) for _, head, data, _ in rows) // len(rows)
    speed, yardstick = statistics.median(speeds), statistics.median(yardsticks)
    print(
        f"\nledger: {speed:,.0f} protocols/s durable, {IN_FLIGHT} in flight ({size} bytes each); "
        f"bare sqlite3 {yardstick:,.0f} rows/s; ratio {speed / yardstick:.2f}; reading and checking {reading:,.0f} entries/s"
    )
    assert read == PROTOCOLS + 1
    assert speed >= WANTED
