"""How a refusal is told: under an id that the logs share, with the time to ask again; and what is no request is told so."""

import datetime
import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.addresses import Address, Line, Page, VolbyFile, VolbyProcedure
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.pages import JSON, TEXT
from skrutinium_server.feed.refusals import BAD_REQUEST, HEADERS_TOO_LARGE, URI_TOO_LONG, Refusal
from skrutinium_server.feed.response import Dateline, refusal_head, refused, request_id_line
from skrutinium_server.feed.shelf import Published
from skrutinium_server.feed.volby import limited

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def in_format(
    refusal: Refusal, asked: Address | Refusal, published: Published, now: datetime.datetime
) -> Refusal:
    """What one who asks too often is told (429), in the format that was asked for: a program need not expect another one."""
    match asked:
        case VolbyProcedure() | VolbyFile():
            return limited(asked, published, now, refusal)
        case Page(name="status" | "health"):
            told = {name: getattr(refusal, name) for name in ("code", "status", "message", "expected")}
            return replace(
                refusal, document=json.dumps({"error": told}, indent=1).encode() + b"\n", kind=JSON
            )
        case Page(name="addresses") | Line():
            return replace(refusal, document=f"{refusal.message} {refusal.expected}\n".encode(), kind=TEXT)
        case _:
            return refusal


class Refusing:
    """Tells refusals; ``name`` begins the ids that it gives."""

    def __init__(
        self, connections: Connections, dateline: Dateline, now: Callable[[], datetime.datetime], name: str
    ) -> None:
        self._connections = connections
        self._dateline = dateline
        self._now = now
        self._requests = (f"{name}-{number}" for number in itertools.count(1))

    def request_id(self) -> str:
        """A new id that a refusal and the logs share."""
        return next(self._requests)

    def id_of(self, request: BaseRequest, registered: Registered) -> str:
        """The id that a named proxy gave the request, otherwise a new one."""
        told = request.headers.get("X-Request-Id", "") if registered.proxied else ""
        return told if _REQUEST_ID.fullmatch(told) else self.request_id()

    def refused(self, refusal: Refusal, request_id: str, bodyless: bool) -> StreamResponse:
        """The answer that tells a refusal."""
        if refusal.until is not None:
            refusal = replace(refusal, lines=refusal.lines + self._retry(refusal.until), until=None)
        return refused(refusal, self._dateline.line() + request_id_line(request_id), bodyless)

    def malformed(self, error: BaseException | None, registered: Registered) -> StreamResponse:
        """The answer to what is no request."""
        refusal = BAD_REQUEST
        if isinstance(error, LineTooLong):
            # The parser does not say which line it was; only the request line has a method before it.
            refusal = URI_TOO_LONG if _in_request_line(error) else HEADERS_TOO_LARGE
        elif isinstance(error, HttpProcessingError) and "headers" in str(error.message).lower():
            refusal = HEADERS_TOO_LARGE if "many" in str(error.message).lower() else BAD_REQUEST
        request_id = self.request_id()
        self._connections.tell_malformed(registered, f"{type(error).__name__}, {request_id}")
        self._connections.limits.nobody.refused[refusal.status, refusal.code] += 1
        return self.refused(refusal, request_id, bodyless=False)

    def overflow(self, registered: Registered) -> bytes:
        """The answer to a header that goes on and on, with which the connection ends."""
        refusal, request_id = HEADERS_TOO_LARGE, self.request_id()
        self._connections.tell_malformed(registered, f"{refusal.code}, {request_id}")
        self._connections.limits.nobody.refused[refusal.status, refusal.code] += 1
        head = refusal_head(refusal, self._dateline.line() + request_id_line(request_id))
        return b"".join((head, b"Connection: close\r\n\r\n", refusal.body))

    def _retry(self, moment: datetime.datetime) -> bytes:
        """When to ask again, in whole seconds, never too early (RFC 9110, 10.2.3)."""
        left = max(1, math.ceil((moment - self._now()).total_seconds()))
        return b"Retry-After: %d\r\n" % left


def _in_request_line(error: LineTooLong) -> bool:
    start = str(error.args[0]) if error.args else ""
    return any(method in start for method in ("GET ", "HEAD ", "OPTIONS ", "POST ", "PUT ", "/"))
