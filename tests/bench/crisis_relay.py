"""A relay that takes everything and counts: ``python -m tests.bench.crisis_relay HOST PORT``; a line of JSON for each message, until input ends."""

import asyncio
import json
import sys
import threading
import time

CHUNK = 1 << 16


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As much of SMTP (RFC 5321) as one who only takes needs."""
    writer.write(b"220 relay.example\r\n")
    while command := await reader.readline():
        verb = command[:4].upper()
        if verb == b"DATA":
            writer.write(b"354 go on\r\n")
            data = await reader.readuntil(b"\r\n.\r\n")
            print(json.dumps({"at": time.monotonic(), "bytes": len(data)}), flush=True)
        if verb == b"EHLO":
            writer.write(b"250-relay.example\r\n250-SIZE 33554432\r\n250 8BITMIME\r\n")
        elif verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            break
        else:
            writer.write(b"250 taken\r\n")
        await writer.drain()
    writer.close()


async def main() -> None:
    """Take mail until standard input ends."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()
    await asyncio.start_server(converse, sys.argv[1], int(sys.argv[2]), limit=2**26)
    print("ready", flush=True)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
