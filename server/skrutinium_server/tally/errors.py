"""What can go wrong while counting; every one of these means that an earlier stage let something through."""


class TallyError(ValueError):
    """Something that cannot be counted; ``code`` names the fault for machines."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EntryError(TallyError):
    """An entry of the ledger that does not fit the definition, or does not follow the one before."""
