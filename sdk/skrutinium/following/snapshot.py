"""Every document of a series as of a release: which hash it has, and its bytes, fetched when asked for.

Joining late needs the newest checkpoint and what follows; both are checked by signature and chain before use.
"""

import asyncio
import hashlib
import re
import weakref
from collections import deque
from collections.abc import Collection
from typing import Protocol

from skrutinium.documents.series import ZEROS, Document, Manifest, Run
from skrutinium.documents.series_reading import read_checkpoint
from skrutinium.errors import ChainError, Gone, NotDelivered, NotYet, SkrutiniumError
from skrutinium.following.document_cache import DocumentCache
from skrutinium.following.followed import PASSING
from skrutinium.following.reaching import Reaching
from skrutinium.following.taking import Taken
from skrutinium.sources.choosing import Choice
from skrutinium.sources.source import Material
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

_KEPT_RELEASES = 64
_CORRECTIONS = re.compile(r"corrections/([1-9][0-9]{0,8})\.xml")


class Numbered(Protocol):
    """A release, whose documents may be asked for as long as anybody holds it."""

    @property
    def number(self) -> int:
        """Its number."""


class Snapshot:
    """Which document has which hash, as of any of the last releases that somebody holds; ``noticed``: how many correction records were read, by release."""

    def __init__(
        self,
        source: Reaching,
        keys: KeyRing,
        run: Run,
        series: str,
        cache: DocumentCache,
        choice: Choice | None = None,
    ) -> None:
        self._source = source
        self._keys = keys
        self._run = run
        self._series = series
        self._cache = cache
        self._choice = choice
        self.noticed: dict[int, int] = {}
        self._followed: dict[str, tuple[int, Document]] = {}
        self._rows: dict[str, list[tuple[int, Document]]] = {}
        self._changed: deque[tuple[int, tuple[str, ...]]] = deque()
        """What each release changed, whose older versions may be asked for still."""
        self._held: weakref.WeakSet[Numbered] = weakref.WeakSet()
        self._oldest: int | None = None
        self._newest = 0
        self._meanwhile: list[Manifest] | None = None
        self._lock = asyncio.Lock()

    def serve(self, release: Numbered) -> None:
        """Keep what is as of that release while it is held, unless it falls too far behind."""
        self._held.add(release)

    def apply(self, manifest: Manifest) -> None:
        """Take in the next release."""
        if self._oldest is None:  # what changed since following began is known without a checkpoint
            self._followed.update((row.path, (manifest.release, row)) for row in manifest.documents)
            if self._meanwhile is not None:
                self._meanwhile.append(manifest)
            return
        if manifest.release <= self._newest:
            return
        if manifest.release != self._newest + 1:
            self._clear()  # a gap: built again when asked for
            return
        self._add(manifest.release, manifest.documents)
        self._newest = manifest.release
        needed = min((one.number for one in self._held), default=self._newest)
        self._oldest = max(self._oldest, min(needed, self._newest), self._newest - _KEPT_RELEASES)
        self._drop(self._oldest)

    async def row(self, path: str, taken: Taken) -> Document:
        """The row of a document as of release ``taken``; raises :class:`NotYet` when there is no such document."""
        for row in taken.manifest.documents:
            if row.path == path:
                return row
        number = taken.manifest.release
        async with self._lock:
            if self._oldest is None:
                since, followed = self._followed.get(path, (0, None))
                if followed is not None and since <= number:
                    return followed
            try:
                await self._reach(taken)
            except PASSING as error:  # mails bring no checkpoints, and the feed may be gone
                return await self._back(path, taken.manifest, error)
        self._check_kept(number)
        for at, row in reversed(self._rows.get(path, ())):
            if at <= number:
                return row
        raise NotYet(f"release {number} has no document {path}", address=self._source.where)

    async def _back(self, path: str, manifest: Manifest, error: SkrutiniumError) -> Document:
        """The row by the manifests before one, each proven by the hash that the next one names; raises ``error`` where they break off."""
        chain, number = Chain(self._keys, self._run, self._series), manifest.release
        while manifest.release > 1:
            try:
                data, line = await self._source.manifest(manifest.release - 1)
            except SkrutiniumError:
                raise _older(path, manifest.release, error) from None
            if hashlib.sha256(data).hexdigest() != manifest.previous:
                raise _older(path, manifest.release, error)
            manifest = await chain.signed(data, line, self._source.where)
            for row in manifest.documents:
                if row.path == path:
                    return row
        raise NotYet(f"release {number} has no document {path}", address=self._source.where)

    async def all(self, taken: Taken) -> tuple[Document, ...]:
        """The rows of all documents as of release ``taken``, by path; raises :class:`Gone` when newer releases were read since."""
        number = taken.manifest.release
        async with self._lock:
            await self._reach(taken)
        self._check_kept(number)
        newest = (
            next((row for at, row in reversed(held) if at <= number), None) for held in self._rows.values()
        )
        return tuple(sorted((row for row in newest if row is not None), key=lambda row: row.path))

    async def data(self, row: Document, taken: Taken) -> bytes:
        """The bytes of a document, checked: from where the release came, else from another source.

        Raises :class:`DamagedError`, :class:`NotDelivered` when no source has it.
        """
        held = self._cache.get(row.sha256)
        if held is None:
            held = await self._source.document(row, taken.source)
            self._cache.put(row.sha256, held)
        if found := _CORRECTIONS.fullmatch(row.path):
            self.noticed[int(found[1])] = held.count(b"<correction ")
        return held

    async def pack(self, number: int) -> Material:
        """Everything of one release by few requests, not yet checked."""
        return await self._source.pack(number)

    def _check_kept(self, number: int) -> None:
        if self._oldest is None or not self._oldest <= number <= self._newest:
            raise Gone(
                f"documents as of release {number} are no longer at hand: newer releases were read since"
            )

    def _add(self, number: int, documents: Collection[Document]) -> None:
        for row in documents:
            self._rows.setdefault(row.path, []).append((number, row))
        self._changed.append((number, tuple(row.path for row in documents)))

    def _drop(self, oldest: int) -> None:
        """Give up the versions that were replaced up to release ``oldest``."""
        while self._changed and self._changed[0][0] <= oldest:
            for path in self._changed.popleft()[1]:
                versions = self._rows[path]
                while len(versions) > 1 and versions[1][0] <= oldest:
                    del versions[0]

    def _clear(self) -> None:
        self._oldest = None
        self._rows.clear()
        self._changed.clear()

    async def _reach(self, taken: Taken) -> None:
        """Hold what there is up to that release; the loop may go on to later ones while this waits."""
        if self._oldest is not None and taken.manifest.release <= self._newest:
            return
        self._oldest, self._meanwhile = None, []
        try:
            await self._build(taken)
            self._followed = {}
            for manifest in self._meanwhile:
                self.apply(manifest)
        finally:
            self._meanwhile = None

    async def _build(self, taken: Taken) -> None:
        target = taken.manifest.release
        start, start_sha256, documents = await self._checkpoint(target)
        self._clear()
        self._add(start, documents)
        chain = Chain(self._keys, self._run, self._series, start, start_sha256)
        if start < target:
            for each in await self._source.following(chain, self._cache.put, target, self._choice):
                self._add(each.manifest.release, each.manifest.documents)
        if (chain.number, chain.sha256) != (target, taken.sha256):
            raise ChainError(f"checkpoint {start} and what follows do not lead to release {target}")
        self._drop(target)
        self._oldest = self._newest = target

    async def _checkpoint(self, target: int) -> tuple[int, str, tuple[Document, ...]]:
        """Number, manifest hash and rows of the newest checkpoint that is not after ``target``."""
        number: int | None = None
        while True:
            try:
                data, line = await self._source.checkpoint(number)
            except NotYet:
                if number is None:
                    return 0, ZEROS, ()
                # A checkpoint follows its release: the one before it does as well, with more to read after it.
                number = await self._checkpoint_before(number - 1)
                if number == 0:
                    return 0, ZEROS, ()
                continue
            await self._keys.check(data, line, self._source.where)
            checkpoint = read_checkpoint(data, self._source.where)
            if (checkpoint.event, checkpoint.run, checkpoint.phase, checkpoint.series) != (
                self._run.event,
                self._run.id,
                self._run.phase,
                self._series,
            ):
                raise ChainError("the checkpoint is of another run", address=self._source.where)
            if checkpoint.release <= target:
                return checkpoint.release, checkpoint.manifest, checkpoint.documents
            number = await self._checkpoint_before(target)
            if number == 0:
                return 0, ZEROS, ()

    async def _checkpoint_before(self, target: int) -> int:
        chain = Chain(self._keys, self._run, self._series)
        for number in range(target, 0, -1):
            data, line = await self._source.manifest(number)
            manifest = await chain.signed(data, line, self._source.where)
            if manifest.checkpoint:
                return number
        return 0


def _older(path: str, number: int, error: SkrutiniumError) -> SkrutiniumError:
    """What to tell when a document is older than the releases at hand, which begin with that number."""
    if not isinstance(error, NotYet):
        return error
    words = f"{path} was written before release {number}, and no source holds what is before it"
    return NotDelivered(words, address=error.address)
