"""The public folder after kills: whenever it is ended, and whatever came in meanwhile, it ends as one written from scratch."""

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skrutinium_server.archive.public.folder import PublicFolder
from skrutinium_server.archive.public.publishing import Publishing
from skrutinium_server.release.store.reading import StoreReader
from tests.archive.night import START, Night

NOW = START + datetime.timedelta(hours=3)
RELEASES = 6


class Killed(BaseException):
    """The process is no more: nothing may catch it."""


class Mortal(PublicFolder):
    """A public folder whose process ends in the middle of a write, after so many others, with half of the file written."""

    def __init__(self, root: Path, event: str, writes: int) -> None:
        self._left = writes
        super().__init__(root, event, "night", "rehearsal")

    def put(self, name: str, data: bytes) -> None:
        """Write a file, or die in the middle of it."""
        if not self._left:
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.new").write_bytes(data[: len(data) // 2])
            raise Killed
        self._left -= 1
        super().put(name, data)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The store of one night as it was after each release, the last one declared by nobody but whole."""
    folder = tmp_path_factory.mktemp("stores")
    night = Night(folder)
    found = []
    for number in range(1, RELEASES + 1):
        if number > 1:
            night.take(night.left if number == RELEASES else 4)
            night.cut(checkpoint=number % 2 == 0)
        found.append(Path(shutil.copytree(night.store, folder / f"store-{number}")))
    night.close()
    return found


def event_of(store: Path) -> str:
    """The event of a store's only run."""
    return StoreReader(store).state()[1][0].event


def files(root: Path) -> dict[str, bytes]:
    """Every file for readers, hidden ones too; when it was written is told on one page only."""
    found = (path for path in root.rglob("*") if path.is_file() and ".publish" not in path.parts)
    told = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
    del told["contests.html"]
    return told


def publish(store: Path, root: Path, writes: int | None = None) -> None:
    """Start, publish what there is, and end: by itself, or killed after so many writes."""
    folder: PublicFolder
    try:
        folder = Mortal(root, event_of(store), -1 if writes is None else writes)
    except Killed:
        return
    try:
        Publishing(StoreReader(store), folder, "night").catch_up(NOW)
    except Killed:
        pass
    finally:
        folder.close()


@pytest.fixture(scope="module")
def scratch(stores: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the last release, written by one that nobody killed."""
    root = tmp_path_factory.mktemp("scratch") / "public"
    publish(stores[-1], root)
    return root


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kills=st.lists(st.tuples(st.integers(0, RELEASES - 1), st.integers(0, 250)), min_size=1, max_size=6).map(
        sorted
    )
)
def test_killed_at_any_write_it_ends_the_same(
    stores: list[Path], scratch: Path, tmp_path: Path, kills: list[tuple[int, int]]
) -> None:
    """Killed in the middle of any write of any release, as often as you like, the next start brings it to the same files."""
    root = tmp_path / "public"
    shutil.rmtree(root, ignore_errors=True)
    for step, writes in kills:
        publish(stores[step], root, writes)
    publish(stores[-1], root)
    assert files(root) == files(scratch)


def test_follow_killed_with_9_goes_on(new_night: Callable[..., Night], tmp_path: Path) -> None:
    """`publish --follow` killed while it writes, at several places, with releases coming in between, ends the same."""
    night = new_night()
    root = tmp_path / "public"
    command = [sys.executable, "-m", "skrutinium_server", "publish", str(night.site.root), "night", str(root)]
    # Each of these begins to be there in the middle of a write of some hundred files.
    for wanted in ("objects", "precinct", "contest", "area", "index.html", "protocol"):
        process = subprocess.Popen(
            [*command, "--follow"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not (root / wanted).exists():
            os.sched_yield()
        process.kill()
        assert process.wait() == -9
        night.take(3)
        night.cut()
    night.take(night.left)
    night.cut()
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    publish(night.store, tmp_path / "scratch")
    assert files(root) == files(tmp_path / "scratch")
