"""The pipe from the parent: when it ends, the parent is gone or wants us to stop."""

import asyncio
import sys


async def until_input_ends() -> None:
    """Wait until standard input ends, without holding up the event loop."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(65536):
            pass
    finally:
        transport.close()
