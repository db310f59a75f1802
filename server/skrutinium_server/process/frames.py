"""Frames between processes on one machine: four bytes of length, then a msgpack map."""

import asyncio
import struct
from typing import Any

import msgspec

LARGEST = 64 * 1024 * 1024
"""No frame is longer; a batch of a whole country is a few megabytes."""

Message = dict[str, Any]


async def send(writer: asyncio.StreamWriter, message: Message) -> None:
    """Write one frame."""
    data = msgspec.msgpack.encode(message)
    writer.write(struct.pack(">I", len(data)) + data)
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """Read one frame, None at the end of the stream; raises ValueError for what is no frame."""
    try:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if length > LARGEST:
            raise ValueError(f"a frame of {length} bytes is longer than {LARGEST}")
        message = msgspec.msgpack.decode(await reader.readexactly(length), type=dict[str, Any])
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ValueError("the stream ended inside a frame") from error
        return None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a msgpack map: {error}") from error
    return message
