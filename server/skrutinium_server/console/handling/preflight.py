"""Go or no-go before a live run."""

import asyncio
import time

from aiohttp import web

from skrutinium_server.console.desk import desk, shown
from skrutinium_server.process.preflight import Finding
from skrutinium_server.process.preflight import preflight as look_at


async def show_preflight(request: web.Request) -> web.Response:
    """Everything that a live run needs, looked at now: one look at a time, for it writes to the disk and asks the relay."""
    console = desk(request)
    look = await console.looking.look()
    events = [one.event for one in look.events]
    event = request.query.get("event", events[0] if events else "")
    found: list[Finding] = []
    took = 0.0
    if event in events:
        async with console.preflighting:
            began = time.monotonic()
            found = await asyncio.to_thread(look_at, console.site, event, console.wall())
            took = time.monotonic() - began
    return await shown(
        request,
        "preflight.html",
        look,
        event=event if event in events else "",
        parts=_parts(found),
        counts={word: sum(one.verdict == word for one in found) for word in ("go", "warn", "no-go")},
        took=took,
    )


def _parts(found: list[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings by part, in their order."""
    parts: dict[str, list[Finding]] = {}
    for one in found:
        parts.setdefault(one.part, []).append(one)
    return list(parts.items())
