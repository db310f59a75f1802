"""What a range may read: pure, from the grant, the runs of the state file and the time.

Live ranges read every run of their events. Test ranges read test and rehearsal runs, but nothing of an event while that
event has a live run open; tests of other events go on. A live run is read by nobody before the minute that the law sets.
Everything else is refused. Sources: M5, design § 4.8, issue "Who may read".
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from skrutinium_server.feed.access import Grant
from skrutinium_server.feed.refusals import ACCESS, ACCESS_ENDED, NO_EVENT, Refusal, not_before, run_refused
from skrutinium_server.release.store.model import Run

TESTS: Final = frozenset({"test", "rehearsal"})
"""Phases of the runs that test ranges read."""

RunKey = tuple[str, str]
"""Event and run."""


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """What one range may read from ``since`` until ``until`` (None: for ever), one object for all its connections.

    ``barred``: why nothing at all is read, None when something may be; ``readable``: the runs that may be read; ``refusals``: why
    the others may not.
    """

    grant: Grant | None
    barred: Refusal | None
    readable: frozenset[RunKey] = frozenset()
    refusals: Mapping[RunKey, Refusal] = field(default_factory=dict)
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None

    def reads(self, event: str, run: str) -> Refusal | None:
        """None when this run may be read, otherwise why not."""
        key = (event, run)
        if key in self.readable:
            return None
        return self.barred or self.refusals.get(key, NO_EVENT)

    def holds(self, now: datetime.datetime) -> bool:
        """Whether this is still what the time allows; false as well when the clock was set back."""
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)


NOBODY: Final = Allowed(None, ACCESS)
"""What an address in no range may read."""


def permit(grant: Grant | None, runs: Iterable[Run], now: datetime.datetime) -> Allowed:
    """What ``grant`` may read of ``runs`` at ``now`` (aware)."""
    if grant is None:
        return NOBODY
    if grant.until is not None and grant.until <= now:
        return Allowed(grant, ACCESS_ENDED, since=grant.until)
    known = tuple(runs)
    counting = frozenset(run.event for run in known if run.phase == "live" and run.open)
    readable: set[RunKey] = set()
    refusals: dict[RunKey, Refusal] = {}
    for run in known:
        refusal = _refusal(grant, run, counting, now)
        if refusal is None:
            readable.add((run.event, run.id))
        else:
            refusals[run.event, run.id] = refusal
    moments = [run.not_before for run in known if run.not_before is not None]
    if grant.until is not None:
        moments.append(grant.until)
    return Allowed(
        grant,
        None,
        frozenset(readable),
        refusals,
        max((moment for moment in moments if moment <= now), default=None),
        min((moment for moment in moments if moment > now), default=None),
    )


def _refusal(grant: Grant, run: Run, counting: frozenset[str], now: datetime.datetime) -> Refusal | None:
    if grant.events is not None and run.event not in grant.events:
        return run_refused("Your range is not registered for this event.")
    if grant.kind == "test":
        if run.phase not in TESTS:
            return run_refused("Your range is for testing and does not read live runs.")
        if run.event in counting:
            return run_refused(
                "Your range is for testing and reads nothing of this event while its live run is open."
            )
    if run.not_before is not None and now < run.not_before:
        return not_before(run.not_before)
    return None
