"""What the operators of the crisis mail are told, by mail and in its log."""

import datetime
import hashlib
import logging
from collections.abc import Sequence

from skrutinium_server.crisis.message import operators_message
from skrutinium_server.crisis.outbox import New
from skrutinium_server.crisis.recipients import Recipients
from skrutinium_server.crisis.sending import Refused

log = logging.getLogger("skrutinium.crisis")


class Operators:
    """What they were told already: trouble until something else is wrong, refusals and files that are too large once each."""

    def __init__(self) -> None:
        self.trouble = ""
        self._refused: set[str] = set()
        self._left_out: set[str] = set()

    def complain(self, what: str) -> None:
        """Log trouble once, until something else is wrong."""
        if what != self.trouble:
            log.error("%s", what)
            self.trouble = what

    def refused(self, taken: Sequence[Refused], told: Recipients, now: datetime.datetime) -> list[New]:
        """Messages about recipients that the relay refuses for good; what goes to operators themselves is only logged."""
        found = {one.message.recipient: one for one in taken if one.message.kind != "operators"}
        new = [one for id, one in found.items() if id not in self._refused]
        if not new:
            return []
        self._refused.update(found)
        lines = "\n".join(f"{one.message.recipient} ({one.message.address}): {one.why}" for one in new)
        text = f"The relay refuses these recipients for good; they get nothing. Reach them by telephone and correct the list.\n\n{lines}"
        subject = f"{len(new)} recipients are refused by the relay"
        return messages(told, f"refused-{int(now.timestamp())}", subject, text, now)

    def left_out(
        self, number: int, paths: Sequence[str], told: Recipients, now: datetime.datetime
    ) -> list[New]:
        """Messages about files of a release that are too large for some recipients."""
        text = f"Too large for the limit of some recipients, and left out of release {number}: {', '.join(paths[:20])}"
        if text in self._left_out:
            return []
        self._left_out.add(text)
        log.error("%s", text)
        return messages(told, f"large-{int(now.timestamp())}", "A file is too large to be sent", text, now)


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
