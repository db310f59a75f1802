"""A live test below `serve`: it opens by itself for test ranges, survives a kill, and closes when the calendar says so."""

import asyncio
import datetime
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from skrutinium_server.process.site import Site
from tests.e2e.at_work import children_of, command, command_line, published, started
from tests.rehearsal.live_test_site import CALENDAR, EVENT, RUN, accepted, states, until

TEST_RANGE = '[[subscriber]]\nid = "radio"\nname = "Radio"\ntest = ["127.0.0.0/8"]\n'
pytestmark = pytest.mark.blocking("looks at processes and files from outside")


def window(site: Path, begins: int, ends: int) -> None:
    """A window that begins and ends so many minutes from now."""
    now = datetime.datetime.now(datetime.UTC)
    text = CALENDAR
    for told, minutes in (("2030-03-20T16:00:00Z", begins), ("2030-03-20T18:00:00Z", ends)):
        text = text.replace(told, f"{now + datetime.timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}")
    (site / "calendar.toml").write_text(text)


def live_tests_of(parent: int) -> int | None:
    """The process of the live tests."""
    found = [pid for pid in children_of(parent) if "live_tests.process" in command_line(pid)]
    return found[0] if found else None


async def test_live_test_opens_and_closes_by_itself(tmp_path: Path) -> None:
    """Nobody gives a command: a test range reads the night, a kill of its process changes nothing, the end of the window closes the run."""
    root = tmp_path / "site"
    command("site", "create", root)
    (root / "access.toml").write_text(TEST_RANGE)
    window(root, -60, 60)
    site = Site(root)
    with started("serve", root, "--port", 0, until="The feed listens at") as (process, line):
        async with aiohttp.ClientSession(line.split()[-1]) as session:
            await until_readable(session)
        first = live_tests_of(process.pid)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: live_tests_of(process.pid) not in (None, first))
        assert site.told()[RUN].open
        told = command("status", root)
        assert f"live test {RUN} is on until" in " ".join(told.split())
        window(root, -60, -1)
        await until(lambda: not site.told()[RUN].open and states(site) == {RUN: "over"})
    assert len(accepted(site)) == len(set(accepted(site)))


async def until_readable(session: aiohttp.ClientSession) -> None:
    """Wait until a range reads a release with protocols at the event's own address."""
    async with asyncio.timeout(120):
        while True:
            async with session.get(f"/event/{EVENT}/newest/manifest.xml") as answer:
                status = answer.status
            if status == 200 and await published(session, EVENT) > 1:
                return
            await asyncio.sleep(0.05)
