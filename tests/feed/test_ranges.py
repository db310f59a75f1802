"""Parts of documents and files, preconditions, HEAD and OPTIONS."""

import asyncio
import base64
import contextlib
import hashlib
import os
from asyncio import to_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed.access import AccessList
from skrutinium_server.feed.conditional import failed
from skrutinium_server.feed.ranges import Part, choose_part
from skrutinium_server.feed.refusals import Refusal
from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, night
from tests.feed.made_registers import put_archive
from tests.feed.test_serving import code

CONTEST = f"/event/{EVENT}/newest/contest/1.xml"
ARCHIVE = f"/event/{EVENT}/archive"


@pytest.mark.parametrize(
    ("header", "due"),
    [
        ("bytes=0-0", Part(0, 1)),
        ("bytes=0-", Part(0, 100)),
        ("Bytes=10-19", Part(10, 20)),
        ("bytes=90-1000", Part(90, 100)),
        ("bytes=-1", Part(99, 100)),
        ("bytes=-1000", Part(0, 100)),
        ("bytes= 5-6 ", Part(5, 7)),
        ("bytes=0-" + "9" * 40, Part(0, 100)),
        ("bytes=100-", 416),
        ("bytes=" + "9" * 40 + "-", 416),
        ("bytes=-0", 416),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=1-2,5-6", None),
        ("lines=1-2", None),
        ("bytes", None),
        ("bytes=a-b", None),
        ("", None),
    ],
)
def test_one_range_is_read_as_rfc_9110_writes_it(header: str, due: Part | int | None) -> None:
    """One range of bytes; what lies behind the end is refused; several, another unit, and what is none get the whole."""
    found = choose_part(header, None, '"a"', 100)
    assert (found.status if isinstance(found, Refusal) else found) == due


def test_range_counts_only_for_the_version_that_the_reader_has() -> None:
    """If-Range with our tag lets the range count; any other tag, a weak one, or a date, does not."""
    assert choose_part("bytes=0-0", '"a"', '"a"', 100) == Part(0, 1)
    for other in ('"b"', 'W/"a"', "Sat, 06 Oct 2018 14:00:00 GMT", ""):
        assert choose_part("bytes=0-0", other, '"a"', 100) is None


@given(st.text(alphabet="bytes=-0123456789, x", max_size=30), st.integers(0, 50))
def test_any_range_is_within_the_document(header: str, size: int) -> None:
    """Whatever is asked for: a part lies inside of the document and is not empty."""
    found = choose_part(header, None, '"a"', size)
    if isinstance(found, Part):
        assert 0 <= found.start < found.stop <= size


