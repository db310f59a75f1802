"""The crisis mail of a stage: its process, the relay, and the Maildirs of those who read it."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.reporting import CrisisStatus, crisis_status
from skrutinium_server.crisis.triggering import Decision, Start, Stop
from skrutinium_server.process.children import Child
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.rehearsal.stage.errors import StageError
from skrutinium_server.rehearsal.stage.processes import quiet
from skrutinium_server.rehearsal.stage.relay import HOST, Relay

_DOMAIN: Final = "newsroom.example"
_INTERVAL: Final = 10
"""Seconds from one mail to the next, the least that can be agreed."""
_LOOK: Final = 0.1
_PATIENCE: Final = 180.0
"""Seconds that mail may take from a decision to the last Maildir."""

_LIST: Final = """\
# Made for a rehearsal: mail goes to a relay on this machine, and to no real newsroom.
[relay]
host = "{host}"
port = {port}
security = "none"

[sender]
address = "results@organiser.example"
name = "Made-up organiser"

[watch]
address = "{feed}"
every = 1
"""
_RECIPIENT: Final = """
[[recipient]]
id = "{id}"
name = "{id}"
address = "{id}@{domain}"
interval = {interval}
"""


class StageMail:
    """Crisis mail about the release store ``store`` to recipients with these Maildirs (by id); everything else of it lies in ``folder``."""

    def __init__(self, store: Path, folder: Path, boxes: Mapping[str, Path]) -> None:
        self.boxes = dict(boxes)
        self._store = store
        self._folder = folder
        self._relay = Relay({f"{id}@{_DOMAIN}": box for id, box in self.boxes.items()})
        self._child: Child | None = None
        self._watching = asyncio.Event()
        self.begun = False
        """Whether it was begun and not ended."""

    @property
    def _outbox(self) -> Path:
        return self._folder / "crisis"

    async def start(self, feed: str) -> None:
        """Start relay and process; returns when its watch has seen the feed at the address ``feed`` serve.

        Raises :class:`StageError` when it does not serve.
        """
        await self._relay.start()
        await asyncio.to_thread(shutil.rmtree, self._outbox, ignore_errors=True)
        recipients = self._folder / "recipients.toml"
        await asyncio.to_thread(self._write_list, recipients, feed)
        arguments = [str(self._store), str(recipients), str(self._outbox)]
        module = "skrutinium_server.rehearsal.stage.crisis_process"
        self._child = Child("crisis mail", module, arguments, self._heard)
        self._child.environment = quiet()
        self._child.start()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._watching.wait()
        except TimeoutError:
            await self.stop()
            raise StageError(
                f"The watch of the crisis mail does not see {feed} serve. Begin while the feed is there; what it says stands in the log."
            ) from None

    async def stop(self) -> None:
        """Stop process and relay."""
        if self._child is not None:
            await self._child.stop()
            await self._relay.stop()
            self._child = None

    def _heard(self, message: dict[str, Any]) -> None:
        if "watching" in message:
            self._watching.set()

    def _write_list(self, path: Path, feed: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        told = _LIST.format(host=HOST, port=self._relay.port, feed=feed)
        told += "".join(_RECIPIENT.format(id=id, domain=_DOMAIN, interval=_INTERVAL) for id in self.boxes)
        path.write_text(told, "utf-8")

    # ------------------------------------------------------------------ decisions
    async def begin(self, by: str, reason: str) -> int:
        """Let results be sent until :meth:`end`; the newest release that every recipient has by mail when this returns."""
        self.begun = True
        return await self._decide(Start(by, reason), lambda one: one.state == "running", "begin")

    async def end(self, by: str, reason: str) -> int:
        """Let everybody be told that it is over; the newest release that they have then."""
        self.begun = False
        return await self._decide(Stop(by, reason), lambda one: one.state == "disarmed", "end")

    async def _decide(self, decision: Decision, done: Callable[[CrisisStatus], bool], kind: str) -> int:
        await asyncio.to_thread(self._write_decision, decision)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while True:
                    told = await asyncio.to_thread(crisis_status, self._outbox)
                    if done(told) and self._all_have(told, kind):
                        return max(one.number for one in told.recipients)
                    await asyncio.sleep(_LOOK)
        raise ProcessError("The crisis mail does not go out; what it says of the reason stands in the log.")

    def _all_have(self, told: CrisisStatus, kind: str) -> bool:
        """Whether everything is out, and the last message to each recipient is of that kind, or one that followed it."""
        kinds = {one.recipient: one.kind for one in told.recipients if one.state == "sent"}
        after = {kind} if kind == "end" else {"begin", "release", "unchanged"}
        return kinds.keys() == self.boxes.keys() and set(kinds.values()) <= after

    def _write_decision(self, decision: Decision) -> None:
        with Outbox(self._outbox) as outbox:
            outbox.decide(msgspec.json.encode(decision), wall_time())
