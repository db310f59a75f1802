"""Going through the releases of a series: every signature, every link of the chain, every checkpoint."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Protocol

from skrutinium.documents import parsing
from skrutinium.documents.parsing import children
from skrutinium.documents.series import ZEROS, Document, Manifest, Run
from skrutinium.documents.series_reading import read_heartbeat, read_manifest
from skrutinium.errors import NotYet, SchemaError, SignatureError, SkrutiniumError
from skrutinium.sources.source import Material, SeriesSource
from skrutinium.trust.signing import KeyRing
from skrutinium.verifying.checking import Checker
from skrutinium.verifying.registers_verifying import RegistersWalk
from skrutinium.verifying.report import SERIES, UNREACHABLE, Report

Progress = Callable[[int, int], None]
"""Told (releases checked, newest release)."""


class TakesReleases(Protocol):
    """What looks into the releases of a walk; ``rows`` are the newest documents by path."""

    rows: dict[str, Document]

    def release(self, manifest: Manifest, material: Material) -> None:
        """The next release."""

    def stop_adding(self, why: str) -> None:
        """A release is missing or cannot be used."""


class Walk:
    """From the first release of a series to the newest; what is wrong goes into the report. Raises what keeps a source from being read."""

    def __init__(
        self,
        source: SeriesSource,
        series: str,
        checker: TakesReleases,
        keys: KeyRing,
        run: Run,
        report: Report,
    ) -> None:
        self.checker = checker
        self.series = source
        self.name = series
        self.keys = keys
        self.run = run
        self.report = report
        self._sha256: str | None = ZEROS
        self._hashes: dict[int, str] = {}
        self.awaited: int | None = None
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
        self.report.differs(code, release, path, what, published, recomputed, series=self.name)

    def _note(self, text: str) -> None:
        self.report.note(text if self.name == SERIES else f"{self.name}: {text}")

    async def all(self, progress: Progress | None) -> None:
        """Check every release, then the heartbeat."""
        newest, digest = await self.series.newest()
        for number in range(1, newest + 1):
            await self._one(number)
            if progress is not None:
                progress(number, newest)
        if self._hashes.get(newest, digest) != digest:
            self._differs("chain", newest, "newest", "manifest hash", digest, self._hashes[newest])
        if self.awaited is not None:
            self._note(f"checkpoint {self.awaited} is not there yet")
        await self._heartbeat(newest)

    async def _one(self, number: int) -> None:
        try:
            material = await self._material(number)
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

    async def _material(self, number: int) -> Material:
        return await self.series.release(number)

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
            await self.keys.check(material.manifest, material.signature, "manifest.xml")
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
        ours = (self.run.event, self.run.id, self.run.phase, self.name)
        if theirs != ours:
            self._differs("stamp", number, "manifest.xml", "run", "/".join(theirs), "/".join(ours))

    async def _checkpoint(self, number: int, digest: str) -> None:
        """A checkpoint holds exactly what the releases up to it lead to; the newest one may still be on its way."""
        path = f"checkpoint/{number}.xml"
        if self.awaited is not None:
            self._differs("checkpoint", self.awaited, f"checkpoint/{self.awaited}.xml", "is missing", None)
            self.awaited = None
        try:
            data, line = await self.series.checkpoint(number)
            await self.keys.check(data, line, path)
            await asyncio.to_thread(self._compare_checkpoint, data, path, number, digest)
        except NotYet:
            self.awaited = number
        except UNREACHABLE:
            raise
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
            body = await self.keys.signed(await self.series.heartbeat(), "heartbeat.xml")
            heartbeat = read_heartbeat(body, "heartbeat.xml")
        except NotYet:
            self._note("there is no heartbeat")
            return
        except UNREACHABLE:
            raise
        except SkrutiniumError as error:
            self._differs("heartbeat", None, "heartbeat.xml", "cannot be used", error.message)
            return
        due = self._hashes.get(heartbeat.release)
        if heartbeat.release <= newest and due is not None and heartbeat.manifest != due:
            self._differs(
                "heartbeat", heartbeat.release, "heartbeat.xml", "manifest", heartbeat.manifest, due
            )
