"""Taking the releases that follow into a chain: in one piece from a feed, else manifest by manifest."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from skrutinium.documents.series import Document, Manifest
from skrutinium.documents.series_reading import read_manifest
from skrutinium.errors import DamagedError, Gone, NotYet
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.choosing import Choice
from skrutinium.sources.source import SeriesSource, matches
from skrutinium.trust.chain import Chain

_MANIFEST = re.compile(r"manifest/[0-9]{1,9}\.xml")
_AT_ONCE = 100
"""Releases read one by one before they are handed on."""


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

    Manifests after ``until`` are left aside. What a feed does not send in one piece any more is read manifest by manifest,
    its documents when asked for; so are documents that are not of the ``choice``. Raises :class:`DamagedError` when a document is not what a manifest says.
    """
    try:
        parts = dict(await source.changes(chain.number, choice))
    except Gone:
        return await read_manifests(source, chain, origin, until)
    taken: list[Taken] = []
    rows: dict[str, Document] = {}
    for name in sorted(name for name in parts if _MANIFEST.fullmatch(name)):
        line = parts.get(name + ".sig")
        if line is None:
            raise DamagedError(f"{name} comes without its signature", address=source.where)
        data = parts[name]
        if until is not None and int(name[len("manifest/") : -len(".xml")]) > until:
            continue
        manifest = await chain.take(data, line, f"{source.where} {name}")
        taken.append(_taken(manifest, data, origin))
        rows.update((row.path, row) for row in manifest.documents)
    if until is None and choice is None and (missing := rows.keys() - parts.keys()):
        raise DamagedError(
            f"{len(missing)} documents are missing, {min(missing)} for one", address=source.where
        )
    while parts:  # one after the other is let go: a release of a late hour is large
        name, data = parts.popitem()
        row = rows.get(name)
        if name.startswith("manifest/") or (row is None and until is not None):
            continue
        if row is None:
            raise DamagedError(f"{name} is in no manifest", address=source.where)
        if wrong := matches(row, data, f"{source.where} {name}"):
            if until is not None:
                continue  # a version after ``until``: fetched by its hash when asked for
            raise wrong
        put(row.sha256, data)
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
