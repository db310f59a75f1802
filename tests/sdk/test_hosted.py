"""A release store behind a web server that knows nothing but files, or believes that it knows everything."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from skrutinium.documents.registers_reading import read_index
from skrutinium.documents.series import Run
from skrutinium.errors import ChainError, DamagedError, NotYet, SchemaError
from skrutinium.sources.hosted import Hosted
from skrutinium.sources.transport import Transport
from tests.sdk.registers_builder import make_registers
from tests.sdk.several import IMPATIENT
from tests.sdk.store_builder import EVENT, PHASE, RUN, SERIES, make_night

PAGE = b"<!doctype html><title>Welcome</title>"
REGISTERS = f"/event/{EVENT}/registers"


class Files:
    """Serves the files below ``root``; what is not there is answered by ``otherwise``."""

    def __init__(self, root: Path, otherwise: Callable[[str], bytes | None]) -> None:
        self.root = root
        self.otherwise = otherwise
        self.asked: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] += 1
        path = self.root / request.path.lstrip("/")
        there = await asyncio.to_thread(lambda: path.read_bytes() if path.is_file() else None)
        body = there if there is not None else self.otherwise(request.path)
        return web.Response(body=body) if body is not None else web.Response(status=404)


@contextlib.asynccontextmanager
async def hosted(root: Path, otherwise: Callable[[str], bytes | None]) -> AsyncIterator[tuple[Hosted, Files]]:
    files = Files(root, otherwise)
    app = web.Application()
    app.router.add_get("/{path:.*}", files.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    source = Hosted(Transport(f"http://127.0.0.1:{runner.addresses[0][1]}", patience=IMPATIENT))
    try:
        yield source, files
    finally:
        await source.close()
        await runner.cleanup()


def write(root: Path, editions: int) -> None:
    """A night, and so many editions of its registers."""
    written = make_night().write(root)
    for edition in range(1, editions + 1):
        make_registers().write(written, edition=edition)


@pytest.mark.parametrize("editions", [1, 3])
@pytest.mark.parametrize("knows_all", [False, True])
async def test_newest_edition_of_registers(tmp_path: Path, editions: int, knows_all: bool) -> None:
    """The newest edition is found by few requests, also where a page answers everything that is not there."""
    await asyncio.to_thread(write, tmp_path, editions)
    async with hosted(tmp_path, lambda _: PAGE if knows_all else None) as (source, files):
        registers = source.registers(EVENT)
        async with asyncio.timeout(60):
            data, line = await registers.index(1)
        index = await asyncio.to_thread(read_index, data, "")
        assert (index.edition, line[:8]) == (editions, b"ed25519 ")
        assert sum(files.asked.values()) <= 2 * (editions + 1) + 1
        with pytest.raises(NotYet if not knows_all else SchemaError):
            await asyncio.to_thread(read_index, (await registers.index(2))[0], "")


async def test_one_index_under_every_name(tmp_path: Path) -> None:
    """A server that gives the same index whatever is asked for is not asked for ever."""
    await asyncio.to_thread(write, tmp_path, 1)
    index = tmp_path / REGISTERS[1:] / "000000001.xml"
    same = {
        end: await asyncio.to_thread(index.with_name(index.name + end).read_bytes) for end in ("", ".sig")
    }
    async with hosted(tmp_path, lambda path: same[".sig" if path.endswith(".sig") else ""]) as (
        source,
        files,
    ):
        async with asyncio.timeout(60):
            data, _ = await source.registers(EVENT).index(1)
        assert data == same[""]
        assert sum(files.asked.values()) < 10


async def test_damaged_edition_is_no_older_one(tmp_path: Path) -> None:
    """Where the store names a later edition that cannot be read, the one before it does not stand in."""
    await asyncio.to_thread(write, tmp_path, 2)
    await asyncio.to_thread((tmp_path / REGISTERS[1:] / "000000001.2.xml").write_bytes, b"<registers")
    async with hosted(tmp_path, lambda _: None) as (source, _):
        with pytest.raises(DamagedError, match="the store names one"):
            await source.registers(EVENT).index(1)


async def test_one_manifest_under_every_name(tmp_path: Path) -> None:
    """Looking for the newest checkpoint ends at a manifest of another number, however many are claimed."""
    await asyncio.to_thread(write, tmp_path, 1)
    series = tmp_path / "event" / EVENT / RUN / SERIES
    await asyncio.to_thread((series / "newest").write_text, f"999999999 {'0' * 64}\n")
    manifest = await asyncio.to_thread((series / "manifest" / "000000002.xml").read_bytes)
    async with hosted(tmp_path, lambda _: manifest) as (source, files):
        run = Run(EVENT, RUN, "Made-up election", None, "made-up-2030", PHASE, True, True, (SERIES,))
        with pytest.raises(ChainError, match="in place of release 999999999"):
            await source.series(run, SERIES).checkpoint()
        assert sum(files.asked.values()) < 10
