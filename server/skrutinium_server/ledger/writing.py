"""The one thread that writes a ledger: whatever was asked for while it was busy shares the next durable commit."""

import asyncio
import bisect
import datetime
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger.chain import Row
from skrutinium_server.ledger.errors import ClosedError, LedgerError, LedgerWriteError
from skrutinium_server.ledger.model import Cut, Step
from skrutinium_server.ledger.state import State
from skrutinium_server.ledger.store import Mark, Receipt
from skrutinium_server.ledger.tables import INSERT

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: so commits are sorted by the time they took."""

GROUP: Final = 2_048
"""Rows after which a commit takes no further calls in; bounds how long the first one of them waits."""


@dataclass(slots=True, frozen=True)
class AppendCall:
    """Protocols to append, all or none."""

    admissions: Sequence[Admission]
    time: datetime.datetime
    future: asyncio.Future[list[Receipt]]


@dataclass(slots=True, frozen=True)
class CutCall:
    """A cut to append."""

    cut: Cut
    future: asyncio.Future[Mark]


@dataclass(slots=True, frozen=True)
class StepCall:
    """A decision of people to append."""

    step: Step
    future: asyncio.Future[Mark]


@dataclass(slots=True, frozen=True)
class StopCall:
    """End the thread after what was asked for before."""

    future: asyncio.Future[None]


Call = AppendCall | CutCall | StepCall
Outcome = tuple[asyncio.Future[Any], Any]


class Writer:
    """Owns the writing connection and the state. ``submit`` belongs to one event loop, all else to the thread.

    ``head``, ``releases`` and ``closed`` tell what is durable; each is replaced as a whole, so any thread may read them. ``commits`` counts
    those that took at most each of :data:`BOUNDS`, and longer ones last; ``committing`` is the nanoseconds of them all.
    """

    def __init__(self, connection: sqlite3.Connection, state: State, rebuild: Callable[[], State]) -> None:
        self._connection = connection
        self._state = state
        self._rebuild = rebuild
        self._broken: LedgerWriteError | None = None
        self._stopping = False
        self._collected: list[Call] = []
        self._handed: queue.SimpleQueue[list[Call] | StopCall] = queue.SimpleQueue()
        self.commits = [0] * (len(BOUNDS) + 1)
        self.committing = 0
        self._publish()
        threading.Thread(target=self._run, name="ledger", daemon=True).start()

    def submit(self, call: Call) -> None:
        """Take a call in; its future tells when it is durable, or why not."""
        if self._stopping:
            raise ClosedError("The ledger was shut down; open it again to append.")
        # One hand-over for all calls of this turn of the loop: the thread is woken once and commits them together.
        if not self._collected:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._collected.append(call)

    async def stop(self) -> None:
        """Finish what was asked for and end the thread; raises ClosedError the second time."""
        if self._stopping:
            raise ClosedError("The ledger was shut down already.")
        self._stopping = True
        self._hand_over()
        call = StopCall(asyncio.get_running_loop().create_future())
        self._handed.put(call)
        await call.future

    def _hand_over(self) -> None:
        if self._collected:
            self._handed.put(self._collected)
            self._collected = []

    def _run(self) -> None:
        while True:
            handed = self._handed.get()
            calls: list[Call] = []
            while not isinstance(handed, StopCall):
                calls += handed
                if len(calls) >= GROUP or self._handed.empty():
                    break
                handed = self._handed.get()
            if calls:
                _resolve(self._carry_out(calls))
            if isinstance(handed, StopCall):
                self._connection.close()
                _resolve([(handed.future, None)])
                return

    def _carry_out(self, calls: list[Call]) -> list[Outcome]:
        """Plan every call, store all rows in one commit, and say what became of each."""
        if self._broken is not None:
            return [(call.future, self._broken) for call in calls]
        rows: list[Row] = []
        outcomes: list[Outcome] = []
        for call in calls:
            try:
                more, outcome = self._plan(call)
            except LedgerError as error:
                outcomes.append((call.future, error))
            except Exception as error:  # noqa: BLE001 - goes to the caller; the thread must outlive a faulty argument
                outcomes.append((call.future, error))
            else:
                rows += more
                outcomes.append((call.future, outcome))
        try:
            if rows:
                self._commit(rows)
        except sqlite3.Error as error:
            failed = self._recover(error)
            return [
                (future, outcome if isinstance(outcome, Exception) else failed)
                for future, outcome in outcomes
            ]
        self._publish()
        return outcomes

    def _plan(self, call: Call) -> tuple[list[Row], list[Receipt] | Mark]:
        match call:
            case AppendCall():
                return self._state.plan(call.admissions, call.time)
            case CutCall():
                row, mark = self._state.plan_cut(call.cut)
            case StepCall():
                row, mark = self._state.plan_step(call.step)
            case _:
                assert_never(call)
        return [row], mark

    def _commit(self, rows: list[Row]) -> None:
        began = time.perf_counter_ns()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, rows)
        self._connection.execute("COMMIT")
        took = time.perf_counter_ns() - began
        self.commits[bisect.bisect_left(BOUNDS, took / 1_000_000_000)] += 1
        self.committing += took

    def _recover(self, error: sqlite3.Error) -> LedgerWriteError:
        """Go back to what is durable.

        After a full disk or a busy file nothing of the transaction was written as committed, and the next call may
        succeed. After any other fault it is not known what reached the disk: the writer stops, loudly, for good.
        """
        passing = error.sqlite_errorcode & 0xFF in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
        )
        reason = f"The ledger could not be written ({error})"
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._state = self._rebuild()
        except (sqlite3.Error, LedgerError) as second:
            passing, reason = False, f"{reason}, nor read again ({second})"
        if passing:
            return LedgerWriteError(
                f"{reason}. Nothing was acknowledged; make room and send again.", code="ledger-full"
            )
        self._broken = LedgerWriteError(
            f"{reason}. The writer stopped: nothing is accepted until the process is started again on a sound disk."
        )
        return self._broken

    def _publish(self) -> None:
        state = self._state
        self.head = (state.position, state.hash)
        self.releases = dict(state.releases)
        self.closed = state.closed


def _resolve(outcomes: list[Outcome]) -> None:
    """Give all outcomes to their event loop in one go."""
    loop = outcomes[0][0].get_loop()
    try:
        loop.call_soon_threadsafe(_settle, outcomes)
    except RuntimeError:
        # The loop is gone, and with it everybody who waited; what is stored is stored.
        if not loop.is_closed():
            raise


def _settle(outcomes: list[Outcome]) -> None:
    for future, outcome in outcomes:
        if future.done():  # given up by who asked
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
