"""What lies in the outbox: a message that is queued, what became of it, and what operators are to learn."""

import datetime
from typing import Final, Literal

import msgspec

from skrutinium_server.crisis.message import Content, Identity
from skrutinium_server.crisis.model import Kind


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """To be sent; ``attempts`` failed for a time, the last one because of ``why``."""

    attempts: int = 0
    why: str = ""


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """The relay took it at ``time`` and said ``answer``."""

    time: datetime.datetime
    answer: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The relay refused it for good."""

    time: datetime.datetime
    why: str


class Replaced(msgspec.Struct, frozen=True, tag="replaced"):
    """Another message took its place before the relay took it; that one carries everything that this one did."""

    time: datetime.datetime


State = Waiting | Sent | Failed | Replaced
_STATE: Final[msgspec.json.Decoder[State]] = msgspec.json.Decoder(State)


def packed(state: State) -> bytes:
    """A state as the outbox keeps it."""
    return msgspec.json.encode(state)


def unpacked(state: bytes) -> State:
    """The state that :func:`packed` made the bytes of."""
    return _STATE.decode(state)


class Message(msgspec.Struct, frozen=True):
    """A message to one recipient. ``crisis`` is the number of the time of need that it belongs to; 0: none (test, operators)."""

    id: str
    recipient: str
    address: str
    kind: str
    event: str
    run: str
    number: int
    repeat: int
    part: int
    parts: int
    crisis: int
    queued: datetime.datetime
    state: State


class Notice(msgspec.Struct, frozen=True):
    """What operators learn once in a crisis: that the relay refuses ``what`` recipient for good, or which file was too large, and ``why``."""

    crisis: int
    kind: Literal["refused", "large"]
    what: str
    why: str


class New(msgspec.Struct, frozen=True):
    """A message that is queued: its identity or, for operators, its id; the content is shared."""

    identity: Identity | None
    id: str
    recipient: str
    address: str
    kind: Kind | Literal["operators"]
    parts: int
    crisis: int
    head: bytes
    content: Content

    @property
    def at(self) -> tuple[str, str, int, int, int]:
        """Event, run, number of the release, repeat and part; what is for operators belongs to none."""
        if self.identity is None:
            return "", "", 0, 0, 1
        told = self.identity
        return told.event, told.run, told.number, told.repeat, told.part
