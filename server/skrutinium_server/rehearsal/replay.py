"""Replaying a night: protocols come in as they came in then, on the run's own clock, at any speed.

Source: requirements M6, M11; design § 6 (cadence by the run's clock).
"""

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skrutinium_server.intake.model import TakenOver
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteReader

TICK = 0.1
"""Seconds of real time between two deliveries."""

LONGEST_STEP = 2 * TICK
"""At most so many seconds of real time, times the speed, pass between two deliveries."""

CHUNK = 500
"""At most so many protocols in one delivery; more wait for the next, which follows at once."""

Ask = Callable[..., Awaitable[dict[str, Any]]]


class Due(NamedTuple):
    """One protocol of the night: when it came in, and its bytes.

    One that was brought as a correction has its ``reason`` (codebook ``correction-reasons``) and ``authority``.
    """

    at: datetime.datetime
    taken_over: TakenOver
    reason: str | None = None
    authority: str | None = None


class Progress(NamedTuple):
    """How far a replay is: protocols delivered of all, the run's time, and what became of them."""

    delivered: int
    all: int
    now: datetime.datetime
    accepted: int
    duplicates: int
    refused: int


def night_of_ledger(ledger: Path) -> list[Due]:
    """The protocols of another run in the order and at the times in which its ledger accepted them.

    Raises LedgerError when it cannot be read or its chain is broken.
    """
    night = []
    with SqliteReader(ledger) as reader:
        for entry, data in reader.records():
            body = entry.body
            if isinstance(body, Accepted):
                taken_over = TakenOver(
                    data, body.format, body.encoding, body.source, body.source_sha256, body.offset
                )
                night.append(Due(body.time, taken_over))
    return night


def deliveries(night: Sequence[Due], now: datetime.datetime, start: int) -> Sequence[Due]:
    """The protocols from ``start`` on that are due at ``now``, at most a chunk. Pure; ``night`` is sorted by time."""
    end = start
    while end < len(night) and end - start < CHUNK and night[end].at <= now:
        end += 1
    return night[start:end]


async def replay(
    ask: Ask,
    run: str,
    night: Sequence[Due],
    speed: int,
    who: str,
    progress: Callable[[Progress], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Progress:
    """Deliver the whole night and cut everything at its end; returns the last progress.

    ``ask`` carries a command to the counting house. The run's clock starts a second before the first protocol. Raises
    what ``ask`` raises; a replay that is started again delivers everything once more, which changes nothing.
    """
    now = night[0].at - datetime.timedelta(seconds=1)
    last = monotonic()
    state = Progress(0, len(night), now, 0, 0, 0)
    while state.delivered < len(night):
        before, last = last, monotonic()
        # Where the counting house cannot keep up the night slows down; it never jumps over what lies between.
        now += datetime.timedelta(microseconds=int(min(last - before, LONGEST_STEP) * 1_000_000) * speed)
        due = deliveries(night, now, state.delivered)
        if len(due) == CHUNK:
            now = due[-1].at
        # Asked at every tick, also when nothing is due: it is what moves the run's clock and closes batches.
        state = await _deliver(ask, run, due, now, who, state)
        progress(state)
        if len(due) < CHUNK:
            await asyncio.sleep(TICK)
    await ask(do="cut", run=run)
    return state


async def _deliver(
    ask: Ask, run: str, due: Sequence[Due], now: datetime.datetime, who: str, state: Progress
) -> Progress:
    answer = await ask(
        do="take",
        run=run,
        records=[item.taken_over for item in due],
        now=now.isoformat(),
        speed=0,
        who=who,
        path="replay",
    )
    return Progress(
        state.delivered + len(due),
        state.all,
        now,
        state.accepted + answer["accepted"],
        state.duplicates + answer["duplicates"],
        state.refused + answer["refused"],
    )
