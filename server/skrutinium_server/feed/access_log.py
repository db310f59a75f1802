"""The access log: one JSON line an answer, written by a thread; answers 304 are summed up by subscriber and kind once a second.

Clients that poll make far more answers 304 than all else, and writing a line for each would cost more than the answer: the
sums are taken from counters that are there anyhow. Whoever answers only puts a tuple into a queue. The file is opened
anew when it was moved away (rotation), at once on SIGHUP. Source: issue "Seen by its operator".
"""

import collections
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from skrutinium_server.feed.access import seen_as
from skrutinium_server.feed.kinds import KINDS
from skrutinium_server.feed.limits import Usage
from skrutinium_server.feed.permission import Allowed, RunKey

log = logging.getLogger("skrutinium.feed")

PAUSE: Final = 0.25
"""Seconds between two looks into the queue."""

MOST: Final = 100_000
"""Answers that may wait to be written; those beyond are left out, and counted."""

LONGEST: Final = 300
"""Bytes of a target that are written."""

Note = tuple[float, str, Allowed, RunKey | None, bytes, int, int, int, str]
"""Seconds since 1970, address, what it may read, run, method and target, status, bytes, microseconds, request id."""


class AccessLog:
    """Writes to ``path``; ``usage`` tells what each subscriber asked for, ``phases`` the phase of each run.

    :meth:`note` belongs to the event loop; raises OSError when the file cannot be opened at the start.
    """

    def __init__(
        self,
        path: Path,
        usage: Callable[[], Mapping[str, Usage]],
        phases: Callable[[], Mapping[RunKey, str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._usage = usage
        self._phases = phases
        self._clock = clock
        self._waiting: collections.deque[Note] = collections.deque()
        self._known: dict[tuple[str, int], int] = {}
        self._prefixes: dict[tuple[str, Allowed, RunKey | None], bytes] = {}
        self._summed = clock()
        self._end = threading.Event()
        self._reopen = False
        self._thread: threading.Thread | None = None
        self._trouble = ""
        self.lost = 0
        self._told_lost = 0
        self._file = self._open()
        self._inode = os.fstat(self._file).st_ino

    def note(
        self,
        address: str,
        allowed: Allowed,
        run: RunKey | None,
        line: bytes,
        status: int,
        size: int,
        took: int = 0,
        request_id: str = "",
    ) -> None:
        """An answer: ``line`` is method and target, ``size`` bytes of the body, ``took`` microseconds."""
        if len(self._waiting) >= MOST:
            self.lost += 1
            return
        self._waiting.append((self._clock(), address, allowed, run, line, status, size, took, request_id))

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end the thread."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        os.close(self._file)

    def reopen(self) -> None:
        """Open the file anew before the next line."""
        self._reopen = True

    @property
    def trouble(self) -> str:
        """Why nothing can be written, empty when all is well."""
        return self._trouble

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            self._write()
        self._write(last=True)

    def _write(self, *, last: bool = False) -> None:
        lines: list[bytes] = []
        prefixes = self._prefixes
        prefixes.clear()  # a phase may have changed, and the objects of a former access list should not live on
        while self._waiting and len(lines) < MOST:
            lines.append(self._line(self._waiting.popleft()))
        now = self._clock()
        if last or now - self._summed >= 1:
            self._summed = now
            lines += self._sums(now)
        try:
            self._follow_rotation()
            if lines:
                _write_all(self._file, b"".join(lines))
        except OSError as error:
            self.lost += len(lines)
            if not self._trouble:
                log.error("alarm access log: %s cannot be written: %s", self._path, error)  # noqa: TRY400
            self._trouble = str(error)
        else:
            if self._trouble:
                log.info("alarm access log is over: %d lines were lost", self.lost)
            self._trouble = ""

    def _follow_rotation(self) -> None:
        if not self._reopen:
            try:
                if self._path.stat().st_ino == self._inode:
                    return
            except FileNotFoundError:
                pass
        self._reopen = False
        opened = self._open()
        os.close(self._file)
        self._file = opened
        self._inode = os.fstat(opened).st_ino

    def _line(self, note: Note) -> bytes:
        when, address, allowed, run, line, status, size, took, request_id = note
        key = (address, allowed, run)
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = self._prefix(address, allowed, run)
        method, _, target = line.partition(b" ")
        shown = target[:LONGEST].decode("ascii", "backslashreplace")
        plain = shown if shown.isalnum() or _plain(shown) else json.dumps(shown)[1:-1]
        return (
            b'{"time":"%b",%b"request_id":%b,"method":"%b","path":"%b","status":%d,"bytes":%d,"ms":%.1f}\n'
            % (
                _time(when),
                prefix,
                json.dumps(request_id).encode() if request_id else b"null",
                json.dumps(method.decode("ascii", "replace"))[1:-1].encode(),
                plain.encode(),
                status,
                size,
                took / 1000,
            )
        )

    def _prefix(self, address: str, allowed: Allowed, run: RunKey | None) -> bytes:
        grant = allowed.grant
        told = {
            "subscriber": grant.subscriber if grant else None,
            "address": seen_as(address),
            "phase": self._phases().get(run) if run else None,
        }
        return json.dumps(told, separators=(",", ":"))[1:-1].encode() + b","

    def _sums(self, now: float) -> Iterable[bytes]:
        """One line for all answers 304 of a subscriber and kind since the last sum; one for lines that were lost."""
        told: list[dict[str, object]] = []
        for subscriber, usage in self._usage().items():
            for kind, count in enumerate(list(usage.unchanged)):
                more = count - self._known.get((subscriber, kind), 0)
                if more:
                    self._known[subscriber, kind] = count
                    told.append(
                        {
                            "subscriber": subscriber,
                            "kind": KINDS[kind],
                            "status": 304,
                            "count": more,
                            "bytes": 0,
                        }
                    )
        if self.lost > self._told_lost:
            told.append({"lost": self.lost - self._told_lost})
            self._told_lost = self.lost
        stamp = _time(now).decode()
        return [json.dumps({"time": stamp} | one, separators=(",", ":")).encode() + b"\n" for one in told]


def _plain(text: str) -> bool:
    """Whether a text can stand in JSON as it is."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _time(moment: float) -> bytes:
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


def _write_all(file: int, data: bytes) -> None:
    """Whole lines in one call as a rule, so that those of several processes do not mix."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
