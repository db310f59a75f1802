"""Proving a whole release store: hashes, chain of manifests, signatures, schemas, packs, checkpoints. Nothing is written.

Whoever finds a fault goes on: the report names every broken file. What is not reachable from a manifest is counted, not
judged. Sources: design § 4.3 and § 4.4, requirement M2.
"""

import hashlib
import io
import itertools
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from lxml import etree

from skrutinium_server.release.errors import DocumentInvalid, SchemaUnknown
from skrutinium_server.release.findings import Findings
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA
from skrutinium_server.release.registers import streaming
from skrutinium_server.release.store.archives import SERIES as ARCHIVED
from skrutinium_server.release.store.archives import ArchiveLayout, read_newest_archive
from skrutinium_server.release.store.errors import StoreDamaged, StoreError, StoreMissing
from skrutinium_server.release.store.layout import signature_of
from skrutinium_server.release.store.model import ZEROS, Manifest, ManifestRow, SeriesKey
from skrutinium_server.release.store.notices import NoticesReader
from skrutinium_server.release.store.packing import expand
from skrutinium_server.release.store.reading import LARGEST, NAMESPACE, StoreReader, read_manifest
from skrutinium_server.release.store.registers import RegisterRow, RegistersReader, read_index
from skrutinium_server.release.trust import Signatures, trusted_keys
from skrutinium_server.release.validate import Validator
from skrutinium_server.xml_parsing import xml_parser

THREADS = 2
"""Unpacking, hashing and validating let other threads work meanwhile."""


REGISTERS = "skrutinium/1.0/registers.xsd"

Progress = Callable[[str, int, int], None]
"""Told what is being checked, how many are done, and of how many."""


def _silent(_what: str, _done: int, _all: int) -> None:
    """For those who only want the findings."""


def check_store(root: Path, own: Ed25519PublicKey | None, progress: Progress = _silent) -> Findings:
    """Check everything that the release store in ``root`` publishes; ``own`` is the key that must have signed it."""
    findings = Findings()
    reader = StoreReader(root)
    keys = trusted_keys(reader.layout, own, findings)
    checking = _Checking(reader, keys, findings, progress)
    for key in checking.state():
        checking.series(key)
    checking.notices()
    for folder in sorted(root.glob("event/*/registers")):
        checking.registers(folder.parent.name)
    for folder in sorted(root.glob("event/*/*/archive")):
        checking.archive(SeriesKey(folder.parent.parent.name, folder.parent.name, ARCHIVED))
    checking.documents()
    findings.unfinished = sum(1 for path in root.rglob(".*") if path.is_file())
    return findings


