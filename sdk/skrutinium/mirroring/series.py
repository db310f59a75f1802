"""One series in a mirror: its manifests in their chain, the documents they name, checkpoints and packs."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import aclosing

from skrutinium.documents.protocols_reading import read_batch
from skrutinium.documents.series import ZEROS, Document, Manifest, Run
from skrutinium.documents.series_reading import read_checkpoint, read_manifest
from skrutinium.errors import ChainError, ChoiceNeeded, DamagedError, Gone, NotYet, RollbackError
from skrutinium.mirroring.files import SeriesFiles, StoreFiles, digest
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.arriving import SignedManifest, signed_members
from skrutinium.sources.choosing import Choice
from skrutinium.sources.source import SeriesSource, matches
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

Told = Callable[[str, int, int], None]
_BATCH = re.compile(r"batch/[0-9]+\.xml")
_AT_ONCE = 8
_PORTION = 1024 * 1024
"""Bytes of documents that are written at once."""


class _Kept:
    """Documents that are kept in a thread, a portion at a time; ``keep`` raises for one that is not what its row says."""

    def __init__(self, keep: Callable[[Document, bytes], None]) -> None:
        self._keep = keep
        self._portion: list[tuple[Document, bytes]] = []
        self._size = 0
        self._paths: set[str] = set()

    async def take(self, row: Document, data: bytes) -> None:
        """The next one."""
        self._portion.append((row, data))
        self._size += len(data)
        if self._size >= _PORTION:
            await self.end()

    async def end(self) -> set[str]:
        """Keep what is left; the paths of all."""
        portion, self._portion, self._size = self._portion, [], 0

        def keep() -> None:
            for row, data in portion:
                self._keep(row, data)

        await asyncio.to_thread(keep)
        self._paths.update(row.path for row, _ in portion)
        return self._paths


class MirroredSeries:
    """One series; ``number`` is the newest release that is there, ``definition`` the newest version of that which a manifest names.

    ``all_in`` says whether every protocol is in.
    """

    def __init__(
        self,
        source: SeriesSource,
        keys: KeyRing,
        run: Run,
        name: str,
        store: StoreFiles,
        files: SeriesFiles,
        *,
        whole: bool,
        choice: Choice | None,
    ) -> None:
        self.source = source
        self.files = files
        self.number = 0
        self.definition = 0
        self.all_in = False
        self._keys = keys
        self._run = run
        self._name = name
        self._store = store
        self._whole = whole
        self._choice = choice
        self._sha256 = ZEROS
        self._etag: str | None = None
        self._awaited: set[int] = set()
        self._rows: dict[str, str] | None = None
        self._superseded: set[str] = set()

    async def open(self) -> None:
        """See what is there already."""
        held = await asyncio.to_thread(self.files.newest)
        if held is not None:
            self.number, self._sha256 = held
            data, _ = await asyncio.to_thread(self.files.manifest, held[0])
            self.all_in = _all_in(await asyncio.to_thread(read_manifest, data, f"manifest {held[0]}"))
            self._awaited = set(
                await asyncio.to_thread(lambda: list(self.files.missing_checkpoints(held[0])))
            )
        if self._choice is not None and not isinstance(self.source, AddressSeries):
            raise ChoiceNeeded(
                "only a feed knows what belongs to an area or a contest", address=self.source.where
            )

    async def update(self, told: Told | None, put_keys: Callable[[], Awaitable[None]]) -> None:
        """Take what is new; ``put_keys`` is called before a release that may need a key."""
        if self._superseded:  # whoever read the release before has had his time
            superseded, self._superseded = self._superseded, set()
            await asyncio.to_thread(self._store.drop_objects, superseded)
        newest = await self._newest()
        if newest is not None:
            await self._take(newest, told, put_keys)
        await self._checkpoints()

    async def _take(self, newest: int, told: Told | None, put_keys: Callable[[], Awaitable[None]]) -> None:
        chain = Chain(self._keys, self._run, self._name, self.number, self._sha256)
        if self._whole and self._choice is None:
            for number in range(self.number + 1, newest + 1):
                release = await self._fetch_whole(number, chain)
                await put_keys()
                await self._finish([release])
                if told is not None:
                    told(self._name, number, newest)
            return
        releases, documents = await self._fetch_newest(newest, chain)
        await self._keep_documents(releases, documents)
        await put_keys()
        await self._finish(releases)
        if told is not None:
            told(self._name, self.number, self.number)

    async def _newest(self) -> int | None:
        """The newest number, None when it is the one that is there."""
        if isinstance(self.source, AddressSeries):
            answer = await self.source.look(self._etag)
            if answer.body is None:
                return None
            number, sha256 = read_manifest(answer.body, answer.address).release, digest(answer.body)
            etag = answer.etag
        else:
            number, sha256 = await self.source.newest()
            etag = None
        if number < self.number:
            raise RollbackError(
                f"release {number} is offered, but {self.number} is there", address=self.source.where
            )
        if number == self.number:
            if sha256 != self._sha256:
                raise ChainError(
                    f"release {number} is offered with another content than the mirror has",
                    address=self.source.where,
                )
            self._etag = etag
            return None
        return number

    # ---------------------------------------------------------------- every release
    async def _fetch_whole(self, number: int, chain: Chain) -> SignedManifest:
        material = await self.source.release(number)
        manifest = await chain.take(
            material.manifest, material.signature, f"{self.source.where} release {number}"
        )
        rows = manifest.documents

        def members() -> Iterator[tuple[str, bytes]]:
            yield from (("manifest.xml", material.manifest), ("manifest.xml.sig", material.signature))
            for row in rows:
                data = material.load(row)
                self._keep(row, data)
                yield row.path, data

        await asyncio.to_thread(lambda: self.files.put_pack(number, members()))
        return SignedManifest(manifest, material.manifest, material.signature)

    async def complete(self, told: Told | None) -> None:
        """Fetch what a mirror of the newest release did not keep of those before."""
        self._whole = True
        for number in range(1, self.number + 1):
            if await asyncio.to_thread(self.files.has_pack, number):
                continue
            data, _ = await asyncio.to_thread(self.files.manifest, number)
            material = await self.source.release(number)
            if material.manifest != data:
                raise ChainError(
                    f"release {number} is offered with another content", address=self.source.where
                )
            chain = Chain(self._keys, self._run, self._name)
            await self._fetch_whole(number, chain)
            if told is not None:
                told(self._name, number, self.number)
        self._awaited = set(
            await asyncio.to_thread(lambda: list(self.files.missing_checkpoints(self.number)))
        )

    # ---------------------------------------------------------------- the newest documents
    async def _fetch_newest(self, newest: int, chain: Chain) -> tuple[list[SignedManifest], set[str]]:
        """The manifests that follow, and the paths of the documents that came with them and are kept."""
        if isinstance(self.source, AddressSeries):
            source = self.source
            try:
                return await source.transport.retried(
                    lambda: self._arriving(source, chain.copy()), f"{source.where} changes"
                )
            except Gone:
                pass
        releases = []
        for number in range(self.number + 1, newest + 1):
            data, line = await self.source.manifest(number)
            manifest = await chain.take(data, line, f"{self.source.where} release {number}")
            releases.append(SignedManifest(manifest, data, line))
        return releases, set()

    async def _arriving(self, source: AddressSeries, chain: Chain) -> tuple[list[SignedManifest], set[str]]:
        """All that follows by one request, kept while it comes: a document once its manifest is signed and names its hash."""
        releases: list[SignedManifest] = []
        kept = _Kept(self._keep)
        async with aclosing(signed_members(source, chain, choice=self._choice)) as members:
            async for one in members:
                if isinstance(one, SignedManifest):
                    releases.append(one)
                elif one.data is not None:  # what is too large is fetched by its hash
                    await kept.take(one.row, one.data)
        if not releases:
            raise DamagedError("changes without a manifest", address=source.where)
        return releases, await kept.end()

    async def _keep_documents(self, releases: list[SignedManifest], came: Collection[str]) -> None:
        newest = {row.path: row for one in releases for row in one.manifest.documents}
        rows: Iterable[Document] = (
            newest.values() if self._choice is None else [newest[path] for path in came]
        )
        if self._whole and self._choice is not None:
            rows = [row for one in releases for row in one.manifest.documents if row.path in came]
        due = {row.sha256: row for row in rows}
        missing = await asyncio.to_thread(
            lambda: [row for row in due.values() if not self._store.has_object(row.sha256)]
        )
        room = asyncio.Semaphore(_AT_ONCE)

        async def fetch(row: Document) -> None:
            async with room:
                data = await self.source.object(row.sha256)
                await asyncio.to_thread(self._keep, row, data)

        tasks = [asyncio.create_task(fetch(row)) for row in missing]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _keep(self, row: Document, data: bytes) -> None:
        """Keep a document that is what its manifest says, and the protocols that a batch brings as they were taken over."""
        if wrong := matches(row, data, f"{self.source.where} {row.path}"):
            raise wrong
        self._store.put_object(row.sha256, data)
        if self._name == "skrutinium" and _BATCH.fullmatch(row.path):
            for one in read_batch(data, row.path, validate=False).protocols:
                taken = None if one.taken_over is None else one.taken_over.data
                if taken is not None and digest(taken) == one.sha256:
                    self._store.put_object(one.sha256, taken)

    # ---------------------------------------------------------------- done
    async def _finish(self, releases: list[SignedManifest]) -> None:
        last = releases[-1]
        number, sha256 = last.manifest.release, digest(last.data)

        def write() -> None:
            for one in releases:
                self.files.put_manifest(one.manifest.release, one.data, one.line)
            self._supersede(releases)
            self.files.finish(number, sha256)

        await asyncio.to_thread(write)
        self._awaited |= {one.manifest.release for one in releases if one.manifest.checkpoint}
        self.definition = max(
            (row.codebook for one in releases for row in one.manifest.documents), default=self.definition
        )
        self.number, self._sha256 = number, sha256
        self.all_in = _all_in(last.manifest)

    def _supersede(self, releases: list[SignedManifest]) -> None:
        """Note what nothing names any more; a mirror with all releases keeps everything."""
        if self._whole:
            return
        if self._rows is None:
            self._rows = {}
            for number in range(1, self.number + 1):
                manifest = read_manifest(self.files.manifest(number)[0], f"manifest {number}")
                self._rows.update((row.path, row.sha256) for row in manifest.documents)
        before = set(self._rows.values())
        for one in releases:
            self._rows.update((row.path, row.sha256) for row in one.manifest.documents)
        self._superseded |= before - set(self._rows.values())

    async def _checkpoints(self) -> None:
        """Those that were announced; one is written after its release, so it may still be on its way."""
        due = sorted(self._awaited) if self._whole else sorted(self._awaited)[-1:]
        for number in due:
            try:
                data, line = await self.source.checkpoint(number)
            except NotYet:
                continue
            where = f"{self.source.where} checkpoint {number}"
            await self._keys.check(data, line, where)
            checkpoint = await asyncio.to_thread(read_checkpoint, data, where)
            manifest, _ = await asyncio.to_thread(self.files.manifest, number)
            if (checkpoint.release, checkpoint.manifest) != (number, digest(manifest)):
                raise ChainError(f"the checkpoint is not of release {number}", address=where)
            await asyncio.to_thread(self.files.put_checkpoint, number, data, line)
            self._awaited = (
                {one for one in self._awaited if one > number}
                if not self._whole
                else self._awaited - {number}
            )


def _all_in(manifest: Manifest) -> bool:
    return manifest.state != "interim" and manifest.reported >= manifest.expected
