"""The live tests of the calendar below a running site: the process that plays them, and what it tells the operator.

That process is ``skrutinium_server.rehearsal.live_tests.process``; nothing of it is imported here. What it tells lies in
``SITE/rehearsal/live-tests.json``. Source: requirement M6.
"""

import asyncio
import contextlib
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from skrutinium_server.process.children import Child
from skrutinium_server.release.store.writing import write_whole

MODULE: Final = "skrutinium_server.rehearsal.live_tests.process"

LOOK: Final = 5.0
"""Seconds between two looks whether the site has a calendar."""

State = Literal["waiting", "playing", "over", "missed", "refused"]


class Told(msgspec.Struct, frozen=True):
    """One live test: ``state``, and ``text`` that says for people what is or was."""

    entry: str
    state: State
    text: str


class LiveTestsTold(msgspec.Struct, frozen=True):
    """What there is to tell; ``trouble``: why the calendar cannot be read, empty when it can."""

    trouble: str = ""
    tests: tuple[Told, ...] = ()

    @property
    def alarms(self) -> list[str]:
        """What needs a person now."""
        wrong = [one.text for one in self.tests if one.state == "refused"]
        return ([self.trouble] if self.trouble else []) + wrong

    @property
    def notes(self) -> list[str]:
        """What else is good to know."""
        return [one.text for one in self.tests if one.state in ("waiting", "playing", "missed")]


def told_path(root: Path) -> Path:
    """Where it is told."""
    return root / "rehearsal" / "live-tests.json"


def write_told(root: Path, told: LiveTestsTold) -> None:
    """Tell the operator; raises ``StoreWriteFailed``."""
    path = told_path(root)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, msgspec.json.encode(told))


def read_told(root: Path) -> LiveTestsTold:
    """What was told last; nothing where nothing was, or where it cannot be read."""
    with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
        return msgspec.json.decode(told_path(root).read_bytes(), type=LiveTestsTold)
    return LiveTestsTold()


def moment(time: datetime.datetime) -> str:
    """A time as people are told."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


class Beside:
    """Keeps the process of the live tests running beside the counting process of the site ``root``, once there is a calendar.

    A site without one costs a look at a name.
    """

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.child = Child("live tests", MODULE, [str(root)], _heard)
        """It is started again when it dies, like the other parts of the site."""
        self.child.environment = environment
        self._calendar = root / "calendar.toml"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look for the calendar until :meth:`stop`."""
        self._task = asyncio.create_task(self._keep(), name="live tests")

    async def stop(self) -> None:
        """End the process; where a live test is, it goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.child.since is not None:
            await self.child.stop()

    async def _keep(self) -> None:
        while not await asyncio.to_thread(self._calendar.exists):  # noqa: ASYNC110 - people write it with an editor
            await asyncio.sleep(LOOK)
        self.child.start()


def _heard(_message: dict[str, Any]) -> None:
    """It has nothing to say but what it writes down."""
