"""The same request sent again and again over one connection: its short way never outlives what it was answered with."""

import asyncio
from asyncio import to_thread

from tests.feed.made import EVENT, Fed, document, night

TARGET = f"/event/{EVENT}/newest/event.xml"


class Poller:
    """A client that keeps its connection and sends the same bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, tag: str) -> tuple[int, bytes]:
        """Status and the whole answer to one conditional request."""
        self._writer.write(
            f"GET {TARGET} HTTP/1.1\r\nHost: feed\r\nAccept-Encoding: identity\r\nIf-None-Match: {tag}\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        return status, head + (await self._reader.readexactly(length) if status != 304 else b"")

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def polling(fed: Fed) -> Poller:
    return Poller(*await asyncio.open_connection("127.0.0.1", fed.running.port))


async def test_repeated_request_follows_releases(fed: Fed) -> None:
    """304 as long as the document is the same, in whatever release; the new document as soon as it changed."""
    _, _, headers = await fed.get(TARGET)
    poller = await polling(fed)
    try:
        for _ in range(5):
            assert (await poller.ask(headers["ETag"]))[0] == 304
        await to_thread(fed.store.release, night(), {"contest/1.xml": document("contest", 9)})
        await fed.until(f"/event/{EVENT}/newest/contest/1.xml", b'version="9"')
        for _ in range(3):
            status, answer = await poller.ask(headers["ETag"])
            assert status == 304
            assert b"Skrutinium-Release: 4" in answer
        await to_thread(fed.store.release, night(), {"event.xml": document("event", 5)})
        await fed.until(TARGET, b'version="5"')
        status, answer = await poller.ask(headers["ETag"])
        assert status == 200
        assert b'version="5"' in answer
    finally:
        poller.close()


async def test_repeated_request_ends_with_the_access(fed: Fed) -> None:
    """Once the range is taken off the list, the same bytes over the same connection get nothing more."""
    _, _, headers = await fed.get(TARGET)
    poller = await polling(fed)
    try:
        for _ in range(5):
            assert (await poller.ask(headers["ETag"]))[0] == 304
        await to_thread(fed.store.access.write_text, "number = 99\n")
        async with asyncio.timeout(60):
            while True:
                try:
                    status, _ = await poller.ask(headers["ETag"])
                except (ConnectionError, asyncio.IncompleteReadError):
                    break
                if status == 403:
                    break
                assert status == 304
    finally:
        poller.close()