class _Checking:
    """One pass over a store; documents that several releases share are checked once."""

    def __init__(
        self,
        reader: StoreReader,
        keys: Mapping[str, Ed25519PublicKey],
        findings: Findings,
        progress: Progress,
    ) -> None:
        self._reader = reader
        self._signatures = Signatures(keys, findings)
        self._findings = findings
        self._progress = progress
        self._validator = Validator()
        self._rows: dict[str, ManifestRow | RegisterRow] = {}
        self._open: set[SeriesKey] = set()
        # Batches by hash: no manifest names the protocols in them; those of an open run's newest release may be on their way.
        self._batches: dict[str, bool] = {}

    def state(self) -> Iterator[SeriesKey]:
        """Check the state file; the series of all runs that it names."""
        path = self._reader.layout.state
        try:
            _, runs = self._reader.state()
        except StoreError as error:
            self._findings.fault(path, str(error))
            return
        if path.is_file():
            self._signatures.whole(path, path.read_bytes())
        for run in runs:
            for series in run.series:
                key = SeriesKey(run.event, run.id, series)
                if run.open:
                    self._open.add(key)
                yield key

    def series(self, key: SeriesKey) -> None:
        """Check every manifest of a series with its signature, its pack, and the checkpoints."""
        name = "/".join(key)
        try:
            newest = self._reader.newest(key)
        except StoreError as error:
            self._findings.fault(name, str(error))
            return
        if newest is None:
            self._findings.fault(name, "is named by the state file and has no release")
            return
        previous, position = ZEROS, 0
        snapshot: dict[str, ManifestRow] = {}
        checkpoints = frozenset(self._reader.checkpoints(key))
        for number in range(1, newest.number + 1):
            self._progress(name, number, newest.number)
            manifest, digest = self._manifest(key, number, previous, position)
            if manifest is None:
                previous = ""
                continue
            previous, position = digest, manifest.position
            self._pack(key, number, manifest)
            for row in manifest.rows:
                snapshot[row.path] = row
                self._rows.setdefault(row.sha256, row)
                if key.series == ARCHIVED and row.path.startswith("batch/"):
                    self._batches[row.sha256] = key in self._open and number == newest.number
            if number in checkpoints:
                self._checkpoint(key, number, digest, snapshot)
        if previous and previous != newest.sha256:
            self._findings.fault(self._reader.layout.newest(key), "names another manifest than the last one")
        path = self._reader.layout.heartbeat(key)
        try:
            beat = self._reader.heartbeat(key)
        except StoreError as error:
            self._findings.fault(path, str(error))
            return
        if beat is not None:
            self._signatures.whole(path, beat)

    def notices(self) -> None:
        """Check what is said to all readers, when something was."""
        path = NoticesReader(self._reader.layout.root).path
        if path.is_file():
            body = self._signatures.whole(path, path.read_bytes())
            if body is not None:
                self._valid(path, body, SCHEMA)
            self._findings.count("notices")

    def registers(self, event: str) -> None:
        """Check every index of the registers of an event, and which one is named the newest."""
        reader = RegistersReader(self._reader.layout.root)
        named = None
        try:
            newest = reader.newest(event)
        except StoreError as error:
            self._findings.fault(event, str(error))
            return
        for path in sorted(reader.layout.registers(event).glob("*.xml")):
            try:
                data = path.read_bytes()
                self._signatures.apart(path, data, signature_of(path).read_bytes())
                index = read_index(path, data)
            except (StoreError, OSError) as error:
                self._findings.fault(path, str(error))
                continue
            self._valid(path, data, REGISTERS)
            self._findings.count("registers")
            for row in index.rows.values():
                self._rows.setdefault(row.sha256, row)
            if newest and (index.definition, index.sha256) == newest:
                named = path
        if named is None:
            self._findings.fault(reader.layout.registers_newest(event), "names no index that is there")

    def archive(self, key: SeriesKey) -> None:
        """Check that the newest complete archive of a run is what its name says."""
        layout = ArchiveLayout(self._reader.layout.root, key)
        try:
            newest = read_newest_archive(layout)
        except StoreError as error:
            self._findings.fault(layout.newest, str(error))
            return
        if newest is None:
            return
        for path, due in (
            (layout.xml(newest.number), newest.xml_sha256),
            (layout.csv(newest.number), newest.csv_sha256),
        ):
            self._findings.count("archives")
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                self._findings.fault(path, error.strerror or str(error))
            else:
                if found != due:
                    self._findings.fault(path, "has another hash than the newest archive has by its name")

    def documents(self) -> None:
        """Check every document that a release or an index of registers names: its hash, its size, and that it is valid."""
        rows = list(self._rows.values())
        done = itertools.count(1)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="check") as threads:
            shares = (rows[start::THREADS] for start in range(THREADS))
            for told in threads.map(lambda share: self._documents(share, done, len(rows)), shares):
                for where, what in told:
                    self._findings.fault(where, what)
        self._findings.count("documents", len(rows))

    def _documents(
        self, rows: Iterable[ManifestRow | RegisterRow], done: Iterator[int], whole: int
    ) -> list[tuple[str, str]]:
        validator = Validator()
        found = []
        for row in rows:
            self._progress("documents", next(done), whole)
            try:
                data = self._reader.object(row.sha256)
                if len(data) != row.size:
                    found.append((row.path, f"has {len(data)} bytes; its manifest says {row.size}"))
                if row.schema is not None:
                    streaming.validate(validator, row.path, data, row.schema)
                if row.sha256 in self._batches:
                    found += self._protocols(row.path, data, self._batches[row.sha256])
            except (StoreError, DocumentInvalid, SchemaUnknown) as error:
                found.append((row.path, str(error)))
        return found

    def _protocols(self, batch: str, data: bytes, coming: bool) -> list[tuple[str, str]]:
        """Look at the bytes taken over of every protocol in a batch; ``coming``: they may not be there yet."""
        found = []
        for protocol in etree.fromstring(data, xml_parser()).iter(f"{NAMESPACE}protocol"):
            told = protocol.attrib["sha256"]
            try:
                self._reader.object(told)
            except StoreMissing as error:
                if not coming:
                    found.append((batch, f"precinct {protocol.attrib['precinct']}: {error}"))
            except StoreError as error:
                found.append((batch, f"precinct {protocol.attrib['precinct']}: {error}"))
        return found

    def _manifest(
        self, key: SeriesKey, number: int, previous: str, position: int
    ) -> tuple[Manifest | None, str]:
        path = self._reader.layout.manifest(key, number)
        try:
            data = self._reader.manifest_bytes(key, number)
            self._signatures.apart(path, data, self._reader.manifest_signature(key, number))
            self._validator.validate("manifest.xml", data, SCHEMA)
            manifest = read_manifest(path, data)
        except (StoreError, DocumentInvalid) as error:
            self._findings.fault(path, str(error))
            return None, ""
        self._findings.count("releases")
        if (manifest.event, manifest.run, manifest.series, manifest.number) != (*key, number):
            self._findings.fault(path, "is the manifest of another release")
        if previous and manifest.previous != previous:
            self._findings.fault(path, "does not follow from the manifest before it")
        if manifest.position <= position:
            self._findings.fault(path, "was cut no later in the ledger than the release before it")
        return manifest, hashlib.sha256(data).hexdigest()

    def _pack(self, key: SeriesKey, number: int, manifest: Manifest) -> None:
        path = self._reader.layout.pack(key, number)
        due = {row.path: row.sha256 for row in manifest.rows}
        try:
            due |= {
                "manifest.xml": hashlib.sha256(self._reader.manifest_bytes(key, number)).hexdigest(),
                "manifest.xml.sig": hashlib.sha256(self._reader.manifest_signature(key, number)).hexdigest(),
            }
            members = _members(path, self._reader.pack_gzip(key, number))
        except StoreError as error:
            self._findings.fault(path, str(error))
            return
        self._findings.count("packs")
        if members != due:
            other = sorted(name for name in {*members, *due} if members.get(name) != due.get(name))
            self._findings.fault(path, f"differs from its release in {', '.join(other[:5])}")

    def _checkpoint(
        self, key: SeriesKey, number: int, digest: str, snapshot: Mapping[str, ManifestRow]
    ) -> None:
        path = self._reader.layout.checkpoint(key, number)
        try:
            data, line = self._reader.checkpoint(key, number)
            self._signatures.apart(path, data, line)
            self._validator.validate("checkpoint.xml", data, SCHEMA)
            rows = self._reader.snapshot(key, number)
        except (StoreError, DocumentInvalid) as error:
            self._findings.fault(path, str(error))
            return
        self._findings.count("checkpoints")
        if rows != snapshot:
            other = sorted(name for name in {*rows, *snapshot} if rows.get(name) != snapshot.get(name))
            self._findings.fault(path, f"differs from the releases up to {number} in {', '.join(other[:5])}")
        if f'manifest="{digest}"'.encode() not in data[:4096]:
            self._findings.fault(path, "names another manifest")

    def _valid(self, path: Path, data: bytes, schema: str) -> None:
        try:
            self._validator.validate(path.name, data, schema)
        except DocumentInvalid as error:
            self._findings.fault(path, str(error))


def _members(path: Path, packed: bytes) -> dict[str, str]:
    """Names and hashes of what a pack holds; raises :class:`StoreDamaged`."""
    try:
        with tarfile.open(fileobj=io.BytesIO(expand(packed, LARGEST)), mode="r:") as archive:
            return {
                member.name: hashlib.sha256(
                    file.read() if (file := archive.extractfile(member)) else b""
                ).hexdigest()
                for member in archive
            }
    except (ValueError, tarfile.TarError) as error:
        raise StoreDamaged(path, f"is no pack ({error})") from error
