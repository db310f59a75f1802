"""Playing a night once from its beginning to its end, into a run that is open."""

import time
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from typing import Any

from skrutinium_server.rehearsal.playing.player import Brought, Player
from skrutinium_server.rehearsal.replay import Due

Ask = Callable[..., Awaitable[dict[str, Any]]]


class OneRun:
    """Every command is about ``run``, which is open; it has no second passage."""

    def __init__(self, ask: Ask, run: str) -> None:
        self._ask = ask
        self._run = run

    async def begin(self, passage: int) -> int:  # noqa: ARG002 - there is one
        """See :class:`Passages`: everything is brought, whatever the run holds already, which changes nothing."""
        return 0

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`Passages`."""
        return await self._ask(run=self._run, **request)


async def play_through(
    ask: Ask,
    run: str,
    night: Sequence[Due],
    speed: Fraction | int,
    who: str,
    changed: Callable[[Player], None] = lambda _player: None,
    clock: Callable[[], float] = time.monotonic,
) -> Brought:
    """Bring the whole night and release everything at its end; what became of its protocols.

    ``ask`` carries a command to the counting house. Raises what ``ask`` raises; a night that is played again brings everything once
    more, which changes nothing.
    """
    player = Player(night, OneRun(ask, run), clock, speed=Fraction(speed), who=who)
    player.changed = lambda: changed(player)
    await player.run()
    return player.brought