@pytest.mark.parametrize(
    ("if_match", "unmodified", "due"),
    [
        ('"a"', None, False),
        ("*", None, False),
        ('"x", "a"', None, False),
        ('"x"', None, True),
        ('W/"a"', None, True),
        (None, "Sat, 06 Oct 2018 14:00:00 GMT", False),
        (None, "Sat, 06 Oct 2018 13:59:59 GMT", True),
        (None, "no date", False),
        (None, "Sat, 99 Oct 2018 14:00:00 GMT", False),
    ],
)
def test_preconditions(if_match: str | None, unmodified: str | None, due: bool) -> None:
    """412 when the reader wants another version than there is."""
    assert failed(if_match, unmodified, '"a"', "Sat, 06 Oct 2018 14:00:00 GMT") is due


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_parts_make_up_the_document(fed: Fed, coding: str) -> None:
    """Parts of either coding join to the whole, with its length, tag and digest; the digest stays that of the whole."""
    _, whole, headers = await fed.get(CONTEST, Accept_Encoding=coding)
    joined = b""
    for start in range(0, len(whole), 700):
        status, part, told = await fed.get(
            CONTEST,
            Accept_Encoding=coding,
            Range=f"bytes={start}-{start + 699}",
            If_Range=headers["ETag"],
        )
        assert status == 206
        assert told["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
        for name in ("ETag", "Repr-Digest", "Vary", "Cache-Control", "Last-Modified", "Content-Type"):
            assert told[name] == headers[name]
        assert told.get("Content-Encoding") == headers.get("Content-Encoding")
        joined += part
    assert joined == whole
    digest = base64.b64encode(hashlib.sha256(whole).digest()).decode()
    assert headers["Repr-Digest"] == f"sha-256=:{digest}:"


async def test_what_is_not_one_part_of_this_version(fed: Fed) -> None:
    """416 with the size behind the end; 412 for another version; 304 comes before the range; HEAD knows no parts."""
    _, whole, headers = await fed.get(CONTEST)
    status, body, told = await fed.get(CONTEST, Range="bytes=999999-")
    assert (status, code(body), told["Content-Range"]) == (416, "range", f"bytes */{len(whole)}")
    status, body, _ = await fed.get(CONTEST, If_Match='"other"')
    assert (status, code(body)) == (412, "precondition")
    assert (await fed.get(CONTEST, If_Match=headers["ETag"]))[0] == 200
    assert (await fed.get(CONTEST, Range="bytes=0-0", If_None_Match=headers["ETag"]))[0] == 304
    status, body, told = await fed.get(CONTEST, method="HEAD", Range="bytes=0-0")
    assert (status, body, told["Content-Length"]) == (200, b"", str(len(whole)))
    for header in ("bytes=0-0,5-9", "items=0-1"):
        assert (await fed.get(CONTEST, Range=header))[:2] == (200, whole)


async def test_large_documents_say_that_they_have_parts(fed: Fed) -> None:
    """Accept-Ranges stands where it is worth it."""
    await to_thread(fed.store.release, night(), {"event.xml": document("event", 4, 100_000)})
    await fed.until(f"/event/{EVENT}/newest/manifest.xml", b'release="4"')
    assert (await fed.get(f"/event/{EVENT}/newest/event.xml"))[2]["Accept-Ranges"] == "bytes"
    assert "Accept-Ranges" not in (await fed.get(f"/event/{EVENT}/newest/area/CZ.xml"))[2]


async def test_options_tell_what_may_be_done(fed: Fed) -> None:
    """Every address that there is allows the same; browsers may read volby from other sites, and nothing else."""
    for path in (
        CONTEST,
        "/status",
        "/",
        f"/event/{EVENT}/push",
        f"{ARCHIVE}/newest.zip",
        f"/event/{EVENT}/changes?since=1",
    ):
        status, body, headers = await fed.get(path, method="OPTIONS")
        assert (status, body, headers["Allow"]) == (204, b"", "GET, HEAD, OPTIONS")
        assert "Access-Control-Allow-Origin" not in headers
    for path in ("/pls/kv2018/vysledky", "/appdata/kv2018/20181005/odata/vysledky.xml"):
        status, _, headers = await fed.get(
            path, method="OPTIONS", Origin="https://news.example", Access_Control_Request_Method="GET"
        )
        assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert (await fed.get("/nothing", method="OPTIONS"))[0] == 404
    assert "Access-Control-Allow-Origin" not in (await fed.get(CONTEST, Origin="https://news.example"))[2]


@pytest.fixture
def archived(night_store: MadeStore) -> tuple[MadeStore, bytes]:
    """A night with an archive of release 2 that is too large to be written at once."""
    data = os.urandom(3_000_000)
    put_archive(night_store, night(), 2, data, b"tables")
    return night_store, data


async def test_archives_are_sent_from_the_disk(archived: tuple[MadeStore, bytes]) -> None:
    """The newest and numbered ones, tables beside; with tag, digest, parts and 304; without one it is told."""
    store, data = archived
    async with feed_on(store) as fed:
        for name, due in (
            ("newest.zip", data),
            ("2.zip", data),
            ("newest-csv.zip", b"tables"),
            ("2-csv.zip", b"tables"),
        ):
            status, body, headers = await fed.get(f"{ARCHIVE}/{name}")
            assert (status, body, headers["Content-Type"]) == (200, due, "application/zip")
            digest = base64.b64encode(hashlib.sha256(due).digest()).decode()
            assert headers["Repr-Digest"] == f"sha-256=:{digest}:"
            assert headers["Skrutinium-Release"] == "2"
            assert (await fed.get(f"{ARCHIVE}/{name}", If_None_Match=headers["ETag"]))[0] == 304
            status, body, told = await fed.get(f"{ARCHIVE}/{name}", method="HEAD")
            assert (status, body, told["Content-Length"]) == (200, b"", str(len(due)))
        status, part, told = await fed.get(f"{ARCHIVE}/newest.zip", Range="bytes=1000000-1999999")
        assert (status, part) == (206, data[1_000_000:2_000_000])
        assert told["Content-Range"] == "bytes 1000000-1999999/3000000"
        # The connection goes on after a download.
        named = ARCHIVE.replace(f"/event/{EVENT}/", f"/event/{EVENT}/run/night/")
        assert (await fed.get(f"{named}/2.zip"))[2]["Cache-Control"].endswith("immutable")
        for name in ("3.zip", "x.zip", "newest.tar"):
            status, body, _ = await fed.get(f"{ARCHIVE}/{name}")
            assert (status, code(body)) == (404, "no-archive")


async def test_damaged_archive_is_not_served(archived: tuple[MadeStore, bytes]) -> None:
    """The newest archive has the hash that its name says, or is not sent; one made again is."""
    store, _ = archived
    path = await to_thread(put_archive, store, night(), 2, b"right", b"tables")
    async with feed_on(store) as fed:
        assert (await fed.get(f"{ARCHIVE}/newest.zip"))[:2] == (200, b"right")
        await to_thread(path.write_bytes, b"wrong")
        status, body, _ = await fed.get(f"{ARCHIVE}/newest.zip")
        assert (status, code(body)) == (503, "store-damaged")
        await to_thread(put_archive, store, night(), 2, b"again", b"tables")
        assert (await fed.get(f"{ARCHIVE}/newest.zip"))[:2] == (200, b"again")


async def test_download_takes_no_more_memory_than_the_client_reads(store: MadeStore) -> None:
    """Who reads slowly holds up nothing and nobody: what waits for it stays small; withdrawn access ends the download."""
    await to_thread(store.open_run, "night", "live")
    data = await to_thread(os.urandom, 40_000_000)
    await to_thread(store.release, night(), {"event.xml": document("event", 1)})
    await to_thread(put_archive, store, night(), 1, data, b"tables")
    async with feed_on(store) as fed:
        reader, writer = await asyncio.open_connection("127.0.0.1", fed.running.port, limit=65536)
        writer.write(f"GET {ARCHIVE}/newest.zip HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 40000000" in head
        (held,) = [one for one in fed.running._handling.connections._held if one.under_way]
        for _ in range(20):
            assert (await fed.get(f"/event/{EVENT}/newest/event.xml"))[0] == 200
            assert held.transport.get_write_buffer_size() < 1_000_000
        fed.running.admit(AccessList())
        received = 0
        with contextlib.suppress(ConnectionError):  # a reset, or an end before all of it
            while piece := await asyncio.wait_for(reader.read(1 << 20), 10):
                received += len(piece)
        assert received < len(data) // 2
        writer.close()
