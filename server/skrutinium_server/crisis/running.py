"""The crisis mail at work: it looks at the feed, heeds what people decide, queues messages and sends them.

It needs a release store, a list of recipients and a folder of its own. Everything that matters is in the outbox before it is done, so it
may be killed at any moment.
"""

import asyncio
import contextlib
import datetime
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from skrutinium_server.crisis.composing import Wanted, compose
from skrutinium_server.crisis.errors import CrisisError, NothingToSend, OutboxError, RelayError
from skrutinium_server.crisis.holding import Place, alone
from skrutinium_server.crisis.model import Kind, Results
from skrutinium_server.crisis.operators import UNUSABLE, Operators, messages, notices_told
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.probing import probing, run_name
from skrutinium_server.crisis.queued import Message, New, Notice
from skrutinium_server.crisis.reading import RunReader, sent_runs
from skrutinium_server.crisis.recipients import Recipient, Recipients, read_recipients
from skrutinium_server.crisis.sending import Chance, Clock, Sending
from skrutinium_server.crisis.triggering import (
    Announced,
    Decision,
    Disarmed,
    Ending,
    Input,
    Looked,
    Running,
    State,
    step,
)
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader

log = logging.getLogger("skrutinium.crisis")

EVERY: Final = 1.0
"""Seconds between two looks at decisions, the store and the list of recipients."""
KEPT: Final = datetime.timedelta(days=30)
"""The bytes of messages that were sent are kept for so long."""
_TROUBLE: Final = (StoreError, CrisisError, OSError, sqlite3.Error)
"""What may pass, such as a full disk: told, and tried again. The mail must not end by it."""
T = TypeVar("T")

Record = Callable[[str, str, str | None], None]
"""Writes into the event log of a site: what (``crisis-begin``, …), the text, and who decided it (None: nobody); called in a thread."""


def current_state(outbox: Outbox) -> tuple[int, State]:
    """The state as of the last decision that was heeded, and how many positions have been heeded."""
    state: State = Disarmed()
    heeded, waits = 0, False
    for position, _, _, told in outbox.decisions():
        if told is None:  # of a person, written while the watch wrote its own after it
            waits = True
            continue
        state = msgspec.json.decode(told, type=State)
        heeded = heeded if waits else position
    return heeded, state


