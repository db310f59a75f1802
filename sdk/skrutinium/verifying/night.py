"""Verifying a whole night: every signature, every link of the chain, every document, and every vote added up again.

The adding is this package's own code and shares nothing with the publisher's: that is its worth. So are the seats of lists,
and who is elected.
"""

import asyncio
import hashlib
from collections.abc import Callable

from skrutinium.documents import parsing
from skrutinium.documents.parsing import children
from skrutinium.documents.series import ZEROS, Manifest, Run
from skrutinium.documents.series_reading import read_heartbeat, read_manifest, read_state
from skrutinium.errors import NotYet, SchemaError, SignatureError, SkrutiniumError
from skrutinium.sources.choosing import choose_run
from skrutinium.sources.opening import open_source
from skrutinium.sources.source import Material, SeriesSource, Source
from skrutinium.trust.signing import KeyRing, split_signed
from skrutinium.verifying import outcomes
from skrutinium.verifying.checking import Checker
from skrutinium.verifying.registers_verifying import RegistersWalk
from skrutinium.verifying.report import SERIES, Difference, Report
from skrutinium.verifying.volby_checking import VolbyChecker

__all__ = ["Difference", "Report", "open_source", "verify"]

VOLBY = "volby"
Progress = Callable[[int, int], None]
"""Told (releases checked, newest release)."""


