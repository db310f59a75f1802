"""A whole night at full speed with newsrooms following: everybody gets everything, and no process grows with the hours."""

import datetime
import resource
from pathlib import Path

import pytest

from skrutinium_server.rehearsal.made_up import FULL, SMALL, made_up_definition, made_up_night
from tests.soak.following import following
from tests.soak.working import (
    RUN,
    Program,
    bringing,
    in_groups,
    made_site,
    resident,
    running,
    verified,
    whole,
)

START = datetime.datetime(2030, 10, 5, 12, tzinfo=datetime.UTC)
MIB = 2**20


def memory(program: Program) -> dict[str, int]:
    """Resident bytes of each process by what it is."""
    names = {"publisher": "publisher", "feed.server": "feed", "process.count": "count"}
    found: dict[str, int] = {}
    for pid, line in program.tree().items():
        name = next((name for mark, name in names.items() if mark in line), "serve")
        if name == "publisher":
            name += f" of {line.split()[-1]}"
        found[name] = resident(pid)
    return found


@pytest.mark.blocking("looks at processes and files from outside while they work")
@pytest.mark.timeout(3600)
async def test_night_at_full_speed(tmp_path: Path, long: bool) -> None:
    """A country (or a few towns) is counted in hundreds of releases; clients see each, memory stays flat, all verifies."""
    scale, clients, cuts = (FULL, 10, 240) if long else (SMALL, 3, 12)
    definition = made_up_definition(17, scale)
    night = made_up_night(definition, 17, START, datetime.timedelta(hours=8))
    groups = in_groups(night, -(-len(night) // cuts))
    site = made_site(tmp_path / "site", definition, seconds=0)
    held: list[dict[str, int]] = []
    with running(tmp_path / "log", "serve", site.root, "--port", 0) as program:
        async with bringing(site) as bringer:
            await bringer.ask(do="open", run=RUN, phase="rehearsal")
            url = (await program.until_said("The feed listens at")).split()[-1]
            async with following(url, clients) as followers:
                quarters = {len(groups) * part // 4 for part in (1, 2, 3, 4)}
                for place, group in enumerate(groups, 1):
                    now = group[-1].at.isoformat()
                    await bringer.bring(group, now=now, speed=0)
                    status = await bringer.ask(do="status")
                    for follower in followers:  # nobody is left behind, so every release is a small one
                        await follower.until(status["runs"][RUN]["newest"]["skrutinium"])
                    if place in quarters:
                        held.append(memory(program))
                answer = await bringer.ask(do="cut", run=RUN)
                for follower in followers:
                    await follower.until(answer["releases"]["skrutinium"])
                for follower in followers:
                    follower.unbroken()
                    assert follower.reported == len(definition.polls)
    for name in held[0]:
        sizes = [quarter[name] // MIB for quarter in held]
        print(f"{name}: {sizes} MiB at the quarters")
        # What is kept of every protocol may grow with the night; nothing else may.
        assert sizes[3] <= sizes[0] * 3 // 2 + 64, (name, sizes)
    print(f"clients and test: at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    whole(site, bringer.acknowledged, [])
    report = await verified(str(site.store))
    assert report.counting == len(definition.polls)
