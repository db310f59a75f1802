"""Receipts: taken from registered ranges in tests and rehearsals, refused with a reason otherwise, and never in anybody's way."""

import asyncio
import json
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from skrutinium_server.feed.limits import Limits
from skrutinium_server.feed.receipts import LARGEST, read_receipt
from skrutinium_server.xml_parsing import xml_parser
from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, small_night
from tests.feed.test_serving import code

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (ROOT / "samples/skrutinium/1.0/rehearsal/valid/receipt.xml").read_bytes()
AT = f"/event/{EVENT}/receipt"


def receipt(run: str = "rehearsal", event: str = EVENT) -> bytes:
    """The sample, of a run of the made store."""
    return SAMPLE.replace(b'"kv2030"', b'"%b"' % event.encode()).replace(
        b'"rehearsal-1"', b'"%b"' % run.encode()
    )


@pytest.fixture
def two_runs(store: MadeStore) -> MadeStore:
    """A store with a rehearsal that is read, and a live run beside it."""
    small_night(store, "night", "live", current=False)
    small_night(store, "rehearsal", "rehearsal")
    return store


@pytest.fixture
async def taking(two_runs: MadeStore, tmp_path: Path) -> AsyncIterator[Fed]:
    """A feed on it that takes receipts into ``receipts.jsonl``."""
    async with feed_on(two_runs, receipts=tmp_path / "receipts.jsonl") as fed:
        yield fed


async def post(fed: Fed, body: bytes, path: str = AT, **headers: str) -> tuple[int, bytes]:
    """Send a receipt."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with fed.client.post(fed.base + path, data=body, headers=sent) as response:
        return response.status, await response.read()


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again until something holds."""
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def written(path: Path, count: int) -> list[dict[str, Any]]:
    """The lines of the file as soon as there are so many."""
    async with asyncio.timeout(60):
        while True:
            lines = (await to_thread(_lines, path)).splitlines()
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            await asyncio.sleep(0.01)


def alarms(fed: Fed) -> set[str]:
    """The alarms that the metrics tell."""
    return {
        one.labels["alarm"]
        for metric in fed.running.metrics()
        if metric.name == "skrutinium_alarm"
        for one in metric.samples
    }


def lost(fed: Fed) -> float:
    """So many receipts were lost by the metrics."""
    (metric,) = [one for one in fed.running.metrics() if one.name == "skrutinium_receipts_lost"]
    return metric.samples[0].value


def _lines(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


async def test_receipt_is_taken_and_written(taking: Fed, tmp_path: Path) -> None:
    """A receipt is answered with 204, and a line has who sent it, when it came, and all that it says."""
    assert await post(taking, receipt()) == (204, b"")
    [line] = await written(tmp_path / "receipts.jsonl", 1)
    assert line.pop("received").endswith("Z")
    last = line["done"].pop()
    assert len(line.pop("done")) == 2
    assert line == {
        "subscriber": "this-machine",
        "address": "127.0.0.1",
        "phase": "rehearsal",
        "event": EVENT,
        "run": "rehearsal",
        "client": "9f86d081884c7d65",
        "software": "skrutinium 0.1.0",
        "program": "Evening graphics 4.2",
        "sent": "2030-10-05T14:03:05.000Z",
        "codebook": 1,
        "by-mail": 1,
        "mails": 3,
        "corrections": 1,
    }
    assert last == {
        "release": 17,
        "manifest": "05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f",
        "time": "2030-10-05T14:03:02.417Z",
        "source": "second-site",
        "corrections": 1,
    }


async def test_address_tells_what_it_takes(taking: Fed) -> None:
    """OPTIONS says POST; reading is refused with the same, and every other address stays as it was."""
    for method in ("OPTIONS", "GET", "HEAD"):
        status, body, headers = await taking.get(AT, method=method)
        assert (status, headers["Allow"]) == (204 if method == "OPTIONS" else 405, "OPTIONS, POST")
        assert method != "GET" or code(body) == "receipt-only"
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await taking.get(AT, method=method))[0] == 405
    for path in ("/state.xml", f"/event/{EVENT}/newest/event.xml", f"/event/{EVENT}/run/rehearsal/receipt"):
        status, body = await post(taking, receipt(), path)
        assert (status, code(body)) == (405, "method")


async def test_without_a_file_nothing_is_taken(fed: Fed) -> None:
    """A feed that was not asked to take receipts has no such address."""
    assert (await post(fed, receipt("night")))[0] == 405
    for method in ("GET", "OPTIONS"):
        assert (await fed.get(AT, method=method))[0] == 404


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (receipt("night"), (403, "receipt-live")),
        (receipt("other"), (403, "receipt-run-refused")),
        (receipt(event="kv2022"), (403, "receipt-run-refused")),
        (b"", (400, "receipt-invalid")),
        (b"<receipt/>", (400, "receipt-invalid")),
        (receipt().replace(b'by-mail="1"', b'by-mail="-1"'), (400, "receipt-invalid")),
        (b"<!DOCTYPE receipt>" + receipt().partition(b"\n")[2], (400, "receipt-invalid")),
        (document("event", 1), (400, "receipt-invalid")),
        (receipt() + b"<!--" + b"x" * LARGEST + b"-->", (413, "receipt-too-large")),
    ],
    ids=["live", "no-run", "other-event", "empty", "bare", "invalid", "doctype", "other-document", "large"],
)
async def test_refusals(taking: Fed, tmp_path: Path, body: bytes, refused: tuple[int, str]) -> None:
    """What is no receipt of a test or rehearsal that may be read is refused by its code, and not written."""
    status, told = await post(taking, body)
    assert (status, code(told)) == refused
    assert await post(taking, receipt()) == (204, b"")
    assert len(await written(tmp_path / "receipts.jsonl", 1)) == 1


