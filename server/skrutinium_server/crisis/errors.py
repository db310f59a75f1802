"""What can go wrong with the crisis mail."""

from pathlib import Path


class CrisisError(Exception):
    """Root of the errors of the crisis mail; ``code`` is for machines."""

    code = "crisis"


class RecipientsError(CrisisError):
    """The list of recipients is not what it has to be; nothing is sent by it."""

    code = "crisis-recipients"

    def __init__(self, path: Path, where: str, what: str) -> None:
        super().__init__(f"{path}: {where}: {what}" if where else f"{path}: {what}")
        self.path = path
        self.where = where


class OutboxError(CrisisError):
    """The outbox cannot be read or written."""

    code = "crisis-outbox"


class OutboxHeld(OutboxError):
    """Another process sends the mail of that folder."""


class RelayError(CrisisError):
    """The relay cannot be used at all: not reached, not trusted, or it refuses whoever sends."""

    code = "crisis-relay"


class UnreadableResults(CrisisError):
    """A published document is not what its schema says."""

    code = "crisis-document"

    def __init__(self, path: str, what: str) -> None:
        super().__init__(
            f"The published document {path} {what}. Check the store: skrutinium-server store check"
        )
        self.path = path


class NothingToSend(CrisisError):
    """There is no run whose results may be sent."""

    code = "crisis-nothing"
