"""A release is looked at document by document: neither reading its pack nor writing one into a mirror holds all of it."""

import asyncio
import gzip
import hashlib
import io
import tarfile
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from skrutinium.documents.series import Document, Run
from skrutinium.errors import DamagedError
from skrutinium.mirroring.files import SeriesFiles, StoreFiles, packed
from skrutinium.sources.address import Address
from skrutinium.sources.hosted import Hosted
from skrutinium.sources.packs import Member
from skrutinium.sources.spooling import HELD, Spool
from skrutinium.sources.transport import Transport
from tests.sdk.several import IMPATIENT
from tests.sdk.store_builder import EVENT, PHASE, RUN, SERIES, tar

MEGABYTE = 1024 * 1024
COUNT = 40
THE_RUN = Run(EVENT, RUN, "Made-up election", None, "made-up-2030", PHASE, True, True, (SERIES,))
LEAST = {"manifest.xml": b"<manifest/>\n", "manifest.xml.sig": b"ed25519 \n"}


def large(number: int) -> bytes:
    """A document of 2 MB that packs well."""
    return f"<document number='{number:09d}'/>\n".encode() * (2 * MEGABYTE // 32)


def row(path: str) -> Document:
    return Document(path, 0, "", "", 1)


def member(name: str, data: bytes) -> Member:
    return Member(name, len(data), hashlib.sha256(data).hexdigest(), data)


class PackServer:
    """Gives one pack at the address of a feed and of a store, and the manifest of a store; cut off when told to."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.cut = 0

    async def answer(self, request: web.Request) -> web.Response:
        if "/manifest/" in request.path:
            return web.Response(
                body=LEAST["manifest.xml.sig" if request.path.endswith("sig") else "manifest.xml"]
            )
        cut, self.cut = self.cut, 0
        return web.Response(body=self.body[: -cut or None])


@pytest.fixture
async def server() -> AsyncIterator[tuple[PackServer, str]]:
    made = await asyncio.to_thread(lambda: gzip.compress(tar([*LEAST.items(), *_documents()]), 1))
    server = PackServer(made)
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def _documents() -> Iterator[tuple[str, bytes]]:
    yield from ((f"contest/{number}.xml", large(number)) for number in range(COUNT))


@pytest.mark.parametrize("kind", [Address, Hosted])
async def test_pack_is_not_held(server: tuple[PackServer, str], kind: type[Address]) -> None:
    """80 MB of documents are read one by one, in any order, with a few megabytes in memory; nothing of a pack that is cut off is used."""
    server[0].cut = 7
    source = kind(Transport(server[1], patience=IMPATIENT))
    with pytest.raises(DamagedError, match="cut off"):
        await source.series(THE_RUN).release(1)
    tracemalloc.start()
    try:
        material = await source.series(THE_RUN).release(1)
        for number in (COUNT - 1, 0, 17):
            data = await asyncio.to_thread(material.load, row(f"contest/{number}.xml"))
            assert data == large(number)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await source.close()
    assert material.manifest == LEAST["manifest.xml"]
    assert peak < HELD + 20 * MEGABYTE
    with pytest.raises(DamagedError, match="holds no contest/77"):
        material.load(row("contest/77.xml"))


def test_pack_is_written_document_by_document(tmp_path: Path) -> None:
    """A mirror's pack of 80 MB takes a few megabytes in memory; what fails in between leaves no file."""
    files = SeriesFiles(StoreFiles(tmp_path), EVENT, RUN, SERIES)
    tracemalloc.start()
    try:
        files.put_pack(1, _documents())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MEGABYTE
    with tarfile.open(files.folder / "pack" / "000000001.tar.gz") as archive:
        assert archive.getnames() == [name for name, _ in _documents()]

    def broken() -> Iterator[tuple[str, bytes]]:
        yield "contest/1.xml", large(1)
        raise DamagedError("another hash")

    with pytest.raises(DamagedError):
        files.put_pack(2, broken())
    assert [path.name for path in (files.folder / "pack").iterdir()] == ["000000001.tar.gz"]


@given(st.lists(st.binary(max_size=2000) | st.integers(0, 40_000).map(bytes), max_size=30))
def test_pack_is_that_of_the_publisher(contents: list[bytes]) -> None:
    """Whatever is in it, a pack has the bytes that the standard library writes."""
    members = [(f"precinct/{number}.xml", data) for number, data in enumerate(contents)]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert packed(members) == out.getvalue()


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(0, 500))
def test_spool_gives_what_was_put_in(contents: list[bytes], held: int) -> None:
    """However much of it is in memory, every member is read back, by several threads at once."""
    spool = Spool("here", held)
    half = len(contents) // 2
    for start, part in ((0, contents[:half]), (half, contents[half:])):
        spool.add(member(f"m/{number}", data) for number, data in enumerate(part, start))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(spool.read, (f"m/{number}" for number in range(len(contents))))) == contents
    if contents:
        with pytest.raises(DamagedError, match="twice"):
            spool.add([member("m/0", b"again")])