async def test_strangers_send_nothing(taking: Fed, store: MadeStore) -> None:
    """An address in no range is refused as everywhere."""
    await to_thread(store.access.write_text, "")
    await taking.until("/state.xml", b"access-refused")
    status, told = await post(taking, receipt())
    assert (status, code(told)) == (403, "access-refused")


async def test_slow_bodies_hold_nothing_up(taking: Fed, tmp_path: Path) -> None:
    """Bodies that do not come hold up nobody; in the end they are told so and the connection closes."""
    receipts = taking.running._handling.receipts
    assert receipts is not None
    receipts._longest = 0.5
    head = f"POST {AT} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n".encode()
    slow = [await asyncio.open_connection("127.0.0.1", taking.running.port) for _ in range(20)]
    for _, writer in slow:
        writer.write(head + b"<receipt")
    held = taking.running._handling.connections._held
    await until(lambda: sum(one.under_way for one in held) == len(slow))
    receipts._longest = 60
    assert await post(taking, receipt()) == (204, b"")
    assert (await taking.get("/state.xml"))[0] == 200
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(reader.read() for reader, _ in slow))
    for _, writer in slow:
        writer.close()
    assert all(one.startswith(b"HTTP/1.1 408 ") and b"receipt-late" in one for one in answers)
    assert len(await written(tmp_path / "receipts.jsonl", 1)) == 1


async def test_chunked_bodies_and_expectations(taking: Fed, tmp_path: Path) -> None:
    """A body in chunks of unknown size is taken, one that never ends is cut off; who waits for 100 is told to go on."""
    whole = receipt()
    reader, writer = await asyncio.open_connection("127.0.0.1", taking.running.port)
    writer.write(
        f"POST {AT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(whole)}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    async with asyncio.timeout(60):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(whole + f"POST {AT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        writer.write(f"POST {AT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(5):
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        assert b"receipt-too-large" in await reader.read()
    writer.close()
    assert len(await written(tmp_path / "receipts.jsonl", 2)) == 2


async def test_body_that_is_cut_off(taking: Fed) -> None:
    """Who ends in the middle of a receipt is told at once that it was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", taking.running.port)
    writer.write(f"POST {AT} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n<receipt".encode())
    writer.write_eof()
    async with asyncio.timeout(60):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")  # not 408: nobody waits for what cannot come
    assert b"receipt-invalid" in answer
    writer.close()


async def test_limit_of_their_own(taking: Fed) -> None:
    """Who sends too many is told when to go on, and reads on as before."""
    receipts = taking.running._handling.receipts
    assert receipts is not None
    receipts._limits = Limits(1, 2, lambda: 0)
    told = [(await post(taking, receipt()))[0] for _ in range(4)]
    assert told == [204, 204, 429, 429]
    assert (await taking.get("/state.xml"))[0] == 200


async def test_file_follows_rotation_and_trouble(taking: Fed, tmp_path: Path) -> None:
    """A file that was moved away is opened anew; one that cannot be opened loses lines, and says so in the metrics, but refuses nobody."""
    path = tmp_path / "receipts.jsonl"
    receipts = taking.running._handling.receipts
    assert receipts is not None
    assert await post(taking, receipt()) == (204, b"")
    await written(path, 1)
    await to_thread(path.rename, tmp_path / "receipts.jsonl.1")
    assert await post(taking, receipt()) == (204, b"")
    await written(path, 1)
    await to_thread(path.unlink)
    await to_thread(path.mkdir)
    assert await post(taking, receipt()) == (204, b"")
    await until(lambda: bool(receipts.lost))
    assert receipts.trouble
    assert (alarms(taking), lost(taking)) == ({"receipts"}, receipts.lost)
    await to_thread(path.rmdir)
    assert await post(taking, receipt()) == (204, b"")
    await until(lambda: not receipts.trouble)
    assert (alarms(taking), lost(taking)) == (set(), receipts.lost)
    await written(path, 1)


def test_what_is_no_xml_is_no_receipt() -> None:
    """Whatever bytes come, the answer is None and no exception."""
    schema = etree.XMLSchema(
        etree.fromstring((ROOT / "xsd/skrutinium/1.0/rehearsal.xsd").read_bytes(), xml_parser())
    )
    for body in (
        b"\x00",
        b"\xff\xfe<",
        b"<a",
        SAMPLE[:-5],
        SAMPLE.replace(b"UTF-8", b"UTF-99"),
        b"<a>" * 300,
    ):
        assert read_receipt(body, schema) is None
    assert read_receipt(SAMPLE, schema) is not None
