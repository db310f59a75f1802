"""A log of lines in a file: opened anew when it was moved away (rotation) or when it is asked for; whole lines in one call as a rule."""

import os
from pathlib import Path


class LineFile:
    """Appends to ``path``; raises OSError when it cannot be opened. For one thread, but for :meth:`reopen`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reopen = False
        self._file = self._open()
        self._inode = os.fstat(self._file).st_ino

    def reopen(self) -> None:
        """Open the file anew before the next line."""
        self._reopen = True

    def write(self, data: bytes) -> None:
        """Append whole lines, after a look whether the file is still there; raises OSError."""
        self._follow_rotation()
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _follow_rotation(self) -> None:
        if not self._reopen:
            try:
                if self.path.stat().st_ino == self._inode:
                    return
            except FileNotFoundError:
                pass
        self._reopen = False
        opened = self._open()
        os.close(self._file)
        self._file = opened
        self._inode = os.fstat(opened).st_ino
