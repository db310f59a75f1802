"""What one person asked for about a live run, shown to the other one before it is confirmed."""

import asyncio
import datetime
from dataclasses import dataclass

from aiohttp import web

from skrutinium_server.console import words
from skrutinium_server.console.deciding import decide
from skrutinium_server.console.desk import NOTHING, Form, Refused, desk, session, shown
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.process.site import Site
from skrutinium_server.process.wishes import Wish, Wishes


@dataclass(frozen=True, slots=True)
class Brought:
    """One protocol of a correction that waits."""

    precinct: str
    contest: str
    sequence: int
    source: str


async def show_wish(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """What waits for this run; raises DecisionError when nothing does."""
    console, run = desk(request), request.match_info["run"]
    wish, brought = await asyncio.to_thread(_waiting, console.site, run, console.wall())
    look = await console.looking.look()
    event = wish.told.get("event")
    facts = next((one for one in look.events if event is None or one.event == event), None)
    return await shown(
        request,
        "confirm.html",
        look,
        refused,
        entered=entered,
        wish=wish,
        run=look.run(run),
        brought=brought,
        facts=facts if wish.do == "open" else None,
        asked=words.DECISIONS[wish.do],
        own=session(request).person == wish.by,
    )


def _waiting(site: Site, run: str, now: datetime.datetime) -> tuple[Wish, tuple[Brought, ...]]:
    wish = Wishes(site.root).get(run, now)
    if not wish.records:
        return wish, ()
    law = site.basis(run).law
    brought = []
    for record in wish.records:
        protocol = read_protocol(record, law)
        brought.append(Brought(protocol.precinct, protocol.contest, protocol.sequence, record.source))
    return wish, tuple(brought)


async def confirm(request: web.Request, form: Form) -> tuple[str, str]:
    """Confirm exactly what was shown."""
    run = request.match_info["run"]
    answer = await decide(request, form, "live", do="confirm", run=run, saw=form.get("saw", ""))
    first, second = answer["persons"]
    return f"/runs/{run}", f"Done for the live run {run}, by {first} and {second}."
