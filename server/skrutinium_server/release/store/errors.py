"""What can go wrong with a release store."""

from pathlib import Path


class StoreError(Exception):
    """Root of the store's errors; ``code`` is for machines."""

    code = "store"


class StoreDamaged(StoreError):
    """Something in the store is not what its name or signature says."""

    code = "store-damaged"

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}. Restore the file from a mirror or a backup; nothing was changed.")
        self.path = path


class StoreMissing(StoreError):
    """The store does not hold what was asked for."""

    code = "store-missing"

    def __init__(self, what: str) -> None:
        super().__init__(f"The release store holds no {what}.")


class StoreWriteFailed(StoreError):
    """The disk did not take what was to be published; nothing of the release is visible."""

    code = "store-write-failed"

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"{path}: cannot be written ({cause.strerror or cause}). Free space or mend the disk; "
            "publishing goes on by itself, and nothing accepted is lost."
        )
        self.path = path
