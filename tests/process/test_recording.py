"""What people decided about a run, from its ledger into the event log: everything once, whoever records it at the same time."""

import datetime
import threading
from pathlib import Path

from skrutinium_server.authority.model import ContestHeld, Event, RunOpened
from skrutinium_server.authority.persons import Authority
from skrutinium_server.ledger.model import Held, Step
from skrutinium_server.process.basis import RunRecord
from skrutinium_server.process.recording import record_run

NOON = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
RECORD = RunRecord("madeup2030", "night", "test", 1, "0" * 64, "cz-municipal-2018", "0" * 64, ("skrutinium",))
STEPS: tuple[Step, ...] = tuple(Held(f"contest-{n}", "an objection", "j.novakova", NOON) for n in range(3))


def recorded(authority: Authority) -> list[Event]:
    """The events in the log."""
    return [entry.event for entry in authority.log.entries()]


def due(count: int) -> list[Event]:
    """What the log has to hold after so many steps."""
    opened = RunOpened("night", "madeup2030", "test")
    return [opened, *(ContestHeld("night", f"contest-{n}", "an objection") for n in range(count))]


def test_threads_that_record_at_the_same_time_leave_nothing_out(tmp_path: Path) -> None:
    """Two holds that are recorded at once stand in the log once each, and what is decided afterwards is recorded too."""
    authority = Authority(tmp_path, who="test", now=lambda: NOON)
    together = threading.Barrier(len(STEPS))

    def record(count: int) -> None:
        together.wait(60)
        record_run(authority, RECORD, STEPS[:count])

    threads = [threading.Thread(target=record, args=(count,)) for count in range(1, len(STEPS) + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert recorded(authority) == due(len(STEPS))
    more: Step = Held("contest-3", "an objection", "j.novakova", NOON)
    record_run(authority, RECORD, (*STEPS, more))
    assert recorded(authority) == due(len(STEPS) + 1)


def test_log_that_is_ahead_of_one_who_records_stays_as_it_is(tmp_path: Path) -> None:
    """Whoever comes late with fewer steps than are recorded adds nothing."""
    authority = Authority(tmp_path, who="test", now=lambda: NOON)
    record_run(authority, RECORD, STEPS[:3])
    record_run(authority, RECORD, STEPS[:1])
    assert recorded(authority) == due(3)
