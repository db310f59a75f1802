"""Reading what is not in memory: documents by hash, earlier releases, what changed since one, packs and checkpoints.

All of this runs in threads and answers with representations or refusals. A tar of changes is a ustar archive made by
:func:`~skrutinium_server.release.store.packing.pack`: ``manifest/NNNNNNNNN.xml`` and ``.xml.sig`` of every release after
``since``, ascending, then the newest version of each changed document under its path, by path. After the newest release
it is an archive without members. What was chosen limits the documents, never the manifests and signatures: the chain is verified
without the rest.
"""

import datetime
import hashlib
import io
import re
import tarfile
import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from lxml import etree

from skrutinium_server.feed.choosing import Chosen
from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.objects import packed, short
from skrutinium_server.feed.refusals import NO_CHECKPOINT, NO_KEY, NO_OBJECT, TOO_FAR_BACK, XML, Refusal
from skrutinium_server.feed.representation import Representation, represent
from skrutinium_server.release.store.errors import StoreDamaged, StoreMissing
from skrutinium_server.release.store.layout import signature_of
from skrutinium_server.release.store.model import Manifest, ManifestRow, SeriesKey
from skrutinium_server.release.store.packing import compress, expand, pack
from skrutinium_server.release.store.reading import LARGEST, NAMESPACE, StoreReader
from skrutinium_server.xml_parsing import xml_parser

FARTHEST: Final = 200
"""Changes go back so many releases at most."""

LARGEST_CHANGES: Final = 64 * 1024 * 1024
"""Documents in one tar of changes, bytes at most."""

_STATE: Final = re.compile(rb'\sstate="([a-z-]+)"')
_TIME: Final = re.compile(rb'\stime="([0-9TZ:.+-]+)"')
_HASH: Final = re.compile(rb'\ssha256="([0-9a-f]{64})"')

TAR: Final = b"application/x-tar"
GZIP: Final = b"application/gzip"
TEXT: Final = b"text/plain; charset=utf-8"
BYTES: Final = b"application/octet-stream"

_OLDER: Final = b'<?xml version="1.0" encoding="iso-8859-2"?>'


def kind_of(data: bytes) -> bytes:
    """The media type of bytes of which no path tells what they are.

    That of XML must not contradict the declaration, before which it goes (RFC 7303, 3). What is no XML (protocols taken over
    from CSV, files of the registers) is told to be bytes.
    """
    if not data.startswith(b"<") or data.startswith(b"<!"):
        return BYTES
    return b"application/xml; charset=iso-8859-2" if data.startswith(_OLDER) else XML


class StateChange(NamedTuple):
    """The release in which a series came into a state; ``time`` as its manifest writes it."""

    key: SeriesKey
    number: int
    state: str
    time: str


