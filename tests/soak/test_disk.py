"""The disk fills in the middle of a night: nothing accepted is lost, it is said loudly, and with room it goes on by itself."""

import contextlib
import datetime
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from skrutinium_server.process.errors import CountingRefused
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.release.store.reading import StoreReader
from tests.soak.working import RUN, bringing, in_groups, made_site, released, running, until, verified, whole

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
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    free = os.statvfs(disk)
    assert free.f_bavail * free.f_frsize < 2**12
    return filler


def newest(site: Site) -> int:
    """The number of the newest release of the series that is cut by the wall clock."""
    found = StoreReader(site.store).newest(site.series_key(RUN, "skrutinium"))
    return found.number if found else 0


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
            for place, group in enumerate(groups):
                if place not in full_at:
                    await bringer.bring(group)
                    continue
                filler = fill(disk)
                complaints = program.said.count("Free space")
                if filled == "store":
                    await bringer.bring(group)
                    await until(lambda seen=complaints: program.said.count("Free space") > seen)  # type: ignore[misc]
                else:
                    with pytest.raises(CountingRefused) as refused:
                        await bringer.bring(group)
                    assert refused.value.code == "ledger-full"
                earlier.append(released(site))
                filler.unlink()
                await bringer.bring(group)
                before = len(earlier[-1])
                await until(lambda seen=before: len(released(site)) > seen)  # type: ignore[misc]
            await bringer.ask(do="cut", run=RUN)
        whole(site, bringer.acknowledged, earlier)
        report = await verified(str(site.store))
        assert report.counting == len(definition.polls)


@pytest.mark.blocking("looks at processes and files from outside while they work")
async def test_cutting_goes_on_after_a_full_disk(tmp_path: Path) -> None:
    """A cut that falls due while the ledger cannot be written is made as soon as there is room, without a new protocol."""
    definition = made_up_definition(11, SMALL)
    group, *_ = in_groups(made_up_night(definition, 11, START, datetime.timedelta(hours=8)), 2)
    with small_disk(tmp_path / "disk", 24) as disk, contextlib.ExitStack() as undo:
        site = made_site(disk / "site", definition, seconds=2)
        program = undo.enter_context(running(tmp_path / "log", "count", site.root))
        async with bringing(site) as bringer:
            await bringer.ask(do="open", run=RUN, phase="rehearsal")
            first, second = group
            before = newest(site)
            await bringer.bring([first])  # cut at once
            await until(lambda: newest(site) > before)
            await bringer.bring([second])  # due two seconds later: by then there is no room
            filler = fill(disk)
            with pytest.raises(CountingRefused):
                await bringer.ask(do="cut", run=RUN)
            await until(lambda: "no release can be cut" in program.said)
            filler.unlink()
            await until(lambda: newest(site) > before + 1)
        whole(site, bringer.acknowledged, [])
        assert "Traceback" not in program.said
