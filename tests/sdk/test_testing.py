"""``skrutinium.testing``: a made-up night under the hand of a test, read by the SDK through a real feed."""

import asyncio
import mailbox
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

import skrutinium
import skrutinium.testing
from skrutinium import Release, SkrutiniumError
from skrutinium.testing import Night
from tests.sdk.several import IMPATIENT, QUICK

PRECINCTS = 12


@pytest.fixture
async def night() -> AsyncIterator[Night]:
    async with skrutinium.testing.night(PRECINCTS, seed=3) as night:
        yield night


def follow(night: Night, **settings: object) -> skrutinium.Feed:
    told = {"fingerprint": night.fingerprint, "timing": QUICK, "requests": IMPATIENT} | settings
    return skrutinium.connect(night.url, **told)  # type: ignore[arg-type]


async def following(releases: AsyncIterator[Release]) -> Release:
    async with asyncio.timeout(60):
        return await anext(releases)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - health is asked for, it does not call
            await asyncio.sleep(0.01)


async def largest_of(night: Night, release: Release) -> str:
    """The contest with the most protocols still to come."""
    contests = [await release.contest(id) for id in night.contests]
    return max(
        contests, key=lambda one: sum(row.count.expected - row.count.reported for row in one.districts)
    ).id


async def test_night_goes_as_it_is_told(night: Night) -> None:
    """Protocols come in by so many as told, each time with one release; corrections, holds and declarations are shown."""
    async with follow(night) as feed:
        releases = feed.releases()
        first = await following(releases)
        assert (first.number, first.reported, first.expected) == (1, 0, PRECINCTS)
        assert await night.report(5) == 2
        second = await following(releases)
        assert (second.number, second.reported, night.reported) == (2, 5, 5)
        precinct, contest = night.precincts[0]
        await night.correct(precinct)
        corrections = await (await following(releases)).corrections()
        assert corrections is not None
        (correction,) = corrections.corrections
        assert (correction.precinct, correction.contest, correction.reason) == (precinct, contest, "recount")
        largest = await largest_of(night, second)
        await night.hold(largest, "Looked at again.")
        assert (await (await following(releases)).contest(largest)).held == "Looked at again."
        await night.report()
        before = await (await following(releases)).contest(largest)
        assert before.held is not None
        assert all(one.count.reported < one.count.expected for one in before.districts)
        await night.lift(largest)
        assert (await following(releases)).reported == PRECINCTS
        assert await night.declare("final") == night.release
        assert (await following(releases)).state == "final"
    assert sorted(night.contests) == sorted({contest for _, contest in night.precincts})


async def test_same_seed_makes_the_same_night(night: Night) -> None:
    """Two nights of a seed show the same votes."""

    async def shown(one: Night) -> tuple[object, ...]:
        await one.report(8)
        async with follow(one) as feed:
            return (await (await following(feed.releases())).event()).kinds

    async with skrutinium.testing.night(PRECINCTS, seed=3) as again:
        assert await shown(night) == await shown(again)
        assert again.fingerprint != night.fingerprint


async def test_outage_ends_connections_and_refuses_new_ones(night: Night) -> None:
    """While the feed is away nothing answers at its address; afterwards the follower has what it missed."""
    async with follow(night) as feed:
        releases = feed.releases()
        await following(releases)
        await night.outage()
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as session, session.get(night.url):
                pass
        await night.report(2)
        await until(lambda: feed.health.trouble is not None)
        await night.restore()
        assert (await following(releases)).number == 2


async def test_follower_has_every_release_after_each_fault(night: Night) -> None:
    """While a fault lasts no wrong release is shown, and when it is over every one comes."""
    async with follow(night) as feed:
        releases = feed.releases()
        await following(releases)
        for fault in (night.refuse, night.truncate, night.break_off, night.slow):
            before = night.release
            await fault()
            for _ in range(2):
                await night.report(1)
            if fault != night.slow:  # that hinders nobody who is patient
                await until(lambda: any(one.trouble for one in feed.health.sources))
                await night.restore()
            came = [await following(releases) for _ in range(2)]
            assert [one.number for one in came] == [before + 1, before + 2]
            await night.restore()
            await until(lambda: not any(one.trouble for one in feed.health.sources))