class Crisis:
    """The process of the crisis mail. ``chance`` spreads repetitions; ``record`` writes into the event log of a site, where there is one."""

    def __init__(
        self, place: Place, told: Recipients, clock: Clock, chance: Chance, record: Record | None = None
    ) -> None:
        self._place = place
        self.told = told
        self._clock = clock
        self._record = record
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._composer = ThreadPoolExecutor(1, thread_name_prefix="compose")
        self._outbox = Outbox(place.folder)
        self._heeded, self.state = current_state(self._outbox)
        self.seen: dict[str, int] = {}
        """The newest release by run that the watch saw the feed serve."""
        self._readers: dict[SeriesKey, RunReader] = {}
        self._stepping = asyncio.Lock()
        self._recorded: tuple[int, str] | None = None
        self.operators = Operators()
        self._stamp: tuple[int, int] | None = None
        self.sending = Sending(told.relay, told.sender.address, self._outbox, self._executor, clock, chance)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; what waits in the outbox then is sent at the next start."""
        try:
            await self._do(self._outbox.forget, self._clock() - KEPT)
        except UNUSABLE as error:
            self.operators.complain(str(error))
        tasks = [
            asyncio.create_task(self.sending.run(), name="sending"),
            asyncio.create_task(self._follow(), name="following"),
        ]
        if self.told.watch.address:
            tasks.append(asyncio.create_task(self._watch(), name="watching"))
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """Let the outbox go, after what is being written."""
        self._composer.shutdown(wait=False, cancel_futures=True)
        await self._do(self._outbox.close)
        self._executor.shutdown(wait=False)

    # ------------------------------------------------------------------ decisions
    async def take(self, given: Input, position: int | None = None) -> None:
        """Let an input have its effect: recorded with who or what, told to the operators, then in force."""
        async with self._stepping:
            if position is None and await self._do(self._outbox.waits):
                return  # what a person decided comes first; the watch looks again
            now = self._clock()
            crisis = position if position is not None else await self._do(self._outbox.next_position)
            after = step(self.state, given, now, self.told.watch, crisis, self.seen)
            if after.told:
                if self._recorded != (crisis, after.told):  # once, however often the outbox refuses it
                    log.warning("%s", after.told)
                    await self._write_down(given, after.state, after.told)
                    self._recorded = crisis, after.told
                told = messages(self.told, f"decision-{crisis}", after.told, after.told, now)
                await self._send(told, now)
            if position is not None or after.told or type(after.state) is not type(self.state):
                await self._do(
                    self._outbox.heed,
                    position,
                    msgspec.json.encode(given),
                    msgspec.json.encode(after.state),
                    now,
                )
            self.state = after.state

    async def _write_down(self, given: Input, state: State, text: str) -> None:
        if self._record is None:
            return
        what = {Running: "crisis-begin", Ending: "crisis-end"}.get(type(state), "crisis")
        who = None if isinstance(given, Looked | Announced) else given.by
        try:
            await asyncio.to_thread(self._record, what, text, who)
        except Exception:  # whatever the site's log suffers from, the mail has to go out
            log.exception("this could not be written into the event log of the site: %s", text)

    async def _send(self, queued: Sequence[New], now: datetime.datetime) -> None:
        """Put messages into the outbox, and let them go out."""
        if queued:
            await self._do(self._outbox.queue, queued, now)
            self.sending.wake()

    # ------------------------------------------------------------------ what goes on
    async def _follow(self) -> None:
        while True:
            await self.follow()
            await asyncio.sleep(EVERY)

    async def follow(self) -> None:
        """Heed decisions, queue what is due, tell of refusals; what is wrong with store or list is told, and tried again."""
        try:
            await self._reload()
            for position, _, decision, state in await self._do(self._outbox.decisions, self._heeded):
                if state is None:
                    await self.take(msgspec.json.decode(decision, type=Decision), position)
                self._heeded = position
            await self._queue_due()
            await self._tell_operators()
        except _TROUBLE as error:
            await self._trouble(error)
        else:
            await self._usable_or_not()

    async def _usable_or_not(self) -> None:
        """Tell operators that what became of messages cannot be written, or that it can be again."""
        if self.sending.unwritten is not None:
            await self._trouble(OutboxError(self.sending.unwritten))
        elif self.operators.unusable:
            try:
                await self._send(self.operators.usable_again(self.told, self._clock()), self._clock())
            except UNUSABLE as error:
                await self._trouble(error)
            else:
                self.operators.unusable = False

    async def _trouble(self, error: Exception) -> None:
        await self.operators.complain_past(error, self.told, self._clock())

    async def _reload(self) -> None:
        """Read the list of recipients again when it was changed; one that is broken keeps the last good one in force."""
        told = await asyncio.to_thread(self._place.recipients.stat)
        stamp = (told.st_mtime_ns, told.st_size)
        if stamp == self._stamp:
            return
        first, self._stamp = self._stamp is None, stamp
        if first:
            return
        new = await asyncio.to_thread(read_recipients, self._place.recipients)
        if (new.relay, new.sender.address) != (self.told.relay, self.told.sender.address):
            log.warning("the relay or the sender was changed: that counts from the next start")
        self.told = msgspec.structs.replace(
            new,
            relay=self.told.relay,
            sender=msgspec.structs.replace(new.sender, address=self.told.sender.address),
        )
        log.warning("%d recipients are on the list now", len(new.recipient))

    async def _watch(self) -> None:
        async with probing(self.told.watch, self._place.store) as probe:
            while True:
                looked = await probe.look(self._clock)
                if looked.verdict == "serves":
                    self.seen = dict(looked.seen)
                elif looked.why:
                    self.operators.complain(f"The feed: {looked.why}")
                try:
                    await self.take(looked)
                except _TROUBLE as error:
                    await self._trouble(error)
                await asyncio.sleep(self.told.watch.every)

    # ------------------------------------------------------------------ messages
    async def _queue_due(self) -> None:
        match self.state:
            case Running(crisis=crisis, seen=seen):
                await self._queue(crisis, seen, ending=False)
            case Ending(crisis=crisis, seen=seen):
                await self._queue(crisis, seen, ending=True)
                await self.take(Announced())
            case _:
                pass

    async def _queue(self, crisis: int, seen: Mapping[str, int], *, ending: bool) -> None:
        for reader, results in await self._results(crisis):
            wanted = await self._do(self._wanted, results, crisis, seen, ending)
            await self.queue(reader, results, wanted, crisis)

    async def _results(self, crisis: int) -> list[tuple[RunReader, Results]]:
        begun = await self._do(self._outbox.runs_of, crisis)
        return await asyncio.get_running_loop().run_in_executor(self._composer, self._read, begun)

    def _read(self, begun: frozenset[SeriesKey]) -> list[tuple[RunReader, Results]]:
        found = []
        for run in sent_runs(StoreReader(self._place.store).state()[1], self._clock(), begun):
            key = SeriesKey(run.event, run.id, "skrutinium")
            reader = self._readers.setdefault(key, RunReader(self._place.store, run))
            results = reader.results(run)
            if results is not None:
                found.append((reader, results))
        self._readers = {reader.key: reader for reader, _ in found}  # what others remember is let go
        return found

    def _wanted(self, results: Results, crisis: int, seen: Mapping[str, int], ending: bool) -> list[Wanted]:
        """Who is to get a message now, in the thread of the outbox."""
        found = []
        for recipient in self.told.recipient:
            if recipient.events and results.key.event not in recipient.events:
                continue
            last = self._outbox.last(recipient.id, results.key.event, results.key.run)
            kind = self._kind(recipient, results, last, crisis, ending)
            if kind is None:
                continue
            base = min(seen.get(run_name(results.run), results.newest.number - 1), results.newest.number)
            reached = self._outbox.reached(crisis, recipient.id, results.key.event, results.key.run)
            found.append(
                Wanted(recipient, kind, base if reached is None else reached, repeat_of(results, last))
            )
        return found

    def _kind(
        self, recipient: Recipient, results: Results, last: Message | None, crisis: int, ending: bool
    ) -> Kind | None:
        """What kind of message a recipient gets now, None for none."""
        in_this = last is not None and last.crisis == crisis
        if ending:
            return "end" if in_this and last is not None and last.kind != "end" else None
        if last is None or not in_this:
            return "begin"
        if (self._clock() - last.queued).total_seconds() < recipient.interval:
            return None
        return "release" if results.newest.number > last.number else "unchanged"

    async def queue(self, reader: RunReader, results: Results, wanted: Sequence[Wanted], crisis: int) -> None:
        """Compose messages and put them into the outbox, each recipient's parts at once; they go out while the rest is composed."""
        if not wanted:
            return
        composed = compose(reader, results, wanted, self.told, crisis, self._place.store, self._clock())
        loop = asyncio.get_running_loop()
        why = f"release {results.newest.number}"
        while chunk := await loop.run_in_executor(self._composer, _chunk, composed):
            made = [one for parts, _ in chunk for one in parts]
            large = sorted({path for _, paths in chunk for path in paths})
            noted = [Notice(crisis, "large", path, why) for path in large]
            await self._do(partial(self._outbox.queue, made, self._clock(), noted=noted))
            self.sending.wake()

    async def try_out(self, only: Sequence[str] = ()) -> list[Message]:
        """Send a message that says it is a test to all recipients, or to ``only`` some; what became of each after one attempt.

        Raises :class:`NothingToSend` without a run, :class:`RelayError` when the relay cannot be used.
        """
        unknown = set(only) - {one.id for one in self.told.recipient}
        if unknown:
            raise NothingToSend(f"Nobody on the list has the id {', '.join(sorted(unknown))}.")
        people = [one for one in self.told.recipient if not only or one.id in only]
        sent: list[Message] = []
        for reader, results in await self._results(0):
            wanted = await self._do(self._trials, people, results)
            await self.queue(reader, results, wanted, 0)
            await self._tell_operators()
            await self.sending.round()
            await self._do(self._refused_tried)
            if self.sending.trouble:
                raise RelayError(self.sending.trouble)
            for one in people:
                sent += await self._do(self._outbox.latest, one.id, results.key.event, results.key.run)
        if not sent:
            raise NothingToSend("No run has a release that may be sent. Open one, such as a test run.")
        return sent

    def _trials(self, people: Sequence[Recipient], results: Results) -> list[Wanted]:
        newest = results.newest.number
        return [
            Wanted(
                one,
                "test",
                newest - 1,
                repeat_of(results, self._outbox.last(one.id, results.key.event, results.key.run)),
            )
            for one in people
            if not one.events or results.key.event in one.events
        ]

    def _refused_tried(self) -> None:
        """Whoever tries it out reads who is refused; the operators need no mail of it. In the thread of the outbox."""
        seen = [one for one in self._outbox.untold() if one.crisis == 0 and one.kind == "refused"]
        if seen:
            self._outbox.queue([], self._clock(), told=seen)

    async def _tell_operators(self) -> None:
        """Queue what operators have not been told yet, and remember in the same step that they are."""
        notices = await self._do(self._outbox.untold)
        if notices:
            now = self._clock()
            made = notices_told(notices, self.told, now)
            await self._do(partial(self._outbox.queue, made, now, told=notices))
            self.sending.wake()

    def _do(self, call: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, partial(call, *arguments))


def repeat_of(results: Results, last: Message | None) -> int:
    """How often this release was sent to a recipient before."""
    return last.repeat + 1 if last is not None and last.number == results.newest.number else 0


def _chunk(composed: Any) -> list[tuple[list[New], tuple[str, ...]]]:
    """The messages of the next few recipients."""
    chunk = []
    for one in composed:
        chunk.append(one)
        if len(chunk) == 50:
            break
    return chunk


@contextlib.asynccontextmanager
async def opened(
    place: Place, clock: Clock, chance: Chance, record: Record | None = None
) -> AsyncIterator[Crisis]:
    """The crisis mail with its folder held; raises :class:`CrisisError`."""
    told = await asyncio.to_thread(read_recipients, place.recipients)
    with contextlib.ExitStack() as held:
        await asyncio.to_thread(held.enter_context, alone(place.folder))
        yield await asyncio.to_thread(Crisis, place, told, clock, chance, record)
