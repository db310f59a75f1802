"""Ten thousand readers wait for news: what each costs, and how soon the last one is told."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

from tests.bench.test_feed import started_feed
from tests.feed.made import EVENT, MadeStore, document, night

READERS = 10_000
MOST_MEMORY = 10 * 1024
MOST_SECONDS = 0.5
RELEASES = 5

# The readers are a process of their own: its copies of the sockets and its memory are not the feed's.
READING = r"""
import json, resource, selectors, socket, sys, time
port, readers, releases = map(int, sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
request = f"GET {sys.argv[4]} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode()
selector = selectors.EpollSelector()
waiting = {}
def told(number):
    due = f"id: {number}\n".encode()
    left = readers
    while left:
        for key, _ in selector.select(30):
            data = waiting[key.fd] + key.fileobj.recv(65536)
            assert data, "a reader was dropped"
            if due in data:
                left -= 1
                data = b""
            waiting[key.fd] = data
for batch in range(0, readers, 250):
    for _ in range(250):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(request)
        selector.register(one, selectors.EVENT_READ)
        waiting[one.fileno()] = b""
told(1)
print("ready", flush=True)
for number in range(2, releases + 2):
    told(number)
    print(time.time_ns(), flush=True)
sys.stdin.read()
"""


def held(pid: int) -> int:
    """Bytes of memory of a process that are its own."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def test_ten_thousand_push_connections(tmp_path: Path) -> None:
    """Each costs at most 10 KiB, and a release reaches the last one within half a second of being published."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    readers = min(READERS, limit[1] - 200)
    store = MadeStore(tmp_path)
    store.open_run("night", "live")
    store.release(night(), {"event.xml": document("event", 1)})
    settings = json.dumps({"requests_per_second": 1_000_000, "burst": 1_000_000, "connections": 0})
    child, port = started_feed(store, "--settings", settings)
    before = held(child.pid)
    reading = subprocess.Popen(
        [sys.executable, "-c", READING, str(port), str(readers), str(RELEASES), f"/event/{EVENT}/push"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reading.stdout is not None
    assert reading.stdin is not None
    try:
        assert reading.stdout.readline() == "ready\n"
        each = (held(child.pid) - before) / readers
        took = []
        for number in range(2, RELEASES + 2):
            store.release(night(), {"event.xml": document("event", number)})
            published = (store.root / "event" / EVENT / "night" / "skrutinium" / "newest").stat().st_mtime_ns
            took.append((int(reading.stdout.readline()) - published) / 1e9)
    finally:
        reading.stdin.close()
        reading.wait(30)
        reading.stdout.close()
        assert child.stdin is not None
        child.stdin.close()
        child.wait(30)
        store.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    told = ", ".join(f"{one:.2f}" for one in sorted(took))
    print(
        f"\npush, {readers:,} connections: {each / 1024:.1f} KiB each, the last is told after {told} s; load {os.getloadavg()[0]:.1f}"
    )
    assert readers == READERS
    assert each <= MOST_MEMORY
    assert sorted(took)[RELEASES // 2] <= MOST_SECONDS
