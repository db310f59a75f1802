"""Verifying the complete archive of a run from its zip alone: signatures, hashes, chain as far as it is in there, and every vote.

The archive holds the documents of one release with all protocols since the first, so the votes are added up again as for a
whole night; how each earlier release looked is not in it. Layout: ``docs/public-folder.md``.
"""

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from lxml import etree

from skrutinium.documents import parsing
from skrutinium.documents.attributes import number as whole
from skrutinium.documents.series import ZEROS, Checkpoint, Document, Manifest
from skrutinium.documents.series_reading import read_checkpoint, read_manifest
from skrutinium.errors import DamagedError, NotYet, SchemaError, SignatureError, SkrutiniumError
from skrutinium.sources.zipped import Zipped
from skrutinium.trust.signing import KeyRing
from skrutinium.verifying import outcomes
from skrutinium.verifying.document_checking import (
    LASTING,
    OF_ONE_RELEASE,
    Parsed,
    load,
)
from skrutinium.verifying.protocol_checking import ProtocolChecker
from skrutinium.verifying.recount import Recount
from skrutinium.verifying.report import SERIES, Report
from skrutinium.verifying.structure_checking import StructureChecker
from skrutinium.verifying.tables import compare_tables
from skrutinium.verifying.totals_checking import totals

SUMS = "SHA256SUMS"
TABLES_END = "-csv.zip"
"""What the name of the tables' archive ends with, beside the one of the documents."""

Progress = Callable[[int, int], None]
"""Told (documents checked, all documents)."""

_CHUNK = 256
_SIGNED = re.compile(r"signed/(checkpoint|manifest)-([0-9]{9})\.xml")
_LAW = re.compile(r"(?:^|\s)law=([a-z0-9-]{1,64})(?:\s|$)")
_PATH = re.compile(
    r"(event|summary|turnout)\.xml|(area|contest|district|precinct)/[A-Za-z0-9._-]+\.xml|(batch|corrections)/[1-9][0-9]{0,8}\.xml"
)
_SUM = re.compile(r"([0-9a-f]{64})  (\S+)")
_BESIDE = ("README.txt", SUMS, "manifest.xml", "manifest.xml.sig")


def is_archive(place: str) -> bool:
    """Whether ``place`` is a file that :func:`verify_archive` is for."""
    return "://" not in place and (place.endswith(".zip") or Path(place).is_file())


async def verify_archive(
    path: Path, *, fingerprint: str | None = None, progress: Progress | None = None
) -> Report:
    """Check the archive at ``path``, and the tables beside it when they are there; differences go into the report.

    Raises :class:`SkrutiniumError` when it cannot be read, or is no archive of results.
    """
    report = Report(str(path), pinned=fingerprint is not None)
    archive = await asyncio.to_thread(Zipped, path)
    try:
        if "manifest.xml" not in archive.names:
            beside = "; this is the one with the tables: name the one with the documents"
            what = beside if "events.csv" in archive.names else ""
            raise DamagedError(f"no archive of results: it holds no manifest.xml{what}", address=str(path))
        await asyncio.to_thread(_sums, archive, report)
        keys = KeyRing(lambda id: _key(archive, id), pinned=fingerprint)
        manifest, rows = await _Signed(archive, keys, report).read()
        report.event, report.run, report.phase = manifest.event, manifest.run, manifest.phase
        await asyncio.to_thread(_Documents(archive, report, manifest, rows, progress).check)
        await asyncio.to_thread(_tables, path, archive, report, rows)
    finally:
        await asyncio.to_thread(archive.close)
    report.fingerprint = keys.newest or ""
    report.note("registers are not in an archive: names and who may vote were not compared with them")
    return report


async def _key(archive: Zipped, id: str) -> tuple[bytes, bytes | None]:
    name = f"keys/{id}.pem"
    if name not in archive.names:
        raise NotYet("there is no such key", address=f"{archive.path} {name}")
    line = f"{name}.sig"
    return (
        await asyncio.to_thread(archive.read, name),
        await asyncio.to_thread(archive.read, line) if line in archive.names else None,
    )


def _sums(archive: Zipped, report: Report) -> None:
    """Every member is listed with its hash, and nothing else."""
    told: dict[str, str] = {}
    for line in archive.read(SUMS).decode("ascii", "replace").splitlines():
        found = _SUM.fullmatch(line)
        if found is None:
            report.differs("archive", None, SUMS, "a line cannot be read", line[:200])
        else:
            told[found[2]] = found[1]
    for name in sorted(told.keys() ^ set(archive.names) - {SUMS}):
        report.differs("archive", None, name, "in the zip", name in archive.names, name in told)
    for name in archive.names:
        if name in told:
            digest = hashlib.sha256()
            for piece in archive.pieces(name):
                digest.update(piece)
            if digest.hexdigest() != told[name]:
                report.differs("archive", None, name, f"hash in {SUMS}", told[name], digest.hexdigest())


