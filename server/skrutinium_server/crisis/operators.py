"""What the operators of the crisis mail are told, by mail and in its log."""

import datetime
import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from skrutinium_server.crisis.errors import OutboxError, RelayError
from skrutinium_server.crisis.message import operators_message
from skrutinium_server.crisis.queued import New, Notice
from skrutinium_server.crisis.recipients import Recipients
from skrutinium_server.crisis.sending import hand_in

log = logging.getLogger("skrutinium.crisis")

_NAMED = 20
"""So many files that are too large are named in one message."""


UNUSABLE: Final = (OutboxError, sqlite3.Error)
"""What the outbox raises; nobody can be told of it through the outbox."""
AGAIN: Final = datetime.timedelta(seconds=60)
"""From one attempt to tell of it past the outbox to the next."""


class Operators:
    """What was told last. ``unusable``: operators know that the outbox cannot be written, and are to learn when it can."""

    def __init__(self) -> None:
        self.trouble = ""
        self.unusable = False
        self._tell_at: datetime.datetime | None = None

    def complain(self, what: str) -> None:
        """Log trouble once, until something else is wrong."""
        if what != self.trouble:
            log.error("%s", what)
            self.trouble = what

    async def complain_past(self, error: Exception, told: Recipients, now: datetime.datetime) -> None:
        """Log trouble; that of the outbox is mailed to the operators past it, once."""
        self.complain(str(error))
        waits = self._tell_at is not None and now < self._tell_at
        if not isinstance(error, UNUSABLE) or self.unusable or waits:
            return
        self._tell_at = now + AGAIN
        text = f"{error}\n\nNothing new is sent to anybody until this is mended; what is queued already still is. Then all goes on by itself."
        made = messages(told, f"unusable-{int(now.timestamp())}", "The outbox cannot be used", text, now)
        try:
            if made:
                await hand_in(told.relay, told.sender.address, made)
        except RelayError as refused:
            log.error("the operators cannot be told that the outbox cannot be used: %s", refused)  # noqa: TRY400
        else:
            self.unusable = True

    def usable_again(self, told: Recipients, now: datetime.datetime) -> list[New]:
        """Messages that the outbox can be written again."""
        text = "The outbox can be used again; crisis mail goes on."
        log.warning("%s", text)
        self.trouble, self._tell_at = "", None
        return messages(told, f"usable-{int(now.timestamp())}", text, text, now)


def notices_told(notices: Sequence[Notice], told: Recipients, now: datetime.datetime) -> list[New]:
    """The messages by which operators learn of notices; what goes to operators themselves and is refused is only logged."""
    refused = [one for one in notices if one.kind == "refused"]
    large = [one for one in notices if one.kind == "large"]
    found: list[New] = []
    if refused:
        lines = "\n".join(f"{one.what}: {one.why}" for one in refused)
        text = f"The relay refuses these recipients for good; they get nothing. Reach them by telephone and correct the list.\n\n{lines}"
        count = len(refused)
        subject = f"{count} {'recipient is' if count == 1 else 'recipients are'} refused by the relay"
        found += messages(told, f"refused-{_mark(refused)}", subject, text, now)
    if large:
        lines = "\n".join(f"{one.what} ({one.why})" for one in large[:_NAMED])
        more = f"\nand {len(large) - _NAMED} more" if len(large) > _NAMED else ""
        text = f"Too large for the limit of some recipients, and left out of their messages:\n\n{lines}{more}"
        log.error("%s", text)
        found += messages(told, f"large-{_mark(large)}", "A file is too large to be sent", text, now)
    return found


def _mark(notices: Iterable[Notice]) -> str:
    """Names what is told: two tellings in the same second are two messages."""
    whole = "\n".join(f"{one.crisis} {one.what}" for one in notices)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def messages(told: Recipients, id: str, subject: str, text: str, now: datetime.datetime) -> list[New]:
    """One message to each operator; ``id`` names what it tells, so that it is the same after a crash."""
    found = []
    for address in told.sender.operators:
        mark = hashlib.sha256(address.encode()).hexdigest()[:16]
        name = f"<skrutinium.operators.{id}.{mark}@{told.domain}>"
        line = f"[Skrutinium] {subject}"[:200]
        head, shared = operators_message(address, told.sender, name, line, f"{text}\n", now)
        found.append(New(None, name, f"operator {address}", address, "operators", 1, 0, head, shared))
    return found
