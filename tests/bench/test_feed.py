"""How soon a started feed serves."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.feed.made import EVENT, MadeStore, document, night


def pinned(core: int) -> list[str]:
    """Run on one core, when there is another one for the load."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else []


def started_feed(store: MadeStore, *options: str) -> tuple["subprocess.Popen[bytes]", int]:
    """A feed process and its port."""
    with (store.root.parent / "errors").open("ab") as errors:
        child = subprocess.Popen(
            [
                *pinned(0),
                sys.executable,
                "-m",
                "skrutinium_server.feed.server",
                store.root,
                store.access,
                "127.0.0.1",
                "0",
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert child.stdout is not None
    assert child.stdin is not None
    port = json.loads(child.stdout.readline())["listening"][1]
    child.stdout.close()
    return child, port


def answer(port: int, request: bytes) -> bytes:
    """The head of one answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        return data.partition(b"\r\n\r\n")[0]


def request(path: str, *lines: str) -> bytes:
    return "\r\n".join(
        (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: newsroom/1.0", "Accept: */*", *lines, "", "")
    ).encode()


def first_answer(store: MadeStore, path: str) -> tuple["subprocess.Popen[bytes]", float, float]:
    """A feed that is started now, the seconds until its first answer, and those of them without waiting for a processor that others use."""
    began = time.perf_counter()
    child, port = started_feed(store, "--settings", json.dumps({"requests_per_second": 0, "connections": 0}))
    assert answer(port, request(path)).startswith(b"HTTP/1.1 200 ")
    took = time.perf_counter() - began
    # One of its threads works at a time until it serves.
    threads = Path(f"/proc/{child.pid}/task").iterdir()
    waited = sum(int((thread / "schedstat").read_text().split()[1]) for thread in threads) / 1e9
    return child, took, took - waited


def test_first_request_at_15000_precincts(tmp_path: Path) -> None:
    """A feed that starts on 15,000 precincts in 21,000 documents and 300 releases after the checkpoint serves its first request within 2 s.

    So does one that starts after the one before was killed.
    """
    store = MadeStore(tmp_path)
    store.open_run("night", "live")
    few = {f"contest/{number}.xml": document("contest", number, 3000) for number in range(200)}
    store.release(night(), few)
    rows = store.series[night()].rows
    kept = list(rows.values())
    for number in range(21_000 - len(kept)):
        like = kept[number % len(kept)]
        path = f"precinct/{number}.xml" if number < 15_000 else f"area/{number}.xml"
        rows[path] = type(like)(path, like.size, like.sha256, like.schema, like.codebook)
    store.release(night(), few, checkpoint=True)
    for _ in range(300):
        store.release(night(), few)
    store.close()
    path = f"/event/{EVENT}/newest/precinct/14999.xml"
    child, first, started = first_answer(store, path)
    assert child.stdin is not None
    child.kill()
    child.wait(15)
    child.stdin.close()
    child, second, again = first_answer(store, path)
    assert child.stdin is not None
    child.stdin.close()
    child.wait(15)
    interpreter = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import aiohttp.web, lxml.etree, uvloop"], check=True)
    bare = time.perf_counter() - interpreter
    print(
        f"\nfeed, first request at 15,000 precincts in 21,000 documents: {first:.2f} s, after kill -9 {second:.2f} s, "
        f"without waiting for a processor {started:.2f} and {again:.2f} s; "
        f"bare start of the interpreter {bare:.2f} s; load {os.getloadavg()[0]:.1f}"
    )
    assert max(started, again) <= 2
