"""Passages of a night as runs: one open at a time, each later one named by its number."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Literal

Ask = Callable[..., Awaitable[dict[str, Any]]]
Phase = Literal["test", "rehearsal"]

DIGITS: Final = 6


def run_name(name: str, passage: int) -> str:
    """What the run of a passage is called: ``NAME-000002``."""
    return f"{name}-{passage:0{DIGITS}d}"


class PassageRuns:
    """Passages in runs of their own: the first one in ``run``, which is open, later ones in new runs that are named after it.

    ``begins``: where their clocks start. Commands are carried by ``ask`` and given by ``who``.
    """

    def __init__(self, ask: Ask, run: str, event: str, phase: Phase, begins: datetime, who: str) -> None:
        self.run = run
        """The run of the present passage."""
        self._ask = ask
        self._first = run
        self._told = {"phase": phase, "event": event, "begins": begins.isoformat(), "by": who}
        self._who = who

    async def begin(self, passage: int) -> int:
        """See :class:`~skrutinium_server.rehearsal.playing.player.Passages`; everything is brought, whatever a run holds already."""
        wanted = self._first if passage == 1 else run_name(self._first, passage)
        if wanted != self.run:
            open_now = (await self._ask(do="status"))["runs"]
            if self.run in open_now:
                await self._ask(do="close", run=self.run, by=self._who)
            if wanted not in open_now:
                await self._ask(do="open", run=wanted, **self._told)
            self.run = wanted
        return 0

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`~skrutinium_server.rehearsal.playing.player.Passages`."""
        return await self._ask(run=self.run, **request)
