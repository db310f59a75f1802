"""What the operator sees of a feed: scraped over a real socket and read with the parser of the library that Prometheus's readers use."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from asyncio import to_thread

import aiohttp
import pytest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from skrutinium_server.feed import metrics as metrics_module
from skrutinium_server.feed.metrics import MetricsServer
from tests.feed.made import EVENT, Fed, MadeStore, document, night

PATH = f"/event/{EVENT}/newest/event.xml"
ME = "this-machine"


def scrape(address: tuple[str, int], path: str = "/metrics") -> str:
    """The text of a scrape."""
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}{path}", timeout=60) as answer:
        return str(answer.read(), "utf-8")


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**told: str) -> tuple[tuple[str, str], ...]:
    """Labels as samples have them."""
    return tuple(sorted(told.items()))


async def test_requests_are_counted_by_subscriber_and_kind(fed: Fed) -> None:
    """Documents, manifests, 304 and refusals show with subscriber, kind, status and code; the front's and the ordinary path's alike."""
    async with MetricsServer("127.0.0.1", 0, fed.running.metrics, asyncio.get_running_loop()) as server:
        status, body, headers = await fed.get(PATH)
        assert status == 200
        tag = headers["ETag"]
        for _ in range(3):
            assert (await fed.get(PATH, If_None_Match=tag))[0] == 304
        assert (await fed.get(f"/event/{EVENT}/newest/manifest.xml"))[0] == 200
        assert (await fed.get(f"/event/{EVENT}/newest/none.xml"))[0] == 404
        found = samples(await to_thread(scrape, server.address))
    at = "skrutinium_requests_total"
    assert found[at, labels(subscriber=ME, kind="document", status="200")] == 1
    assert found[at, labels(subscriber=ME, kind="document", status="304")] == 3
    assert found[at, labels(subscriber=ME, kind="manifest", status="200")] == 1
    assert found["skrutinium_refused_total", labels(subscriber=ME, status="404", code="no-document")] == 1
    assert found["skrutinium_answers_total", labels(**{"class": "3xx"})] == 3
    assert found["skrutinium_sent_bytes_total", labels(subscriber=ME)] >= len(body)
    key = labels(event=EVENT, run="night", series="skrutinium")
    assert found["skrutinium_release_number", key] == 3
    assert found["skrutinium_release_age_seconds", key] >= 0
    assert found["process_resident_memory_bytes", ()] > 1_000_000


async def test_push_and_alarms_show(fed: Fed, night_store: MadeStore) -> None:
    """A push connection is a gauge, and a broken access list an alarm until it is mended."""
    async with MetricsServer("127.0.0.1", 0, fed.running.metrics, asyncio.get_running_loop()) as server:
        url = f"http://127.0.0.1:{fed.running.port}/event/{EVENT}/push"
        async with aiohttp.ClientSession() as session, session.get(url) as stream:
            await stream.content.readuntil(b"event: release")
            assert samples(await to_thread(scrape, server.address))["skrutinium_push_connections", ()] == 1
        good = night_store.access.read_text()
        for text, alarmed in (("[[", True), (good, False)):
            await to_thread(night_store.access.write_text, text)
            async with asyncio.timeout(60):
                while (
                    ("skrutinium_alarm", labels(alarm="access"))
                    in samples(await to_thread(scrape, server.address))
                ) is not alarmed:
                    pass


async def test_nothing_else_is_at_the_port_of_metrics(fed: Fed) -> None:
    """Another path than /metrics is 404."""
    async with MetricsServer("127.0.0.1", 0, fed.running.metrics, asyncio.get_running_loop()) as server:
        seen = await to_thread(_status, server.address, b"/")
        assert seen.startswith(b"HTTP/1.0 404")


def _status(address: tuple[str, int], path: bytes) -> bytes:
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.recv(200)


def test_the_process_listens_apart_and_writes_a_log(night_store: MadeStore) -> None:
    """A process says where its metrics are: not at the public port; the access log follows rotation, 304 are summed up."""
    path = night_store.root.parent / "access.jsonl"
    files = [str(night_store.root), str(night_store.access)]
    command = [sys.executable, "-m", "skrutinium_server.feed.server", *files]
    with subprocess.Popen(
        [*command, "127.0.0.1", "0", "--metrics", "127.0.0.1:0", "--access-log", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        said = json.loads(child.stdout.readline())
        public = ("127.0.0.1", said["listening"][1])
        assert b"404" in _status(public, b"/metrics")[:20]
        assert "skrutinium_refused_total" in scrape(tuple(said["metrics"]))
        tag = ""
        with urllib.request.urlopen(f"http://127.0.0.1:{public[1]}{PATH}", timeout=60) as answer:
            assert answer.read() == document("event night", 3)
            tag = answer.headers["ETag"]
        moved = path.with_name("access.jsonl.1")
        while not path.read_bytes().count(b"\n") >= 2:
            pass
        path.rename(moved)
        child.send_signal(signal.SIGHUP)
        for _ in range(5):
            asked = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"
            with socket.create_connection(public, timeout=60) as connection:
                connection.sendall(asked.encode())
                assert b" 304 " in connection.recv(4096)
        child.stdin.close()
        assert child.wait(20) == 0
    before = [json.loads(line) for line in moved.read_text().splitlines()]
    after = [json.loads(line) for line in path.read_text().splitlines()]
    refused, given = before[0], before[1]
    assert (refused["path"], refused["status"], refused["subscriber"]) == ("/metrics", 404, ME)
    assert refused["request_id"]
    assert (given["path"], given["status"], given["bytes"]) == (PATH, 200, len(document("event night", 3)))
    assert (given["phase"], given["address"], given["method"]) == ("live", "127.0.0.1", "GET")
    assert sum(one["count"] for one in after if one["status"] == 304) == 5
    assert night().series == "skrutinium"


async def test_loop_that_hangs_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the event loop takes no turn a scrape is answered with 503 and the reason; when it goes on, with metrics."""
    monkeypatch.setattr(metrics_module, "PATIENCE", 0.2)
    loop = asyncio.new_event_loop()
    going_on = threading.Thread(target=loop.run_forever)
    made = MetricsServer("127.0.0.1", 0, lambda: [GaugeMetricFamily("alive", "It is.", value=1)], loop)
    try:
        async with made as server:
            told = await to_thread(_status, server.address, b"/metrics")
            assert told.startswith(b"HTTP/1.0 503")
            assert await to_thread(_body, server.address) == b"the process does not answer: TimeoutError\n"
            monkeypatch.setattr(metrics_module, "PATIENCE", 60)
            await to_thread(going_on.start)
            assert samples(await to_thread(scrape, server.address))["alive", ()] == 1
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await to_thread(going_on.join)
        loop.close()


def _body(address: tuple[str, int]) -> bytes:
    """The body of a refused scrape."""
    with pytest.raises(urllib.error.HTTPError) as told:
        scrape(address)
    with told.value as answer:
        return answer.read()


async def test_fault_of_the_metrics_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A fault in what tells the metrics is 500 for who scrapes and in the log, not a connection that just closes."""

    def broken() -> list[GaugeMetricFamily]:
        raise KeyError("subscriber")

    async with MetricsServer("127.0.0.1", 0, broken, asyncio.get_running_loop()) as server:
        told = await to_thread(_status, server.address, b"/metrics")
    assert told.startswith(b"HTTP/1.0 500")
    assert "KeyError" in caplog.text