async def verify(
    source: Source,
    *,
    event: str | None = None,
    run: str | None = None,
    fingerprint: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check all releases of one run and add every vote up again; differences go into the report.

    Raises :class:`SkrutiniumError` when there is nothing to check or it cannot be reached.
    """
    await asyncio.to_thread(parsing.schema_text, parsing.SCHEMA)
    report = Report(source.where, pinned=fingerprint is not None)
    keys = KeyRing(source.key, pinned=fingerprint)
    chosen = await _run(source, keys, report, event, run)
    report.event, report.run, report.phase = chosen.event, chosen.id, chosen.phase
    checker = Checker(report, law=chosen.law)
    try:
        walk = _Walk(source.series(chosen, SERIES), SERIES, checker, keys, chosen, report)
        walk.registers = registers = RegistersWalk(source.registers(chosen.event), keys, chosen, report)
        await walk.all(progress)
        await asyncio.to_thread(outcomes.tell, checker.recount, report)
        await registers.chain()
    finally:
        await asyncio.to_thread(checker.close)
    if VOLBY in chosen.series:
        await _volby(source, checker, keys, chosen, report, progress)
    for other in sorted(set(chosen.series) - {SERIES, VOLBY}):
        report.note(f"series {other} was not looked at: this version does not know it")
    report.fingerprint = keys.newest or ""
    return report


async def _volby(
    source: Source, checked: Checker, keys: KeyRing, run: Run, report: Report, progress: Progress | None
) -> None:
    """The series volby, against the protocols that the series skrutinium told."""
    checker = await asyncio.to_thread(VolbyChecker, report, checked)
    try:
        await _Walk(source.series(run, VOLBY), VOLBY, checker, keys, run, report).all(progress)
    except NotYet:
        report.note(f"series {VOLBY} has no release yet")
    finally:
        await asyncio.to_thread(checker.close)


async def _run(source: Source, keys: KeyRing, report: Report, event: str | None, run: str | None) -> Run:
    data = await source.state()
    body, line = split_signed(data, "state.xml")
    try:
        await keys.check(body, line, "state.xml")
    except SignatureError as error:
        report.differs("state", None, "state.xml", "the signature does not hold", error.message)
    return choose_run(read_state(body, "state.xml"), event, run, SERIES, source.where)


class _Walk:
    """From the first release to the newest."""

    def __init__(
        self,
        source: SeriesSource,
        series: str,
        checker: Checker | VolbyChecker,
        keys: KeyRing,
        run: Run,
        report: Report,
    ) -> None:
        self.checker = checker
        self._series = source
        self._name = series
        self._keys = keys
        self._run = run
        self._report = report
        self._sha256: str | None = ZEROS
        self._hashes: dict[int, str] = {}
        self._awaited: int | None = None
        self.registers: RegistersWalk | None = None

    def _differs(
        self,
        code: str,
        release: int | None,
        path: str,
        what: str,
        published: object,
        recomputed: object = "",
    ) -> None:
        self._report.differs(code, release, path, what, published, recomputed, series=self._name)

    def _note(self, text: str) -> None:
        self._report.note(text if self._name == SERIES else f"{self._name}: {text}")

    async def all(self, progress: Progress | None) -> None:
        newest, digest = await self._series.newest()
        for number in range(1, newest + 1):
            await self._one(number)
            if progress is not None:
                progress(number, newest)
        if self._hashes.get(newest, digest) != digest:
            self._differs("chain", newest, "newest", "manifest hash", digest, self._hashes[newest])
        if self._awaited is not None:
            self._note(f"checkpoint {self._awaited} is not there yet")
        await self._heartbeat(newest)

    async def _one(self, number: int) -> None:
        try:
            material = await self._series.release(number)
        except NotYet as error:
            self._differs("number", number, "", "the release is missing", error.message)
            self._broken(number)
            return
        digest = hashlib.sha256(material.manifest).hexdigest()
        await self._signature(number, material)
        try:
            manifest = await asyncio.to_thread(read_manifest, material.manifest, "manifest.xml")
        except SchemaError as error:
            self._differs("manifest", number, "manifest.xml", "cannot be read", error.message)
            self._broken(number)
            return
        self._links(number, manifest)
        self._sha256 = self._hashes[number] = digest
        await self._registers(manifest)
        await asyncio.to_thread(self.checker.release, manifest, material)
        if manifest.checkpoint:
            await self._checkpoint(number, digest)

    async def _registers(self, manifest: Manifest) -> None:
        """Hand the registers of the definition that a release was made with to the checker."""
        number = max((row.codebook for row in manifest.documents), default=0)
        checker = self.checker
        if self.registers is None or not number or not isinstance(checker, Checker):
            return
        if number != checker.definition:
            registers = await self.registers.get(number)
            await asyncio.to_thread(checker.use, number, registers)

    def _broken(self, number: int) -> None:
        self._sha256 = None
        self.checker.stop_adding(f"release {number} cannot be used")

    async def _signature(self, number: int, material: Material) -> None:
        try:
            await self._keys.check(material.manifest, material.signature, "manifest.xml")
        except SignatureError as error:
            self._differs(
                "signature", number, "manifest.xml.sig", "the signature does not hold", error.message
            )

    def _links(self, number: int, manifest: Manifest) -> None:
        if manifest.release != number:
            self._differs("number", number, "manifest.xml", "release number", manifest.release, number)
        if self._sha256 is not None and manifest.previous != self._sha256:
            self._differs("chain", number, "manifest.xml", "previous", manifest.previous, self._sha256)
        theirs = (manifest.event, manifest.run, manifest.phase, manifest.series)
        ours = (self._run.event, self._run.id, self._run.phase, self._name)
        if theirs != ours:
            self._differs("stamp", number, "manifest.xml", "run", "/".join(theirs), "/".join(ours))

    async def _checkpoint(self, number: int, digest: str) -> None:
        """A checkpoint holds exactly what the releases up to it lead to; the newest one may still be on its way."""
        _report, path = self._report, f"checkpoint/{number}.xml"
        if self._awaited is not None:
            self._differs("checkpoint", self._awaited, f"checkpoint/{self._awaited}.xml", "is missing", None)
            self._awaited = None
        try:
            data, line = await self._series.checkpoint(number)
            await self._keys.check(data, line, path)
            await asyncio.to_thread(self._compare_checkpoint, data, path, number, digest)
        except NotYet:
            self._awaited = number
        except SkrutiniumError as error:
            self._differs("checkpoint", number, path, "cannot be used", error.message)

    def _compare_checkpoint(self, data: bytes, path: str, number: int, digest: str) -> None:
        root = parsing.document(data, "checkpoint", path)
        theirs = {
            str(row.get("path")): (row.get("sha256"), row.get("size")) for row in children(root, "document")
        }
        ours = {row.path: (row.sha256, str(row.size)) for row in self.checker.rows.values()}
        if (root.get("release"), root.get("manifest")) != (str(number), digest):
            self._differs("checkpoint", number, path, "manifest", root.get("manifest"), digest)
        if theirs != ours:
            wrong = sorted(one for one in theirs.keys() | ours.keys() if theirs.get(one) != ours.get(one))
            self._differs(
                "checkpoint",
                number,
                path,
                f"{len(wrong)} rows, {wrong[0]} for one",
                theirs.get(wrong[0]),
                ours.get(wrong[0]),
            )

    async def _heartbeat(self, newest: int) -> None:
        try:
            body = await self._keys.signed(await self._series.heartbeat(), "heartbeat.xml")
            heartbeat = read_heartbeat(body, "heartbeat.xml")
        except NotYet:
            self._note("there is no heartbeat")
            return
        except SkrutiniumError as error:
            self._differs("heartbeat", None, "heartbeat.xml", "cannot be used", error.message)
            return
        due = self._hashes.get(heartbeat.release)
        if heartbeat.release <= newest and due is not None and heartbeat.manifest != due:
            self._differs(
                "heartbeat", heartbeat.release, "heartbeat.xml", "manifest", heartbeat.manifest, due
            )
