"""Taking the releases that follow into a chain: in one piece from a feed, else manifest by manifest."""

import hashlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from skrutinium.documents.series import Manifest
from skrutinium.documents.series_reading import read_manifest
from skrutinium.errors import DamagedError, Gone, NotYet
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.arriving import SignedManifest, signed_members
from skrutinium.sources.choosing import Choice
from skrutinium.sources.source import SeriesSource
from skrutinium.trust.chain import Chain

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

    async def read() -> tuple[Chain, list[Taken]]:
        ahead, taken, due, came = chain.copy(), list[Taken](), set[str](), set[str]()
        async with aclosing(signed_members(source, ahead, _LARGEST_HELD, choice, until)) as members:
            async for one in members:
                if isinstance(one, SignedManifest):
                    taken.append(_taken(one.manifest, one.data, origin))
                    due.update(row.path for row in one.manifest.documents)
                    continue
                came.add(one.row.path)
                if one.data is not None:
                    put(one.row.sha256, one.data)
        if until is None and choice is None and (missing := due - came):
            words = f"{len(missing)} documents are missing, {min(missing)} for one"
            raise DamagedError(words, address=source.where)
        return ahead, taken

    try:
        ahead, taken = await source.transport.retried(read, f"{source.where} changes")
    except Gone:
        return await read_manifests(source, chain, origin, until)
    chain.number, chain.sha256 = ahead.number, ahead.sha256
    return taken


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


def _taken(manifest: Manifest, data: bytes, origin: str) -> Taken:
    return Taken(manifest, hashlib.sha256(data).hexdigest(), origin)
