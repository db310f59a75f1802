"""The four kinds of nothing, through a real feed: none is taken for another, and none is a number."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import skrutinium
from skrutinium import Count, Full, NotApplicable, NotReported, NotTold, Partial, Reporting
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import Night, fingerprint, make_night

NOWHERE = ("contest/201.xml", "area/201.xml")


def night_with_all_kinds() -> Night:
    """The last release of the night but one: 202 is not reported, 100 partly, 200 wholly and with a zero, and nobody votes in 201."""
    night = make_night()
    for made in night.releases:
        for path in NOWHERE:
            data = made.documents.get(path, b"")
            for word in (b"none", b"part", b"all"):
                data = data.replace(b'reporting="' + word + b'"', b'reporting="not-applicable"')
            if data:
                made.documents[path] = data
    return night


@pytest.fixture
async def newest(tmp_path: Path) -> AsyncIterator[skrutinium.Release]:
    """The release, as a client that follows a feed on a real socket has it."""
    night = night_with_all_kinds()
    await asyncio.to_thread(night.write, tmp_path, 4)
    served = await StoreFeed(tmp_path).start()
    client = skrutinium.connect(served.url, fingerprint=fingerprint(night.key))
    async with client as feed, asyncio.timeout(60):
        yield await anext(feed.releases())
    await served.stop()


async def known_of(release: skrutinium.Release, contest: str) -> list[skrutinium.Votes]:
    (district,) = (await release.contest(contest)).districts
    return [district.count.votes(row.votes) for row in district.lists]


async def test_four_kinds_of_nothing_through_a_feed(newest: skrutinium.Release) -> None:
    """Not yet reported, partly reported, zero and not applicable come out of a feed as four values of four types."""
    assert await known_of(newest, "202") == [NotReported(), NotReported(), NotReported()]
    assert await known_of(newest, "100") == [Partial(79), Partial(62), Partial(7)]
    assert await known_of(newest, "200") == [Full(50), Full(22), Full(30)]
    assert await known_of(newest, "201") == [NotApplicable(), NotApplicable(), NotApplicable()]
    (district,) = (await newest.contest("200")).districts
    zero = dataclasses.replace(district.lists[0], votes=0)
    assert district.count.votes(zero.votes) == Full(0)
    kinds = {type(one) for contest in ("100", "200", "201", "202") for one in await known_of(newest, contest)}
    assert kinds == {NotReported, Partial, Full, NotApplicable}


async def test_shares_where_there_is_nothing(newest: skrutinium.Release) -> None:
    """Where nothing is reported there is no share and no turnout, and a share of nothing is none, not zero."""
    (silent,) = (await newest.contest("202")).districts
    assert silent.count.turnout is None
    assert [silent.share(row) for row in silent.lists] == [None, None, None]
    assert silent.count.share == 0
    (told,) = (await newest.contest("100")).districts
    assert told.count.turnout == Fraction(300, 500)
    assert told.count.share == Fraction(1, 2)
    assert [told.share(row) for row in told.lists] == [Fraction(79, 148), Fraction(62, 148), Fraction(7, 148)]
    assert Count(Reporting.NOT_APPLICABLE, 0, 0, {}).share is None


@given(st.sampled_from(Reporting), st.none() | st.integers(0, 10**9))
def test_each_state_has_its_type(reporting: Reporting, number: int | None) -> None:
    """A number is shown only where something is reported, as final only where everything is, and is never made up."""
    known = Count(reporting, 4, 2, {}).votes(number)
    match known:
        case Full(votes) | Partial(votes):
            assert votes == number
            assert (reporting is Reporting.ALL) == isinstance(known, Full)
        case NotTold():
            assert number is None
            assert reporting in (Reporting.PART, Reporting.ALL)
        case NotReported():
            assert reporting is Reporting.NONE
        case NotApplicable():
            assert reporting is Reporting.NOT_APPLICABLE


def test_none_of_them_is_a_number() -> None:
    """Adding up what is not there is an error of the program, not a wrong sum."""
    for known in (NotReported(), NotTold(), NotApplicable(), Partial(1), Full(0)):
        with pytest.raises(TypeError):
            sum([known])  # type: ignore[list-item]


def test_figure_that_only_some_protocols_tell() -> None:
    """A field that only some of the reported protocols tell is a part, though everything is in; one that none tells is not told."""
    count = Count(Reporting.ALL, 2, 2, {"issued": 300, "eligible": 500}, told_by={"issued": 1})
    assert (count.figure("issued"), count.figure("eligible")) == (Partial(300), Full(500))
    assert count.figure("returned") == NotTold()
    assert count.turnout is None
