"""What a replay answers, and how: bytes with an ETag, packed when the reader takes that, or a refusal as a feed's."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

XML: Final = "application/xml"
_NAMES: Final = re.compile(r'(?:W/)?("[^"]*")')
_PACKED_FROM: Final = 512
MARK: Final = {"Skrutinium-Replay": "1"}


@dataclass(frozen=True, slots=True)
class Found:
    """A document: its bytes, or those of its gzip file; ``fixed``: what lies at this address never changes."""

    data: bytes
    kind: str = XML
    packed: bool = False
    fixed: bool = False


def refusal(status: int, code: str, message: str, **headers: str) -> web.Response:
    """A refusal as a feed writes it."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<error xmlns="urn:skrutinium:1" code="{code}" status="{status}">'
        f"<message>{message}</message></error>\n"
    )
    return web.Response(
        status=status,
        text=text,
        content_type=XML,
        headers={**MARK, hdrs.CACHE_CONTROL: "no-store", **headers},
    )


def not_yet(message: str = "There is no such document at this moment of the replay.") -> web.Response:
    """What is not there."""
    return refusal(404, "not-yet", message)


def etag_of(sha256: str, *, gzipped: bool) -> str:
    """A strong ETag of what is sent, by the hash of what it is made of."""
    return f'"{sha256[:30]}{"gz" if gzipped else "id"}"'


def known(header: str | None, etag: str) -> bool:
    """Whether ``If-None-Match`` names it."""
    return header is not None and (header.strip() == "*" or etag in _NAMES.findall(header))


def answer(found: Found, request: web.Request, more: dict[str, str]) -> web.Response:
    """The answer to a request; compressing may take a while, so it belongs into a thread."""
    accepted = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
    gzipped = accepted and (found.packed or len(found.data) >= _PACKED_FROM)
    etag = etag_of(hashlib.sha256(found.data).hexdigest(), gzipped=gzipped)
    caching = "public, max-age=31536000, immutable" if found.fixed else "no-cache"
    headers = {**MARK, **more, hdrs.ETAG: etag, hdrs.VARY: hdrs.ACCEPT_ENCODING, hdrs.CACHE_CONTROL: caching}
    if known(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    if gzipped:
        body = found.data if found.packed else gzip.compress(found.data, 1, mtime=0)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    else:
        body = gzip.decompress(found.data) if found.packed else found.data
    return web.Response(body=body, content_type=found.kind, headers=headers)
