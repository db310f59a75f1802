"""Reading a run's results from a release store for messages; everything is checked against its hash. Files are read: call it in a thread."""

import datetime
import re
from collections import OrderedDict
from pathlib import Path
from typing import Final, Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from lxml import etree

from skrutinium_server.crisis.errors import UnreadableResults
from skrutinium_server.crisis.model import Document, File, Release, Results
from skrutinium_server.release.store.errors import StoreDamaged, StoreMissing
from skrutinium_server.release.store.model import Manifest, ManifestRow, Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader, read_manifest
from skrutinium_server.release.store.signing import fingerprint, read_public_key, signature_holds
from skrutinium_server.xml_parsing import xml_parser

SERIES: Final = "skrutinium"
"""The series that is sent."""
NAMESPACE: Final = "{urn:skrutinium:1}"
KEPT_DOCUMENTS: Final = 64_000_000
KEPT_RELEASES: Final = 32_000_000
"""So many bytes of documents and of releases are kept in memory for each run; the rest is read again."""
_ROW: Final = 400
"""Bytes in memory of a row of a manifest, about."""
_KEY: Final = re.compile(r"[0-9a-f]{16}\.pem(\.sig)?")
_LINE: Final = re.compile(rb"ed25519 ([0-9a-f]{16}) ")
_RELEASE: Final = re.compile(rb' release="([1-9][0-9]{0,8})"')


def sent_runs(
    runs: tuple[Run, ...], now: datetime.datetime, begun: frozenset[SeriesKey] = frozenset()
) -> tuple[Run, ...]:
    """The runs whose results are sent at ``now`` (aware): the current one of each event while it is open, and those ``begun`` with.

    When none is open they are the current ones of the latest date: a night that is over may lose its feed too. Of a live run nothing is
    sent before its minute (M5).
    """
    current = [run for run in runs if run.current and SERIES in run.series]
    chosen = [run for run in current if run.open or SeriesKey(run.event, run.id, SERIES) in begun]
    if not chosen:
        latest = max((run.date for run in current), default="")
        chosen = [run for run in current if run.date == latest]
    return tuple(run for run in chosen if run.not_before is None or run.not_before <= now)


K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values in memory, at most ``room`` bytes of them: who was not asked for longest goes first."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def get(self, key: K) -> V | None:
        """The value, None when it is not here."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value that is not here yet, if it has room at all."""
        if size > self._room:
            return
        self._values[key] = value, size
        self.size += size
        while self.size > self._room:
            self.size -= self._values.popitem(last=False)[1][1]


class RunReader:
    """The results of one run; it follows the releases, so that each is read once."""

    def __init__(self, store: Path, run: Run) -> None:
        self._reader = StoreReader(store)
        self.key = SeriesKey(run.event, run.id, SERIES)
        self._held: dict[str, Document] = {}
        self._number = 0
        self._releases: Kept[int, Release] = Kept(KEPT_RELEASES)
        self._known: Kept[str, bytes] = Kept(KEPT_DOCUMENTS)

    def results(self, run: Run) -> Results | None:
        """The run at its newest release, None before the first. Raises StoreError, :class:`UnreadableResults`."""
        newest = self._reader.newest(self.key)
        if newest is None:
            return None
        if newest.number < self._number or not self._number:
            rows = self._reader.snapshot(self.key, newest.number)
            self._held = {path: _document(row) for path, row in rows.items()}
        else:
            for number in range(self._number + 1, newest.number + 1):
                self._held |= {one.path: one for one in self.release(number).changed}
        self._number = newest.number
        release = self.release(newest.number)
        manifest = self._manifest(newest.number, release.manifest)
        return Results(
            run=run,
            key=self.key,
            newest=release,
            reported=manifest.reported,
            expected=manifest.expected,
            made_up=self._made_up(),
            held=dict(self._held),
            common=self._common(),
        )

    def release(self, number: int) -> Release:
        """One release; raises StoreError."""
        known = self._releases.get(number)
        if known is not None:
            return known
        data = self._reader.manifest_bytes(self.key, number)
        manifest = self._manifest(number, data)
        signature = self._reader.manifest_signature(self.key, number)
        path = self._reader.layout.manifest(self.key, number)
        if manifest.number != number or not signature_holds(self._signed_by(signature), data, signature):
            raise StoreDamaged(path, "is not the release that its name and signature say")
        release = Release(
            number,
            datetime.datetime.fromisoformat(manifest.time),
            data,
            signature,
            tuple(map(_document, manifest.rows)),
        )
        self._releases.put(number, release, len(data) + _ROW * len(release.changed))
        return release

    def fingerprint(self, release: Release) -> str:
        """The fingerprint of the key that signed a release, in groups as on paper."""
        return fingerprint(self._signed_by(release.signature))

    def _signed_by(self, line: bytes) -> Ed25519PublicKey:
        """The published key that a signature line names; raises :class:`StoreMissing`, :class:`StoreDamaged`."""
        found = _LINE.match(line)
        if found is None:
            raise StoreDamaged(self._reader.layout.keys, f"holds no key for the signature line {line[:60]!r}")
        return read_key(self._reader.layout.key(found[1].decode("ascii")))

    def bytes_of(self, document: Document) -> bytes:
        """The bytes of a document, checked against their hash; raises StoreError."""
        known = self._known.get(document.sha256)
        if known is None:
            known = self._reader.object(document.sha256)
            self._known.put(document.sha256, known, len(known))
        return known

    def named_by(self, document: Document) -> int:
        """The release whose manifest names a document: each says at its root which one wrote it. Raises :class:`UnreadableResults`."""
        found = _RELEASE.search(self.bytes_of(document)[:2048])
        if found is None:
            raise UnreadableResults(document.path, "does not say which release wrote it")
        return int(found[1])

    def document(self, path: str) -> etree._Element | None:
        """The newest version of a document, parsed; None when the run has none. Raises :class:`UnreadableResults`."""
        document = self._held.get(path)
        return None if document is None else parse(path, self.bytes_of(document))

    def _made_up(self) -> bool:
        event = self.document("event.xml")
        return event is not None and event.get("made-up") == "true"

    def _manifest(self, number: int, data: bytes) -> Manifest:
        return read_manifest(self._reader.layout.manifest(self.key, number), data)

    def _common(self) -> tuple[File, ...]:
        layout = self._reader.layout
        names = sorted(path.name for path in layout.keys.iterdir() if _KEY.fullmatch(path.name))
        keys = (File(f"keys/{name}", (layout.keys / name).read_bytes()) for name in names)
        return (File("state.xml", layout.state.read_bytes()), *keys)


def read_key(path: Path) -> Ed25519PublicKey:
    """A public key of a store; raises :class:`StoreMissing`, :class:`StoreDamaged`."""
    try:
        return read_public_key(path.read_bytes())
    except FileNotFoundError:
        raise StoreMissing(f"public key {path.stem}") from None
    except ValueError as error:
        raise StoreDamaged(path, str(error)) from error


def parse(path: str, data: bytes) -> etree._Element:
    """The root of a document; raises :class:`UnreadableResults` (a DOCTYPE is never accepted)."""
    if b"<!DOCTYPE" in data[:4096]:
        raise UnreadableResults(path, "holds a DOCTYPE")
    try:
        return etree.fromstring(data, xml_parser(remove_comments=True))
    except etree.XMLSyntaxError as error:
        raise UnreadableResults(path, f"is not well-formed ({str(error)[:200]})") from error


def _document(row: ManifestRow) -> Document:
    return Document(row.path, row.sha256, row.size)
