"""The feed beside nginx: the same documents, the same requests, alternating in the same run, one core each.

``wrk`` (Debian) asks from the other core for all councils in turn, with the header lines of five kinds of client mixed, while a
release a second changes some of them. The ratio that counts is CPU time of the server per request, nginx over feed: with two
cores the load generator is often the limit of the rate, and foreign load takes from the rate but hardly from
CPU time (docs/decisions/0009). Rates, latencies and memory are printed beside it.
"""

import dataclasses
import gzip
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skrutinium_server.feed.representation import represent
from skrutinium_server.release.store.packing import compress
from tests.bench.test_feed import answer, pinned, started_feed
from tests.feed.made import EVENT, MadeStore, document, night

COUNCILS = 6_250
CHANGING = 50
"""Councils that change with every release; each other one stays as it is."""

ROUNDS = 3
SECONDS = 2

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log {folder}/errors-nginx;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; etag on; gzip_static on; keepalive_requests 100000000;
  open_file_cache max=20000 inactive=60s; open_file_cache_valid 1s; types {{ }} default_type application/xml;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {folder}/files;
{ranges}    allow 127.0.0.0/8; deny all;
    add_header Cache-Control "max-age=1, must-revalidate"; add_header Vary Accept-Encoding;
  }}
}}
"""

CLIENTS = {
    "curl": "Host: {host}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n{coding}",
    "requests": "Host: {host}\r\nUser-Agent: python-requests/2.32.3\r\n{coding}Accept: */*\r\nConnection: keep-alive\r\n",
    "sdk": "Host: {host}\r\n{coding}Accept: */*\r\nUser-Agent: skrutinium Python/3.11 aiohttp/3.14.5\r\n",
    "browser": (
        'Host: {host}\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\nsec-ch-ua: "Chromium";v="142", "Not_A Brand";v="99"\r\n'
        'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux '
        "x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,"
        "application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
        "Sec-Fetch-Dest: document\r\n{coding}Accept-Language: cs-CZ,cs;q=0.9,en;q=0.8\r\n"
    ),
    "java": (
        "User-Agent: Java/17.0.9\r\nHost: {host}\r\nAccept: text/html, image/gif, image/jpeg, */*; q=0.2\r\n{coding}"
        "Connection: keep-alive\r\n"
    ),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """What is asked for, and the least ratio to nginx."""

    name: str
    documents: str
    coding: str
    conditional: bool
    connections: int
    least: float


CASES = [
    Case("304", "contest/", "gzip", True, 64, 1.0),
    Case("304", "contest/", "gzip", True, 512, 1.0),
    Case("3 KB identity", "contest/", "identity", False, 64, 1.0),
    Case("3 KB identity", "contest/", "identity", False, 512, 1.0),
    Case("3 KB gzip", "contest/", "gzip", False, 64, 1.0),
    Case("3 KB gzip", "contest/", "gzip", False, 512, 1.0),
    Case("120 KB gzip", "area/gzip-120", "gzip", False, 64, 0.9),
    Case("120 KB identity", "area/plain-120", "identity", False, 64, 0.8),
    Case("800 KB gzip", "area/gzip-800", "gzip", False, 64, 0.5),
]


@dataclasses.dataclass
class Server:
    """A server that is measured: its process, port, and what stands before the path of a document."""

    name: str
    child: "subprocess.Popen[bytes]"
    port: int
    prefix: str

    def cpu(self) -> int:
        """Nanoseconds on a processor so far, all threads."""
        tasks = Path(f"/proc/{self.child.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())

    def memory(self) -> int:
        """Bytes, shared ones in part (PSS)."""
        found = re.search(
            r"^Pss:\s+(\d+) kB", Path(f"/proc/{self.child.pid}/smaps_rollup").read_text(), re.MULTILINE
        )
        assert found is not None
        return int(found[1]) * 1024


def sized(name: str, size: int, packed: bool) -> bytes:
    """A document of about so many bytes, packed or not."""
    filling, version = size, 1
    for _ in range(6):
        data = document(name, version, filling)
        filling = filling * size // len(gzip.compress(data) if packed else data)
    return document(name, version, filling)


class Both:
    """The same documents at a feed and at nginx, and a release a second at the one that is measured."""

    def __init__(self, folder: Path, nginx: str) -> None:
        self.folder = folder
        self.store = MadeStore(folder)
        self.version = 1
        networks = [f"10.{number}.0.0/16" for number in range(199)]
        self.store.access.write_text(
            "".join(
                f'[[subscriber]]\nid = "x{at}"\nname = "x"\nlive = ["{net}"]\n'
                for at, net in enumerate([*networks, "127.0.0.0/8"])
            )
        )
        self.store.open_run("night", "live")
        self.documents = {f"contest/{number}.xml": self.council(number) for number in range(COUNCILS)}
        for kind in ("gzip-120", "plain-120", "gzip-800"):
            size = int(kind[-3:]) * 1024
            self.documents[f"area/{kind}.xml"] = sized(kind, size, kind.startswith("gzip"))
        self.store.release(night(), self.documents, checkpoint=True)
        self.write_files(self.documents)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = int(taken.getsockname()[1])
        ranges = "".join(f"    allow {net};\n" for net in networks)
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, ranges=ranges))
        beside = subprocess.Popen(
            [*pinned(0), nginx, "-c", folder / "nginx.conf", "-e", folder / "errors-start"]
        )
        # Every request is counted against its subscriber; the limit is out of reach.
        settings = json.dumps({"requests_per_second": 1_000_000, "burst": 1_000_000, "connections": 0})
        feed, feed_port = started_feed(self.store, "--settings", settings)
        self.servers = (
            Server("feed", feed, feed_port, f"/event/{EVENT}/newest/"),
            Server("nginx", beside, port, "/"),
        )
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except ConnectionRefusedError:
                assert beside.poll() is None, (folder / "errors-start").read_text()
            else:
                break

    def council(self, number: int) -> bytes:
        """One council; all have different sizes below 4 KB."""
        version = self.version if number < CHANGING else 1
        return document(f"council {number}", version, 2400 + number % 40 * 30)

    def write_files(self, documents: dict[str, bytes]) -> None:
        """What nginx serves, each file replaced as a whole."""
        for path, data in documents.items():
            file = self.folder / "files" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            for name, content in ((file, data), (file.with_name(file.name + ".gz"), compress(data))):
                fresh = name.with_suffix(".new")
                fresh.write_bytes(content)
                fresh.replace(name)

    def publish(self, server: Server) -> None:
        """The next release, at one of the two."""
        self.version += 1
        changed = {f"contest/{number}.xml": self.council(number) for number in range(CHANGING)}
        self.documents.update(changed)
        if server.name == "feed":
            self.store.release(night(), changed)
        else:
            self.write_files(changed)

    def tag(self, server: Server, path: str) -> str:
        """The tag of the packed document as it is now."""
        if server.name == "feed":
            return represent(compress(self.documents[path]), "gzip").etag
        told = (self.folder / "files" / (path + ".gz")).stat()
        return f'"{int(told.st_mtime):x}-{told.st_size:x}"'

    def requests(self, server: Server, case: Case) -> bytes:
        """One request for each document, by the kinds of client in turn, five rounds so that each meets each."""
        paths = [path for path in self.documents if path.startswith(case.documents)]
        kinds = itertools.cycle(CLIENTS.values())
        coding = f"Accept-Encoding: {case.coding}, deflate\r\n" if case.coding == "gzip" else ""
        tags = {
            path: f"If-None-Match: {self.tag(server, path)}\r\n" if case.conditional else "" for path in paths
        }
        found = []
        for path in itertools.chain.from_iterable(itertools.repeat(paths, len(CLIENTS))):
            lines = next(kinds).format(host=f"127.0.0.1:{server.port}", coding=coding)
            found.append(f"GET {server.prefix}{path} HTTP/1.1\r\n{lines}{tags[path]}\r\n\n.\n")
            if len(paths) % len(CLIENTS) == 0 and path == paths[-1]:
                next(kinds)  # otherwise the same kind would always ask for the same document
        return "".join(found).encode()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A feed and nginx on one core; this process and the load go to the other one."""
    programs = {
        name: shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin") for name in ("nginx", "wrk")
    }
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        message = f"{' and '.join(missing)} not here; to get it: sudo apt-get install {' '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    before = os.sched_getaffinity(0)
    made = Both(tmp_path_factory.mktemp("bench"), str(programs["nginx"]))
    if pinned(1):
        os.sched_setaffinity(0, {1})
    yield made
    os.sched_setaffinity(0, before)
    for server in made.servers:
        server.child.terminate()
        server.child.wait(15)
    made.store.close()


