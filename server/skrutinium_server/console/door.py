"""Who gets in: addresses, cookies, forms; and the header lines of every answer.

A form counts when it carries the token made for its cookie, and when the browser says that it comes from the console itself.
Sources: OWASP CSRF and Session Management, RFC 6265, CSP Level 3, Fetch Metadata.
"""

import logging
import re
import urllib.parse
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from skrutinium_server.console.desk import (
    DESK,
    FORM,
    REFUSALS,
    VISITOR,
    Desk,
    Refused,
    Visitor,
    desk,
    form_of,
    shown,
    status_of,
)
from skrutinium_server.console.errors import FormError, Unexpected
from skrutinium_server.console.sessions import Session
from skrutinium_server.console.settings import LOCAL_NAMES, is_local
from skrutinium_server.feed.access import plain_address
from skrutinium_server.feed.proxies import Proxies

log = logging.getLogger("skrutinium.console")

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "Skrutinium",
}

REFRESH: Final = "X-Refresh"
"""Header line of a page that refreshes itself: nobody does anything, so the session stays as idle as it was."""

WITHOUT_LOGIN: Final = ("/login", "/static/")

_ID: Final = re.compile(r"[0-9a-f]{64}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def cookie_name(console: Desk) -> str:
    """With TLS a name that browsers take over TLS only, for this host and all of its paths."""
    return "__Host-console" if console.settings.secure else "console"


def give_cookie(console: Desk, response: web.StreamResponse, id: str) -> None:
    """Let the browser keep an id for as long as it runs."""
    response.set_cookie(
        cookie_name(console),
        id,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=console.settings.secure,
    )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer says what browsers may do with it."""
    response.headers.update(HEADERS)
    if request.app[DESK].settings.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who may, and tell on a page why something is refused."""
    console = desk(request)
    address = _address(request, console)
    if isinstance(address, Refused):
        return web.Response(text=f"{address.message}\n", status=address.status)
    id = request.cookies.get(cookie_name(console), "")
    new = not _ID.fullmatch(id)
    if new:
        id = console.sessions.new_id()
    request[VISITOR] = visitor = Visitor(address, id, None)
    try:
        visitor.session = None if new else await _session(request, console, id)
        response = await _passed(request, handler)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        status = HTTPStatus(error.status)
        refused = Refused(str(error.status), f"{status.phrase}: {status.description}.", error.status)
        response = await _refusal(request, refused)
        response.headers.update({name: value for name, value in error.headers.items() if name == "Allow"})
    except REFUSALS as error:
        response = await _refusal(request, Refused(error.code, str(error), status_of(error)))
    except Exception:
        log.exception("a page of the console failed: %s %s", request.method, request.path)
        fault = Unexpected()
        response = await _refusal(request, Refused(fault.code, str(fault), HTTPStatus.INTERNAL_SERVER_ERROR))
    if new and not request.path.startswith("/static/"):
        give_cookie(console, response, id)
    return response


async def _passed(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method == "POST":
        request[FORM] = await _form(request)
    if request[VISITOR].session is None and not request.path.startswith(WITHOUT_LOGIN):
        if REFRESH in request.headers:
            return web.Response(text="Log in again.\n", status=HTTPStatus.FORBIDDEN)
        to = urllib.parse.quote(request.path_qs, safe="") if request.method == "GET" else ""
        raise web.HTTPSeeOther(f"/login?to={to}" if to not in ("", "%2F") else "/login")
    return await handler(request)


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form of this console; raises :class:`FormError` for anything else."""
    console, id = desk(request), request[VISITOR].id
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
    if site not in ("same-origin", "none") or (
        origin is not None and urllib.parse.urlsplit(origin).netloc != request.host
    ):
        raise FormError("This was not sent by a page of the console. Open the console and do it there.")
    form = dict(await form_of(request))
    if not console.sessions.proves(id, form.pop("token", "")):
        raise FormError("This page is of an earlier log-in. Open it again and repeat what you did.")
    return form


async def _session(request: web.Request, console: Desk, id: str) -> Session | None:
    """The session of a cookie, for as long as its person is one of the site."""
    found = console.sessions.find(id, used=REFRESH not in request.headers)
    if found is None:
        return None
    person = (await console.people.persons()).get(found.person)
    if person is None or person.added != found.added:
        console.sessions.end(id)
        return None
    found.role = person.role
    return found


def _address(request: web.Request, console: Desk) -> str | Refused:
    """Whose request it is, or why nobody is let in from there."""
    settings = console.settings
    peer = str(request.transport.get_extra_info("peername")[0]) if request.transport else ""
    proxies = Proxies(settings.proxies)
    if proxies.trusts(peer):
        client = proxies.client(peer, request.headers.getall("X-Forwarded-For", []))
        if not isinstance(client, str):
            return Refused(client.code, "The proxy says nothing usable of whose request this is.", 400)
        return client
    local = is_local(str(plain_address(peer)))
    if settings.certificate is None and not local:
        return Refused("address", "Without TLS the console answers this machine and its proxies only.", 403)
    if not settings.secure and _name(request.host) not in LOCAL_NAMES | {settings.host}:
        # A name that leads to this machine may belong to a page that means ill.
        return Refused(
            "host", "The console answers to the names of this machine only, such as localhost.", 421
        )
    return peer


def _name(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host


async def _refusal(request: web.Request, refused: Refused) -> web.Response:
    return await shown(request, "refused.html", None, refused)
