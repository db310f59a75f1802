"""Conditional requests and content negotiation (RFC 9110, 12.5.3 and 13). Pure."""

import datetime
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, Literal

from multidict import CIMultiDictProxy

from skrutinium_server.feed.ranges import Part, choose_part
from skrutinium_server.feed.refusals import Refusal

Coding = Literal["identity", "gzip"]

_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,[ \t]*|$)')
_MATCHES: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_QUALITY: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


@lru_cache(maxsize=256)
def choose_coding(accept: str | None) -> Coding | None:
    """The coding to send: gzip unless identity is liked better or gzip is not accepted; None when neither is accepted."""
    if accept is None:
        return "identity"
    likes: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            likes["gzip" if name == "x-gzip" else name] = _quality(parameters)
    gzip = likes.get("gzip", likes.get("*", 0.0))
    # Not named, identity is accepted, but what is named is liked better (RFC 9110, 12.5.3).
    identity = likes.get("identity", likes.get("*"))
    if gzip > 0 and (identity is None or gzip >= identity):
        return "gzip"
    return None if identity == 0 else "identity"


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value.strip()) if _QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0


def none_match(header: str, etag: str) -> bool:
    """Whether ``If-None-Match`` names ``etag`` (weak comparison) or ``*``: then nothing needs to be sent."""
    text = header.strip(" \t,")
    if text == "*":
        return True
    position = 0
    while position < len(text):
        found = _TAG.match(text, position)
        if found is None:
            return False
        if found[1] == etag:
            return True
        position = found.end()
    return False


def not_modified(if_none_match: str | None, if_modified_since: str | None, etag: str, modified: str) -> bool:
    """Whether 304 is the answer; ``modified`` is the ``Last-Modified`` value, empty for none.

    ``If-Modified-Since`` counts only without ``If-None-Match`` and only when it repeats our own date: the clock of a run
    may be any, and a date from an earlier run must not hide what is new.
    """
    if if_none_match is not None:
        return none_match(if_none_match, etag)
    return bool(modified) and if_modified_since is not None and if_modified_since.strip() == modified


def failed(if_match: str | None, if_unmodified_since: str | None, etag: str, modified: str) -> bool:
    """Whether 412 is the answer: ``If-Match`` compares strongly; a date that cannot be read counts for nothing."""
    if if_match is not None:
        told = if_match.strip(" \t,")
        return told != "*" and not any(
            not found.startswith("W/") and found == etag for found in _MATCHES.findall(told)
        )
    if if_unmodified_since is None or not modified:
        return False
    try:
        asked = parsedate_to_datetime(if_unmodified_since)
    except (ValueError, TypeError, OverflowError):
        return False
    return parsedate_to_datetime(modified) > asked.replace(tzinfo=asked.tzinfo or datetime.UTC)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The header fields of a request that decide between 200, 206, 304, 412 and 416; lists are joined by commas."""

    method: str
    if_match: str | None
    if_none_match: str | None
    if_modified_since: str | None
    if_unmodified_since: str | None
    range: str | None
    if_range: str | None

    def failed(self, etag: str, modified: str) -> bool:
        """Whether the document is not as the request wants it."""
        return failed(self.if_match, self.if_unmodified_since, etag, modified)

    def not_modified(self, etag: str, modified: str) -> bool:
        """Whether the reader has it already."""
        return not_modified(self.if_none_match, self.if_modified_since, etag, modified)

    def part(self, etag: str, size: int) -> Part | Refusal | None:
        """The part that is asked for, None for the whole; only GET has parts (RFC 9110, 14.2)."""
        return choose_part(self.range, self.if_range, etag, size) if self.method == "GET" else None


def read_conditions(method: str, headers: CIMultiDictProxy[str]) -> Conditions:
    """The conditions of a request."""

    def joined(name: str) -> str | None:
        return ", ".join(headers.getall(name)) if name in headers else None

    return Conditions(
        method,
        joined("If-Match"),
        joined("If-None-Match"),
        headers.get("If-Modified-Since"),
        headers.get("If-Unmodified-Since"),
        joined("Range"),
        headers.get("If-Range"),
    )
