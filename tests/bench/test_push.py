"""Ten thousand readers wait for news: what each costs, and how soon the last one is told."""

from pathlib import Path

from tests.bench.ten_thousand import RELEASES, crowd
from tests.feed.made import EVENT

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


def test_ten_thousand_push_connections(tmp_path: Path) -> None:
    """Each costs at most 10 KiB, and a release reaches the last one within half a second of being published."""
    with crowd(tmp_path, READING, f"/event/{EVENT}/push") as readers:
        readers.said("ready")
        readers.weigh()
        for number in range(2, RELEASES + 2):
            readers.release(number)
    readers.check("push")
