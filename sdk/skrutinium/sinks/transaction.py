"""What a sink keeps besides rows, and what it does of one release: all of it or nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from skrutinium.documents.series import Document
from skrutinium.following.statefile import Seen
from skrutinium.tables.columns import Row
from skrutinium.tables.reading import Told


@dataclass(frozen=True, slots=True)
class Mark:
    """What a sink holds: the release, and the version of the registers that its areas and contests were chosen by.

    Not ``listed``: nobody could tell all documents as of that release, so that more may be missing than is known.
    """

    seen: Seen
    codebook: int
    listed: bool = True


class Transaction(Protocol):
    """One release being taken: nothing is seen by readers before it ends well."""

    async def mark(self) -> Mark | None:
        """What the sink holds now; None when nothing."""

    async def documents(self) -> dict[str, str]:
        """The hash of each document whose rows the sink holds, by path."""

    async def missing(self) -> tuple[Document, ...]:
        """The documents as of the release held that no source delivered."""

    async def put(self, portion: Sequence[Told]) -> None:
        """Replace the rows of these documents; documents come in the order of :func:`in_order`."""

    async def finish(self, mark: Mark, release: Row, missing: Sequence[Document]) -> None:
        """Keep the mark, the row of the table ``releases`` once, and what is missing now in place of what was."""


def missing_row(row: Document) -> tuple[str, int, str, str, int]:
    """A document as it stands in the table ``missing``."""
    return row.path, row.size, row.sha256, row.schema, row.codebook


def mark_row(mark: Mark) -> tuple[str | int, ...]:
    """A mark as databases keep it."""
    seen = mark.seen
    told = (seen.event, seen.run, seen.phase, seen.series, seen.number, seen.manifest)
    lists = (json.dumps(seen.keys), seen.feed_state, json.dumps(seen.feed_states))
    return (*told, *lists, mark.codebook, int(mark.listed))


def mark_of(row: Sequence[Any]) -> Mark | None:
    """The mark that was kept so; None while nothing was taken."""
    event, run, phase, series, number, manifest, keys, feed_state, feed_states, codebook, listed = row
    if event is None:
        return None
    lists = (tuple(json.loads(keys)), feed_state, json.loads(feed_states))
    return Mark(Seen(event, run, phase, series, number, manifest, *lists), codebook, listed=bool(listed))
