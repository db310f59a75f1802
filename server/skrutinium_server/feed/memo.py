"""What addresses were answered with, prepared so that a front only has to put three pieces together.

What changes with every second and every release is kept apart, in faces that many entries share: a release costs as much as
what changed in it, not as much as there is.
"""

from typing import Final

from skrutinium_server.feed.addresses import Address, NewestDocument
from skrutinium_server.feed.answering import Answers
from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.kinds import kind_of
from skrutinium_server.feed.memory import Memory
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.representation import NEWEST, Answer
from skrutinium_server.feed.response import Dateline
from skrutinium_server.feed.shelf import Published, Shelved
from skrutinium_server.release.store.model import SeriesKey

GENERATION: Final = 32768
"""Addresses that are remembered for sure."""

JOINED: Final = 256 * 1024
"""Bodies up to so many bytes go out in one piece with their head; larger ones are shared by all downloads."""

COPIED: Final = 16 * 1024
"""Up to so many bytes head and body are joined for each answer; above, once a moment for all who ask."""

WHOLE: Final = 64 * 1024 * 1024
"""Bytes of joined answers that are kept within one moment."""

LONGEST_EXCHANGE: Final = 1024
"""Longer requests are taken apart each time, in bytes."""

EXCHANGES: Final = 65536
"""Whole requests that are remembered with the answer that nothing has changed."""

Scope = tuple[str, str]
"""Event and run, whose readers may read an entry."""


class Held:
    """One coding of an entry; ``whole`` is everything in one piece, good as long as the entry's tail is ``tail``."""

    __slots__ = ("body", "etag", "head", "modified", "size", "tag", "tail", "unchanged", "whole")

    def __init__(self, answer: Answer) -> None:
        held = answer.representation
        self.head = answer.head()
        self.unchanged = answer.unchanged_head()
        self.etag = held.etag
        self.modified = answer.modified
        self.tag = held.etag.encode("ascii")
        self.body = held.body
        self.size = len(held.body)
        self.tail: bytes | None = None
        self.whole = b""


class Face:
    """What entries share: the rest of their heads, made anew each second and with each release; ``alive``: they are still good."""

    __slots__ = ("alive", "lines", "tail")

    def __init__(self, lines: bytes, tail: bytes) -> None:
        self.lines = lines
        self.tail = tail
        self.alive = True


_DEAD: Final = Face(b"", b"")
_DEAD.alive = False


class Entry:
    """What one address is answered with while its face is alive; ``scope``: whose readers may read it, None for what belongs to no run.

    ``kind``: what kind of request it answers; ``whole``: the whole requests that were answered with it and are remembered.
    """

    __slots__ = ("face", "gzipped", "kind", "plain", "scope", "whole")

    def __init__(self, scope: Scope | None, face: Face, kind: int) -> None:
        self.scope = scope
        self.kind = kind
        self.face = face
        self.plain: Held | None = None
        self.gzipped: Held | None = None
        self.whole: list[bytes] = []


Exchange = tuple[Face, bytes, Scope, int, Entry]
"""What a whole request is answered with: face, head that says that nothing has changed, scope, kind; and the entry that it asks for.

The face is that of the entry: a front need not fetch the entry itself from memory.
"""


