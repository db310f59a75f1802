"""What changed is read while it comes: nothing counts before all of it was right, and large documents are not held."""

import gzip
import io
from collections.abc import Callable
from typing import TypeAlias

import pytest
from aiohttp import web

import skrutinium
from skrutinium import SkrutiniumError
from skrutinium.following import taking
from skrutinium.following.taking import Taken, read_changes
from skrutinium.sources.address import Address
from skrutinium.sources.expanding import PIECE, Expanding
from skrutinium.sources.packs import members
from skrutinium.sources.transport import Transport
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing
from tests.sdk.store_builder import EVENT, SERIES, tar
from tests.sdk.test_feed import IMPATIENT, Scene, scene

Members: TypeAlias = list[tuple[str, bytes]]
CHANGES = f"/event/{EVENT}/changes"

__all__ = ["scene"]


class Reading:
    """A reader of what follows release 2, without the loop over releases around it."""

    def __init__(self, address: Address, feed: skrutinium.Feed) -> None:
        keys = KeyRing(address.key)
        self.series = address.feed_series(feed.run)
        self.chain = Chain(keys, feed.run, SERIES)
        self.put: dict[str, bytes] = {}

    async def begin(self) -> None:
        """Stand at release 2."""
        await self.chain.take(*await self.series.manifest(2), "release 2")

    async def read(self) -> list[Taken]:
        """What follows."""
        return await read_changes(self.series, self.chain, self.put.__setitem__, "feed")


async def read_answer(scene: Scene, made: Callable[[Members], Members], **headers: str) -> Reading:
    """Read what follows release 2 from an answer made of the right one; whatever is wrong with it, the chain stays."""
    await scene.grow(2)
    right = list(members(io.BytesIO(await scene.feed.changes(2, {"since": "2"})), "right"))
    body = tar(made(right))
    if headers:
        body = gzip.compress(body)
    scene.feed.faults[CHANGES] = [web.Response(body=body, headers=headers)]
    address = Address(Transport(scene.feed.url, patience=IMPATIENT))
    async with scene.connect() as feed:
        reading = Reading(address, feed)
    try:
        await reading.begin()
        await reading.read()
    except SkrutiniumError:
        assert reading.chain.number == 2
        raise
    finally:
        await address.close()
        assert not scene.feed.faults[CHANGES]
    return reading


def documents_first(right: Members) -> Members:
    """Manifests behind the documents."""
    return sorted(right, key=lambda member: member[0].startswith("manifest/"))


def other_bytes(right: Members) -> Members:
    """The last document as long as it is, with another content."""
    name, data = right[-1]
    return [*right[:-1], (name, data[:-2] + b" \n")]


WRONG: dict[str, tuple[Callable[[Members], Members], str]] = {
    "documents first": (documents_first, "is in no manifest before it"),
    "a document twice": (lambda right: [*right, right[-1]], "comes twice"),
    "a document too few": (lambda right: right[:-1], "1 documents are missing"),
    "a document too many": (lambda right: [*right, ("contest/999.xml", b"<a/>")], "is in no manifest"),
    "other bytes": (other_bytes, "are announced"),
    "no signature": (
        lambda right: [one for one in right if not one[0].endswith("4.xml.sig")],
        "comes without its signature",
    ),
    "a manifest at the end": (lambda right: [*right, ("manifest/000000005.xml", b"<a/>")], "without its sig"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_nothing_counts_of_a_wrong_answer(scene: Scene, case: str) -> None:
    """An answer that is wrong anywhere is refused with what is wrong, and the chain stays where it was."""
    made, told = WRONG[case]
    with pytest.raises(skrutinium.DamagedError, match=told):
        await read_answer(scene, made)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}, {"Content-Type": "application/gzip"}])
async def test_right_answer(scene: Scene, headers: dict[str, str]) -> None:
    """A right answer, plain, encoded, or a gzipped archive, moves the chain and brings every document."""
    reading = await read_answer(scene, lambda right: right, **headers)
    assert reading.chain.number == 4
    right = list(members(io.BytesIO(await scene.feed.changes(2, {"since": "2"})), "right"))
    assert sorted(reading.put.values()) == sorted(data for name, data in right if "manifest/" not in name)


@pytest.mark.parametrize("end", [-1, -8, -9, -500])
async def test_cut_off_or_prolonged_compression(scene: Scene, end: int) -> None:
    """A gzipped answer without its end, or with something behind it, is refused although every member came."""
    await scene.grow()
    body = gzip.compress(await scene.feed.changes(2, {"since": "2"}))
    for wrong in (body[:end], body + b"more"):
        scene.feed.faults[CHANGES] = [web.Response(body=wrong, headers={"Content-Encoding": "gzip"})]
        address = Address(Transport(scene.feed.url, patience=IMPATIENT))
        async with scene.connect() as feed:
            reading = Reading(address, feed)
            await reading.begin()
            with pytest.raises(skrutinium.DamagedError, match=r"cut off|followed by"):
                await reading.read()
            assert reading.chain.number == 2
        await address.close()


async def test_large_document_is_fetched_when_asked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document above what is held is checked while it comes, let go, and asked for by its hash."""
    monkeypatch.setattr(taking, "_LARGEST_HELD", 100)
    async with scene.connect() as feed:
        releases = aiter(feed.releases())
        await anext(releases)
        await scene.grow()
        release = await anext(releases)
        (row,) = (row for row in release.manifest.documents if row.path == "event.xml")
        assert row.size > 100
        assert scene.feed.asked["/object"] == 0
        assert (await release.event()).release == 3
        assert scene.feed.asked["/object"] == 1


def test_expanding_is_bounded() -> None:
    """What expands a thousandfold comes in small pieces, whole, and ends at the limit."""
    size = 20 * PIECE + 17
    packed = gzip.compress(bytes(size))
    stretch = Expanding(size, "here")
    parts = list(stretch.take(packed))
    stretch.end()
    assert max(map(len, parts)) == PIECE
    assert b"".join(parts) == bytes(size)
    with pytest.raises(skrutinium.DamagedError, match="more than"):
        list(Expanding(size - 1, "here").take(packed))
