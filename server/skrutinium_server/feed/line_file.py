"""A log of lines in a file: opened anew when it was moved away (rotation) or when it is asked for; whole lines in one call as a rule.

Who has something to tell only puts it into a queue; a thread makes lines of it and writes them.
"""

import abc
import collections
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Generic, TypeVar

log = logging.getLogger("skrutinium.feed")

PAUSE: Final = 0.25
"""Seconds between two looks into the queue."""

Item = TypeVar("Item")


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


class LineWriter(abc.ABC, Generic[Item]):
    """Writes lines to ``path`` by a thread of its own. ``name`` is that of the alarm while they cannot be written.

    ``most`` may wait to be written; those beyond are left out, and counted in ``lost``. ``trouble`` says why nothing can be written,
    empty when all is well. Raises OSError when the file cannot be opened at the start.
    """

    def __init__(self, name: str, path: Path, most: int) -> None:
        self.name = name
        self._most = most
        self._waiting: collections.deque[Item] = collections.deque()
        self._file = LineFile(path)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.trouble = ""
        self.lost = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it was begun, and write what is left."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._write()
        self._file.close()

    def reopen(self) -> None:
        """Open the file anew before the next line."""
        self._file.reopen()

    @abc.abstractmethod
    def _lines(self, items: Iterable[Item]) -> list[bytes]:
        """What to write of ``items``, that were put in, in whole lines; asked at each look into the queue, none or many in it."""

    def _put(self, item: Item) -> None:
        if len(self._waiting) >= self._most:
            self.lost += 1
        else:
            self._waiting.append(item)

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            self._write()

    def _write(self) -> None:
        lines = self._lines(self._waiting.popleft() for _ in range(len(self._waiting)))
        try:
            self._file.write(b"".join(lines))
        except OSError as error:
            self.lost += len(lines)
            if not self.trouble:
                log.error("alarm %s: %s cannot be written: %s", self.name, self._file.path, error)  # noqa: TRY400
            self.trouble = str(error)
        else:
            if self.trouble:
                log.info("alarm %s is over: %d lines were lost", self.name, self.lost)
            self.trouble = ""


def log_time(moment: float) -> bytes:
    """Seconds since 1970 as the logs write them: UTC, with milliseconds."""
    whole = int(moment)
    return b"%b.%03dZ" % (_second(whole), int((moment - whole) * 1000))


_SECOND: list[tuple[int, bytes]] = [(0, b"1970-01-01T00:00:00")]


def _second(whole: int) -> bytes:
    """The second as text; remembered, for most lines fall into the same one."""
    known = _SECOND[0]
    if known[0] != whole:
        known = (whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)).encode())
        _SECOND[0] = known
    return known[1]
