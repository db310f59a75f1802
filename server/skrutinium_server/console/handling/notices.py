"""What all readers are told: incidents and planned changes."""

import asyncio
import datetime

from aiohttp import web

from skrutinium_server.console.desk import NOTHING, Form, Refused, desk, session, shown
from skrutinium_server.console.errors import FormError
from skrutinium_server.process import noticing
from skrutinium_server.process.noticing import NoticeError
from skrutinium_server.process.request import said as checked


async def show_notices(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """The notices, and the forms that change them."""
    look = await desk(request).looking.look()
    return await shown(request, "notices.html", look, refused, entered=entered)


async def tell(request: web.Request, form: Form) -> tuple[str, str]:
    """Begin or end an incident, or tell of a planned change."""
    console = desk(request)
    now, person = console.wall(), session(request).person
    match form.get("do", ""):
        case "incident":
            text = checked(form, "text")
            id, change = noticing.begin(text, now)
            told, said = ("incident", text), f"All readers are told of the incident {id}."
        case "end":
            ended = form.get("id", "")
            change, told = noticing.end(ended, now), ("end", ended)
            said = f"All readers are told that the incident {ended} is over."
        case "planned":
            text, moment = checked(form, "text"), await _moment(request, form.get("time", ""), now)
            change, told = noticing.plan(moment, text), ("planned", text)
            said = f"All readers are told of the change planned at {moment:%Y-%m-%d %H:%M} UTC."
        case other:
            raise FormError(f"{other[:40]!r} is nothing that this page does.")
    await asyncio.to_thread(noticing.tell, console.site, change, *told, person, now)
    return "/notices", said


async def _moment(request: web.Request, told: str, now: datetime.datetime) -> datetime.datetime:
    """A time to come; without a zone it is the one in which the console tells times."""
    zone = (await desk(request).looking.look()).zone
    try:
        moment = datetime.datetime.fromisoformat(told.strip())
    except ValueError:
        moment = None
    if moment is not None and moment.utcoffset() is None:
        moment = moment.replace(tzinfo=zone)
    if moment is None or moment <= now:
        raise NoticeError(f"The time is {told[:60]!r}; expected one to come, such as 2030-10-01 20:00.")
    return moment.astimezone(datetime.UTC)
