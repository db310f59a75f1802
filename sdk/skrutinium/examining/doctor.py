"""The examination in the order in which things go wrong: this machine, the way to the feed, the feed."""

import asyncio
from collections.abc import Callable

from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.examining.feed import Examination, Patience
from skrutinium.examining.finding import Asked, Finding, Machine
from skrutinium.examining.machine import disk, programs, proxies
from skrutinium.examining.network import certificate, connections, names, way_to
from skrutinium.sources import transport


async def examine(
    asked: Asked,
    machine: Machine,
    told: Callable[[Finding], object] = lambda _: None,
    patience: Patience | None = None,
) -> list[Finding]:
    """Everything that can be checked from here; ``told`` hears each finding at once. What cannot be reached is not checked further."""
    found: list[Finding] = []

    def tell(*ones: Finding) -> None:
        for one in ones:
            found.append(one)
            told(one)

    await asyncio.to_thread(schema_text, SCHEMA)  # a file: read off the loop, once
    tell(await asyncio.to_thread(programs), *await asyncio.to_thread(disk, asked))
    way = way_to(asked)
    if isinstance(way, Finding):
        tell(way)
        return found
    tell(proxies(asked, machine))
    named, addresses = await names(way)
    tell(named)
    if not addresses:
        return found
    reached = await connections(way, addresses)
    tell(*reached)
    if all(one.verdict == "bad" for one in reached):
        return found
    if way.secure:
        secured = await certificate(way, machine)
        tell(secured)
        if secured.verdict == "bad":
            return found
    else:
        tell(Finding("TLS", "ok", "none: http; what is read is signed all the same"))
    limits = patience or Patience()
    requests = transport.Patience(attempts=1, limited=0, connect=limits.answer, silence=limits.answer)
    line = transport.Transport(asked.url, patience=requests)
    try:
        examination = Examination(asked, machine, line, limits)
        await examination.all(tell)
    finally:
        await line.close()
    return found
