"""Conditional requests and content negotiation (RFC 9110, 12.5.3 and 13). Pure."""

import re
from functools import lru_cache
from typing import Final, Literal

Coding = Literal["identity", "gzip"]

_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,[ \t]*|$)')
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
