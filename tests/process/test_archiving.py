"""The complete archive after a decision: made beside the counting, made up for after a kill, never undoing what was decided."""

import asyncio
import datetime
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skrutinium_server.archive.complete.zipping import drop_unfinished
from skrutinium_server.ledger.model import Closed, Cut, Declared, Entry, Reopened
from skrutinium_server.process.archiving import archived, asked_for
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.release.store.archives import ArchiveLayout
from skrutinium_server.release.store.model import SeriesKey

START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
DEFINITION = made_up_definition(3, SMALL)
KEY = SeriesKey(DEFINITION.event, "night", "skrutinium")
FINAL = {"do": "declare", "run": "night", "state": "final", "reason": "all is in", "authority": "office"}
CLOSE = {"do": "close", "run": "night"}
pytestmark = pytest.mark.blocking("looks at files beside the counting house")


def cut(number: int, series: str = "skrutinium") -> Cut:
    return Cut(series, number, "test", "1", 1, False, None, START)


def entries(*bodies: Any) -> list[Entry]:
    return [Entry(position, "0" * 64, body, "0" * 64) for position, body in enumerate(bodies, 1)]


def test_release_that_decisions_ask_for() -> None:
    """The one that tells of the last declaration, or stands at the last closing; other series and a reopening ask for none."""
    declared = Declared("final", "all is in", "office", ("somebody",), START)
    reopened = Reopened(("somebody",), "a court", "court", START)
    assert asked_for(entries(cut(1), cut(2))) == 0
    assert asked_for(entries(cut(1), declared)) == 0
    assert asked_for(entries(cut(1), declared, cut(5, "volby"), cut(2), cut(3))) == 2
    assert asked_for(entries(cut(1), declared, cut(2), cut(3), Closed(START))) == 3
    assert asked_for(entries(cut(1), Closed(START), reopened, cut(2))) == 1


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site.create(tmp_path / "site")
    made.define(DEFINITION)
    return made


async def counted(site: Site) -> House:
    """A house with a run that has all protocols."""
    house = House(site, cutting=False)
    await house.start()
    assert (await house.answer({"do": "open", "run": "night", "phase": "test"}))["ok"]
    night = made_up_night(DEFINITION, 3, START, datetime.timedelta(hours=1))
    records = [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in night]
    assert (await house.answer({"do": "take", "run": "night", "records": records}))["accepted"] == len(night)
    return house


def documents(site: Site, number: int) -> bytes:
    """The document of the event in an archive, which is whole."""
    layout = ArchiveLayout(site.store, KEY)
    with zipfile.ZipFile(layout.csv(number)) as tables:
        assert tables.testzip() is None
    with zipfile.ZipFile(layout.xml(number)) as whole:
        assert whole.testzip() is None
        return whole.read("event.xml")


async def test_declared_and_closed_runs_are_archived(site: Site) -> None:
    """After a declaration the archive is of the release that tells of it, after closing of the last one."""
    house = await counted(site)
    declared = await house.answer(FINAL)
    await house.archived()
    assert archived(site.store, KEY) == declared["release"]
    assert b'state="final"' in documents(site, declared["release"])

    assert (await house.answer({**FINAL, "state": "certified"}))["release"] == declared["release"] + 1
    assert (await house.answer(CLOSE))["ok"]
    await house.archived()
    assert archived(site.store, KEY) > declared["release"]
    assert b'state="certified"' in documents(site, archived(site.store, KEY))
    await house.stop()


async def test_archive_given_up_is_made_at_the_next_start(site: Site) -> None:
    """What the end of the process left unmade is made by the next one, of open and of closed runs, once."""
    house = await counted(site)
    declared = await house.answer(FINAL)
    await house.stop()  # at once: the archive is given up, or was just made
    for file in ArchiveLayout(site.store, KEY).folder.glob("*"):
        file.unlink()

    again = House(site, cutting=False)
    await again.start()
    await again.archived()
    assert archived(site.store, KEY) == declared["release"]
    await again.answer(CLOSE)
    await again.stop()
    ArchiveLayout(site.store, KEY).newest.unlink(missing_ok=True)

    closed = House(site, cutting=False)
    await closed.start()
    await closed.archived()
    await closed.stop()
    made = ArchiveLayout(site.store, KEY).newest.stat().st_mtime_ns
    assert archived(site.store, KEY) > declared["release"]

    idle = House(site, cutting=False)
    await idle.start()
    await idle.archived()
    await idle.stop()
    assert ArchiveLayout(site.store, KEY).newest.stat().st_mtime_ns == made


async def test_failed_archive_undoes_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Where the archive cannot be written it is told loudly, the declaration stands, and the next start makes it up."""
    house = await counted(site)
    folder = ArchiveLayout(site.store, KEY).folder
    folder.write_text("in the way")
    declared = await house.answer(FINAL)
    await house.archived()
    assert declared["ok"]
    assert "the complete archive could not be made" in caplog.text
    assert (await house.answer({"do": "status"}))["runs"]["night"]["newest"]["skrutinium"] == declared[
        "release"
    ]
    await house.stop()
    folder.unlink()

    again = House(site, cutting=False)
    await again.start()
    await again.archived()
    await again.stop()
    assert archived(site.store, KEY) == declared["release"]


async def test_command_waits_for_the_archive(site: Site) -> None:
    """Where no process counts the site, the command that closes a run ends when its archive is made."""
    await (await counted(site)).stop()
    async with commands(site) as house:
        assert (await house.ask(**CLOSE))["ok"]
    assert archived(site.store, KEY) > 0


def test_unfinished_archives_are_taken_away(tmp_path: Path) -> None:
    """What a killed process left beside the zips goes, what a living one writes stays, and so do whole archives."""
    nobody = 2**22 + 1  # Linux gives no process a larger number than 2**22
    names = (f".000000003.zip.{nobody}", f".000000003-csv.zip.{os.getpid()}", "000000002.zip", "newest")
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    drop_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_archiving_ends_with_its_parent(site: Site) -> None:
    """A process whose input ends while it waits for the disk ends too, and nothing is named."""
    asyncio.run(closed_by_hand(site))
    os.mkfifo(ArchiveLayout(site.store, KEY).newest)  # whoever reads it waits for ever
    child = subprocess.Popen(
        [sys.executable, "-m", "skrutinium_server.process.archiving", str(site.root), "night"],
        stdin=subprocess.PIPE,
    )
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(30) == 1
    assert [path.name for path in ArchiveLayout(site.store, KEY).folder.glob("*")] == ["newest"]


async def closed_by_hand(site: Site) -> None:
    """A closed run without an archive."""
    house = await counted(site)
    await house.answer(CLOSE)
    await house.stop()
    folder = ArchiveLayout(site.store, KEY).folder
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*"):
        file.unlink()
