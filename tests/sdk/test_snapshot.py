"""Which documents there were as of a release: right for each release that is held, and no older versions kept for anybody else."""

import asyncio
import datetime
import hashlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium.documents.series import Document, Manifest, Run
from skrutinium.errors import Gone, NotYet
from skrutinium.following.document_cache import DocumentCache
from skrutinium.following.reaching import Reaching
from skrutinium.following.release import Release
from skrutinium.following.snapshot import Snapshot
from skrutinium.following.statefile import Seen
from skrutinium.following.taking import Taken
from skrutinium.sources.books import Books
from skrutinium.sources.choosing import Choice
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

RUN = Run("e", "r", "x", None, "law", "test", True, True, ("skrutinium",))
CHANGES = st.lists(st.lists(st.integers(0, 5), max_size=6, unique=True), min_size=2, max_size=90)
"""Of each release, which of six documents it changed."""


class Releases:
    """Releases that were taken, as a source without checkpoints tells them again."""

    where = "here"

    def __init__(self, changes: list[list[int]]) -> None:
        self.taken = [
            Taken(manifest(number, told), sha256(number), "here") for number, told in enumerate(changes, 1)
        ]

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        raise NotYet("there is none")

    async def following(
        self, chain: Chain, put: Callable[[str, bytes], None], until: int, choice: Choice | None
    ) -> list[Taken]:
        chain.number, chain.sha256 = until, sha256(until)
        return self.taken[:until]

    def as_of(self, number: int) -> tuple[Document, ...]:
        """The documents as of a release, told otherwise than a snapshot does it."""
        newest = {row.path: row for one in self.taken[:number] for row in one.manifest.documents}
        return tuple(newest[path] for path in sorted(newest))


def sha256(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def manifest(number: int, changed: list[int]) -> Manifest:
    rows = tuple(Document(f"contest/{one}.xml", 1, sha256(number * 10 + one), "1.0", 1) for one in changed)
    return Manifest(
        event="e", run="r", phase="test", release=number, time=datetime.datetime.now(datetime.UTC), schema="1.0", codebook=1,
        additions=(), series="skrutinium", previous=sha256(number - 1), position=number, ledger="0", state="interim", expected=1,
        reported=0, checkpoint=False, documents=rows,
    )  # fmt: skip


def kept(snapshot: Snapshot) -> int:
    """How many versions of documents are in memory."""
    return sum(map(len, snapshot._rows.values()))


@given(CHANGES, st.data())
def test_what_is_held_is_told_and_nothing_else_kept(changes: list[list[int]], data: st.DataObject) -> None:
    """Whichever releases somebody holds, each tells its own documents, unless it fell 64 behind; versions that nobody can ask for are gone."""
    source = Releases(changes)
    keys = KeyRing(cast(Any, None))
    snapshot = Snapshot(cast(Reaching, source), keys, RUN, "skrutinium", DocumentCache(100))

    def released(number: int) -> Release:
        taken = source.taken[number - 1]
        mark = Seen("e", "r", "test", "skrutinium", number, taken.sha256)
        return Release(taken, snapshot, cast(Books, None), mark, snapshot=False)

    async def follow() -> None:
        start = data.draw(st.integers(1, len(changes)))
        held = [released(start)]
        assert await held[0].documents() == source.as_of(start)
        for number in range(start + 1, len(changes) + 1):
            held.append(released(number))
            snapshot.apply(held[-1].manifest)
            held[:-1] = [one for one in held[:-1] if data.draw(st.booleans())]
            for at in range(len(held)):
                if number - held[at].number <= 64:
                    assert await held[at].documents() == source.as_of(held[at].number)
        last = len(changes)
        held.clear()
        snapshot.apply(manifest(last + 1, []))
        assert kept(snapshot) == len(source.as_of(last))

    asyncio.run(follow())


async def test_release_that_is_held_for_too_long() -> None:
    """A release that is held while 65 others come says so when it is asked for its documents, and they are not kept for it."""
    source = Releases([[0, 1]] * 70)
    snapshot = Snapshot(
        cast(Reaching, source), KeyRing(cast(Any, None)), RUN, "skrutinium", DocumentCache(100)
    )
    first = Release(source.taken[0], snapshot, cast(Books, None), cast(Seen, None), snapshot=True)
    assert await first.documents() == source.as_of(1)
    for taken in source.taken[1:65]:
        snapshot.apply(taken.manifest)
    assert await first.documents() == source.as_of(1)
    snapshot.apply(source.taken[65].manifest)
    with pytest.raises(Gone):
        await first.documents()
    assert kept(snapshot) == 2 * 65
