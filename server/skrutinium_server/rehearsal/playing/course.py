"""Points of a night at which somebody does something: a scenario."""

import asyncio
import datetime
from typing import TYPE_CHECKING

from skrutinium_server.rehearsal.playing.model import Point

if TYPE_CHECKING:
    from skrutinium_server.rehearsal.playing.player import Player


class Mark:
    """A point at which the night waits for whoever does something there."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.reached = asyncio.Event()


class Course:
    """The course of a night for one who does something at points of it; several of them do not disturb each other."""

    def __init__(self, player: "Player") -> None:
        self._player = player
        self._marks: list[Mark] = []

    @property
    def begins(self) -> datetime.datetime:
        """When the first protocol comes in."""
        return self._player.night[0].at

    @property
    def delivered(self) -> int:
        """How many protocols are in."""
        return self._player.delivered

    @property
    def all(self) -> int:
        """How many protocols the night has."""
        return self._player.all

    @property
    def time(self) -> datetime.datetime:
        """The night's time."""
        return self._player.time

    async def reach(self, at: Point) -> None:
        """Return once the night is at that point, with nothing more coming in until :meth:`go_on`; at once when it is past it."""
        mark = Mark(at)
        self._marks.append(mark)
        self._player.mark(mark)
        try:
            await mark.reached.wait()
        except BaseException:
            self._marks.remove(mark)
            self._player.unmark(mark)
            raise

    async def go_on(self) -> None:
        """What was to be done at the points that were reached is done."""
        done = [mark for mark in self._marks if mark.reached.is_set()]
        for mark in done:
            self._marks.remove(mark)
            self._player.unmark(mark)