class _Signed:
    """What the publisher signed: the manifest of the release, the checkpoint before it and the manifests between."""

    def __init__(self, archive: Zipped, keys: KeyRing, report: Report) -> None:
        self._archive = archive
        self._keys = keys
        self._report = report

    async def read(self) -> tuple[Manifest, dict[str, Document]]:
        """The manifest of the archive's release, and the row of every document; raises :class:`SchemaError` without one."""
        data = await self._bytes("manifest.xml", None)
        manifest = await asyncio.to_thread(read_manifest, data, "manifest.xml")
        if manifest.series != SERIES:
            raise SchemaError(f"the series is {manifest.series}; expected {SERIES}", address="manifest.xml")
        checkpoint, numbers = self._contained(manifest.release)
        rows: dict[str, Document] = {}
        sha256 = ZEROS
        if checkpoint:
            name = f"signed/checkpoint-{checkpoint:09d}.xml"
            signed = await self._bytes(name, checkpoint)
            told = await asyncio.to_thread(read_checkpoint, signed, name)
            self._stamp(name, told, manifest, checkpoint)
            rows.update((row.path, row) for row in told.documents)
            sha256 = told.manifest
            self._report.note(
                f"releases before {checkpoint} are vouched for by its signed checkpoint, not one by one"
            )
        for number in numbers:
            name = f"signed/manifest-{number:09d}.xml"
            signed = await self._bytes(name, number)
            one = await asyncio.to_thread(read_manifest, signed, name)
            self._stamp(name, one, manifest, number)
            digest = hashlib.sha256(signed).hexdigest()
            what, said = ("hash", digest) if number == checkpoint else ("previous", one.previous)
            if said != sha256:
                self._report.differs("chain", number, name, what, said, sha256)
            sha256 = digest
            rows.update((row.path, row) for row in one.documents)
            self._report.looked(SERIES).releases += 1
        if hashlib.sha256(data).hexdigest() != sha256:
            self._report.differs(
                "chain", manifest.release, "manifest.xml", "hash", hashlib.sha256(data).hexdigest(), sha256
            )
        for path in [path for path in rows if not _PATH.fullmatch(path)]:
            self._report.differs("stamp", None, path, "path", rows.pop(path).path, "one of this series")
        return manifest, rows

    def _contained(self, newest: int) -> tuple[int, list[int]]:
        """The number of the checkpoint (0: none) and of every manifest that has to follow it."""
        found: dict[str, list[int]] = {"checkpoint": [], "manifest": []}
        for name in self._archive.names:
            if match := _SIGNED.fullmatch(name):
                found[match[1]].append(int(match[2]))
        start = max(found["checkpoint"], default=0)
        due = list(range(min(start + 1, newest), newest + 1))
        for number in sorted(set(due) ^ set(found["manifest"])):
            there = number in found["manifest"]
            self._report.differs(
                "number", number, f"signed/manifest-{number:09d}.xml", "in the zip", there, not there
            )
        return start, sorted(set(due) & set(found["manifest"]))

    async def _bytes(self, name: str, number: int | None) -> bytes:
        data = await asyncio.to_thread(self._archive.read, name)
        try:
            line = await asyncio.to_thread(self._archive.read, f"{name}.sig")
            await self._keys.check(data, line, name)
        except (SignatureError, DamagedError) as error:
            self._report.differs(
                "signature", number, f"{name}.sig", "the signature does not hold", error.message
            )
        return data

    def _stamp(self, name: str, told: Manifest | Checkpoint, manifest: Manifest, number: int) -> None:
        theirs = (told.event, told.run, told.phase, told.series)
        ours = (manifest.event, manifest.run, manifest.phase, manifest.series)
        if theirs != ours:
            self._report.differs("stamp", number, name, "run", "/".join(theirs), "/".join(ours))
        if told.release != number:
            self._report.differs("number", number, name, "release number", told.release, number)


