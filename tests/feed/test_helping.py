"""A feed accepts on the sockets of others for as long as it is told to."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.feed.made import EVENT, Fed, document

TARGET = f"/event/{EVENT}/newest/event.xml"


@pytest.fixture
def other() -> Iterator[socket.socket]:
    """A listening socket of another process, at which nobody accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


async def asked(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which one request was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {TARGET} HTTP/1.1\r\nHost: feed\r\nConnection: close\r\n\r\n".encode())
    return reader, writer


async def test_accepts_for_another_while_told_to(fed: Fed, other: socket.socket) -> None:
    """Who waited at the socket of another process is answered; afterwards the socket is the other one's alone, and open."""
    loop = asyncio.get_running_loop()
    port = other.getsockname()[1]
    reader, writer = await asked(port)
    async with asyncio.timeout(60):
        await fed.running.accept_for([other.fileno()])
        await fed.running.accept_for([other.fileno()])
        assert (await reader.read()).endswith(document("event night", 3))
        writer.close()
        await fed.running.accept_for([])
        reader, writer = await asked(port)
        accepted, _ = await loop.sock_accept(other)
        with accepted:
            assert (await loop.sock_recv(accepted, 65536)).startswith(b"GET ")
        writer.close()
        assert (await fed.get(TARGET))[0] == 200


async def test_accepts_for_nobody_once_it_ends(fed: Fed, other: socket.socket) -> None:
    """A feed that has ended begins no more to accept for others."""
    await fed.running.accept_for([other.fileno()])
    await fed.running.close()
    await fed.running.accept_for([other.fileno()])
    _, writer = await asked(other.getsockname()[1])
    async with asyncio.timeout(60):
        accepted, _ = await asyncio.get_running_loop().sock_accept(other)
    accepted.close()
    writer.close()
