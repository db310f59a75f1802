"""A night that goes from one point to the next at once, without time between: for rehearsals that wait for their readers, not for a clock."""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction

from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.rehearsal.stage import Stage


class Leaps:
    """The protocols of ``night`` on their way to ``stage``, in ``leaps`` equal parts at most between two releases.

    ``leapt`` is called after each release that brought some. A :class:`~skrutinium_server.rehearsal.scenarios.playing.Course`.
    """

    def __init__(
        self,
        stage: Stage,
        night: Sequence[Due],
        leaps: int = 10,
        leapt: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._stage = stage
        self._night = night
        self._length = max(1, -(-len(night) // leaps))
        self._leapt = leapt
        self.delivered = 0

    @property
    def begins(self) -> datetime.datetime:
        """When the first protocol comes in."""
        return self._night[0].at

    async def reach(self, at: Fraction | datetime.datetime) -> None:
        """Bring all that are due by then."""
        if isinstance(at, Fraction):
            until = int(at * len(self._night))
        else:
            until = sum(due.at <= at for due in self._night)
        while self.delivered < until:
            await self._bring(min(until, self.delivered + self._length))

    async def _bring(self, until: int) -> None:
        due = self._night[self.delivered : until]
        records, now = [one.taken_over for one in due], due[-1].at.isoformat()
        await self._stage.ask(do="take", records=records, now=now, speed=0, path="replay")
        self.delivered = until
        number = await self._stage.cut()
        if self._leapt is not None:
            await self._leapt(number)

    async def go_on(self) -> None:
        """Nothing to do: the night goes on when the next point is asked for."""
