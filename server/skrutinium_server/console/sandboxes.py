"""The sandboxes of a site, steered by the process that runs them."""

import asyncio
import datetime
from typing import Annotated, Any, Final

import msgspec

from skrutinium_server.console.errors import StageAbsent
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.sandboxes.serving import stage_manager

PATIENCE: Final = 120.0
"""Seconds that the process of the sandboxes has to answer: going back opens a run first."""

STEERING: Final = ("pause", "go", "seek", "speed", "restart", "play", "stop")
"""What a sandbox can be told."""


Moment = Annotated[datetime.datetime, msgspec.Meta(tz=True)]


class Played(msgspec.Struct, frozen=True):
    """The scenario that a sandbox is in: which of its steps was the last one, and since when."""

    name: str
    step: int = 0
    of: int = 0
    since: str = ""


class Sandbox(msgspec.Struct, frozen=True):
    """One sandbox as the process that runs it tells it.

    ``time`` is that of the night (aware), between ``begins`` and ``ends``; ``speed`` a number or a fraction; ``delivered`` of ``all``
    protocols came in; ``passage`` counts the runs that it has played; ``trouble`` is empty when all is well.
    """

    name: str = ""
    url: str = ""
    fingerprint: str = ""
    event: str = ""
    run: str = ""
    phase: str = ""
    time: Moment | None = None
    begins: Moment | None = None
    ends: Moment | None = None
    speed: str = ""
    paused: bool = False
    delivered: int = 0
    all: int = 0
    passage: int = 0
    ended: bool = False
    scenarios: tuple[Played, ...] = ()
    faults: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def says(self) -> str:
        """What it does, in a word."""
        if self.trouble:
            return "in trouble"
        if not self.run:
            return "begins"
        return "paused" if self.paused else "at its end" if self.ended else "plays"

    @property
    def pace(self) -> str:
        """Its speed without an empty denominator."""
        return self.speed.removesuffix("/1")


class Stage:
    """The sandboxes of ``site``, by the process that runs them; each command has a connection of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self) -> dict[str, Sandbox]:
        """Every sandbox and how it is, by name; raises SandboxError when nobody runs them, :class:`StageAbsent` for no good answer."""
        return read_sandboxes(await self._ask(do="list"))

    async def steer(self, sandbox: str, do: str, told: dict[str, str]) -> None:
        """Tell a sandbox to do something; raises SandboxError, CountingRefused with the reason, :class:`StageAbsent`."""
        await self._ask(do=do, sandbox=sandbox, **told)

    async def _ask(self, **request: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PATIENCE), stage_manager(self._site) as manager:
                return await manager.ask(**request)
        except TimeoutError as error:
            raise StageAbsent(
                f"The process of the sandboxes does not answer within {PATIENCE:.0f} s. Look into its log."
            ) from error


def read_sandboxes(answer: dict[str, Any]) -> dict[str, Sandbox]:
    """The sandboxes in an answer, by name; raises :class:`StageAbsent` for what is none. Pure."""
    try:
        found = msgspec.convert(answer.get("sandboxes"), dict[str, Sandbox], strict=False)
    except msgspec.ValidationError as error:
        raise StageAbsent(
            f"The process of the sandboxes tells of them in another way than expected ({error}). Is it of another version?"
        ) from error
    return {name: msgspec.structs.replace(one, name=name) for name, one in sorted(found.items())}
