"""Ten thousand readers wait for the next manifest (``Prefer: wait=30``): what each costs, and how soon the last one has it."""

import json
import time
import urllib.request
from pathlib import Path

from tests.bench.ten_thousand import RELEASES, crowd
from tests.feed.made import EVENT

# The readers are a process of their own: its copies of the sockets and its memory are not the feed's.
READING = r"""
import resource, selectors, socket, sys, time
port, readers, releases = map(int, sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
selector = selectors.EpollSelector()
held = []
def ask(one, after):
    one.sendall(f"GET {sys.argv[4]}?after={after} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nPrefer: wait=30\r\n\r\n".encode())
def told(number):
    due, left, waiting = f"\r\nSkrutinium-Release: {number}\r\n".encode(), readers, {}
    while left:
        for key, _ in selector.select(30):
            data = waiting.get(key.fd, b"") + key.fileobj.recv(65536)
            assert data, "a reader was dropped"
            head, end, body = data.partition(b"\r\n\r\n")
            if end and len(body) == int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
                assert data.startswith(b"HTTP/1.1 200 ") and due in head + b"\r\n", data
                left -= 1
                data = b""
            waiting[key.fd] = data
for batch in range(0, readers, 250):
    for _ in range(250):
        one = socket.create_connection(("127.0.0.1", port))
        ask(one, 0)
        selector.register(one, selectors.EVENT_READ)
        held.append(one)
told(1)
for number in range(2, releases + 2):
    for one in held:
        ask(one, number - 1)
    print("asked", flush=True)
    told(number)
    print(time.time_ns(), flush=True)
sys.stdin.read()
"""


def test_ten_thousand_long_polls(tmp_path: Path) -> None:
    """Each costs at most 10 KiB, and the last one has the manifest within half a second of its release."""
    with crowd(tmp_path, READING, f"/event/{EVENT}/newest/manifest.xml") as readers:
        for number in range(2, RELEASES + 2):
            readers.said("asked")
            until_waiting(readers.port, readers.readers)
            readers.weigh()
            readers.release(number)
    readers.check("long poll")


def until_waiting(port: int, readers: int) -> None:
    """Until all readers wait, as /status tells."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=30) as told:
            if json.load(told)["listening"] == readers:
                return
    raise AssertionError(f"not all of {readers} wait")
