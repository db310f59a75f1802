"""Reading the feed's access log as it grows: from its last megabyte on, over moves and new beginnings of the file."""

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("skrutinium.console")

PAUSE: Final = 0.5
"""Seconds between two looks, unless told."""

BEFORE: Final = 1_000_000
"""Bytes of what was there already that are read."""

PIECE: Final = 1_000_000
"""Bytes that are read at a time."""

LONGEST: Final = 64_000
"""Bytes of a line that can be one."""


class Tail:
    """Gives every line of the JSON log at ``path`` to ``hear``, from a thread of its own, looking every ``pause`` seconds.

    The file need not exist yet.
    """

    def __init__(
        self, path: Path, hear: Callable[[list[dict[str, Any]]], None], pause: float = PAUSE
    ) -> None:
        self._path = path
        self._pause = pause
        self._hear = hear
        self._file: int | None = None
        self._inode = 0
        self._left = b""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console tail", daemon=True)
        self.trouble = ""
        """Why the log cannot be read, empty when all is well."""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()
        self._close()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                more = self.look()
                self.trouble = ""
            except OSError as error:
                more = False
                if not self.trouble:
                    log.warning("the access log cannot be read: %s", error)
                self.trouble = str(error)
            if not more:
                self._end.wait(self._pause)

    def look(self) -> bool:
        """Read what has come, at most a piece; whether there may be more. Raises OSError."""
        if self._file is None:
            self._open()
        assert self._file is not None
        data = os.read(self._file, PIECE)
        if not data:
            self._follow_rotation()
            return False
        *lines, self._left = (self._left + data).split(b"\n")
        if len(self._left) > LONGEST:
            self._left = b""
        told = [one for line in lines if (one := _object(line)) is not None]
        if told:
            self._hear(told)
        return True

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._file)
        self._inode = status.st_ino
        self._left = b""
        if status.st_size > BEFORE:
            os.lseek(self._file, -BEFORE, os.SEEK_END)

    def _follow_rotation(self) -> None:
        assert self._file is not None
        try:
            now = self._path.stat()
        except FileNotFoundError:  # moved away; the feed opens a new one soon
            return
        if now.st_ino != self._inode or now.st_size < os.lseek(self._file, 0, os.SEEK_CUR):
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
