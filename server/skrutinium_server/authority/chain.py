"""The chain of the event log: what is hashed, and what proves that no line was changed. Pure.

A line is canonical JSON (UTF-8 without blanks, members in the order of the struct, times in UTC ending in ``Z``) and a
line feed. The hash is the SHA-256 of the line without its member ``hash``. Source: requirement C18.
"""

import datetime
import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from skrutinium_server.authority.model import Entry, Event

GENESIS: Final = "0" * 64
"""The hash before the first line."""


class _Head(msgspec.Struct, frozen=True):
    position: int
    previous: str
    time: datetime.datetime
    who: str
    event: Event


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Entry, strict=True).decode


class BrokenLine(ValueError):
    """A line that is not what was written; the message says which one and why."""


def make(position: int, previous: str, time: datetime.datetime, who: str, event: Event) -> Entry:
    """The entry that follows the one with the hash ``previous``."""
    time = time.astimezone(datetime.UTC)
    head = _encode(_Head(position, previous, time, who, event))
    return Entry(position, previous, time, who, event, hashlib.sha256(head).hexdigest())


def line(entry: Entry) -> bytes:
    """The bytes of an entry, line feed included."""
    return _encode(entry) + b"\n"


def parse(data: bytes, position: int, previous: str) -> Entry:
    """One line without its line feed, proved to follow; raises :class:`BrokenLine`."""
    try:
        entry = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BrokenLine(f"line {position} cannot be read ({error})") from error
    if entry.position != position:
        raise BrokenLine(f"line {position} says it is entry {entry.position}")
    if entry.previous != previous:
        raise BrokenLine(f"line {position} does not follow the line before it")
    made = make(entry.position, entry.previous, entry.time, entry.who, entry.event)
    if made.hash != entry.hash or line(made) != data + b"\n":
        raise BrokenLine(f"line {position} does not have the hash that it names")
    return entry


def read(data: bytes) -> Iterator[Entry]:
    """The entries of whole lines, each proved to follow the one before; raises :class:`BrokenLine`."""
    previous = GENESIS
    for position, text in enumerate(data.split(b"\n")[:-1], 1):
        entry = parse(text, position, previous)
        previous = entry.hash
        yield entry