@dataclasses.dataclass
class Sample:
    """One run of the load: requests a second, CPU microseconds a request, latencies in milliseconds, share of a core used by others."""

    rate: float
    cpu: float
    p50: float
    p99: float
    busy: float
    foreign: float
    size: float


def processor() -> tuple[int, int]:
    """Ticks that all processors worked, and those of this process and its ended children."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    own = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return sum(fields) - fields[3] - fields[4], sum(map(int, own[11:15]))


def measured(both: Both, server: Server, case: Case, seconds: float) -> Sample:
    """Let the load run on one server, with a release a second."""
    file = both.folder / "requests"
    file.write_bytes(both.requests(server, case))
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(1):
            both.publish(server)

    publishing = threading.Thread(target=publish)
    publishing.start()
    ticks, own = processor()
    others = sum(other.cpu() for other in both.servers)
    began, cpu = time.perf_counter(), server.cpu()
    try:
        done = subprocess.run(
            [
                *pinned(1),
                "wrk",
                "-t1",
                f"-c{case.connections}",
                f"-d{seconds}s",
                "--timeout=20s",
                "--latency",
                "-s",
                Path(__file__).with_name("rotating.lua"),
                f"http://127.0.0.1:{server.port}/",
                "--",
                file,
            ],
            capture_output=True,
            check=True,
            text=True,
        )
        spent, took = server.cpu() - cpu, time.perf_counter() - began
    finally:
        stop.set()
        publishing.join()
    ticks_after, own_after = processor()
    servers = (sum(other.cpu() for other in both.servers) - others) / 1e9
    foreign = (ticks_after - ticks - (own_after - own)) / os.sysconf("SC_CLK_TCK") - servers
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["errors"] == 0, done.stdout
    return Sample(
        told["requests"] / told["seconds"],
        spent / told["requests"] / 1e3,
        told["p50"],
        told["p99"],
        spent / 1e9 / told["seconds"],
        max(0.0, foreign) / took,
        told["bytes"] / told["requests"],
    )


def middle(samples: list[Sample], name: str) -> float:
    return float(statistics.median(getattr(sample, name) for sample in samples))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, {case.connections}")
def test_feed_beside_nginx(case: Case, both: Both) -> None:
    """CPU time per request is at most that of nginx over the least ratio; everything measured is printed."""
    for server in both.servers:
        path = next(path for path in both.documents if path.startswith(case.documents))
        lines = f"Host: x\r\nAccept-Encoding: {case.coding}\r\n"
        if case.conditional:
            lines += f"If-None-Match: {both.tag(server, path)}\r\n"
        status = b"304" if case.conditional else b"200"
        head = answer(server.port, f"GET {server.prefix}{path} HTTP/1.1\r\n{lines}\r\n".encode())
        assert head.startswith(b"HTTP/1.1 " + status), head
        assert (b"Content-Encoding: gzip" in head) == (case.coding == "gzip" and not case.conditional)
        measured(both, server, case, 1)
    feed, nginx = both.servers
    samples: dict[str, list[Sample]] = {"feed": [], "nginx": []}
    for number in range(ROUNDS):
        for server in (feed, nginx) if number % 2 else (nginx, feed):
            samples[server.name].append(measured(both, server, case, SECONDS))
    ours, theirs = samples["feed"], samples["nginx"]
    ratio = middle(theirs, "cpu") / middle(ours, "cpu")
    rates = middle(ours, "rate") / middle(theirs, "rate")
    print(
        f"\n{case.name}, {case.connections} connections: ratio {ratio:.2f} by CPU, {rates:.2f} by rate; goal {case.least}"
    )
    for server in both.servers:
        of = samples[server.name]
        print(
            f"  {server.name:5} {middle(of, 'rate'):9,.0f}/s, CPU {middle(of, 'cpu'):6.1f} us/request, p50 {middle(of, 'p50'):6.2f} ms, "
            f"p99 {middle(of, 'p99'):6.2f} ms, core {middle(of, 'busy'):.2f}, {middle(of, 'size'):,.0f} bytes/answer, "
            f"memory {server.memory() / 2**20:,.0f} MiB, others used {middle(of, 'foreign'):.2f} cores"
        )
    if case.conditional:
        assert middle(ours, "size") < 600, "too few answers were 304"
    assert ratio >= case.least
