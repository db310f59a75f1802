"""The access log: one JSON line an answer, written by a thread; answers 304 are summed up by subscriber and kind once a second.

Clients that poll make far more answers 304 than all else, and writing a line for each would cost more than the answer: the
sums are taken from counters that are there anyhow. Whoever answers only puts a tuple into a queue. The file is opened
anew when it was moved away (rotation), at once on SIGHUP. Source: issue "Seen by its operator".
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from skrutinium_server.feed.access import seen_as
from skrutinium_server.feed.kinds import KINDS
from skrutinium_server.feed.limits import Usage
from skrutinium_server.feed.line_file import LineWriter, log_time
from skrutinium_server.feed.permission import Allowed, RunKey

MOST: Final = 100_000
"""Answers that may wait to be written; those beyond are left out, and counted."""

_AGENTS: Final = 4096
"""Addresses whose program is remembered."""

_REMEMBERED: Final = 256
"""Header lines that are remembered with what they say."""

LONGEST: Final = 300
"""Bytes of a target that are written."""

Note = tuple[float, str, Allowed, RunKey | None, bytes, int, int, int, str, bytes, bytes]
"""Seconds since 1970, address, what it may read, run, method and target, status, bytes, microseconds, request id, header lines of answer and request."""

_AGENT: Final = re.compile(rb"\n[Uu]ser-[Aa]gent: ([^\r\n]{1,200})")
_VERSION: Final = re.compile(rb"Skrutinium-(Release|Registers): ([0-9]+)\r\n")


class AccessLog(LineWriter[Note]):
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
        super().__init__("access log", path, MOST)
        self._usage = usage
        self._phases = phases
        self._clock = clock
        self._known: dict[tuple[str, int], int] = {}
        self._prefixes: dict[tuple[str, Allowed, RunKey | None], bytes] = {}
        self._versions: dict[bytes, bytes] = {}
        self._agents: dict[str, bytes] = {}
        self._summed = clock()
        self._told_lost = 0

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
        marks: bytes = b"",
        asked: bytes = b"",
    ) -> None:
        """An answer: ``line`` is method and target, ``size`` bytes of the body, ``took`` microseconds.

        ``marks``: header lines of the answer that say of which release, or of which version of the registers, it is; ``asked``: those of
        the request, which tell the program.
        """
        self._put((self._clock(), address, allowed, run, line, status, size, took, request_id, marks, asked))

    def _lines(self, items: Iterable[Note]) -> list[bytes]:
        self._prefixes.clear()  # a phase may have changed, and the objects of a former access list should not live on
        lines = [self._line(note) for note in items]
        now = self._clock()
        if self._end.is_set() or now - self._summed >= 1:
            self._summed = now
            lines += self._sums(now)
        return lines

    def _line(self, note: Note) -> bytes:
        when, address, allowed, run, line, status, size, took, request_id, marks, asked = note
        key = (address, allowed, run)
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = self._prefix(address, allowed, run)
        method, _, target = line.partition(b" ")
        shown = target[:LONGEST].decode("ascii", "backslashreplace")
        plain = shown if shown.isalnum() or _plain(shown) else json.dumps(shown)[1:-1]
        return (
            b'{"time":"%b",%b"request_id":%b,"method":"%b","path":"%b",%b%b"status":%d,"bytes":%d,"ms":%.1f}\n'
            % (
                log_time(when),
                prefix,
                json.dumps(request_id).encode() if request_id else b"null",
                json.dumps(method.decode("ascii", "replace"))[1:-1].encode(),
                plain.encode(),
                self._version(marks),
                self._agent(address, asked),
                status,
                size,
                took / 1000,
            )
        )

    def _agent(self, address: str, asked: bytes) -> bytes:
        """The program that asks, when it is another one than was told last of this address."""
        found = _AGENT.search(asked)
        if found is None or self._agents.get(address) == found[1]:
            return b""
        if len(self._agents) >= _AGENTS:
            self._agents.clear()
        self._agents[address] = found[1]
        return b'"agent":%b,' % json.dumps(found[1].decode("utf-8", "replace")).encode()

    def _version(self, marks: bytes) -> bytes:
        """Of which release, or of which registers, an answer is; answers of one moment share the lines that say it."""
        if marks not in self._versions:
            if len(self._versions) >= _REMEMBERED:
                self._versions.clear()
            found = _VERSION.search(marks)
            told = b'"%b":%b,' % (found[1].lower(), found[2]) if found else b""
            self._versions[marks] = told
        return self._versions[marks]

    def _prefix(self, address: str, allowed: Allowed, run: RunKey | None) -> bytes:
        grant = allowed.grant
        told = {
            "subscriber": grant.subscriber if grant else None,
            "address": seen_as(address),
            "event": run[0] if run else None,
            "run": run[1] if run else None,
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
        stamp = log_time(now).decode()
        return [json.dumps({"time": stamp} | one, separators=(",", ":")).encode() + b"\n" for one in told]


def _plain(text: str) -> bool:
    """Whether a text can stand in JSON as it is."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
