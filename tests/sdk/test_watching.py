"""What ``watch`` draws fits the terminal, tells the phase, and never lets a name command the terminal."""

import asyncio
import datetime
import signal
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import skrutinium
import skrutinium.testing
from skrutinium.documents.results import Committee, Count, Kind, Reporting
from skrutinium.following.news import Health
from skrutinium.watching.screen import Screen, bar, one_line, plain
from skrutinium.watching.view import Line, View, share, view_of
from tests.sdk.test_commands import started

NOW = datetime.datetime(2026, 10, 10, 15, 4, tzinfo=datetime.UTC)
COUNT = Count(Reporting.PART, 100, 40, {"eligible": 1000, "issued": 457})
COMMITTEES = (
    Committee("1", "Árvíztűrő sdružení", 600, 3),
    Committee("2", "Short", 300, 1),
    Committee(None, None, 5000, None),
)
VIEW = View(
    number=17,
    time=NOW,
    run="night",
    phase="rehearsal",
    made_up=True,
    name="Municipal elections",
    state="interim",
    expected=100,
    reported=40,
    kinds=tuple(Kind(kind, 12, 4, 20, COUNT, COMMITTEES) for kind in ("municipal-council", "ward-council")),
    arrived=3,
    corrections=1,
    latest=tuple(Line(NOW, f"Town {n}: 1 of 2, ahead: Somebody 51.0 %", n == 1) for n in range(12)),
)


@given(st.integers(20, 220), st.integers(4, 80), st.booleans())
def test_fits(width: int, height: int, stale: bool) -> None:
    """No drawing is larger than the terminal, whatever its size."""
    health = Health("push", stale, 120, None, None)
    lines = Screen(width, height).draw(VIEW, health, 75)

    assert len(lines) <= height
    assert max(len(plain(line)) for line in lines) <= width


def test_tells_what_matters() -> None:
    """Phase, made-up mark, release, progress, turnout, votes, shares and seats are there."""
    text = "\n".join(Screen(100, 30, colour=False).draw(VIEW, Health("poll", False, 1, None, None), 3))

    for part in (
        "REHEARSAL",
        "MADE-UP",
        "release 17",
        "3 s ago",
        "poll",
        "40 of 100 protocols, 40.0 %",
        "45.7 %",
    ):
        assert part in text
    assert "600  10.2 %      3 seats" in text
    assert text.index("Short") < text.index("lists of unknown committees")


def test_narrow_screen_tells_how_old_it_is() -> None:
    """Where the first line has no room for all, the age of the release stays longer than its time and the channel."""
    health = Health("long-poll", False, 1, None, None)
    heads = {width: Screen(width, 24, colour=False).draw(VIEW, health, 3)[0] for width in (120, 80, 70, 60)}
    assert "UTC · 3 s ago · long-poll" in heads[120]
    assert heads[80].rstrip().endswith("· 3 s ago · long-poll")
    assert "UTC" not in heads[80]
    assert "3 s ago" in heads[70]
    assert all(f"release {VIEW.number}" in head for head in heads.values())


def test_stale_is_told() -> None:
    """A silent publisher is named in the first line."""
    assert "STALE" in Screen(100, 30, colour=False).draw(VIEW, Health("none", True, 60, None, None), 60)[0]


def test_names_command_nothing() -> None:
    """Control characters in a name never reach the terminal or the log."""
    evil = replace(VIEW, name="\x1b]0;owned\x07\n")

    assert "\x1b]" not in "".join(Screen(80, 24).draw(evil))
    assert "\x1b" not in one_line(evil)
    assert "\n" not in one_line(evil)


def test_one_line() -> None:
    """In a pipe a release is one line that says its phase."""
    assert one_line(VIEW).startswith(
        "2026-10-10T15:04:00Z [REHEARSAL · MADE UP] Municipal elections, release 17 (interim):"
    )


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 3, "33.3 %"), (2, 3, "66.7 %"), (1, 2000, "0.1 %"), (0, 0, "–")]
)
def test_share(part: int, whole: int, text: str) -> None:
    """Shares have one decimal, halves up, and nothing stands for nothing."""
    assert share(part, whole) == text


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 100))
def test_bar(part: int, whole: int, width: int) -> None:
    """A bar always has its width, and is full only when all is in."""
    drawn = bar(part, whole, width)

    assert len(drawn) == width
    if whole and width:
        assert (drawn == "█" * width) == (part >= whole)


async def test_held_contest_is_told() -> None:
    """A contest whose publication is held is shown as held, with the reason, beside the figures from before."""
    async with (
        skrutinium.testing.night(precincts=8, seed=7) as night,
        skrutinium.connect(night.url, fingerprint=night.fingerprint) as feed,
        asyncio.timeout(120),
    ):
        releases = feed.releases()
        before = await view_of(await anext(releases), None)
        await night.hold(min(night.contests), "a recount")
        held = (await view_of(await anext(releases), before)).latest
    assert [", held: a recount" in line.text for line in held] == [True]


async def test_person_ahead_is_told() -> None:
    """Of a contest of single persons the one ahead is named while it is counted, then who is elected or goes to the second round."""
    async with (
        skrutinium.testing.night(precincts=8, seed=3, law="cz-senate-2018") as night,
        skrutinium.connect(night.url, fingerprint=night.fingerprint) as feed,
        asyncio.timeout(120),
    ):
        releases = feed.releases()
        view = await view_of(await anext(releases), None)
        for count in (1, None):
            await night.report(count)
            release = await anext(releases)
            view = await view_of(release, view)
            (district,) = (await release.contest(min(night.contests))).districts
            first = max(district.candidates, key=lambda one: one.votes or 0)
            assert first.votes is not None
            assert district.votes is not None
            named = f"{first.name} {share(first.votes, district.votes)}"
            if any(one.runoff for one in district.candidates):
                assert f"second round: {named}, " in view.latest[0].text
            elif first.elected:
                assert f"elected: {named}" in view.latest[0].text
            else:
                assert f"ahead: {named}" in view.latest[0].text


async def test_watch_goes_on_after_trouble() -> None:
    """Gone, then refused, then back: ``watch`` says what it waits for, and shows each release that comes afterwards once."""
    async with skrutinium.testing.night(precincts=8, seed=7) as night, asyncio.timeout(180):
        process = await started("watch", night.url, "--fingerprint", night.fingerprint)
        assert process.stdout is not None
        assert process.stderr is not None
        assert b", release 1 (" in await process.stdout.readline()
        for status, code in ((410, "gone"), (403, "access-refused"), (500, "server-fault"), (404, "not-yet")):
            await night.refuse(status, None)
            assert f"[{code}]; waiting, Ctrl-C ends\n" in (await process.stderr.readline()).decode()
        await night.restore()
        await night.report(2)
        assert b", release 2 (" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")
