"""Counting one run: takes protocols through the door into the ledger and decides when releases are cut.

The only writer of the run. Everything it knows besides its clock can be read from the ledger again, so it can be killed
at any moment. Source: design § 3, § 4.9 and § 5.
"""

import asyncio
import datetime
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from skrutinium_server import __version__
from skrutinium_server.intake.model import Admission, Origin, Protocol, TakenOver
from skrutinium_server.ledger.model import (
    Accepted,
    Closed,
    Cut,
    Declared,
    Held,
    Lifted,
    Opened,
    Reopened,
    Step,
)
from skrutinium_server.ledger.sqlite import SqliteLedger
from skrutinium_server.ledger.standing import COUNTED, Standing, declare
from skrutinium_server.process.admitting import Cause, admitted
from skrutinium_server.process.basis import Basis
from skrutinium_server.process.cadence import Waiting, volby_due
from skrutinium_server.process.clock import Monotonic, RunClock, clock_start
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.settings import Settings

log = logging.getLogger("skrutinium.count")


BATCH = "batch"
"""What waits for the next batch of the series volby, beside what waits for each series."""


@dataclass(slots=True)
class Taken:
    """What became of protocols that were brought: counts, and why some were refused (at most the first hundred)."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[str] = field(default_factory=list)
    refused_count: int = 0


@dataclass(slots=True)
class SeriesState:
    """The last cut of a series."""

    number: int = 0
    checkpoint_at: float = 0.0
    whole: bool = False
    """There is a checkpoint of the complete count."""


def _nobody_told(_series: str) -> None:
    """Before the publishers are there."""


class Counting:
    """One open run. ``cut_made`` is called after every cut with the name of its series.

    Making one reads the ledger: do it in a thread.
    """

    def __init__(
        self,
        basis: Basis,
        settings: Settings,
        ledger: SqliteLedger,
        clock: RunClock,
        monotonic: Monotonic,
    ) -> None:
        self.record = basis.record
        self.run = basis.record.run
        self.phase = basis.record.phase
        self.definition = basis.record.definition
        self.begins = basis.record.begins
        self.clock = clock
        self.settings = settings
        self.index = basis.index
        self.law = basis.law
        self.series = {series: SeriesState() for series in basis.record.series}
        self.batches = 0
        self.brought = {"accepted": 0, "refused": 0, "duplicate": 0}
        """What became of the protocols that were brought since this process counts the run."""
        self.closed = False
        self._ledger = ledger
        self._monotonic = monotonic
        self.cut_made: Callable[[str], None] = _nobody_told
        self._cutting = asyncio.Lock()
        self._sequences: dict[tuple[str, str], int] = {}
        # Contests that are held: where their hold stands in the ledger, and how many protocols were set aside since.
        self.held: dict[str, tuple[int, int]] = {}
        self.standing: Standing = COUNTED
        self.steps: list[Step] = []
        """Everything that people decided, in order."""
        self.owing = False
        """People decided something that no release of the series skrutinium tells yet."""
        self._waiting = {name: Waiting() for name in (*self.series, BATCH)}
        self._last_cut = float("-inf")
        self._arrived_at = 0
        self.closing = False
        self._remember()

    def _remember(self) -> None:
        """Learn from the ledger what was cut last and what is waiting."""
        last: datetime.datetime | None = None
        for entry in self._ledger.entries():
            last = entry.body.time
            match entry.body:
                case Accepted(protocol=protocol, time=time):
                    self._note_accepted(protocol, entry.position, time)
                case Cut() as cut:
                    self._note_cut(cut, entry.position)
                case Opened():
                    pass
                case step:
                    self._note_step(step, entry.position)
        if last is not None and self.phase == "live":
            self.clock.not_before(last)
        elif last is not None and self.begins is not None:
            self.clock.follow(max(last, self.begins), 0)
        elif last is not None:
            self.clock.follow(clock_start(self.index.definition.date, self.law, last, self.clock.now()), 1)

    def _note_accepted(self, protocol: Protocol, position: int, time: datetime.datetime) -> None:
        key = (protocol.precinct, protocol.contest)
        self._sequences[key] = max(protocol.sequence, self._sequences.get(key, -1))
        held = self.held.get(protocol.contest)
        if held is not None and position > held[0]:
            self.held[protocol.contest] = (held[0], held[1] + 1)
        else:
            self._note_arrivals(1, position, time)

    def _note_arrivals(self, count: int, position: int, time: datetime.datetime) -> None:
        """So many protocols wait to be published since that position."""
        self._arrived_at = max(self._arrived_at, position)
        for waiting in self._waiting.values():
            waiting.add(count, time)

    def _note_step(self, step: Step, position: int) -> None:
        self.steps.append(step)
        match step:
            case Held(contest=contest):
                self.held[contest] = (position, 0)
                self.owing = True
            case Lifted(contest=contest, time=time):
                _, aside = self.held.pop(contest)
                if aside:
                    self._note_arrivals(aside, position, time)
                self.owing = True
            case Declared(state=state):
                self.standing = declare(self.standing, state)
                self.owing = True
            case Closed():
                self.closed = True
            case Reopened():
                self.closed = False

    def _note_cut(self, cut: Cut, position: int) -> None:
        state = self.series[cut.series]
        self.owing = self.owing and cut.series != "skrutinium"
        state.number = cut.number
        state.whole = state.whole or (cut.checkpoint and self.complete)
        cleared = [self._waiting[cut.series]]
        if cut.batch is not None:
            self.batches = cut.batch
            cleared.append(self._waiting[BATCH])
        for waiting in cleared:
            waiting.clear()
            if self._arrived_at > position:  # it came in while the cut was being written, and still waits
                waiting.add(1, self.clock.now())

    @property
    def reported(self) -> int:
        """How many of the expected protocols are in."""
        return len(self._sequences)

    @property
    def commits(self) -> tuple[tuple[int, ...], int]:
        """How long the commits of the ledger took, see :attr:`SqliteLedger.commits`."""
        return self._ledger.commits

    @property
    def complete(self) -> bool:
        """Whether every expected protocol is in, and none is set aside."""
        whole = len(self._sequences) >= len(self.index.definition.polls)
        return whole and not any(aside for _, aside in self.held.values())

    def examine(
        self, brought: Iterable[TakenOver], origin: Origin, cause: Cause | None = None
    ) -> tuple[list[Admission], list[str]]:
        """What of the protocols passes the door, and why the others do not; nothing is taken over."""
        return admitted(brought, origin, self.index, self.law, self._sequences, self.standing, cause)

    async def take(self, brought: Iterable[TakenOver], origin: Origin, cause: Cause | None = None) -> Taken:
        """Bring protocols: those that pass the door are in the ledger, durable, when this returns.

        With a ``cause`` each has to change one that is there already, for that reason and by that authority; without it none may
        change results that people declared.
        Raises :class:`RunError` while the run is being closed.
        """
        if self.closing:
            raise RunError(f"The run {self.run!r} is being closed; nothing more is accepted.")
        admissions, refused = self.examine(brought, origin, cause)
        taken = Taken(refused=refused, refused_count=len(refused))
        now = self.clock.now()
        if cause is not None and taken.refused:  # a decision is carried out as a whole
            admissions = []
        if admissions:
            receipts = await self._ledger.append(admissions, now)
            taken.duplicates = sum(receipt.duplicate for receipt in receipts)
            taken.accepted = len(receipts) - taken.duplicates
            for admission, receipt in zip(admissions, receipts, strict=True):
                if not receipt.duplicate:
                    self._note_accepted(admission.protocol, receipt.position, now)
        self.brought["accepted"] += taken.accepted
        self.brought["refused"] += taken.refused_count
        self.brought["duplicate"] += taken.duplicates
        for text in taken.refused:
            log.warning("refused: %s", text)
        taken.refused = taken.refused[:100]
        return taken

    async def cut(self, series: str, time: datetime.datetime, batch: bool, checkpoint: bool = False) -> int:
        """Ask for a release of everything so far; its number. A batch is only made where something waits for one."""
        async with self._cutting:
            return await self._cut(series, time, batch=batch, checkpoint=checkpoint)

    async def _cut(self, series: str, time: datetime.datetime, *, batch: bool, checkpoint: bool) -> int:
        state = self.series[series]
        pause = self._monotonic() - state.checkpoint_at
        body = Cut(
            series=series,
            number=state.number + 1,
            phase=self.phase,
            code=__version__,
            definition=self.definition,
            checkpoint=checkpoint
            or pause >= self.settings.checkpoint_seconds
            or (self.complete and not state.whole),
            batch=self.batches + 1 if batch and self._waiting[BATCH].count else None,
            time=time,
        )
        receipt = await self._ledger.append_cut(body)
        if body.checkpoint:
            state.checkpoint_at = self._monotonic()
        self._note_cut(body, receipt.position)
        self.cut_made(series)
        return body.number

    async def cut_skrutinium(self) -> bool:
        """Cut the series ``skrutinium`` when something is waiting and the last cut is long enough ago."""
        if "skrutinium" not in self.series or not self._waiting["skrutinium"].count:
            return False
        if self._monotonic() - self._last_cut < self.settings.skrutinium_seconds:
            return False
        self._last_cut = self._monotonic()
        await self.cut("skrutinium", self.clock.now(), batch=False)
        return True

    async def cut_volby(self, now: datetime.datetime, aggregates: bool) -> bool:
        """Cut the series ``volby`` when a boundary of the run's clock is past; without ``aggregates`` only for a batch."""
        if "volby" not in self.series:
            return False
        due = volby_due(self.settings, now, self._waiting["volby"], self._waiting[BATCH])
        if due is None or not (due[1] or aggregates):
            return False
        await self.cut("volby", due[0], batch=due[1])
        return True

    async def cut_everything(self) -> dict[str, int]:
        """Cut every series now, a batch included, with a checkpoint; the numbers of the releases."""
        now = self.clock.now()
        return {
            series: await self.cut(series, now, batch=series == "volby", checkpoint=True)
            for series in self.series
        }

    async def step(self, step: Step) -> None:
        """Record what people decided, and cut the series ``skrutinium`` so that it is told at once.

        Nothing is cut in between: no other series can show what was lifted before this one says so. Raises RunError and
        the ledger's RefusedError for what does not follow.
        """
        async with self._cutting:
            self.check(step)
            mark = await self._ledger.append_step(step)
            self._note_step(step, mark.position)
            await self._tell()

    async def tell_steps(self) -> None:
        """Cut what a kill left untold."""
        async with self._cutting:
            await self._tell()

    async def _tell(self) -> None:
        if self.owing and "skrutinium" in self.series:
            await self._cut("skrutinium", self.clock.now(), batch=False, checkpoint=False)

    def check(self, step: Step) -> None:
        """Raise :class:`RunError` for what the definition or the count forbids."""
        match step:
            case Held(contest=contest) if contest not in self.index.contests:
                raise RunError(
                    f"The event {self.record.event} has no contest {contest!r}; expected one of its definition."
                )
            case Declared(state=state):
                declare(self.standing, state)
                self._check_whole()
            case _:
                pass

    def _check_whole(self) -> None:
        """Raise :class:`RunError` unless every protocol is counted."""
        if self.complete:
            return
        aside = ", ".join(contest for contest, (_, count) in self.held.items() if count) or "none"
        raise RunError(
            f"{len(self._sequences)} of {len(self.index.definition.polls)} protocols are in; contests whose hold sets protocols "
            f"aside: {aside}. Expected all protocols in and counted before the results are declared."
        )

    async def reopen(self, step: Reopened) -> None:
        """Accept again."""
        mark = await self._ledger.append_step(step)
        self._note_step(step, mark.position)
        self.closing = False

    async def close_run(self, who: tuple[str, ...] = ()) -> None:
        """Accept nothing more."""
        step = Closed(self.clock.now(), who)
        mark = await self._ledger.append_step(step)
        self._note_step(step, mark.position)

    async def close(self) -> None:
        """Give up the ledger; everything acknowledged is in it."""
        await self._ledger.close()
