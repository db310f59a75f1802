"""Any process of a site is killed at any moment, again and again, while newsrooms follow: nobody misses or loses anything."""

import asyncio
import contextlib
import datetime
import os
import random
import signal
from pathlib import Path

import pytest

from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from tests.soak.following import following
from tests.soak.working import (
    RUN,
    Program,
    bringing,
    in_groups,
    made_site,
    released,
    running,
    verified,
    whole,
)

START = datetime.datetime(2030, 10, 5, 12, tzinfo=datetime.UTC)
PARTS = ("process.count", "publisher", "feed.server")


async def kill_one(program: Program, part: str, chance: random.Random) -> bool:
    """Let a random bit of the night pass, then kill a process of that part; False when none is up."""
    await asyncio.sleep(chance.random() * 0.2)  # the random moment
    tree = await asyncio.to_thread(program.tree)
    victims = [pid for pid, line in tree.items() if part in line and pid != program.process.pid]
    if not victims:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(victims), signal.SIGKILL)
    return True


def left_behind(site: Site) -> list[str]:
    """Unfinished files of the store that nobody will finish or read."""
    return [str(path) for path in site.store.rglob(".*") if path.is_file()]


@pytest.mark.blocking("looks at processes and files from outside while they work")
@pytest.mark.timeout(3000)
async def test_kills_cost_nothing(tmp_path: Path, long: bool) -> None:
    """After each kill of count, publisher or feed the night goes on; at the end everything is there once, and verifies."""
    kills, clients = (51, 5) if long else (3, 2)
    definition = made_up_definition(13, SMALL)
    groups = in_groups(made_up_night(definition, 13, START, datetime.timedelta(hours=8)), 1 if long else 4)
    chance = random.Random(13)
    parts = chance.sample(PARTS * (kills // len(PARTS)), kills)
    kill_at = dict(zip(chance.sample(range(1, len(groups)), kills), parts, strict=True))
    site = made_site(tmp_path / "site", definition, seconds=0)
    earlier = []
    with running(tmp_path / "log", "serve", site.root, "--port", 0) as program:
        async with bringing(site) as bringer:
            await bringer.ask(do="open", run=RUN, phase="rehearsal")
            url = (await program.until_said("The feed listens at")).split()[-1]
            async with following(url, clients) as followers:
                for place, group in enumerate(groups):
                    brought = asyncio.create_task(bringer.bring(group))
                    if place in kill_at:
                        while not await kill_one(program, kill_at[place], chance):
                            pass
                        earlier.append(await asyncio.to_thread(released, site))
                    await brought
                answer = await bringer.ask(do="cut", run=RUN)
                for follower in followers:
                    await follower.until(answer["releases"]["skrutinium"])
                for follower in followers:
                    follower.unbroken()
                    assert follower.reported == len(definition.polls)
    assert len(earlier) == kills
    whole(site, bringer.acknowledged, earlier)
    report = await verified(str(site.store))
    assert report.counting == len(definition.polls)
    assert len(left_behind(site)) <= 64 * kills
