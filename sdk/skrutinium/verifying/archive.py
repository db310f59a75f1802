"""Verifying the complete archive of a run from its zip alone: signatures, hashes, chain as far as it is in there, and every vote.

The archive holds the documents of one release with all protocols since the first, so the votes are added up again as for a
whole night; how each earlier release looked is not in it. Layout: ``docs/public-folder.md``.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from skrutinium.documents import parsing
from skrutinium.documents.series import ZEROS, Checkpoint, Document, Manifest
from skrutinium.documents.series_reading import read_checkpoint, read_manifest
from skrutinium.errors import DamagedError, NotYet, SchemaError, SignatureError, SkrutiniumError
from skrutinium.sources.zipped import Zipped
from skrutinium.trust.signing import KeyRing
from skrutinium.verifying.newest_documents import NewestDocuments, Progress
from skrutinium.verifying.report import SERIES, Report
from skrutinium.verifying.tables import compare_tables

SUMS = "SHA256SUMS"
TABLES_END = "-csv.zip"
"""What the name of the tables' archive ends with, beside the one of the documents."""

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
        await asyncio.to_thread(_unlisted, archive, rows, report)
        law = _LAW.search(archive.comment)
        documents = NewestDocuments(
            lambda row: archive.read(row.path), report, manifest, rows, law[1] if law else "", progress
        )
        await asyncio.to_thread(documents.check)
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


def _unlisted(archive: Zipped, rows: Mapping[str, Document], report: Report) -> None:
    """Beside the documents there is nothing but what belongs to an archive."""
    for name in archive.names:
        known = name in rows or name in _BESIDE or name.startswith(("keys/", "signed/"))
        if name.startswith("xsd/"):
            _schema(archive, name, report)
        elif not known:
            report.differs("archive", None, name, "listed in what is signed", None, "a row")


def _schema(archive: Zipped, name: str, report: Report) -> None:
    if name != f"xsd/{parsing.SCHEMA}":
        report.differs("archive", None, name, "a schema of this archive", name, parsing.SCHEMA)
    elif archive.read(name) != parsing.schema_text(parsing.SCHEMA):
        report.note("the schema in the archive is another version than the one that this package checks by")


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
