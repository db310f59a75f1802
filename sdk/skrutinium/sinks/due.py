"""Which documents a sink reads of a release: what changed since what it holds, and what no source delivered before."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from skrutinium.documents.series import Document
from skrutinium.errors import LimitReached, NetworkError, NotDelivered, NotYet, ServerFault
from skrutinium.following.release import Release
from skrutinium.sinks.transaction import Mark, Transaction
from skrutinium.sources.opening import is_address
from skrutinium.tables.paths import Place, place_of
from skrutinium.tables.selection import Scope

_PROBED = 8
"""Documents by which it is seen whether what was missing can be had now."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be read, or (None) dropped; ``left`` is missing still and not asked for now."""

    places: list[tuple[Place, Document | None]]
    left: Sequence[Document]
    listed: bool


async def due_of(
    transaction: Transaction, mark: Mark | None, lacking: Sequence[Document], release: Release, scope: Scope
) -> Due:
    """The documents of the manifest when it follows what is held, with what is missing since before; else whatever differs."""
    told = release.manifest
    listed = mark is not None and mark.listed and mark.codebook == told.codebook
    again = mark is not None and mark.seen.manifest == release.sha256
    rows = {} if again else {row.path: row for row in told.documents}
    follows = mark is not None and (mark.seen.number, mark.seen.manifest) == (told.release - 1, told.previous)
    if listed and (again or follows):
        return _with_lacking(rows, await _asked(release, lacking), lacking, scope)
    try:
        documents = await release.documents()
    except (NotYet, NetworkError, ServerFault, LimitReached):
        if is_address(release.source):
            raise
        # Mail brings no checkpoints: without all manifests nobody can say what there is besides what this one names.
        return replace(_with_lacking(rows, await _asked(release, lacking), lacking, scope), listed=False)
    placed = {row.path: (place, row) for row in documents if (place := scope.place(row.path)) is not None}
    held = await transaction.documents()
    changed: list[tuple[Place, Document | None]] = [
        (place, row) for place, row in placed.values() if held.get(row.path) != row.sha256
    ]
    gone = [place_of(path, release.event_id) for path in held.keys() - placed.keys()]
    return Due(changed + [(place, None) for place in gone if place is not None], (), listed=True)


def _with_lacking(
    rows: dict[str, Document], asked: Sequence[Document], lacking: Sequence[Document], scope: Scope
) -> Due:
    """What a manifest names, and of what is missing since before what it does not name anew."""
    ask = {row.path: row for row in asked} | rows
    left = [row for row in lacking if row.path not in ask]
    return Due(
        [(place, row) for row in ask.values() if (place := scope.place(row.path)) is not None],
        left,
        listed=True,
    )


async def _asked(release: Release, lacking: Sequence[Document]) -> Sequence[Document]:
    """What is missing since before, when one of some of it is delivered now: asking for thousands that nobody has takes long."""
    some = lacking[:: max(1, len(lacking) // _PROBED)]
    told = await asyncio.gather(*map(release.read, some), return_exceptions=True)
    for one in told:
        if isinstance(one, BaseException) and not isinstance(one, NotDelivered):
            raise one
    return lacking if any(isinstance(one, bytes) for one in told) else ()
