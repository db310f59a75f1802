"""A load client: ``python load.py PORT CONNECTIONS SECONDS`` with the exact bytes of one request on standard input.

Keep-alive connections that ask again as soon as a whole answer is in; prints answers per second. It stands in for ``wrk``.
"""

import asyncio
import socket
import sys
from typing import Any, cast

import uvloop


class Asking(asyncio.Protocol):
    """One connection; an answer is whole when as many bytes came as the first one had."""

    answers = 0

    def __init__(self, request: bytes, size: int) -> None:
        self._request = request
        self._size = size
        self._left = size
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count, and ask again."""
        self._left -= len(data)
        if self._left <= 0:
            assert self._left == 0, "an answer of another size"
            assert self._transport is not None
            Asking.answers += 1
            self._left = self._size
            self._transport.write(self._request)


def size_of_answer(port: int, request: bytes) -> int:
    """Bytes of one whole answer, which must be 200 or 304."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        assert data[9:12] in (b"200", b"304"), data[:200]
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        if data[9:12] == b"200":
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(lines[b"content-length"])
        while len(body) < length:
            piece = connection.recv(65536)
            assert piece
            body += piece
        return len(head) + 4 + length


async def load(port: int, connections: int, seconds: float, request: bytes, size: int) -> float:
    """Answers per second over ``seconds``, after a moment of warming up."""
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    opened = [
        await loop.create_connection(lambda: Asking(request, size), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(0.3)
    first, began = Asking.answers, loop.time()
    await asyncio.sleep(seconds)
    rate = (Asking.answers - first) / (loop.time() - began)
    for transport, _ in opened:
        transport.abort()
    assert not faults, faults[0]
    return rate


def main() -> None:
    """Run the load."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    request = sys.stdin.buffer.read()
    size = size_of_answer(port, request)
    print(uvloop.run(load(port, connections, seconds, request, size)))


if __name__ == "__main__":
    main()
