"""What can go wrong with people and their rights. Every error has a ``code`` for machines and a message for people."""

from collections.abc import Iterable
from pathlib import Path


class AuthorityError(Exception):
    """Anything that the stage ``authority`` refuses; ``code`` names the kind of fault."""

    code = "authority"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class EventLogDamaged(AuthorityError):
    """The event log is not what was written."""

    code = "event-log-damaged"

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: {what}. Nothing more is recorded in it. Keep the file as evidence and go on from a copy that "
            "`event-log check` finds sound."
        )


class EventLogBusy(AuthorityError):
    """Another command holds the event log and does not let go."""

    code = "event-log-busy"


class EventRefused(AuthorityError):
    """An event that does not follow from what is recorded: decided already, unknown, or double."""

    code = "event-refused"


class PersonError(AuthorityError):
    """A person that cannot be added, found or removed as asked."""

    code = "person"


class NotAuthenticated(AuthorityError):
    """Name and passphrase do not belong together; which of them is wrong is not told."""

    code = "not-authenticated"


class SubscriberError(AuthorityError):
    """A registration or a decision on it that is refused; ``faults`` lists every reason."""

    code = "subscriber"

    def __init__(self, what: str, faults: Iterable[str] = (), *, code: str | None = None) -> None:
        self.faults = tuple(faults)
        super().__init__(what + "".join(f"\n- {fault}" for fault in self.faults), code=code)


class LetterError(AuthorityError):
    """An access letter that cannot be made."""

    code = "letter"