async def test_refusals_and_forgeries_are_errors(night: Night) -> None:
    """A refusal has the form of the feed's own; what somebody else signed is not taken, at the start or while following."""
    await night.refuse(429, wait=7)
    async with aiohttp.ClientSession() as session, session.get(f"{night.url}/state.xml") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert b'code="too-many-requests"' in await answer.read()
    with pytest.raises(skrutinium.LimitReached) as told:
        async with follow(night, requests=skrutinium.Patience(attempts=1, limited=0)):
            pass
    assert told.value.wait == 7
    await night.restore()
    async with follow(night) as feed:
        releases = feed.releases()
        await following(releases)
        await night.wrong_signature()
        await night.report(2)
        with pytest.raises(skrutinium.SignatureError):
            await following(releases)
    with pytest.raises(skrutinium.SignatureError):
        async with follow(night):
            pass


async def test_stale_address_shows_what_was(night: Night) -> None:
    """A cache that never asks again shows the release of its time, signed and whole, and nothing later until the end."""
    await night.report(3)
    await night.stale()
    await night.report(3)
    async with follow(night) as feed:
        releases = feed.releases()
        assert (await following(releases)).reported == 3
        await night.restore()
        assert (await following(releases)).reported == 6


async def test_second_site_brings_what_the_first_cannot(night: Night) -> None:
    """Told of by the signed notices, the second site brings the releases of an outage of the first."""
    second = await night.second_site()
    async with follow(night) as feed:
        releases = feed.releases()
        await following(releases)
        await until(lambda: len(feed.health.sources) == 2)
        await night.outage()
        await night.report(2)
        release = await following(releases)
        assert (release.number, release.source) == (2, second.url)


async def test_crisis_mail_brings_what_the_feed_cannot(night: Night) -> None:
    """While the feed is away each release comes by mail, once, with its agreed documents; then the mail says that it is over."""
    box = await night.mail()
    async with follow(night, others=[f"maildir:{box}"]) as feed:
        releases = feed.releases()
        await following(releases)
        await night.outage()
        await night.report(2)
        await night.report(2)
        assert await night.mail() == box
        came = [await following(releases) for _ in range(2)]
        assert [(one.number, one.reported) for one in came] == [(2, 2), (3, 4)]
        assert all(one.source == f"maildir:{box}" for one in came)
        assert (await came[-1].event()).kinds
    await night.mail()
    await night.mail(over=True)
    kinds = [message["Skrutinium-Kind"] for message in mailbox.Maildir(str(box))]
    assert sorted(kinds) == ["begin", "end", "release", "unchanged"]


async def test_incident_is_told_and_over(night: Night) -> None:
    """An incident stands in the signed notices as long as it goes on."""
    async with follow(night) as feed:
        await night.incident("The line is slow.")
        assert [(one.text, one.ended) for one in (await feed.notices()).incidents] == [
            ("The line is slow.", None)
        ]
        await night.incident_over()
        (incident,) = (await feed.notices()).incidents
        assert incident.ended is not None


async def test_what_cannot_be_is_refused_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refusal says what is wrong; when a night is over its folder is gone, and nobody answers any more."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="3 precincts cannot be made up"):
        async with skrutinium.testing.night(3):
            pass
    assert not list(tmp_path.iterdir())
    async with skrutinium.testing.night(PRECINCTS) as night:
        with pytest.raises(SkrutiniumError, match="0 of 12 protocols are in"):
            await night.declare()
        with pytest.raises(SkrutiniumError, match="no contest 'nowhere'"):
            await night.hold("nowhere")
        with pytest.raises(ValueError, match="no protocol of precinct"):
            await night.correct()
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    with pytest.raises(skrutinium.NetworkError):
        async with skrutinium.connect(night.url, requests=IMPATIENT):
            pass


def test_without_the_server_it_says_what_to_install() -> None:
    """Where only the SDK is installed, a night is refused by an error that names the extra."""
    program = (
        "import sys; sys.modules['skrutinium_server'] = None\n"
        "import asyncio, skrutinium, skrutinium.testing\n"
        "try: asyncio.run(skrutinium.testing.night().__aenter__())\n"
        "except skrutinium.NotInstalled as error: print(error.code, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("not-installed ")
    assert "skrutinium[testing]" in done.stdout
