"""One request as it is seen from here: headers, time taken, and bytes on the way."""

import asyncio
import datetime
import email.utils
from collections.abc import Mapping
from dataclasses import dataclass

from skrutinium.documents.parsing import LARGEST
from skrutinium.examining.finding import Machine
from skrutinium.sources.transport import Transport, expand, read_sent


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer: ``body`` unpacked, ``sent`` bytes on the way, ``seconds`` until it was whole, ``began`` and ``ended`` by this machine's clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int
    seconds: float
    began: datetime.datetime
    ended: datetime.datetime

    @property
    def date(self) -> datetime.datetime | None:
        """When the server says it answered; None when it does not say."""
        try:
            told = email.utils.parsedate_to_datetime(self.headers.get("Date", ""))
        except ValueError:
            return None
        return told if told.tzinfo is not None else None

    @property
    def age(self) -> int:
        """Seconds that the answer lay in a cache, by that cache's own word."""
        told = self.headers.get("Age", "0").strip()
        return int(told[:9]) if told.isascii() and told.isdigit() else 0


async def ask(
    transport: Transport, machine: Machine, path: str, *, silence: float | None = None, **headers: str
) -> Seen:
    """One request without retries; header names with ``_`` for ``-``. Raises what the transport raises."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    loop = asyncio.get_running_loop()
    at, began = loop.time(), machine.clock()
    async with transport.open(path, sent, silence=silence) as response:
        ended = machine.clock()  # of the head: the body of a large document takes longer
        raw = await read_sent(response, LARGEST)
        told = response.headers.copy()
        status, where = response.status, str(response.url)
    body = raw
    if told.get("Content-Encoding", "").lower() == "gzip" and raw:
        body = await asyncio.to_thread(expand, raw, LARGEST, where)
    return Seen(status, told, body, len(raw), loop.time() - at, began, ended)
