"""The registers of events as the store publishes them: what there is to read before the election.

The newest index of an event is kept; an earlier one is read when it is asked for, by version or by time.
"""

import datetime
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skrutinium_server.feed.choosing import FILES, Territory, read_territory
from skrutinium_server.feed.refusals import NO_REGISTERS, Refusal
from skrutinium_server.feed.representation import Representation, http_date, represent
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.layout import signature_of
from skrutinium_server.release.store.packing import compress
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.registers import RegisterRow, RegistersReader, read_index

INDEX: Final = "registers.xml"
TEXT: Final = b"text/plain; charset=utf-8"

_NAME: Final = re.compile(r"([0-9]{9})(?:\.([1-9][0-9]{0,5}))?\.xml")
_HASH: Final = re.compile(rb'\ssha256="([0-9a-f]{64})"')
_ROOT: Final = re.compile(rb"<registers\s[^>]*>")
_TIME: Final = re.compile(rb'\stime="([^"]*)"')


@dataclass(frozen=True, slots=True)
class EventRegisters:
    """One index: ``number`` is the version of the definition, ``rows`` are by path, ``modified`` is its ``Last-Modified`` value.

    ``hashes``: of all documents that any index of the event names, set for the newest one only.
    """

    event: str
    number: int
    edition: int
    sha256: str
    plain: Representation
    gzipped: Representation
    signature: Representation
    rows: Mapping[str, RegisterRow]
    modified: str
    hashes: frozenset[str] = frozenset()

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return len(self.plain.body) * 4 + 4096


class RegistersPast:
    """Reads indexes; its methods may be called from any thread."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._registers = RegistersReader(reader.layout.root)

    def events(self) -> frozenset[str]:
        """The events that have a folder in the store."""
        folder = self._reader.layout.root / "event"
        return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()

    def newest(self, event: str) -> EventRegisters | None:
        """The newest index, None before the first; raises what the store raises."""
        told = self._registers.newest(event)
        if told is None:
            return None
        for number, edition in reversed(self._editions(event)):
            if number == told.number:
                found = self._load(event, number, edition, hashes=True)
                if found.sha256 == told.sha256:
                    return found
        raise StoreDamaged(
            self._reader.layout.registers_newest(event),
            "names an index that is not there, or has another hash",
        )

    def numbered(self, event: str, number: int, edition: int | None = None) -> EventRegisters | Refusal:
        """An index of one version of the definition: the newest edition, or the one told."""
        editions = [held for version, held in self._editions(event) if version == number]
        chosen = max(editions, default=None) if edition is None else edition
        return self._load(event, number, chosen) if chosen in editions else NO_REGISTERS

    def at(self, event: str, time: datetime.datetime) -> EventRegisters | Refusal:
        """The last index that was written at or before ``time``."""
        for number, edition in reversed(self._editions(event)):
            path = self._reader.layout.registers_index(event, number, edition)
            if _written(path, path.read_bytes()) <= time:
                return self._load(event, number, edition)
        return NO_REGISTERS

    def territory(self, registers: EventRegisters) -> Territory | Refusal:
        """What lies where, by the documents of that index."""
        rows = [registers.rows.get(path) for path in FILES]
        if not all(rows):
            return NO_REGISTERS
        found = [self._reader.object(row.sha256) for row in rows if row]
        try:
            return read_territory(*found)
        except ValueError as error:
            path = self._reader.layout.registers_index(registers.event, registers.number, registers.edition)
            raise StoreDamaged(path, f"names registers that cannot be read: {error}") from error

    def _editions(self, event: str) -> list[tuple[int, int]]:
        """Version and edition of every index that is whole, in the order in which they were written."""
        folder = self._reader.layout.registers(event)
        if not folder.is_dir():
            return []
        found = {path.name: path for path in folder.iterdir()}
        return sorted(
            (int(match[1]), int(match[2] or 1))
            for name, path in found.items()
            if (match := _NAME.fullmatch(name)) and signature_of(path).name in found
        )

    def _load(self, event: str, number: int, edition: int, *, hashes: bool = False) -> EventRegisters:
        path = self._reader.layout.registers_index(event, number, edition)
        data = path.read_bytes()
        index = read_index(path, data)
        if (index.event, index.definition, index.edition) != (event, number, edition):
            raise StoreDamaged(path, "is the index of other registers")
        return EventRegisters(
            event,
            number,
            edition,
            hashlib.sha256(data).hexdigest(),
            represent(data),
            represent(compress(data), "gzip"),
            represent(signature_of(path).read_bytes(), kind=TEXT, varies=False),
            index.rows,
            http_date(min(_written(path, data), _modified(path.stat().st_mtime))),
            self._hashes(event) if hashes else frozenset(),
        )

    def _hashes(self, event: str) -> frozenset[str]:
        found: set[str] = set()
        for number, edition in self._editions(event):
            data = self._reader.layout.registers_index(event, number, edition).read_bytes()
            found.update(match.decode("ascii") for match in _HASH.findall(data))
        return frozenset(found)


def _written(path: Path, data: bytes) -> datetime.datetime:
    """The time that an index tells of itself; raises :class:`StoreDamaged` without one."""
    root = _ROOT.search(data)
    told = _TIME.search(root[0]) if root else None
    try:
        time = datetime.datetime.fromisoformat(told[1].decode("ascii")) if told else None
    except ValueError:
        time = None
    if time is None or time.utcoffset() is None:
        raise StoreDamaged(path, "does not tell its time")
    return time


def _modified(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
