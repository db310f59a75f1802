"""Where the crisis mail works, and holding its folder: one process at a time sends the mail of it."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import msgspec

from skrutinium_server.crisis.errors import OutboxError, OutboxHeld


class Place(msgspec.Struct, frozen=True):
    """Where the crisis mail works: the release store, the list of recipients, its own folder."""

    store: Path
    recipients: Path
    folder: Path


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder of the crisis mail; raises :class:`OutboxError` when another process does, or it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise OutboxError(
            f"The folder {folder} cannot be used ({error}). It belongs to the crisis mail alone."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutboxHeld(f"Another process sends the mail of {folder}. Stop it first.") from None
        yield


def is_running(folder: Path) -> bool:
    """Whether a process sends the mail of that folder."""
    try:
        with alone(folder):
            return False
    except OutboxHeld:
        return True
