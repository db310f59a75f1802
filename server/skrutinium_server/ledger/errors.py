"""What can go wrong in the ledger. Every error has a ``code`` for machines and a message for people."""


class LedgerError(Exception):
    """Anything that the stage ``ledger`` refuses; ``code`` names the kind of fault."""

    code = "ledger"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ChainError(LedgerError):
    """An entry that is not what was written: changed, missing or out of place. ``position`` names it."""

    code = "ledger-chain"

    def __init__(self, position: int, problem: str) -> None:
        self.position = position
        super().__init__(
            f"The ledger is broken at position {position}: {problem}. "
            "Every entry before it is sound. Take the file out of use and go on from a copy that verifies."
        )


class LedgerFileError(LedgerError):
    """A file that is missing, already there, or not a ledger of this version."""

    code = "ledger-file"


class LedgerLockedError(LedgerError):
    """Another process writes this ledger; a run has one writer (design § 4.9)."""

    code = "ledger-locked"


class RefusedError(LedgerError):
    """Something that may not be appended; nothing of the call was stored."""

    code = "ledger-refused"


class ClosedError(LedgerError):
    """The ledger has its last entry, or its writer was shut down."""

    code = "ledger-closed"


class LedgerWriteError(LedgerError):
    """The entries could not be made durable; nothing of this call was acknowledged, and asking again is safe."""

    code = "ledger-write"
