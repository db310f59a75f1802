"""Reading server-sent events (WHATWG HTML, 9.2): only what a feed sends, with bounded lines."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from skrutinium.errors import DamagedError, ServerFault

_LONGEST_EVENT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its kind (``release``, ``heartbeat``), id and data; the kind is ``comment`` where there are no data."""

    kind: str
    id: str | None
    data: str


COMMENT = Event("comment", None, "")
"""What stands for a block without data."""


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Yield events until the stream ends, comments too: they are signs of life; raises :class:`ServerFault` when it is no such stream."""
    where = str(response.url)
    if response.content_type != "text/event-stream" or response.headers.get("Content-Encoding"):
        raise ServerFault(f"{response.content_type} where a stream of events was due", address=where)
    buffer = b""
    async for piece in response.content.iter_any():
        # A line end may be cut in two: the buffer keeps its first half as it came.
        buffer = (buffer + piece).replace(b"\r\n", b"\n")
        *whole, buffer = buffer.split(b"\n\n")
        for block in whole:
            yield parse(block) or COMMENT
        if len(buffer) > _LONGEST_EVENT:
            raise DamagedError(f"an event of more than {_LONGEST_EVENT} bytes", address=where)


def parse(block: bytes) -> Event | None:
    """One event from its lines; None for comments and for events without data."""
    fields: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in fields:
            value = fields["data"] + "\n" + value
        if name:
            fields[name] = value
    if "data" not in fields:
        return None
    return Event(fields.get("event", "message"), fields.get("id"), fields["data"])
