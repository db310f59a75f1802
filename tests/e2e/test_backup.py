"""Backups of a site at work: each can be restored, counts on, and publishes what the site itself published."""

import hashlib
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.reading import StoreReader
from tests.e2e.at_work import PROGRAM, command, served
from tests.e2e.made_up import PROTOCOLS, made_up_site, protocols_folder

PARTS = 4


def manifests(site: Path) -> dict[tuple[str, int], str]:
    """The hashes of all manifests that a site has published."""
    reader, opened = StoreReader(site / "store"), Site(site)
    found = {}
    for series in SERIES:
        key = opened.series_key("night", series)
        newest = reader.newest(key)
        for number in range(1, newest.number + 1 if newest else 1):
            found[series, number] = hashlib.sha256(reader.manifest_bytes(key, number)).hexdigest()
    return found


def stored(folder: Path) -> int:
    """How many objects are in the release store of a site or backup."""
    return sum(1 for _ in (folder / "store" / "objects").rglob("*.gz"))


def test_backup_of_a_site_at_work_is_restored_and_counts_on(tmp_path: Path) -> None:
    """A drill: backups are taken while protocols come in, one is killed in the middle, the disk is lost, the last one is restored."""
    site, backup = made_up_site(tmp_path), tmp_path / "backup"
    size = len(PROTOCOLS) // PARTS + 1
    parts = [
        protocols_folder(tmp_path / f"part{place}", PROTOCOLS[place * size : (place + 1) * size])
        for place in range(PARTS)
    ]
    with served(site):
        command("run", "open", site, "night", "--phase", "rehearsal")
        for part in parts[:2]:
            command("protocols", "import", site, "night", "--format", "csv", part)
            command("site", "backup", site, backup)
        command("protocols", "import", site, "night", "--format", "csv", parts[2])
        command("release", "cut", site, "night")  # so that there is something to copy
        before = stored(backup)
        assert stored(site) > before
        killed = subprocess.Popen([*PROGRAM, "site", "backup", site, backup], stdout=subprocess.DEVNULL)
        while stored(backup) == before:
            assert killed.poll() is None or stored(backup) > before, "it ended and has copied nothing"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    published = manifests(site)
    shutil.rmtree(site)
    said = command("site", "restore", backup, tmp_path / "again")
    assert "release" in said
    again = tmp_path / "again"
    kept = manifests(again)
    assert kept
    assert kept.items() <= published.items()
    with served(again):
        for part in parts:  # what the backup had is known; what it lacked is taken over now
            command("protocols", "import", again, "night", "--format", "csv", part)
        command("release", "cut", again, "night")
    assert kept.items() <= manifests(again).items()
    assert "WHOLE" in command("store", "check", again, "--recount")
    assert (again / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A site with a release of some protocols, and its backup."""
    folder = tmp_path_factory.mktemp("kept")
    site = made_up_site(folder)
    command("run", "open", site, "night", "--phase", "test")
    part = protocols_folder(folder / "part", PROTOCOLS[:30])
    command("protocols", "import", site, "night", "--format", "csv", part)
    command("release", "cut", site, "night")
    command("site", "backup", site, folder / "backup")
    return site, folder / "backup"


def test_unchanged_site_copies_little_again(backed_up: tuple[Path, Path]) -> None:
    """What was published is copied once; a second backup writes only what is rewritten."""
    site, backup = backed_up
    before = {path: path.stat().st_mtime_ns for path in (backup / "store" / "objects").rglob("*.gz")}
    command("site", "backup", site, backup)
    assert before == {path: path.stat().st_mtime_ns for path in (backup / "store" / "objects").rglob("*.gz")}


def test_folders_keep_their_modes(backed_up: tuple[Path, Path], tmp_path: Path) -> None:
    """What nobody else may list in the site, nobody may list in the backup and in the site made of it."""
    site, backup = backed_up
    (site / "keys").chmod(0o700)
    command("site", "backup", site, backup)
    command("site", "restore", backup, tmp_path / "again")
    for folder in (backup, tmp_path / "again"):
        assert (folder / "keys").stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_mode & 0o777 == site.stat().st_mode & 0o777


def test_what_no_name_leads_to_is_not_restored(backed_up: tuple[Path, Path], tmp_path: Path) -> None:
    """A release that a killed backup brought without its ledger is not there in the site made of it."""
    backup = tmp_path / "backup"
    shutil.copytree(backed_up[1], backup)
    series = min((backup / "store").glob("event/*/night/skrutinium"))
    newest = int((series / "newest").read_text().split()[0])
    left = []
    for path in [*series.glob(f"*/{newest:09d}.*")]:
        left.append(path.with_name(path.name.replace(f"{newest:09d}", f"{newest + 1:09d}")))
        shutil.copy2(path, left[-1])
    assert len(left) >= 3
    command("site", "restore", backup, tmp_path / "again")
    assert not any((tmp_path / "again" / path.relative_to(backup)).exists() for path in left)
    assert "WHOLE" in command("store", "check", tmp_path / "again", "--recount")


@pytest.mark.parametrize(
    "pattern", ["runs/night/ledger.sqlite", "store/objects/*/*/*.gz", "store/event/*/*/*/newest"]
)
def test_damaged_backup_is_not_restored(backed_up: tuple[Path, Path], tmp_path: Path, pattern: str) -> None:
    """A backup in which something was changed is refused by name, and no site is made of it."""
    shutil.copytree(backed_up[1], tmp_path / "backup")
    path = min((tmp_path / "backup").glob(pattern))
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)
    said = command("site", "restore", tmp_path / "backup", tmp_path / "again", code=1)
    assert "nothing was restored" in said
    assert not (tmp_path / "again").exists()


def test_backup_takes_no_other_folder(backed_up: tuple[Path, Path], tmp_path: Path) -> None:
    """Neither a folder that holds something else, nor one inside of the site."""
    site, _ = backed_up
    (tmp_path / "letter.txt").write_text("mine")
    assert "no backup" in command("site", "backup", site, tmp_path, code=1)
    assert "in one another" in command("site", "backup", site, site / "backup", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
