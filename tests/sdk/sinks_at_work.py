"""Sinks of each kind made and read back: with the tools of the place alone, nothing of the sinks' own code."""

import asyncio
import csv
import datetime
import random
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

import skrutinium
from skrutinium import TABLES, Record
from skrutinium.sinks.csv_folder import CsvSink
from skrutinium.sinks.postgresql import PostgresSink
from skrutinium.sinks.sink import Sink
from skrutinium.sinks.sqlite import SqliteSink
from tests.sdk.store_builder import PRECINCTS, Sent

KINDS = ("csv", "sqlite", "postgresql")
Tables = dict[str, list[tuple[Any, ...]]]


def sink_at(kind: str, where: str, **wanted: Any) -> Sink:
    """A sink of a kind: ``where`` is a folder, a file, or the address of a database."""
    match kind:
        case "csv":
            return CsvSink(where, **wanted)
        case "sqlite":
            return SqliteSink(where, **wanted)
        case _:
            return PostgresSink(where, **wanted)


async def read_back(kind: str, where: str) -> Tables:
    """Every row that is there, table by table, by key; with ``releases`` as their numbers."""
    match kind:
        case "csv":
            return await asyncio.to_thread(_of_csv, Path(where))
        case "sqlite":
            return await asyncio.to_thread(_of_sqlite, where)
        case _:
            return await _of_postgres(where)


def _of_csv(folder: Path) -> Tables:
    newest = (folder / "newest").resolve()
    tables: Tables = {}
    for file in newest.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as text:
            header, *rows = csv.reader(text)
        if file.stem == "releases":
            tables["releases"] = [(int(row[0]),) for row in rows]
        elif file.stem not in ("documents", "missing"):
            tables[file.stem] = [_from_text(file.stem, header, row) for row in rows]
    return _sorted(tables)


def _from_text(table: str, header: list[str], row: list[str]) -> tuple[Any, ...]:
    assert tuple(header) == TABLES[table].names
    values: list[Any] = []
    for column, text in zip(TABLES[table].columns, row, strict=True):
        if text == "" and column.name not in TABLES[table].key:
            values.append(None)
        elif column.type == "bool":
            values.append({"yes": True, "no": False}[text])
        else:
            values.append(int(text) if column.type == "int" else text)
    return tuple(values)


def _of_sqlite(where: str) -> Tables:
    database = sqlite3.connect(f"file:{where}?mode=ro", uri=True)
    try:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        tables: Tables = {
            name: [_true(name, row) for row in database.execute(f'SELECT * FROM "{name}"')]
            for name in names & TABLES.keys()
        }
        if "releases" in names:
            tables["releases"] = list(database.execute("SELECT release FROM releases"))
    finally:
        database.close()
    return _sorted(tables)


def _true(table: str, row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        bool(value) if column.type == "bool" and value is not None else value
        for column, value in zip(TABLES[table].columns, row, strict=True)
    )


async def _of_postgres(where: str) -> Tables:
    connection = await asyncpg.connect(where)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'skrutinium'"
            names = {row["table_name"] for row in await connection.fetch(query)}
            tables: Tables = {
                name: [
                    tuple(map(_as_text, row))
                    for row in await connection.fetch(f'SELECT * FROM skrutinium."{name}"')
                ]
                for name in names & TABLES.keys()
            }
            if "releases" in names:
                numbers = await connection.fetch("SELECT release FROM skrutinium.releases")
                tables["releases"] = [tuple(row) for row in numbers]
    finally:
        await connection.close()
    return _sorted(tables)


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, datetime.date) else value


def _sorted(tables: Tables) -> Tables:
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def expected(records: Mapping[str, Sequence[Record]]) -> Tables:
    """The same of records."""
    return _sorted({name: [tuple(one.values()) for one in rows] for name, rows in records.items()})


async def fresh(root: Path, number: int | None = None, **wanted: Any) -> Tables:
    """What a store says as of a release, the newest unless told, read without any sink."""
    async with skrutinium.connect(root) as feed:
        return expected(await skrutinium.records(await feed.release(number), **wanted))


def long_night(seed: int, releases: int) -> tuple[tuple[Sent, ...], ...]:
    """Protocols by release, corrections among them, all drawn from ``seed``."""
    chance = random.Random(seed)
    polls = [(precinct, contest) for precinct, (_, contests) in PRECINCTS.items() for contest in contests]
    night: list[tuple[Sent, ...]] = [()]
    for sequence in range(1, releases):
        told = chance.sample(polls, chance.randint(1, 3))
        night.append(
            tuple(
                Sent(
                    precinct,
                    contest,
                    sequence,
                    (chance.randint(0, 99), chance.randint(0, 99), chance.randint(0, 9)),
                )
                for precinct, contest in told
            )
        )
    return tuple(night)
