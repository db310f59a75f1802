"""Receipts: what readers say they have done, taken in tests and rehearsals only, and appended to a file of JSON lines.

``POST /event/EVENT/receipt`` with the element ``receipt`` (``xsd/skrutinium/1.0/rehearsal.xsd``). A receipt changes nothing that
anybody reads. Bodies are small, have to come soon, and count against a limit of their own, so that telling never costs a
reader any of its reading. Sources: requirements M11, C19; docs/newsroom.md, receipts.
"""

import asyncio
import importlib.resources
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp.web import BaseRequest
from aiohttp.web_protocol import RequestPayloadError
from lxml import etree

from skrutinium_server.feed.access import seen_as
from skrutinium_server.feed.limits import Limits
from skrutinium_server.feed.line_file import LineWriter, log_time
from skrutinium_server.feed.permission import TESTS, Allowed, RunKey
from skrutinium_server.feed.refusals import (
    RECEIPT_INVALID,
    RECEIPT_LATE,
    RECEIPT_LIVE,
    RECEIPT_OTHER,
    RECEIPT_TOO_LARGE,
    Refusal,
)
from skrutinium_server.xml_parsing import xml_parser

LARGEST: Final = 16 * 1024
"""Bytes of a receipt, at most."""

LONGEST: Final = 10.0
"""Seconds in which the body has to be there."""

RATE: Final = 20
"""Receipts a second of one subscriber at one process."""

BURST: Final = 200
"""So many of them at once."""

MOST: Final = 20_000
"""Receipts that may wait to be written; those beyond are left out, and counted."""

_SCHEMA: Final = ("_contract", "xsd", "skrutinium", "1.0", "rehearsal.xsd")
_NAMESPACE: Final = "{urn:skrutinium:1}"
_NUMBERS: Final = frozenset({"codebook", "by-mail", "corrections", "mails", "release"})

Receipt = Mapping[str, Any]
"""What a receipt says, by the names of the schema; ``done`` is a list of such mappings."""


class Receipts(LineWriter[bytes]):
    """Takes receipts and writes them to ``path`` by a thread of its own; ``phases`` tells the phase of each run.

    :meth:`answer` belongs to the event loop. Raises OSError when the file cannot be opened at the start; reads the schema, so
    it is made in a thread.
    """

    def __init__(
        self,
        path: Path,
        phases: Callable[[], Mapping[RunKey, str]],
        clock: Callable[[], float] = time.time,
        longest: float = LONGEST,
    ) -> None:
        super().__init__("receipts", path, MOST)
        self._phases = phases
        self._clock = clock
        self._longest = longest
        self._limits = Limits(RATE, BURST)
        self._schema = etree.XMLSchema(etree.fromstring(_schema_bytes(), xml_parser()))

    async def answer(
        self, request: BaseRequest, event: str, address: str, allowed: Allowed
    ) -> Refusal | None:
        """Take the receipt in the body of a request for ``event``; None when it was taken, otherwise why not."""
        subscriber = allowed.grant.subscriber if allowed.grant else ""
        usage = self._limits.usage(subscriber)
        if not usage.take():
            return self._limits.refusal(usage)
        if (request.content_length or 0) > LARGEST:
            return RECEIPT_TOO_LARGE
        body = await self._body(request)
        if isinstance(body, Refusal):
            return body
        told = read_receipt(body, self._schema)
        if told is None:
            return RECEIPT_INVALID
        key = (event, str(told["run"]))
        if told["event"] != event or allowed.reads(*key) is not None:
            return RECEIPT_OTHER
        phase = self._phases().get(key, "")
        if phase not in TESTS:
            return RECEIPT_LIVE
        self._note({"subscriber": subscriber, "address": seen_as(address), "phase": phase, **told})
        return None

    async def _body(self, request: BaseRequest) -> bytes | Refusal:
        """The body, as long as it is small and comes soon; whoever is slow waits alone."""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            async with asyncio.timeout(self._longest):
                while piece := await request.content.readany():
                    body += piece
                    if len(body) > LARGEST:
                        return RECEIPT_TOO_LARGE
        except TimeoutError:
            return RECEIPT_LATE
        except RequestPayloadError:
            return RECEIPT_INVALID
        return bytes(body)

    def _note(self, told: Receipt) -> None:
        received = {"received": log_time(self._clock()).decode()}
        line = json.dumps(received | dict(told), separators=(",", ":"), ensure_ascii=False)
        self._put(line.encode() + b"\n")

    def _lines(self, items: Iterable[bytes]) -> list[bytes]:
        return list(items)


def read_receipt(body: bytes, schema: etree.XMLSchema) -> dict[str, Any] | None:
    """What a receipt says, None when it is none: no plain XML, or not valid. Pure."""
    try:
        root = etree.fromstring(body, xml_parser(remove_comments=True))
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.tag != f"{_NAMESPACE}receipt" or root.getroottree().docinfo.doctype or not schema.validate(root):
        return None
    done = [_told(row) for row in root.iterchildren(f"{_NAMESPACE}done")]
    return _told(root) | {"done": done}


def _told(element: etree._Element) -> dict[str, Any]:
    """The attributes of one element, numbers as such."""
    found: dict[str, Any] = {}
    for name, value in element.items():
        if name in _NUMBERS:
            found[name] = int(value)
        elif name == "snapshot":
            found[name] = value.strip() in ("true", "1")
        elif name != "schema" and not name.startswith("{"):
            found[name] = value
    return found


def _schema_bytes() -> bytes:
    return importlib.resources.files("skrutinium_server").joinpath(*_SCHEMA).read_bytes()
