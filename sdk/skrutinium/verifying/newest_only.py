"""Verifying a mirror of the newest release only: all manifests in their chain, the documents as of the newest, and every vote.

All protocols since the first release are in such a mirror, so the votes are added up again; how each earlier release looked is not.
"""

import asyncio
from collections.abc import Callable

from skrutinium.documents.series import Document, Manifest, Run
from skrutinium.errors import NotYet, SkrutiniumError
from skrutinium.sources.bulk import Bulk
from skrutinium.sources.mirrored import Mark
from skrutinium.sources.opening import is_address
from skrutinium.sources.source import Material, SeriesSource, Source, matches
from skrutinium.trust.signing import KeyRing
from skrutinium.verifying.newest_documents import NewestDocuments
from skrutinium.verifying.registers_verifying import RegistersWalk
from skrutinium.verifying.report import SERIES, UNREACHABLE, Report
from skrutinium.verifying.walking import Progress, Walk


async def verify_newest(
    source: Source, run: Run, keys: KeyRing, report: Report, mark: Mark, progress: Progress | None
) -> None:
    """Check what there is to check in a mirror without all releases; the report says what there is not. Raises what a walk raises."""
    report.newest_only = True
    series = source.series(run, SERIES)
    rows = _Rows()
    walk = _NewestWalk(series, SERIES, rows, keys, run, report)
    await walk.all(progress)
    if rows.newest is None:
        return
    number = rows.newest.release
    report.note(
        f"this mirror keeps the documents of the newest release only: signatures and chain of all {number} releases were checked, and the "
        f"documents as of release {number}; what releases before it said was not (skrutinium pull --all keeps it)"
    )
    for other in sorted(set(run.series) - {SERIES}):
        report.note(f"series {other} is not in such a mirror and was not looked at")
    documents = _Documents(series, asyncio.get_running_loop())
    if mark.choice is not None:
        await _chosen(documents, rows, report)
        return
    registers = RegistersWalk(source.registers(run.event), keys, run, report)
    definitions = {row.codebook for row in rows.rows.values()}
    held = None
    if len(definitions) == 1:
        held = await registers.get(definitions.pop())
    else:
        report.note(
            "the definition changed in between: names and who may vote were not compared with registers"
        )
    read = _read_twice(documents.read) if is_address(source.where) else documents.read
    checked = NewestDocuments(read, report, rows.newest, rows.rows, run.law, None, held)
    await asyncio.to_thread(checked.check)
    documents.check()


class _Rows:
    """The newest row of every document, and the newest manifest."""

    def __init__(self) -> None:
        self.rows: dict[str, Document] = {}
        self.newest: Manifest | None = None

    def release(self, manifest: Manifest, _material: Material) -> None:
        """The next release."""
        self.rows.update((row.path, row) for row in manifest.documents)
        self.newest = manifest

    def stop_adding(self, why: str) -> None:
        """Nothing is added while walking."""


class _NewestWalk(Walk):
    """A walk over manifests alone; of checkpoints such a mirror has the newest, perhaps some before it."""

    async def _material(self, number: int) -> Material:
        def load(row: Document) -> bytes:
            raise NotYet("documents are not read while walking", address=row.path)

        self.report.looked(SERIES).releases += 1
        return Material(*await self.series.manifest(number), load)

    async def _checkpoint(self, number: int, digest: str) -> None:
        self.awaited = None
        await super()._checkpoint(number, digest)


class _Documents:
    """Reads documents from the threads of a check; what keeps the source from being read is kept, and ends it."""

    def __init__(self, series: SeriesSource, loop: asyncio.AbstractEventLoop) -> None:
        self._series = series
        self._loop = loop
        self._failed: SkrutiniumError | None = None

    def read(self, row: Document) -> bytes:
        """The bytes of a document; never in the event loop's own thread."""
        if self._failed is not None:
            raise self._failed
        try:
            return asyncio.run_coroutine_threadsafe(self._series.object(row.sha256), self._loop).result()
        except UNREACHABLE as error:
            self._failed = error
            raise

    def check(self) -> None:
        """Raise what kept the source from being read."""
        if self._failed is not None:
            raise self._failed


def _read_twice(read: Callable[[Document], bytes]) -> Callable[[Document], bytes]:
    """The same for who reads every document twice: it is fetched the first time, and the second time it is at hand."""
    bulk = Bulk()

    def read_again(row: Document) -> bytes:
        if (held := bulk.take(row.sha256)) is not None:
            return held
        data = read(row)
        bulk.put(row.sha256, data)
        return data

    return read_again


async def _chosen(documents: _Documents, rows: _Rows, report: Report) -> None:
    """Of a mirror with chosen documents only those that are there can be checked, one by one."""
    looked = report.looked(SERIES)
    there = await asyncio.to_thread(_held, documents.read, rows, report)
    documents.check()
    looked.documents += there
    report.note(
        f"this mirror keeps chosen documents only: {there} of {len(rows.rows)} are there and have the bytes that were signed; "
        "votes were not added up, which takes all of them"
    )


def _held(read: Callable[[Document], bytes], rows: _Rows, report: Report) -> int:
    held = 0
    for row in rows.rows.values():
        try:
            data = read(row)
        except NotYet:
            continue
        except UNREACHABLE:
            return held
        except SkrutiniumError as error:
            report.differs("object", None, row.path, "the document cannot be used", error.message)
            continue
        held += 1
        if wrong := matches(row, data, row.path):
            report.differs("object", None, row.path, "the document cannot be used", wrong.message)
    return held
