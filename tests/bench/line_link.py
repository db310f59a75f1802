"""A narrow line between two network namespaces, for root on Linux; run as a program, this file is the line itself.

Two TUN devices, one of them in a namespace of its own. The kernel's token bucket (tc tbf) at each end sets rate and queue; the
program carries packets from one device to the other after a delay, as not every kernel has netem.
"""

import contextlib
import fcntl
import os
import select
import shutil
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RATE = 10_000_000
"""Bits a second, each way."""
DELAY_MS = 10
"""Each way: 20 ms there and back."""
QUEUE_MS = 100
"""What waits longer at an end of the line is thrown away."""
NETWORK = "10.77"
SERVER = f"{NETWORK}.0.1"
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x1001


def lacking() -> str | None:
    """Why there can be no line here; None when there can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    missing = [program for program in ("ip", "tc") if shutil.which(program) is None]
    if missing:
        return f"without {' and '.join(missing)} (Debian: iproute2)"
    return None if Path("/dev/net/tun").exists() else "without /dev/net/tun"


def client_address(number: int) -> str:
    """The address of a client, from 0 on."""
    return f"{NETWORK}.{1 + number // 250}.{1 + number % 250}"


@dataclass(frozen=True)
class Line:
    """The line, and the namespace of the clients."""

    namespace: str
    device: str

    def inside(self, *command: str) -> list[str]:
        """A command line that runs among the clients, before others: newsrooms do not wait for the processor of the feed."""
        return ["nice", "-n", "-5", "ip", "netns", "exec", self.namespace, *command]

    def sent(self) -> tuple[int, int]:
        """Bytes of IP packets so far: to the clients, and to the server."""
        counters = Path("/sys/class/net") / self.device / "statistics"
        # What a TUN device sends is what its reader, the line, carries away.
        down, up = ((counters / name).read_text() for name in ("tx_bytes", "rx_bytes"))
        return int(down), int(up)


@contextlib.contextmanager
def narrow_line(addresses: int) -> Iterator[Line]:
    """Make the line with so many addresses of clients; everything is gone at the end."""
    mark = f"line{os.getpid()}"
    near, far = f"n{os.getpid()}", f"f{os.getpid()}"
    _run("ip", "netns", "add", mark)
    try:
        carrier = subprocess.Popen(
            [sys.executable, __file__, near, far], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert carrier.stdin is not None
        assert carrier.stdout is not None
        try:
            assert carrier.stdout.readline() == "ready\n"
            _run("ip", "link", "set", far, "netns", mark)
            _set_up([], near, [f"{SERVER}/16"])
            _set_up(["-n", mark], far, [f"{client_address(number)}/16" for number in range(addresses)])
            yield Line(mark, near)
        finally:
            carrier.stdin.close()
            carrier.wait(10)
            carrier.stdout.close()
    finally:
        _run("ip", "netns", "del", mark)


def _set_up(where: list[str], device: str, addresses: list[str]) -> None:
    batch = "".join(f"addr add {address} dev {device}\n" for address in addresses)
    subprocess.run(["ip", *where, "-batch", "-"], input=batch, text=True, check=True)
    # Packets of the size that a wire carries, or the queue would hold few large ones.
    _run("ip", *where, "link", "set", device, "up", "mtu", "1500", "gso_max_segs", "1")
    _run(
        *("tc", *where, "qdisc", "replace", "dev", device, "root"),
        *("tbf", "rate", f"{RATE}bit", "burst", "3000", "latency", f"{QUEUE_MS}ms"),
    )
    if where:
        _run("ip", *where, "link", "set", "lo", "up")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _device(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH14x", name.encode(), _TUN_WITHOUT_HEADER))
    return descriptor


def carry(near: str, far: str) -> None:
    """Carry packets until standard input ends."""
    ends = [_device(name) for name in (near, far)]
    print("ready", flush=True)
    flying: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
    delay = DELAY_MS / 1000
    while True:
        first = min((queue[0][0] for queue in flying.values() if queue), default=None)
        rest = None if first is None else max(0.0, first - time.monotonic())
        readable, _, _ = select.select([*ends, 0], [], [], rest)
        if 0 in readable:
            return
        now = time.monotonic()
        for end, other in (ends, ends[::-1]):
            with contextlib.suppress(BlockingIOError):
                while end in readable:
                    flying[other].append((now + delay, os.read(end, 65536)))
        for end, queue in flying.items():
            while queue and queue[0][0] <= now:
                # A device that is not up yet, or no longer, loses what comes.
                with contextlib.suppress(OSError):
                    os.write(end, queue[0][1])
                queue.popleft()


if __name__ == "__main__":
    os.nice(-10)  # a line does not slow down because the machine is busy
    carry(sys.argv[1], sys.argv[2])
