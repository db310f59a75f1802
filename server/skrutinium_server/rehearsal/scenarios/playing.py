"""Playing a scenario: each step is done on the stage when the night is there."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from skrutinium_server.rehearsal.scenarios.model import After, Clock, Scenario, Share, Step
from skrutinium_server.rehearsal.stage import Stage

Done = Callable[[int, Step], Awaitable[None]]
"""Called after each step with its number, from 1."""
Sleep = Callable[[float], Awaitable[object]]

_DAY: Final = datetime.timedelta(days=1)


class Course(Protocol):
    """The course of a night that goes on beside a scenario: a player, or :class:`~skrutinium_server.rehearsal.scenarios.leaps.Leaps`."""

    @property
    def begins(self) -> datetime.datetime:
        """When the first protocol of the night comes in, by the night's clock (aware)."""

    async def reach(self, at: Fraction | datetime.datetime) -> None:
        """Return once that share of all protocols (from 0 to 1) is in, or it is that time by the night's clock; nothing more comes in until :meth:`go_on`."""

    async def go_on(self) -> None:
        """Let the night go on."""


async def play(
    stage: Stage,
    course: Course,
    scenario: Scenario,
    zone: ZoneInfo,
    done: Done | None = None,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Do all steps of a scenario; ``zone``: that of the law, in which the night's clock is read.

    Raises what a step raises; what it began stays as it is: :func:`clear` ends it.
    """
    for number, step in enumerate(scenario.steps, 1):
        match step.at:
            case After(seconds=seconds):
                await sleep(seconds)
            case Share(share=share):
                await course.reach(share)
            case Clock(time=time):
                await course.reach(moment(time, course.begins, zone))
        try:
            await getattr(stage, step.do)(**step.arguments)
            if done is not None:
                await done(number, step)
        finally:
            await course.go_on()


def moment(time: datetime.time, begins: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    """That time of the night that ``begins`` then (aware): the first moment from there on at which clocks in ``zone`` show it."""
    local = begins.astimezone(zone)
    found = datetime.datetime.combine(local.date(), time, zone)
    if found < local:
        found = datetime.datetime.combine(local.date() + _DAY, time, zone)
    return found.astimezone(datetime.UTC)


async def clear(stage: Stage) -> None:
    """End what a scenario began: all is well again on the way to readers, what was late comes in, mail and incidents end."""
    await stage.restore()
    for id in list(stage.incidents):
        await stage.incident_over(id)
    if stage.late:
        await stage.bring_late()
    if stage.mailing:
        await stage.mail_end()
