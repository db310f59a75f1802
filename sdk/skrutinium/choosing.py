"""Choosing the run to read from what a feed or a folder holds."""

from skrutinium.errors import ChoiceNeeded, NotYet
from skrutinium.series import FeedState, Run


def choose_run(state: FeedState, event: str | None, run: str | None, series: str, where: str) -> Run:
    """The run meant: the current one of the only event, unless told otherwise.

    Raises :class:`ChoiceNeeded` with the possible answers, :class:`NotYet` when there is no run at all.
    """
    if not state.runs:
        raise NotYet("no run has been opened yet", address=where)
    events = sorted({one.event for one in state.runs})
    if event is None and len(events) > 1:
        raise ChoiceNeeded(f"several events are here, say which: {', '.join(events)}", address=where)
    event = event or events[0]
    runs = [one for one in state.runs if one.event == event]
    if not runs:
        raise ChoiceNeeded(f"there is no event {event!r} here, but: {', '.join(events)}", address=where)
    chosen = [one for one in runs if (one.id == run if run is not None else one.current)]
    if not chosen and run is None and len(runs) == 1:
        chosen = runs
    if not chosen:
        named = ", ".join(sorted(one.id for one in runs))
        raise ChoiceNeeded(f"say which run of {event} is meant: {named}", address=where)
    if series not in chosen[0].series:
        raise NotYet(f"run {chosen[0].id} of {event} has no series {series}", address=where)
    return chosen[0]
