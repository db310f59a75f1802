"""Log in and log out."""

import logging
import re
from typing import Final

from aiohttp import web

from skrutinium_server.authority.errors import NotAuthenticated
from skrutinium_server.console.desk import (
    FORM,
    NOTHING,
    REFUSALS,
    VISITOR,
    Form,
    Refused,
    desk,
    shown,
    status_of,
)
from skrutinium_server.console.door import cookie_name, give_cookie
from skrutinium_server.console.pages import STATIC

log = logging.getLogger("skrutinium.console")

_HERE: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,300}")
"""A path of the console: nobody is led elsewhere after log-in."""


async def show_login(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """The form to log in."""
    if request[VISITOR].session is not None:
        raise web.HTTPSeeOther("/")
    to = entered.get("to", request.query.get("to", ""))
    return await shown(request, "login.html", None, refused, name=entered.get("name", ""), to=to)


async def log_in(request: web.Request) -> web.Response:
    """Take name and passphrase; the session gets an id that no one had before."""
    console, visitor, form = desk(request), request[VISITOR], request[FORM]
    name = form.get("name", "").strip()
    try:
        person = await console.log_in(name, form.get("passphrase", ""), visitor.address)
    except NotAuthenticated as error:
        await _note(request, name, "name and passphrase do not belong together")
        refused = Refused(error.code, "Name and passphrase do not belong together. Try again.", 403)
        return await show_login(request, form, refused)
    except REFUSALS as error:
        await _note(request, name, str(error))
        return await show_login(request, form, Refused(error.code, str(error), status_of(error)))
    log.info("%s logged in from %s", person.name, visitor.address)
    console.sessions.end(visitor.id)
    to = form.get("to", "")
    response = web.HTTPSeeOther(to if _HERE.fullmatch(to) else "/")
    give_cookie(console, response, console.sessions.begin(person))
    raise response


async def _note(request: web.Request, name: str, why: str) -> None:
    """Log a refusal; what was typed as a name is told only when it is one, for it may be a passphrase."""
    known = name if name in await desk(request).people.persons() else "a name that nobody has"
    log.warning("log-in refused: %s from %s: %s", known, request[VISITOR].address, why)


async def log_out(request: web.Request) -> web.Response:
    """End the session."""
    console, visitor = desk(request), request[VISITOR]
    console.sessions.end(visitor.id)
    if visitor.session is not None:
        log.info("%s logged out", visitor.session.person)
    response = web.HTTPSeeOther("/login")
    response.del_cookie(
        cookie_name(console), path="/", secure=console.settings.secure, httponly=True, samesite="Strict"
    )
    raise response


async def static(request: web.Request) -> web.Response:
    """A file that pages ask for; its address changes with it."""
    name = request.match_info["name"]
    pages = desk(request).pages
    if name not in pages.files:
        raise web.HTTPNotFound
    return web.Response(
        body=pages.files[name],
        content_type=STATIC[name],
        charset="utf-8",
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )
