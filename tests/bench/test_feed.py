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


def test_first_request_at_21000_documents(tmp_path: Path) -> None:
    """A feed that starts on 21,000 documents and 300 releases after the checkpoint serves its first request within 2 s."""
    store = MadeStore(tmp_path)
    store.open_run("night", "live")
    few = {f"contest/{number}.xml": document("contest", number, 3000) for number in range(200)}
    store.release(night(), few)
    rows = store.series[night()].rows
    kept = list(rows.values())
    for number in range(21_000 - len(kept)):
        like = kept[number % len(kept)]
        path = f"precinct/{number}.xml"
        rows[path] = type(like)(path, like.size, like.sha256, like.schema, like.codebook)
    store.release(night(), few, checkpoint=True)
    for _ in range(300):
        store.release(night(), few)
    store.close()
    began = time.perf_counter()
    child, port = started_feed(store, "--settings", json.dumps({"requests_per_second": 0, "connections": 0}))
    assert answer(port, request(f"/event/{EVENT}/newest/precinct/20000.xml")).startswith(b"HTTP/1.1 200 ")
    took = time.perf_counter() - began
    assert child.stdin is not None
    child.stdin.close()
    child.wait(15)
    interpreter = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import aiohttp.web, lxml.etree, uvloop"], check=True)
    bare = time.perf_counter() - interpreter
    print(
        f"\nfeed, first request at 21,000 documents: {took:.2f} s; bare start of the interpreter {bare:.2f} s, ratio {took / bare:.1f}"
    )
    assert took <= 2
