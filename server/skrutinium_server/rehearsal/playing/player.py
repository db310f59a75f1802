"""The player of a night: brings its protocols as they came in then, at any speed, with pause, seek and loop.

Every passage of the night goes into a run of its own: numbers of releases never go back. Source: requirements M6, M11.
"""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple
from typing import Protocol as Interface

from skrutinium_server.process.errors import CountingRefused
from skrutinium_server.rehearsal.playing import model
from skrutinium_server.rehearsal.playing.course import Course, Mark
from skrutinium_server.rehearsal.playing.model import Ended, Paused, Playing, Point, State
from skrutinium_server.rehearsal.replay import Due

log = logging.getLogger("skrutinium.replay")

TICK: Final = 0.1
"""Seconds of real time between two deliveries."""

STANDING: Final = 1.0
"""Seconds between two words to the counting house while nothing comes in: they keep the clock of the run where it is."""

REST: Final = 60.0
"""Seconds that the end of a night can be looked at before it is played again."""


class Passages(Interface):
    """Where passages of a night go."""

    async def begin(self, passage: int) -> int:
        """Have the run of this passage open, and those before closed; how many protocols of the night it holds already.

        Asked again it changes nothing. Raises ``ProcessError``.
        """

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Carry out a command of the counting house about the run of the passage."""


class Brought(NamedTuple):
    """What became of the protocols of a passage that were brought."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0


