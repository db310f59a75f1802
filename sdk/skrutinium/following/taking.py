"""Taking the releases that follow into a chain: in one piece from a feed, else manifest by manifest."""

import hashlib
import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.series import Document, Manifest
from skrutinium.documents.series_reading import read_manifest
from skrutinium.errors import DamagedError, Gone, NotYet
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.choosing import Choice
from skrutinium.sources.packs import Member
from skrutinium.sources.source import SeriesSource
from skrutinium.trust.chain import Chain

_MANIFEST = re.compile(r"manifest/[0-9]{1,9}\.xml")
_AT_ONCE = 100
"""Releases read one by one before they are handed on."""
_LARGEST_HELD = 8 * 1024 * 1024
"""Bytes of a document that is held when it comes; a larger one is fetched by its hash when asked for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An accepted manifest, its hash, and the address or path of the source that it came from."""

    manifest: Manifest
    sha256: str
    source: str


async def read_changes(
    source: AddressSeries,
    chain: Chain,
    put: Callable[[str, bytes], None],
    origin: str,
    until: int | None = None,
    choice: Choice | None = None,
) -> list[Taken]:
    """Fetch what follows in ``chain``: take its manifests into it in order, hand its documents to ``put`` by their hashes.

    The answer is read while it comes, and ``chain`` moves only when all of it was right; a document is handed on as soon as its hash is
    the one in a signed manifest. Manifests after ``until`` are left aside. What a feed does not send in one piece any more is read manifest
    by manifest, its documents when asked for; so are documents that are not of the ``choice``, and very large ones.
    Raises :class:`DamagedError` when a document is not what a manifest says.
    """

    async def read() -> _Changes:
        changes = _Changes(source.where, chain.copy(), put, origin, until)
        async with aclosing(source.arriving(chain.number, _most, choice)) as arriving:
            async for member in arriving:
                await changes.take(member)
        changes.end(whole=until is None and choice is None)
        return changes

    try:
        changes = await source.transport.retried(read, f"{source.where} changes")
    except Gone:
        return await read_manifests(source, chain, origin, until)
    chain.number, chain.sha256 = changes.chain.number, changes.chain.sha256
    return changes.taken


class _Changes:
    """What came so far of one answer: manifests, each with its signature behind it, then documents."""

    def __init__(
        self, where: str, chain: Chain, put: Callable[[str, bytes], None], origin: str, until: int | None
    ) -> None:
        self.chain = chain
        self.taken: list[Taken] = []
        self._where = where
        self._put = put
        self._origin = origin
        self._until = until
        self._unsigned: tuple[str, bytes] | None = None
        self._rows: dict[str, Document] = {}
        self._came: set[str] = set()

    async def take(self, member: Member) -> None:
        """The next member; raises :class:`DamagedError`, and what a chain raises."""
        name = member.name
        if name in self._came:
            raise DamagedError(f"{name} comes twice", address=self._where)
        self._came.add(name)
        if self._unsigned is not None:
            await self._sign(member)
        elif _MANIFEST.fullmatch(name):
            self._unsigned = name, self._held(member)
        else:
            self._document(member)

    def end(self, *, whole: bool) -> None:
        """Nothing more comes; ``whole``: every document has to be there."""
        if self._unsigned is not None:
            raise DamagedError(f"{self._unsigned[0]} comes without its signature", address=self._where)
        if whole and (missing := self._rows.keys() - self._came):
            raise DamagedError(
                f"{len(missing)} documents are missing, {min(missing)} for one", address=self._where
            )

    async def _sign(self, member: Member) -> None:
        assert self._unsigned is not None
        name, data = self._unsigned
        if member.name != name + ".sig":
            raise DamagedError(f"{name} comes without its signature", address=self._where)
        self._unsigned = None
        if self._until is not None and int(name[len("manifest/") : -len(".xml")]) > self._until:
            return
        manifest = await self.chain.take(data, self._held(member), f"{self._where} {name}")
        self.taken.append(_taken(manifest, data, self._origin))
        self._rows.update((row.path, row) for row in manifest.documents)

    def _document(self, member: Member) -> None:
        row = self._rows.get(member.name)
        wrong = row is None or (member.size, member.sha256) != (row.size, row.sha256)
        if wrong and self._until is not None:
            return  # a version after ``until``: fetched by its hash when asked for
        if row is None:
            raise DamagedError(f"{member.name} is in no manifest before it", address=self._where)
        if wrong:
            raise DamagedError(
                f"has {member.size} bytes with the hash {member.sha256}; {row.size} with {row.sha256} are announced",
                address=f"{self._where} {member.name}",
            )
        if member.data is not None:
            self._put(row.sha256, member.data)

    def _held(self, member: Member) -> bytes:
        if member.data is None:
            raise DamagedError(
                f"{member.name} has {member.size} bytes; at most {LARGEST} are read", address=self._where
            )
        return member.data


async def read_manifests(
    source: SeriesSource, chain: Chain, origin: str, until: int | None = None
) -> list[Taken]:
    """The manifests that follow in ``chain``, in order: all up to ``until``, without it the next few; up to the first that is not there."""
    newest, _ = await source.newest()
    last = min(newest, chain.number + _AT_ONCE) if until is None else until
    taken: list[Taken] = []
    for number in range(chain.number + 1, last + 1):
        try:
            data, line = await source.manifest(number)
        except NotYet:
            if not taken:
                raise
            break
        taken.append(_taken(await chain.take(data, line, f"{source.where} release {number}"), data, origin))
    return taken


async def read_newest(source: SeriesSource, chain: Chain, origin: str) -> list[Taken]:
    """The newest release, to begin with."""
    if isinstance(source, AddressSeries):
        answer = await source.newest_manifest()
        data = answer.body or b""
        line = await source.signature(read_manifest(data, answer.address).release)
    else:
        number, _ = await source.newest()
        data, line = await source.manifest(number)
    return [_taken(await chain.take(data, line, f"{source.where} newest"), data, origin)]


def _most(name: str) -> int:
    """Bytes that are held of what comes under that name."""
    return LARGEST if name.startswith("manifest/") else _LARGEST_HELD


def _taken(manifest: Manifest, data: bytes, origin: str) -> Taken:
    return Taken(manifest, hashlib.sha256(data).hexdigest(), origin)