class Memo:
    """The entries of a feed by the first bytes of a request, method and target; bounded in number.

    ``exchanges`` holds whole requests as they were sent, each good while its entry's face is alive: who asks the same thing again
    is answered without its request being taken apart. Whenever an entry gets another face, its exchanges go.
    """

    __slots__ = (
        "_answers",
        "_before",
        "_dateline",
        "_dropped",
        "_faces",
        "_joined",
        "_memory",
        "_newest",
        "_paths",
        "_published",
        "_scopes",
        "_wholes",
        "entries",
        "exchanges",
    )

    def __init__(self, answers: Answers, memory: Memory, dateline: Dateline) -> None:
        self._answers = answers
        self._memory = memory
        self._dateline = dateline
        self._dropped = memory.dropped
        self._published = answers.published
        # Newest documents of a series share a face that lives on from release to release; what changes leaves it.
        self._newest: dict[SeriesKey, Face] = {}
        self._paths: dict[tuple[SeriesKey, str], list[Entry]] = {}
        # All else is looked up anew in every state of what is published.
        self._faces: dict[bytes, Face] = {}
        self._before: dict[bytes, Entry] = {}
        self._wholes: list[Held] = []
        self._joined = 0
        # A front holds on to this dictionary: it is emptied, never replaced.
        self.entries: dict[bytes, Entry] = {}
        self.exchanges: dict[bytes, Exchange] = {}
        # One object for each, so that fronts can compare by identity.
        self._scopes: dict[Scope, Scope] = {}

    def adopt(self, published: Published) -> None:
        """Another state is published."""
        before, self._published = self._published, published
        for face in self._faces.values():
            face.alive = False
        self._faces.clear()
        if published.runs is not before.runs:
            self.forget()
            return
        for key, face in list(self._newest.items()):
            known, series = before.series.get(key), published.series.get(key)
            if series is known:
                continue
            if known is None or series is None or not _follows(known, series):
                face.alive = False
                del self._newest[key]
                continue
            face.lines = series.marks + NEWEST
            face.tail = self._tail(face.lines)
            for row in series.fresh:
                for entry in self._paths.pop((key, row.path), ()):
                    self._end(entry)

    def remember(self, data: bytes, entry: Entry, held: Held, scope: Scope) -> None:
        """Remember a whole request that was answered with 304."""
        if len(data) <= LONGEST_EXCHANGE:
            before = self.exchanges.get(data)
            if before is None and len(self.exchanges) >= EXCHANGES:
                for _, _, _, _, one in self.exchanges.values():
                    one.whole = []
                self.exchanges.clear()
            if before is None or before[4] is not entry:
                entry.whole.append(data)
            self.exchanges[data] = (entry.face, held.unchanged, scope, entry.kind, entry)

    def tick(self) -> None:
        """Another second: the header line ``Date`` changes."""
        for face in (*self._newest.values(), *self._faces.values()):
            face.tail = self._tail(face.lines)
        for held in self._wholes:
            held.whole, held.tail = b"", None
        self._wholes.clear()
        self._joined = 0
        if self._dropped != self._memory.dropped:
            # What the memory lets go of must not live on here.
            self._dropped = self._memory.dropped
            self.forget()

    def current(self, start: bytes) -> Entry | None:
        """The entry for a request that starts so; None when it has to be looked up."""
        entry = self.entries.get(start)
        if entry is None:
            entry = self._before.get(start)
            if entry is None:
                return None
            self._keep(start, entry)
        return entry if entry.face.alive else None

    def keep(
        self, start: bytes, address: Address, scope: Scope | None, answer: Answer, coding: Coding
    ) -> Held:
        """Remember an answer."""
        entry = self.current(start)
        if entry is None or entry.face.lines != answer.lines or entry.scope != scope:
            entry = self._entry(address, scope, answer.lines)
            self._keep(start, entry)
        held = Held(answer)
        if coding == "gzip":
            entry.gzipped = held
        else:
            entry.plain = held
        return held

    def tail(self, lines: bytes) -> bytes:
        """The rest of a head on a connection that stays."""
        return self._face(lines).tail

    def whole(self, held: Held, tail: bytes) -> bytes:
        """Head and body in one piece."""
        whole = b"".join((held.head, tail, held.body))
        if held.size > COPIED and self._joined < WHOLE:
            held.whole, held.tail = whole, tail
            self._wholes.append(held)
            self._joined += len(whole)
        return whole

    def _entry(self, address: Address, scope: Scope | None, lines: bytes) -> Entry:
        if isinstance(address, NewestDocument):
            key = self._answers.key(address.place)
            series = None if isinstance(key, Refusal) else self._published.series.get(key)
            if series is not None and address.path in series.rows and lines == series.marks + NEWEST:
                face = self._newest.get(series.key)
                if face is None:
                    face = self._newest[series.key] = Face(lines, self._tail(lines))
                entry = Entry(self._own(scope), face, kind_of(address))
                self._paths.setdefault((series.key, address.path), []).append(entry)
                return entry
        return Entry(self._own(scope), self._face(lines), kind_of(address))

    def _own(self, scope: Scope | None) -> Scope | None:
        return None if scope is None else self._scopes.setdefault(scope, scope)

    def _face(self, lines: bytes) -> Face:
        face = self._faces.get(lines)
        if face is None:
            face = self._faces[lines] = Face(lines, self._tail(lines))
        return face

    def _tail(self, lines: bytes) -> bytes:
        return b"".join((lines, self._dateline.line(), b"\r\n"))

    def _keep(self, start: bytes, entry: Entry) -> None:
        if len(self.entries) >= GENERATION:
            self._before = dict(self.entries)
            self.entries.clear()
            kept = set(self._before.values())
            for place, entries in list(self._paths.items()):
                self._paths[place] = [one for one in entries if one in kept]
                if not self._paths[place]:
                    del self._paths[place]
                for one in entries:
                    if one not in kept:  # nobody will tell it of a change any more
                        self._end(one)
        self.entries[start] = entry

    def _end(self, entry: Entry) -> None:
        entry.face = _DEAD
        for data in entry.whole:
            self.exchanges.pop(data, None)
        entry.whole = []

    def forget(self) -> None:
        """Remember nothing of what was."""
        for face in self._newest.values():
            face.alive = False
        self._newest.clear()
        self._paths.clear()
        self._before.clear()
        self.entries.clear()
        self.exchanges.clear()


def _follows(before: Shelved, series: Shelved) -> bool:
    """Whether what changed since the state before is all in ``fresh``."""
    return (
        before.number <= series.number and series.digests.get(before.number) == before.digests[before.number]
    )