class Player:
    """Plays ``night``; ``clock`` tells seconds of real time, as the loop does.

    With ``again`` it begins anew ``rest`` seconds after the end. ``passage`` is the number of the present one.
    """

    def __init__(
        self,
        night: Sequence[Due],
        passages: Passages,
        clock: Callable[[], float],
        *,
        speed: Fraction = Fraction(1),
        who: str = "replay",
        again: bool = False,
        rest: float = REST,
        passage: int = 1,
        start: datetime.datetime | None = None,
        is_paused: bool = False,
    ) -> None:
        self.night = night
        self.passage = passage
        self.delivered = 0
        self.brought = Brought()
        self.changed: Callable[[], None] = lambda: None
        """Called after every delivery and every command."""
        self.busy: Callable[[], bool] = lambda: False
        """Whether the night must not begin again yet: somebody still does something at its end."""
        self._passages = passages
        self._clock = clock
        self._who = who
        self._again = again
        self._rest = rest
        self._begins = model.begins(night)
        self._at = self._begins if start is None else model.time_at(night, start)
        self._state: State = Paused(self._at, speed)
        if not is_paused:
            self._state = model.going(self._state, clock())
        self._sure = False
        self._turn = asyncio.Lock()
        self._steered = asyncio.Event()
        self._marks: list[Mark] = []

    # ---------------------------------------------------------------- where it is
    @property
    def all(self) -> int:
        """How many protocols the night has."""
        return len(self.night)

    @property
    def time(self) -> datetime.datetime:
        """The night's time as it was told last."""
        return self._at

    @property
    def begins(self) -> datetime.datetime:
        """When the night begins."""
        return self._begins

    @property
    def ends(self) -> datetime.datetime:
        """When the last protocol comes in."""
        return self.night[-1].at

    @property
    def speed(self) -> Fraction:
        """How many times as fast as it was."""
        return self._state.speed

    @property
    def paused(self) -> bool:
        """Whether somebody stopped it."""
        return isinstance(self._state, Paused)

    @property
    def ended(self) -> bool:
        """Whether everything has come in."""
        return isinstance(self._state, Ended)

    # ---------------------------------------------------------------- steering
    def pause(self) -> None:
        """Let nothing more come in; heartbeats go on."""
        self._set(model.paused(self._state, self._clock()))

    def go(self) -> None:
        """Go on."""
        self._set(model.going(self._state, self._clock()))

    def set_speed(self, speed: Fraction) -> None:
        """Play at another speed from here on."""
        self._set(model.at_speed(self._state, self._clock(), speed))

    async def seek(self, point: Point) -> None:
        """Be at a point of the night: what lies between comes in at once and is released together.

        Backwards it begins a new passage, in a run of its own. What is paused stays so. Raises ``RehearsalError``, ``ProcessError``.
        """
        count, at = model.count_at(self.night, point), model.time_at(self.night, point)
        async with self._turn:
            with self._unsure():
                await self._make_sure()
                if count < self.delivered or (isinstance(point, datetime.datetime) and at < self._at):
                    await self._begin_anew()
                await self._bring(count, at)

    async def restart(self) -> None:
        """Begin a new passage, playing."""
        async with self._turn:
            with self._unsure():
                await self._begin_anew()
            self.go()

    def course(self) -> Course:
        """For one who does something at points of the night."""
        return Course(self)

    def mark(self, mark: Mark) -> None:
        """Wait at a point of the night, until :meth:`unmark`."""
        model.count_at(self.night, mark.point)
        self._marks.append(mark)
        self._steered.set()

    def unmark(self, mark: Mark) -> None:
        """Wait there no longer."""
        self._marks.remove(mark)
        self._set(self._from_here(self._clock()))

    def _from_here(self, clock: float) -> State:
        """The same state, the night's time anchored where it is: time that it stood does not count."""
        state = self._state
        return Playing(clock, self._at, state.speed) if isinstance(state, Playing) else state

    def _set(self, state: State) -> None:
        self._state = state
        self._steered.set()
        self.changed()

    # ---------------------------------------------------------------- playing
    async def run(self) -> None:
        """Play; returns at the end, never with ``again``. Raises ``ProcessError`` when the counting house is gone; run it again then."""
        while True:
            self._steered.clear()
            wait = await self._step()
            if wait is None:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._steered.wait()

    async def _step(self) -> float | None:
        """Do what is due; seconds until something is due again, None at the end."""
        async with self._turn:
            with self._unsure():
                await self._make_sure()
                match self._state:
                    case Playing():
                        return await self._play()
                    case Paused():
                        self._reached()
                        await self._tell_time()
                        return STANDING
                    case Ended(since=since):
                        if self._reached() or self.busy():
                            return STANDING
                        if not self._again:
                            return None
                        left = since + self._rest - self._clock()
                        if left > 0:
                            return left
                        await self._begin_anew()
                        return 0.0

    async def _play(self) -> float:
        standing = self._reached()
        if standing:
            await self._tell_time()
            return STANDING
        if self.delivered == self.all:
            self._set(model.ended(self._state, self._clock(), self._at))
            return 0.0
        upto, until = self._limits()
        clock = self._clock()
        now = min(model.next_time(self._state, clock, self._at), self.ends)
        if until is not None and now > until:
            now = max(until, self._at)
        due = model.deliveries(self.night, now, self.delivered, upto)
        more = self.delivered + len(due) < self.all and self.night[self.delivered + len(due)].at <= now
        if more:  # a chunk is full, a correction comes alone, or the night waits here
            now = max(self._at, due[-1].at) if due else self._at
        late = now != model.position(self._state, clock)
        await self._deliver(due, now)
        if late:
            self._state = self._from_here(clock)
        if due and self.delivered == self.all:
            await self._passages.ask(do="cut")
        self.changed()
        return 0.0 if (due and more) or self.delivered == self.all else TICK

    def _limits(self) -> tuple[int | None, datetime.datetime | None]:
        """How many protocols may come, and until when, before somebody does something."""
        counts = [
            model.count_at(self.night, mark.point) for mark in self._marks if isinstance(mark.point, Fraction)
        ]
        times = [mark.point for mark in self._marks if isinstance(mark.point, datetime.datetime)]
        return min(counts, default=None), min(times, default=None)

    def _reached(self) -> bool:
        """Tell those whose point it is; whether the night waits for any of them."""
        for mark in self._marks:
            if isinstance(mark.point, datetime.datetime):
                here = self._at >= mark.point or self.delivered == self.all
                here = here and self.delivered >= model.count_at(self.night, mark.point)
            else:
                here = self.delivered >= model.count_at(self.night, mark.point)
            if here:
                mark.reached.set()
        return any(mark.reached.is_set() for mark in self._marks)

    # ---------------------------------------------------------------- delivering
    @contextlib.contextmanager
    def _unsure(self) -> Iterator[None]:
        """After a failure nobody knows what arrived: it is looked up before anything else is brought."""
        try:
            yield
        except BaseException:
            self._sure = False
            raise

    async def _make_sure(self) -> None:
        if not self._sure:
            held = await self._passages.begin(self.passage)
            self.delivered = max(held, 0)
            if held:
                self._at = max(self._at, self.night[held - 1].at)
            count = model.count_at(self.night, self._at)
            self._sure = True
            await self._bring(max(count, held), self._at)
            if (
                held == self.all
            ):  # it may have been killed before everything was released, or the run is closed
                with contextlib.suppress(CountingRefused):
                    await self._passages.ask(do="cut")

    async def _begin_anew(self) -> None:
        self.passage += 1
        self.delivered, self.brought = 0, Brought()
        self._sure = False
        self._at = self._begins
        self._state = model.moved(self._state, self._clock(), self._begins)
        self.delivered = await self._passages.begin(self.passage)
        self._sure = True
        await self._tell_time()
        self.changed()

    async def _bring(self, count: int, at: datetime.datetime) -> None:
        """Let everything up to a number come in, and one release follow it."""
        due: Sequence[Due] = ()
        brought = self.delivered < count
        while self.delivered < count:
            due = model.deliveries(self.night, self.night[count - 1].at, self.delivered, count)
            await self._deliver(due, due[-1].at, quiet=True)
        self._at = max(self._at, at)
        self._state = model.moved(self._state, self._clock(), self._at)
        await self._tell_time()
        if brought:
            await self._passages.ask(do="cut")
        if self.delivered == self.all and not self.paused and not self._marks:
            self._state = model.ended(self._state, self._clock(), self._at)
        self._steered.set()
        self.changed()

    async def _tell_time(self) -> None:
        """Keep the run's clock where the night is; at its end it may go on, and the run may be closed."""
        if self.delivered < self.all:
            await self._deliver((), self._at)

    async def _deliver(self, due: Sequence[Due], now: datetime.datetime, *, quiet: bool = False) -> None:
        """Bring protocols at a time of the night. Asked also when nothing is due: it moves the run's clock and closes batches."""
        correction = due[0] if due and due[0].reason is not None else None
        records = [] if correction else [row.taken_over for row in due]
        answer = await self._passages.ask(
            do="take",
            records=records,
            now=now.isoformat(),
            speed=0,
            who=self._who,
            path="replay",
            quiet=quiet,
        )
        if correction:
            answer = await self._correct(correction, quiet=quiet)
        self.delivered += len(due)
        self._at = now
        told = Brought(answer["accepted"], answer["duplicates"], answer["refused"])
        self.brought = Brought(*(old + new for old, new in zip(self.brought, told, strict=True)))
        for reason in answer.get("reasons", ()):
            log.info("refused: %s", reason)

    async def _correct(self, due: Due, *, quiet: bool) -> dict[str, Any]:
        """Bring a correction with the reason and authority that it had; one that nobody takes any more is left out."""
        told = {"reason": due.reason, "authority": due.authority, "by": self._who}
        try:
            await self._passages.ask(do="correct", records=[due.taken_over], quiet=quiet, **told)
        except CountingRefused as error:
            return {"accepted": 0, "duplicates": 0, "refused": 1, "reasons": [str(error)]}
        return {"accepted": 1, "duplicates": 0, "refused": 0}
