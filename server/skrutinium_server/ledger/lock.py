"""The lock that makes one process the writer of a run, or of a site (design § 4.9)."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from skrutinium_server.ledger.errors import LedgerLockedError


class Lock:
    """An exclusive lock on a file, held until released or the process ends, however it ends (flock(2)).

    The file stays and holds the number of the process that locked it last, for people to see.
    """

    def __init__(self, path: Path, why: str = "a run has one writer") -> None:
        """Take the lock; raises :class:`LedgerLockedError` at once when another holds it, saying ``why`` that is not for two."""
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise LedgerLockedError(
                f"{path} is held by another process (number {holder}): {why}. "
                "Send the command to that process, or end it first."
            ) from None
        except BaseException:
            os.close(self._file)
            raise
        with contextlib.suppress(OSError):  # the number is for people, so a full disk may keep it
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let others take it; does nothing the second time."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
