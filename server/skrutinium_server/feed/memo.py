"""What addresses were answered with, prepared so that a front only has to put three pieces together.

An entry is good for one moment of the memo: a new second or a new state of what is published begins the next one. Renewing an
entry whose document did not change costs a look at its row, so a release costs what changed, not what there is.
"""

from typing import Final

from skrutinium_server.feed.addresses import (
    Address,
    Changes,
    Checkpoint,
    DocumentAt,
    NewestDocument,
    NumberedDocument,
    Pack,
)
from skrutinium_server.feed.answering import Answers
from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.memory import Memory, document_key
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.representation import NEWEST, Answer
from skrutinium_server.feed.response import Dateline
from skrutinium_server.feed.shelf import Published
from skrutinium_server.release.store.model import ManifestRow, SeriesKey

GENERATION: Final = 32768
"""Addresses that are remembered for sure."""

JOINED: Final = 256 * 1024
"""Bodies up to so many bytes go out in one piece with their head; larger ones are shared by all downloads."""

COPIED: Final = 16 * 1024
"""Up to so many bytes head and body are joined for each answer; above, once a moment for all who ask."""

WHOLE: Final = 64 * 1024 * 1024
"""Bytes of joined answers that are kept within one moment."""

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


class Entry:
    """What one address is answered with; ``moment`` tells for how long, ``tail`` is the rest of the head.

    ``scope``: whose readers may read it, None for what belongs to no run; ``adopted``: the state of what is published that it
    was looked up in; ``series`` is set where nothing else but that series and the runs decides, and ``row`` where the newest
    document at ``path`` does.
    """

    __slots__ = ("adopted", "gzipped", "lines", "moment", "path", "plain", "row", "scope", "series", "tail")

    def __init__(
        self, scope: Scope | None, series: SeriesKey | None, path: str, row: ManifestRow | None
    ) -> None:
        self.scope = scope
        self.series = series
        self.path = path
        self.row = row
        self.lines = b""
        self.moment: object = None
        self.adopted = 0
        self.tail = b""
        self.plain: Held | None = None
        self.gzipped: Held | None = None


class Memo:
    """The entries of a feed by the first bytes of a request, method and target; bounded in number."""

    __slots__ = (
        "_adopted",
        "_answers",
        "_before",
        "_changed",
        "_dateline",
        "_dropped",
        "_joined",
        "_memory",
        "_published",
        "_tails",
        "_wholes",
        "entries",
        "moment",
    )

    def __init__(self, answers: Answers, memory: Memory, dateline: Dateline) -> None:
        self._answers = answers
        self._memory = memory
        self._dateline = dateline
        self._dropped = memory.dropped
        self._published = answers.published
        self._adopted = 1
        # The state in which a series changed last; None stands for the runs.
        self._changed: dict[SeriesKey | None, int] = {None: 1}
        self._before: dict[bytes, Entry] = {}
        self._tails: dict[bytes, bytes] = {}
        self._wholes: list[Held] = []
        self._joined = 0
        # A front holds on to this dictionary: it is emptied, never replaced.
        self.entries: dict[bytes, Entry] = {}
        self.moment = object()

    def adopt(self, published: Published) -> None:
        """Another state is published: every entry has to be looked at again before it is used."""
        before, self._published = self._published, published
        self._adopted += 1
        if published.runs is not before.runs:
            self._changed[None] = self._adopted
        for key, series in published.series.items():
            if before.series.get(key) is not series:
                self._changed[key] = self._adopted
        self.moment = object()

    def tick(self) -> None:
        """Another second: the header line ``Date`` changes."""
        self._tails.clear()
        for held in self._wholes:
            held.whole, held.tail = b"", None
        self._wholes.clear()
        self._joined = 0
        if self._dropped != self._memory.dropped:
            # What the memory lets go of must not live on here.
            self._dropped = self._memory.dropped
            self._before.clear()
            self.entries.clear()
        self.moment = object()

    def current(self, start: bytes) -> Entry | None:
        """The entry for a request that starts so, renewed; None when it has to be looked up."""
        entry = self.entries.get(start)
        if entry is None:
            entry = self._before.get(start)
            if entry is None:
                return None
            self._keep(start, entry)
        return entry if entry.moment is self.moment or self.renew(entry) else None

    def keep(
        self, start: bytes, address: Address, scope: Scope | None, answer: Answer, coding: Coding
    ) -> Held:
        """Remember an answer."""
        entry = self.current(start)
        if entry is None or entry.lines != answer.lines or entry.scope != scope:
            entry = self._entry(address, scope)
            entry.lines = answer.lines
            entry.adopted = self._adopted
            entry.tail = self.tail(answer.lines)
            entry.moment = self.moment
            self._keep(start, entry)
        held = Held(answer)
        if coding == "gzip":
            entry.gzipped = held
        else:
            entry.plain = held
        return held

    def tail(self, lines: bytes) -> bytes:
        """The rest of a head on a connection that stays."""
        tail = self._tails.get(lines)
        if tail is None:
            tail = self._tails[lines] = b"".join((lines, self._dateline.line(), b"\r\n"))
        return tail

    def whole(self, held: Held, tail: bytes) -> bytes:
        """Head and body in one piece."""
        whole = b"".join((held.head, tail, held.body))
        if held.size > COPIED and self._joined < WHOLE:
            held.whole, held.tail = whole, tail
            self._wholes.append(held)
            self._joined += len(whole)
        return whole

    def _entry(self, address: Address, scope: Scope | None) -> Entry:
        if isinstance(address, NewestDocument | NumberedDocument | DocumentAt | Pack | Checkpoint | Changes):
            key = self._answers.key(address.place)
            series = None if isinstance(key, Refusal) else self._published.series.get(key)
            if series is not None:
                row = series.rows.get(address.path) if isinstance(address, NewestDocument) else None
                return Entry(scope, series.key, row.path if row else "", row)
        return Entry(scope, None, "", None)

    def renew(self, entry: Entry) -> bool:
        """Whether an entry still holds in this moment; makes it good for it."""
        if entry.adopted != self._adopted:
            if entry.series is None or entry.adopted < self._changed[None]:
                return False
            if entry.adopted < self._changed[entry.series]:
                series = self._published.series.get(entry.series)
                if series is None or entry.row is None or series.rows.get(entry.path) is not entry.row:
                    return False
                entry.lines = series.marks + NEWEST
            entry.adopted = self._adopted
        if entry.row is not None:
            self._memory.touch(document_key(entry.row.sha256, "gzip" if entry.gzipped else "identity"))
        entry.tail = self.tail(entry.lines)
        entry.moment = self.moment
        return True

    def _keep(self, start: bytes, entry: Entry) -> None:
        if len(self.entries) >= GENERATION:
            self._before = dict(self.entries)
            self.entries.clear()
        self.entries[start] = entry
