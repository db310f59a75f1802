"""How the crisis mail is doing, for its operator: its state, what was decided by whom, who got what. Reads the outbox."""

import datetime
from collections.abc import Mapping
from pathlib import Path

import msgspec

from skrutinium_server.crisis.holding import is_running
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Failed, Message, Sent, Waiting
from skrutinium_server.crisis.running import current_state
from skrutinium_server.crisis.triggering import Announced, Input, Looked


class LogLine(msgspec.Struct, frozen=True):
    """A decision, of a person or of the watch; ``time`` is aware, UTC."""

    time: datetime.datetime
    text: str


class RecipientStatus(msgspec.Struct, frozen=True):
    """The last message of a run to a recipient (of several parts, the one that is worst off)."""

    recipient: str
    address: str
    kind: str
    event: str
    run: str
    number: int
    state: str
    since: datetime.datetime
    why: str


class CrisisStatus(msgspec.Struct, frozen=True):
    """Everything of a moment; ``outbox``: how many messages are in each state; ``process``: whether one runs."""

    state: str
    process: bool
    outbox: Mapping[str, int]
    recipients: tuple[RecipientStatus, ...]
    log: tuple[LogLine, ...]


_BADNESS = {"failed": 3, "waiting": 2, "replaced": 1, "sent": 0}


def crisis_status(folder: Path) -> CrisisStatus:
    """The state of the crisis mail in ``folder``; raises :class:`OutboxError`."""
    if not (folder / "outbox.sqlite").exists():
        return CrisisStatus("disarmed", process=False, outbox={}, recipients=(), log=())
    with Outbox(folder) as outbox:
        _, state = current_state(outbox)
        last: dict[tuple[str, str, str], RecipientStatus] = {}
        for message in outbox.messages():
            told = _told(message)
            key = (told.recipient, told.event, told.run)
            before = last.get(key)
            if (
                before is None
                or (before.number, before.kind) != (told.number, told.kind)
                or _BADNESS[told.state] >= _BADNESS[before.state]
            ):
                last[key] = told
        return CrisisStatus(
            type(state).__name__.lower(),
            is_running(folder),
            outbox.counts(),
            tuple(sorted(last.values(), key=lambda one: (one.recipient, one.event, one.run))),
            tuple(_line(time, decision) for _, time, decision, _ in outbox.decisions()),
        )


def _told(message: Message) -> RecipientStatus:
    state = message.state
    since = message.queued if isinstance(state, Waiting) else state.time
    why = (
        state.why if isinstance(state, Waiting | Failed) else state.answer if isinstance(state, Sent) else ""
    )
    name = type(state).__name__.lower()
    return RecipientStatus(
        *(message.recipient, message.address, message.kind, message.event, message.run),
        *(message.number, name, since, why),
    )


def _line(time: datetime.datetime, decision: bytes) -> LogLine:
    given: Input = msgspec.json.decode(decision, type=Input)
    match given:
        case Looked(verdict=verdict, why=why):
            return LogLine(time, f"the watch of the feed: {verdict}{f' ({why})' if why else ''}")
        case Announced():
            return LogLine(time, "the last messages are queued")
        case _:
            return LogLine(time, f"{type(given).__name__.lower()} by {given.by}: {given.reason}")
