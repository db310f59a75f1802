"""The requests in a piece of what arrived, when all of them are whole, well-formed and plain; anything else is for the ordinary path."""

import re
from typing import Final, NamedTuple

from skrutinium_server.feed.blocks import Blocks, Facts

PIPELINED: Final = 32
"""Requests in one piece, at most; more go the ordinary path."""

VERSION: Final = b" HTTP/1.1\r\n"
_EMPTY_LINE: Final = b"\r\n\r\n"
_START: Final = re.compile(rb"GET /[A-Za-z0-9._\-:/?=&,]{0,199}")


class Request(NamedTuple):
    """One request of a piece: method and target, what else it asks for, and where it ends."""

    start: bytes
    facts: Facts
    end: int


def read_requests(data: bytes, blocks: Blocks) -> list[Request] | None:
    """The requests of a piece, None when something of it is for the ordinary path."""
    found: list[Request] = []
    start = 0
    while start < len(data):
        line = data.find(VERSION, start)
        end = data.find(_EMPTY_LINE, start) + len(_EMPTY_LINE)
        if line < 0 or end < len(_EMPTY_LINE) or line > end or len(found) == PIPELINED:
            return None
        if found and found[-1].facts.closes:
            return None
        facts = blocks.read(data[line + len(VERSION) : end])
        if facts is None or not _START.fullmatch(data, start, line):
            return None
        found.append(Request(data[start:line], facts, end))
        start = end
    return found or None
