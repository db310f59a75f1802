"""Protocols that are brought to a run: its time comes to theirs where it is replayed, then they are taken over."""

import logging
from typing import Any

import msgspec

from skrutinium_server.intake.model import Origin, TakenOver
from skrutinium_server.process.errors import ProcessError, RunError
from skrutinium_server.process.open_run import OpenRun
from skrutinium_server.process.request import moment

log = logging.getLogger("skrutinium.count")

BACKLOG = 3
"""So many releases may wait for their publisher before those who bring protocols have to wait too."""

FASTEST = 100_000
"""No night is replayed faster."""


async def take(run: OpenRun, request: dict[str, Any], cutting: bool) -> dict[str, Any]:
    """Take over ``records`` (maps of :class:`TakenOver`), at the run's time ``now`` when it is replayed.

    ``cutting`` says whether releases are cut by themselves; where ``quiet`` is told none is until everything has come.
    """
    quiet = request.get("quiet") is True
    run.be_quiet(quiet=quiet)
    cutting = cutting and not quiet
    if request.get("now") is not None:
        await _advance(run, request, cutting)
    elif cutting:  # a boundary that passed while nobody looked lies before what comes now
        await run.counting.cut_volby(run.counting.clock.now(), aggregates=False)
    brought = msgspec.convert(request["records"], tuple[TakenOver, ...])
    origin = Origin(who=str(request.get("who") or "operator"), path=str(request.get("path") or "import"))
    taken = await run.counting.take(brought, origin)
    run.wake.set()
    return {
        "ok": True,
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "refused": taken.refused_count,
        "reasons": taken.refused,
    }


async def _advance(run: OpenRun, request: dict[str, Any], cutting: bool) -> None:
    """Let the run's time come to ``now``, cutting what falls due on the way, before more is taken over."""
    if run.counting.phase == "live":
        raise RunError(
            f"{run.counting.run!r} is a live run: its time is the wall's, and nothing is replayed into it."
        )
    now, speed = moment(request["now"]), request.get("speed", 1)
    if not isinstance(speed, int) or not 0 <= speed <= FASTEST:
        raise ProcessError(f"The speed is {speed!r}; expected a whole number from 0 to {FASTEST}.")
    run.counting.clock.follow(now, speed)
    while cutting and await run.counting.cut_volby(now, aggregates=not run.behind("volby")):
        try:
            await run.until_published("volby", BACKLOG)
        except RunError as error:  # protocols are taken over whether they can be published or not
            log.error("%s", error)  # noqa: TRY400
            return
