"""The disk fills in the middle of a night: nothing accepted is lost, it is said loudly, and with room it goes on by itself."""

import contextlib
import datetime
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.errors import CountingRefused
from skrutinium_server.process.preflight import preflight
from skrutinium_server.process.site import Site
from skrutinium_server.process.status import site_status
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.store.reading import StoreReader
from tests.soak.working import (
    RUN,
    Bringer,
    Program,
    bringing,
    in_groups,
    made_site,
    released,
    running,
    until,
    verified,
    whole,
)

BLOCK = 2**12
"""Bytes of the smallest piece of room."""

START = datetime.datetime(2030, 10, 5, 12, tzinfo=datetime.UTC)


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of its own with so many MiB; the test is skipped where none may be mounted."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}m", "none", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted to be filled ({done.stderr.strip()}); it takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is, also what a publisher that stumbles gives back meanwhile."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        while room(disk) >= BLOCK:
            for size in (2**20, BLOCK, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
    return filler


def room(disk: Path) -> int:
    """Bytes that are free."""
    free = os.statvfs(disk)
    return free.f_bavail * free.f_frsize


async def trouble(site: Site) -> bool:
    """Whether status tells the operator of a trouble of the run."""
    told = await site_status(site, wall_time())
    return any(text.startswith(f"Run {RUN}, ") for text in told.alarms)


def no_go(site: Site) -> bool:
    """Whether preflight says that nothing can be written to a disk."""
    found = preflight(site, site.event(None), wall_time())
    return any(one.part == "disk" and one.verdict == "no-go" and "No space left" in one.text for one in found)


def cut_since(site: Site, before: int) -> bool:
    """Whether there is a newer release."""
    return newest(site) > before


def stopped_or_cut(program: Program, site: Site, before: int) -> bool:
    """Whether cutting was found to be impossible, or came before the disk was full."""
    return "no release can be cut" in program.said or newest(site) > before


def newest(site: Site) -> int:
    """The number of the newest release of the series that is cut by the wall clock."""
    found = StoreReader(site.store).newest(site.series_key(RUN, "skrutinium"))
    return found.number if found else 0


async def brought_until_refused(
    bringer: Bringer, disk: Path, group: Sequence[Due], coming: Iterator[tuple[int, Sequence[Due]]]
) -> Sequence[Due]:
    """The first group that a full disk refuses.

    A publisher that stumbles removes what it was writing, and that room may take a group or two: it is filled again.
    """
    while True:
        try:
            await bringer.bring(group)
        except CountingRefused as error:
            if error.code != "ledger-full":
                raise
            return group
        _, group = next(coming)
        fill(disk)


@pytest.mark.blocking("looks at processes and files from outside while they work")
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("filled", ["store", "site"])
async def test_full_disk_stops_publishing_and_loses_nothing(tmp_path: Path, filled: str, long: bool) -> None:
    """Full once in the short form, ten times in the long one; with the store alone, protocols are still accepted meanwhile."""
    definition = made_up_definition(11, SMALL)
    groups = in_groups(made_up_night(definition, 11, START, datetime.timedelta(hours=8)), 2)
    chance = random.Random(11)
    times = 10 if long else 1
    full_at = set(chance.sample(range(3, len(groups) - 8), times))
    with small_disk(tmp_path / "disk", 24) as disk, contextlib.ExitStack() as undo:
        site = made_site(disk / "site" if filled == "site" else tmp_path / "site", definition, seconds=0)
        if filled == "store":  # the store alone lies on the small disk
            shutil.move(site.store, disk / "store")
            site.store.symlink_to(disk / "store")
        program = undo.enter_context(running(tmp_path / "log", "count", site.root))
        async with bringing(site) as bringer:
            await bringer.ask(do="open", run=RUN, phase="rehearsal")
            earlier = []
            coming = enumerate(groups)
            for place, group in coming:
                if place not in full_at:
                    await bringer.bring(group)
                    continue
                filler = fill(disk)
                complaints = program.said.count("Free space")
                if filled == "store":
                    await bringer.bring(group)
                    await until(lambda seen=complaints: program.said.count("Free space") > seen)  # type: ignore[misc]
                    while not await trouble(site):
                        pass
                    refused = group
                else:
                    refused = await brought_until_refused(bringer, disk, group, coming)
                while not no_go(site):
                    fill(disk)
                earlier.append(released(site))
                filler.unlink()
                await bringer.bring(refused)
                before = len(earlier[-1])
                await until(lambda seen=before: len(released(site)) > seen)  # type: ignore[misc]
                while await trouble(site):
                    pass
            await bringer.ask(do="cut", run=RUN)
        whole(site, bringer.acknowledged, earlier)
        report = await verified(str(site.store))
        assert report.counting == len(definition.polls)


@pytest.mark.blocking("looks at processes and files from outside while they work")
async def test_cutting_goes_on_after_a_full_disk(tmp_path: Path) -> None:
    """A cut that falls due while the ledger cannot be written is made as soon as there is room, without a new protocol."""
    definition = made_up_definition(11, SMALL)
    first, *coming = in_groups(made_up_night(definition, 11, START, datetime.timedelta(hours=8)), 1)
    with small_disk(tmp_path / "disk", 24) as disk, contextlib.ExitStack() as undo:
        site = made_site(disk / "site", definition, seconds=2)
        program = undo.enter_context(running(tmp_path / "log", "count", site.root))
        async with bringing(site) as bringer:
            await bringer.ask(do="open", run=RUN, phase="rehearsal")
            before = newest(site)
            await bringer.bring(first)  # cut at once
            await until(partial(cut_since, site, before))
            filler = disk / "filler"
            for group in coming:
                before = newest(site)
                await bringer.bring(group)  # due two seconds later: by then there is no room
                filler = fill(disk)
                await until(partial(stopped_or_cut, program, site, before))
                if "no release can be cut" in program.said:
                    break
                filler.unlink()  # the cut came before the disk was full, or a publisher made room: once more
            before = newest(site)
            filler.unlink()
            await until(partial(cut_since, site, before))
        whole(site, bringer.acknowledged, [])
        assert "Traceback" not in program.said
