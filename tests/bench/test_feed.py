"""The feed beside nginx with the same files in the same run, and how soon a started feed serves."""

import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.feed.made import EVENT, MadeStore, document, night

ROUNDS = 5
SECONDS = 1.0
CONNECTIONS = 64
SMALL, MEDIUM = "contest/1.xml", "area/CZ.xml"

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; etag on; gzip_static on; keepalive_requests 100000000;
  open_file_cache max=1000 inactive=60s; default_type application/xml;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files;
{ranges}    allow 127.0.0.0/8; deny all;
    add_header Cache-Control "max-age=1, must-revalidate"; add_header Vary Accept-Encoding;
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def pinned(core: int) -> list[str]:
    """Run on one core, when there is another one for the load."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else []


def ended(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    child.wait(15)


def started_feed(store: MadeStore) -> tuple["subprocess.Popen[bytes]", int]:
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


@pytest.fixture(scope="module")
def night_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of a feed and of nginx with the same documents; both let in the last of 200 ranges."""
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if nginx is None:
        message = (
            "nginx is not here, so there is nothing to compare with; to get it: sudo apt-get install nginx"
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("bench")
    store = MadeStore(folder)
    networks = [f"10.{number}.0.0/16" for number in range(199)]
    store.access.write_text(
        "".join(
            f'[[subscriber]]\nid = "x{at}"\nname = "x"\nlive = ["{net}"]\n'
            for at, net in enumerate([*networks, "127.0.0.0/8"])
        )
    )
    store.open_run("night", "live")
    documents = {SMALL: document("small", 1, 3000), MEDIUM: document("medium", 1, 1_500_000)}
    documents[MEDIUM] = document(
        "medium", 1, 120_000 * len(documents[MEDIUM]) // len(gzip.compress(documents[MEDIUM]))
    )
    store.release(night(), documents)
    store.close()
    for path, data in documents.items():
        file = folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(data, 6, mtime=0))
    port = free_port()
    ranges = "".join(f"    allow {net};\n" for net in networks)
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, ranges=ranges))
    beside = subprocess.Popen([*pinned(0), nginx, "-c", folder / "nginx.conf", "-e", folder / "errors-start"])
    feed, feed_port = started_feed(store)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert beside.poll() is None, (folder / "errors-start").read_text()
        else:
            break
    yield feed_port, port
    assert feed.stdin is not None
    feed.stdin.close()
    feed.wait(15)
    ended(beside)


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


def rate(port: int, data: bytes) -> float:
    """Answers per second to one request, over and over."""
    done = subprocess.run(
        [
            *pinned(1),
            sys.executable,
            Path(__file__).with_name("load.py"),
            str(port),
            str(CONNECTIONS),
            str(SECONDS),
        ],
        input=data,
        capture_output=True,
        check=True,
    )
    return float(done.stdout)


CASES = {
    "304": (SMALL, "gzip", True),
    "3 KB identity": (SMALL, "identity", False),
    "3 KB gzip": (SMALL, "gzip", False),
    "120 KB gzip": (MEDIUM, "gzip", False),
}


@pytest.mark.parametrize("case", CASES)
def test_feed_beside_nginx(case: str, night_served: tuple[int, int]) -> None:
    """Both answer the same request with the same number of bytes of document; the ratio is printed (the goal comes later)."""
    path, coding, conditional = CASES[case]
    asked: list[tuple[int, bytes]] = []
    lengths = []
    for port, prefix in zip(night_served, (f"/event/{EVENT}/newest/", "/"), strict=True):
        data = request(prefix + path, f"Accept-Encoding: {coding}")
        lines = dict(line.split(b": ", 1) for line in answer(port, data).split(b"\r\n")[1:])
        lengths.append(int(lines[b"Content-Length"]))
        if conditional:
            data = request(
                prefix + path, f"Accept-Encoding: {coding}", f"If-None-Match: {lines[b'ETag'].decode()}"
            )
            assert answer(port, data).startswith(b"HTTP/1.1 304 ")
        asked.append((port, data))
    assert abs(lengths[0] - lengths[1]) < 64  # the two gzips may have headers of their own
    rates: list[list[float]] = [[], []]
    for number in range(ROUNDS):
        for which in (0, 1) if number % 2 else (1, 0):
            rates[which].append(rate(*asked[which]))
    feed, nginx = map(statistics.median, rates)
    print(
        f"\nfeed, {case} ({lengths[0]} bytes), {CONNECTIONS} connections: {feed:,.0f}/s, nginx {nginx:,.0f}/s, ratio {feed / nginx:.2f}"
    )
    assert feed > 0


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
    child, port = started_feed(store)
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
