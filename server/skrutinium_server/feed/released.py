"""Documents of a series as of one of its releases: the newest, a numbered one, that of a time; and what changed between two."""

import datetime
from dataclasses import replace

from skrutinium_server.feed.addresses import (
    Changes,
    Checkpoint,
    DocumentAt,
    Line,
    NewestDocument,
    NumberedDocument,
    Pack,
    Place,
)
from skrutinium_server.feed.choosing import Choice, Chosen
from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.memory import Found, Memory
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.recalling import Recalling
from skrutinium_server.feed.refusals import (
    GONE,
    NO_CHECKPOINT,
    NO_DOCUMENT,
    NO_LINE,
    NOT_YET,
    NOT_YET_THEN,
    Refusal,
)
from skrutinium_server.feed.representation import IMMUTABLE, NEWEST, Answer, marks
from skrutinium_server.feed.shelf import Shelved, moment
from skrutinium_server.release.store.errors import StoreMissing
from skrutinium_server.release.store.model import SeriesKey

InSeries = NewestDocument | NumberedDocument | DocumentAt | Changes | Pack | Checkpoint | Line
"""Addresses in a series that :class:`Released` looks up."""


class Released:
    """Looks addresses up in a series that is published."""

    def __init__(self, past: Past, memory: Memory, recalling: Recalling) -> None:
        self._past = past
        self._memory = memory
        self._recalling = recalling

    def look_up(
        self,
        series: Shelved,
        address: InSeries,
        coding: Coding,
        chosen: Chosen | None = None,
    ) -> Found:
        """The answer to an address in a series; ``chosen``: the documents that its choice stands for."""
        place = address.place
        match address:
            case NewestDocument(path=path, after=after):
                found = self.newest(series, path, coding, series.marks + NEWEST)
                if after is not None and isinstance(found, Answer) and series.number <= after:
                    return replace(found, known=True)
                return found
            case NumberedDocument(number=number, path=path):
                return self._numbered(series, place, number, path, coding)
            case DocumentAt(time=time, path=path):
                return self._at(series, place, time, path, coding)
            case Changes(since=since, choice=choice):
                return self._changes(series, since, coding, choice, chosen)
            case Line():
                return self._line(series)
            case Pack(number=number):
                return self._pack(series, place, number)
            case Checkpoint():
                return self._checkpoint(series, address, coding)

    def newest(self, series: Shelved, path: str, coding: Coding, lines: bytes) -> Found:
        """A document of the newest release."""
        if path == "manifest.xml":
            kept = series.gzipped if coding == "gzip" else series.plain
            return Answer(kept, lines, series.moments[series.number])
        if path == "manifest.xml.sig":
            return Answer(series.signature, lines, series.moments[series.number])
        row = series.rows.get(path)
        if row is None:
            return NO_DOCUMENT
        return self._recalling.document(row.sha256, coding, lines, series.modified(path))

    def _numbered(self, series: Shelved, place: Place, number: int, path: str, coding: Coding) -> Found:
        if number > series.number:
            return NOT_YET
        key = series.key
        known = series.moments.get(number)
        if known is None:
            return self._memory.recall(
                ("moment", key, number),
                lambda: self._moment(key, number),
                lambda text: self._of(series, place, number, path, coding, text),
            )
        return self._of(series, place, number, path, coding, known)

    def _of(
        self, series: Shelved, place: Place, number: int, path: str, coding: Coding, modified: str | Refusal
    ) -> Found:
        """A document as of one release, whose Last-Modified is known."""
        if isinstance(modified, Refusal):
            return modified
        key = series.key
        lines = marks(key.run, series.manifest.phase, number) + lasting(place)
        if path == "manifest.xml":
            return self._recalling.recall(
                ("manifest", key, number, coding),
                lambda: self._past.manifest(key, number, coding),
                lines,
                modified,
            )
        if path == "manifest.xml.sig":
            return self._recalling.recall(
                ("signature", key, number),
                lambda: self._past.manifest_signature(key, number),
                lines,
                modified,
            )
        row = series.rows.get(path)
        if row is None:  # what was ever published stays in the snapshot
            return NO_DOCUMENT
        if series.last_change(path) <= number:
            return self._recalling.document(row.sha256, coding, lines, modified)
        return self._memory.recall(
            ("snapshot", key, number),
            lambda: self._past.snapshot(key, number),
            lambda rows: (
                self._recalling.document(rows[path].sha256, coding, lines, modified)
                if path in rows
                else NO_DOCUMENT
            ),
        )

    def _at(self, series: Shelved, place: Place, time: datetime.datetime, path: str, coding: Coding) -> Found:
        newest = datetime.datetime.fromisoformat(series.manifest.time)
        if time >= newest:
            return self.newest(series, path, coding, series.marks + NEWEST)
        key = series.key
        return self._memory.recall(
            ("at", key, time),
            lambda: self._past.at(key, series.number, time),
            lambda number: self._numbered(series, place, number, path, coding) if number else NOT_YET_THEN,
        )

    def _changes(
        self,
        series: Shelved,
        since: int,
        coding: Coding,
        choice: Choice | None = None,
        chosen: Chosen | None = None,
    ) -> Found:
        if since > series.number:
            return NOT_YET
        lines = series.marks + NEWEST
        key, newest = series.key, series.number
        return self._recalling.recall(
            changes_key(series, since, coding, choice),
            lambda: self._past.changes(key, since, newest, coding, chosen),
            lines,
            series.moments[newest],
        )

    def _pack(self, series: Shelved, place: Place, number: int) -> Found:
        if number > series.number:
            return NOT_YET
        lines = marks(series.key.run, series.manifest.phase, number) + lasting(place)
        return self._recalling.recall(
            ("pack", series.key, number), lambda: self._past.pack(series.key, number), lines
        )

    def _checkpoint(self, series: Shelved, address: Checkpoint, coding: Coding) -> Found:
        number = series.checkpoint if address.number is None else address.number
        if not 0 < number <= series.number:
            return NO_CHECKPOINT
        key = series.key
        caching = NEWEST if address.number is None else lasting(address.place)
        lines = marks(key.run, series.manifest.phase, number) + caching
        if address.signature:
            return self._recalling.recall(
                ("line", key, number), lambda: self._past.checkpoint_signature(key, number), lines
            )
        return self._recalling.recall(
            ("checkpoint", key, number, coding), lambda: self._past.checkpoint(key, number, coding), lines
        )

    def _line(self, series: Shelved) -> Found:
        row = series.rows.get("summary.xml")
        if row is None:
            return NO_LINE
        return self._recalling.recall(
            ("line of", row.sha256),
            lambda: self._past.line(row.sha256),
            series.marks + NEWEST,
            series.modified("summary.xml"),
        )

    def _moment(self, key: SeriesKey, number: int) -> str | Refusal:
        reader = self._past.reader
        try:
            return moment(reader, key, reader.manifest(key, number))
        except StoreMissing:
            return GONE


def changes_key(
    series: Shelved, since: int, coding: Coding, choice: Choice | None = None
) -> tuple[object, ...]:
    """Where the tar of changes is kept in memory: it is made once for all who choose the same."""
    return ("changes", series.key, since, series.digests[series.number], coding, choice)


def lasting(place: Place) -> bytes:
    """Numbered answers of a run never change; at the event's own address another run may follow with the same numbers.

    That is so after a test, and after a live run that had to be closed and opened anew: a cache must not mix them.
    """
    return NEWEST if place.run is None else IMMUTABLE
