"""What people decided about a run, from its ledger into the event log of the site.

The ledger comes first: it is what counts. The log is brought up to it after every decision and whenever a run is opened, so
that a kill in between leaves nothing out.
"""

from collections.abc import Iterable, Sequence

from skrutinium_server.authority.model import (
    ContestHeld,
    ContestLifted,
    Entry,
    Event,
    RunClosed,
    RunDeclared,
    RunOpened,
    RunReopened,
)
from skrutinium_server.authority.persons import Authority
from skrutinium_server.ledger.model import Closed, Declared, Held, Lifted, Reopened, Step
from skrutinium_server.process.basis import RunRecord

RUN_EVENTS = (RunOpened, RunClosed, RunReopened, RunDeclared, ContestHeld, ContestLifted)


def record_run(authority: Authority, record: RunRecord, steps: Sequence[Step]) -> None:
    """Record whatever of opening and ``steps`` the log does not have yet; raises the errors of the log.

    Several threads may record the same run: each event is counted again where nobody else writes, so none stands there twice.
    """
    due = [(", ".join(record.persons), opened(record)), *(_event(record.run, step) for step in steps)]

    def known(entries: Iterable[Entry]) -> int:
        events = (entry.event for entry in entries)
        return sum(isinstance(event, RUN_EVENTS) and event.run == record.run for event in events)

    for place in range(known(authority.log.entries()), len(due)):
        name, event = due[place]

        def lacking(
            entries: tuple[Entry, ...], place: int = place, event: Event = event
        ) -> tuple[Event, ...]:
            return (event,) if known(entries) == place else ()

        authority.log.append(name or authority.who, authority.now, lacking)


def opened(record: RunRecord) -> RunOpened:
    """The event of a run's opening."""
    return RunOpened(record.run, record.event, record.phase, record.persons)


def _event(run: str, step: Step) -> tuple[str, Event]:
    match step:
        case Held(contest=contest, reason=reason, who=who):
            return who, ContestHeld(run, contest, reason)
        case Lifted(contest=contest, who=who):
            return who, ContestLifted(run, contest)
        case Declared(state=state, reason=reason, authority=authority, who=persons):
            return ", ".join(persons), RunDeclared(run, state, reason, authority)
        case Closed(who=persons):
            return ", ".join(persons), RunClosed(run)
        case Reopened(reason=reason, authority=authority, who=persons):
            return ", ".join(persons), RunReopened(run, reason, authority)