class _Documents:
    """The documents: each by hash, schema and stamp, then all protocols in their order, then every number."""

    def __init__(
        self,
        archive: Zipped,
        report: Report,
        manifest: Manifest,
        rows: Mapping[str, Document],
        progress: Progress | None,
    ) -> None:
        self._archive = archive
        self._report = report
        self._manifest = manifest
        self._rows = rows
        self._progress = progress
        law = _LAW.search(archive.comment)
        self._recount = Recount(law[1] if law else "")
        self._structure = StructureChecker(report, self._recount)
        self._usable: set[str] = set()

    def check(self) -> None:
        """Check all of it."""
        self._unlisted()
        with ThreadPoolExecutor(2, thread_name_prefix="verify") as threads:
            self._learn(threads)
            if self._take():
                paths = sorted(path for path in self._usable if not path.startswith(OF_ONE_RELEASE))
                everything = dataclasses.replace(self._manifest, documents=tuple(self._rows.values()))
                loaded = self._load(threads, paths, validate=False)
                totals(self._report, self._recount, everything, loaded, self._rows)
                outcomes.tell(self._recount, self._report)
            else:
                self._report.note("totals were not compared: a batch of protocols cannot be used")

    def _unlisted(self) -> None:
        """Beside the documents there is nothing but what belongs to an archive."""
        for name in self._archive.names:
            known = name in self._rows or name in _BESIDE or name.startswith(("keys/", "signed/"))
            if name.startswith("xsd/"):
                self._schema(name)
            elif not known:
                self._report.differs("archive", None, name, "listed in what is signed", None, "a row")

    def _schema(self, name: str) -> None:
        if name != f"xsd/{parsing.SCHEMA}":
            self._report.differs("archive", None, name, "a schema of this archive", name, parsing.SCHEMA)
        elif self._archive.read(name) != parsing.schema_text(parsing.SCHEMA):
            self._report.note(
                "the schema in the archive is another version than the one that this package checks by"
            )

    def _load(self, threads: ThreadPoolExecutor, paths: Iterable[str], *, validate: bool) -> Iterator[Parsed]:
        left = (self._rows[path] for path in paths)
        while chunk := list(islice(left, _CHUNK)):
            yield from threads.map(
                lambda row: load(row, lambda one: self._archive.read(one.path), validate=validate), chunk
            )

    def _learn(self, threads: ThreadPoolExecutor) -> None:
        """Judge every document, and learn from it what the event consists of."""
        added: list[str] = []
        looked = self._report.looked(SERIES)
        for parsed in self._load(threads, sorted(self._rows), validate=True):
            looked.documents += 1
            if self._progress is not None:
                self._progress(looked.documents, len(self._rows))
            if parsed.root is None:
                words = parsed.error.message if parsed.error else ""
                self._report.differs(parsed.code, None, parsed.row.path, "the document cannot be used", words)
                continue
            self._usable.add(parsed.row.path)
            self._stamp(parsed.row, parsed.root)
            added += self._structure.learn(self._manifest, parsed.row.path, parsed.root)
        for precinct in added:
            self._recount.expect(precinct)

    def _stamp(self, row: Document, root: etree._Element) -> None:
        """What the root says of event, run and release, of itself, and of how final it is."""
        manifest, path = self._manifest, row.path
        folder, _, name = path.removesuffix(".xml").rpartition("/")
        release = whole(root, "release")
        of_one = path.startswith(OF_ONE_RELEASE)
        pairs: list[tuple[str, object, object]] = [
            ("event", root.get("event"), manifest.event),
            ("run", root.get("run"), manifest.run),
            ("phase", root.get("phase"), manifest.phase),
            ("codebook", root.get("codebook"), str(row.codebook)),
            ("release", release, int(name) if of_one else min(release, manifest.release)),
        ]
        if folder and not of_one:
            pairs.append(("id", root.get("id", name), name))
        state = root.get("state")
        if not of_one and state != manifest.state and LASTING & {state, manifest.state}:
            pairs.append(("state", state, manifest.state))
        if row.schema != parsing.SCHEMA:
            pairs.append(("schema in the manifest", row.schema, parsing.SCHEMA))
        for what, published, due in pairs:
            if published != due:
                self._report.differs("stamp", release, path, what, published, due)

    def _take(self) -> bool:
        """Take all protocols, batch by batch; False when one of the batches cannot be used."""
        # Which contests were held in between is not in an archive, so order is checked contest by contest.
        checker = ProtocolChecker(self._report, self._recount, frozenset(self._recount.contest_area))
        numbers = sorted(
            int(path[len("batch/") : -len(".xml")]) for path in self._rows if path.startswith("batch/")
        )
        for number in numbers:
            batch = self._root(f"batch/{number}.xml", "protocol-batch")
            if batch is None:
                return False
            corrections = self._root(f"corrections/{number}.xml", "corrections")
            release = dataclasses.replace(self._manifest, release=number)
            checker.take(release, batch, corrections, frozenset())
        for path in sorted(path for path in self._rows if path.startswith("corrections/")):
            number = int(path[len("corrections/") : -len(".xml")])
            if number not in numbers:
                self._report.differs("correction", number, path, "a batch beside it", None, "one")
        return True

    def _root(self, path: str, expected: str) -> etree._Element | None:
        if path not in self._usable:
            return None
        return parsing.document(self._archive.read(path), expected, path, validate=False)


def _tables(path: Path, archive: Zipped, report: Report, rows: Mapping[str, Document]) -> None:
    """The tables beside the archive say what the documents say."""
    beside = path.with_name(path.name.removesuffix(".zip") + TABLES_END)
    if not beside.exists():
        report.note(f"there is no {beside.name} beside it: no tables were compared")
        return
    try:
        tables = Zipped(beside)
    except SkrutiniumError as error:
        report.differs("table", None, beside.name, "cannot be read", error.message)
        return
    try:
        _sums(tables, report)
        compare_tables(archive, tables, rows, report)
    except SkrutiniumError as error:
        report.differs("table", None, beside.name, "cannot be read", error.message)
    finally:
        tables.close()