class Past:
    """What a store holds beyond the newest snapshots; its methods may be called from any thread."""

    def __init__(self, reader: StoreReader) -> None:
        self.reader = reader
        # Times of releases never change; a night has some ten thousand.
        self._named: dict[SeriesKey, tuple[int, set[int]]] = {}
        self._states: dict[SeriesKey, tuple[int, tuple[StateChange, ...]]] = {}
        self._naming = threading.Lock()
        self._cut = lru_cache(maxsize=65536)(self._cut_time)

    def document(self, sha256: str, coding: Coding) -> Representation | Refusal:
        """A document by its hash, which is checked."""
        try:
            data = self.reader.object(sha256)
            kind = kind_of(data)
            if coding == "gzip":
                return represent(self.reader.object_gzip(sha256), "gzip", kind)
            return represent(data, kind=kind)
        except StoreMissing:
            return NO_OBJECT

    def file(self, sha256: str, coding: Coding, kind: bytes, packed: bool) -> Representation:
        """A document that is no XML; ``packed``: it is compressed in itself, and offered in one coding only."""
        data = self.reader.object(sha256)
        if packed:
            return represent(data, kind=kind, varies=False)
        return represent(compress(data), "gzip", kind) if coding == "gzip" else represent(data, kind=kind)

    def line(self, sha256: str) -> Representation:
        """The lines of a summary: one for each kind of contest."""
        root = etree.fromstring(self.reader.object(sha256), xml_parser())
        lines = [" ".join((line.text or "").split()) for line in root.iter(f"{NAMESPACE}line")]
        return represent("".join(f"{line}\n" for line in lines).encode(), kind=TEXT, varies=False)

    def manifest(self, key: SeriesKey, number: int, coding: Coding) -> Representation:
        """An earlier manifest."""
        return _coded(self.reader.manifest_bytes(key, number), coding)

    def manifest_signature(self, key: SeriesKey, number: int) -> Representation:
        """Its signature line."""
        return represent(self.reader.manifest_signature(key, number), kind=TEXT, varies=False)

    def pack(self, key: SeriesKey, number: int) -> Representation:
        """The pack of a release, a gzipped file as it lies in the store."""
        return represent(self.reader.pack_gzip(key, number), kind=GZIP, varies=False)

    def checkpoint(self, key: SeriesKey, number: int, coding: Coding) -> Representation | Refusal:
        """The index of the snapshot of a release."""
        path = self.reader.layout.checkpoint(key, number)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return NO_CHECKPOINT
        plain = _expanded(path, data)
        return represent(data, "gzip") if coding == "gzip" else represent(plain)

    def checkpoint_signature(self, key: SeriesKey, number: int) -> Representation | Refusal:
        """Its signature line."""
        return _file(signature_of(self.reader.layout.checkpoint(key, number)), NO_CHECKPOINT)

    def key(self, key_id: str, signature: bool) -> Representation | Refusal:
        """A public key, or the line by which the key before vouches for it."""
        path = self.reader.layout.key(key_id)
        return _file(path.with_name(path.name + ".sig") if signature else path, NO_KEY)

    def snapshot(self, key: SeriesKey, number: int) -> Mapping[str, ManifestRow]:
        """Every document of an earlier release by path."""
        return self.reader.snapshot(key, number)

    def at(self, key: SeriesKey, newest: int, time: datetime.datetime) -> int:
        """The last release cut at or before ``time``, 0 when all were cut later; times only grow."""
        low, high = 0, newest
        while low < high:
            middle = (low + high + 1) // 2
            if self._cut(key, middle) <= time:
                low = middle
            else:
                high = middle - 1
        return low

    def hashes(self, key: SeriesKey, last: int) -> "array[int]":
        """The documents of the releases up to ``last``, as :func:`~skrutinium_server.feed.objects.packed` keeps them."""
        found: set[str] = set()
        for number in range(1, last + 1):
            try:
                data = self.reader.manifest_bytes(key, number)
            except StoreMissing:
                continue  # what the store keeps no more is not served either
            found.update(match.decode("ascii") for match in _HASH.findall(data))
        return packed(found)

    def protocols(self, key: SeriesKey, newest: int) -> "array[int]":
        """The protocols as taken over that the batches up to release ``newest`` name, kept as :meth:`hashes` does."""
        with self._naming:
            last, found = self._named.get(key, (0, set()))
            for number in range(last + 1, newest + 1):
                found.update(self._protocols_in(key, number))
            self._named[key] = (max(last, newest), found)
            return array("Q", sorted(found))

    def states(self, shown: Iterable[tuple[SeriesKey, int]]) -> tuple[StateChange, ...]:
        """When each of those series, up to a release, began to be interim, complete, and so on."""
        found: list[StateChange] = []
        with self._naming:
            for key, newest in shown:
                last, known = self._states.get(key, (0, ()))
                changes = list(known)
                for number in range(last + 1, newest + 1):
                    change = self._state(key, number)
                    if change is not None and (not changes or changes[-1].state != change.state):
                        changes.append(change)
                self._states[key] = (max(last, newest), tuple(changes))
                found += changes
        return tuple(found)

    def _state(self, key: SeriesKey, number: int) -> StateChange | None:
        try:
            data = self.reader.manifest_bytes(key, number)
        except StoreMissing:
            return None
        root = data[: data.find(b"<document")]
        state, time = _STATE.search(root), _TIME.search(root)
        if state is None or time is None:
            raise StoreDamaged(self.reader.layout.manifest(key, number), "lacks its state or its time")
        return StateChange(key, number, state[1].decode(), time[1].decode())

    def _protocols_in(self, key: SeriesKey, number: int) -> Iterator[int]:
        try:
            rows = self.reader.manifest(key, number).rows
        except StoreMissing:
            return  # as above
        for row in rows:
            if row.path.startswith("batch/"):
                for match in _HASH.findall(self.reader.object(row.sha256)):
                    yield short(match.decode("ascii"))

    def digests(self, key: SeriesKey, numbers: range) -> dict[int, str]:
        """The hashes of those manifests."""
        return {
            number: hashlib.sha256(self.reader.manifest_bytes(key, number)).hexdigest() for number in numbers
        }

    def touching(self, key: SeriesKey, numbers: range, chosen: Chosen) -> frozenset[int]:
        """Those of the releases that touch what was chosen."""
        return frozenset(
            number
            for number in numbers
            if chosen.touched(row.path for row in self.reader.manifest(key, number).rows)
        )

    def changes(
        self, key: SeriesKey, since: int, newest: int, coding: Coding, chosen: Chosen | None = None
    ) -> Representation | Refusal:
        """Everything that changed after ``since``, or what was chosen of it, as one tar."""
        if newest - since > FARTHEST:
            return TOO_FAR_BACK
        if newest - since == 1 and chosen is None:
            archive = pack(self._renamed(key, newest))
        else:
            manifests = [self.reader.manifest(key, number) for number in range(since + 1, newest + 1)]
            rows = {row.path: row for manifest in manifests for row in manifest.rows}
            if chosen is not None:
                rows = {
                    path: row
                    for path, row in rows.items()
                    if chosen.takes(path, partial(self.reader.object, row.sha256))
                }
            if sum(row.size for row in rows.values()) > LARGEST_CHANGES:
                return TOO_FAR_BACK
            archive = pack(self._members(key, manifests, rows))
        return represent(compress(archive), "gzip", TAR) if coding == "gzip" else represent(archive, kind=TAR)

    def _members(
        self, key: SeriesKey, manifests: list[Manifest], rows: Mapping[str, ManifestRow]
    ) -> Iterator[tuple[str, bytes]]:
        for manifest in manifests:
            name = f"manifest/{manifest.number:09d}.xml"
            yield name, self.reader.manifest_bytes(key, manifest.number)
            yield f"{name}.sig", self.reader.manifest_signature(key, manifest.number)
        for path, row in sorted(rows.items()):
            yield path, self.reader.object(row.sha256)

    def _renamed(self, key: SeriesKey, number: int) -> Iterator[tuple[str, bytes]]:
        """The pack of one release under the names that changes have: everything is in one file already."""
        path = self.reader.layout.pack(key, number)
        data = _expanded(path, self.reader.pack_gzip(key, number))
        due = {row.path: row.sha256 for row in self.reader.manifest(key, number).rows}
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    content = file.read() if file else b""
                    if member.name.startswith("manifest.xml"):
                        yield f"manifest/{number:09d}{member.name.removeprefix('manifest')}", content
                    elif hashlib.sha256(content).hexdigest() == due.pop(member.name, None):
                        yield member.name, content
                    else:
                        raise StoreDamaged(path, f"holds another {member.name} than its manifest says")
        except tarfile.TarError as error:
            raise StoreDamaged(path, f"is no archive ({error})") from error
        if due:
            raise StoreDamaged(path, f"lacks {min(due)}")

    def _cut_time(self, key: SeriesKey, number: int) -> datetime.datetime:
        return datetime.datetime.fromisoformat(self.reader.manifest(key, number).time)


def _coded(data: bytes, coding: Coding) -> Representation:
    return represent(compress(data), "gzip") if coding == "gzip" else represent(data)


def _file(path: Path, missing: Refusal) -> Representation | Refusal:
    try:
        return represent(path.read_bytes(), kind=TEXT, varies=False)
    except FileNotFoundError:
        return missing


def _expanded(path: Path, data: bytes) -> bytes:
    try:
        return expand(data, LARGEST)
    except ValueError as error:
        raise StoreDamaged(path, str(error)) from error
