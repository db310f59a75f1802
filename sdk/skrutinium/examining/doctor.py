"""The examination in the order in which things go wrong: this machine, the way to the feed, the feed."""

import asyncio
from collections.abc import Awaitable, Callable

from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.errors import SkrutiniumError
from skrutinium.examining import feed, passage
from skrutinium.examining.examination import Examination, Patience
from skrutinium.examining.finding import Asked, Finding, Machine, of_error
from skrutinium.examining.machine import disk, programs, proxies
from skrutinium.examining.network import certificate, connections, names, way_to
from skrutinium.sources import transport

_CHECKS: tuple[tuple[str, Callable[[Examination], Awaitable[list[Finding]]]], ...] = (
    ("access", feed.access),
    ("state", feed.trust),
    ("clock", feed.clock),
    ("newest release", feed.newest),
    ("documents", feed.documents),
    ("conditional requests", passage.conditional),
    ("compression", passage.compression),
    ("long poll", passage.long_poll),
    ("push", passage.push),
    ("heartbeat", feed.heartbeat),
    ("schema", feed.schema),
    ("in between", passage.between),
    ("limits", passage.limits),
    ("incidents", feed.incidents),
)


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
        await _feed(Examination(asked, machine, line, limits), tell)
    finally:
        await line.close()
    return found


async def _feed(at: Examination, tell: Callable[..., None]) -> None:
    """Every check of the feed in order."""
    for name, check in _CHECKS:
        try:
            tell(*await check(at))
        except SkrutiniumError as error:
            tell(of_error(name, error))
        if at.run is None and name == "state":
            return  # what follows would only say the same
