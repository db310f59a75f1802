"""A night as it is replayed: what was voted on, and every protocol with the moment at which it came in."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skrutinium_server.election.model import Definition
from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.replay import Due


@dataclass(frozen=True, slots=True)
class Night:
    """``due`` in the order of time; ``source`` says for people where the night is from."""

    definition: Definition
    due: Sequence[Due]
    source: str


def in_time(due: Iterable[Due]) -> list[Due]:
    """The protocols in the order in which they were taken over; a time that steps back is that of the one before."""
    rows = list(due)
    times = itertools.accumulate((row.at for row in rows), max)
    return [row._replace(at=at) for row, at in zip(rows, times, strict=True)]


def cause(reason: str | None, authority: str | None) -> tuple[str | None, str | None]:
    """Why a protocol was changed, as it has to be said again; nothing where only its source sent it again."""
    return (reason, authority) if reason and authority and reason != "source-resend" else (None, None)


def check_replayable(run: str, phase: str, *, is_open: bool, source: str) -> None:
    """Raise :class:`NightError` for a live run that is not over: nothing of it may be seen at another place meanwhile."""
    if phase == "live" and is_open:
        raise NightError(
            f"{source}: the run {run!r} is live and still open. Expected a run that is closed, or a test or rehearsal; "
            "replay it when it is over.",
            code="night-open",
        )


def check_whole(due: Sequence[Due], source: str) -> None:
    """Raise :class:`NightError` when there is nothing to replay."""
    if not due:
        raise NightError(f"{source} holds no protocol: there is nothing to replay.")
