"""Choosing the run to read from what a feed or a folder holds, and the part of each release that is sent at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from skrutinium.documents.series import FeedState, Run
from skrutinium.errors import ChoiceNeeded, NotYet

MOST = 100
"""A feed takes no more paths, areas and contests in one request."""
_NOTHING = "manifest.xml"  # sent anyway: so a choice of nothing is one, too


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader wants of each release at once; everything else is fetched when it asks for it."""

    only: tuple[str, ...]
    areas: tuple[str, ...]
    contests: tuple[str, ...]
    kinds: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """What is added to the address of changes."""
        named = (
            ("only", self.only),
            ("area", self.areas),
            ("contest", self.contests),
            ("kind", self.kinds),
        )
        told = "".join(f"&{name}={','.join(quote(one) for one in each)}" for name, each in named if each)
        return told or f"&only={_NOTHING}"


def choice_of(
    only: Sequence[str] | None,
    areas: Sequence[str] | None,
    contests: Sequence[str] | None,
    kinds: Sequence[str] | None = None,
) -> Choice | None:
    """The choice meant, None for everything; raises ValueError for a text in place of a list, and for more than :data:`MOST`."""
    given = (only, areas, contests, kinds)
    if all(one is None for one in given):
        return None
    if any(isinstance(one, str) for one in given):
        raise ValueError("only, areas, contests and kinds are lists, such as only=['summary.xml']")
    choice = Choice(*(tuple(sorted(set(one or ()))) for one in given))
    if (count := len(choice.only) + len(choice.areas) + len(choice.contests) + len(choice.kinds)) > MOST:
        raise ValueError(f"{count} paths, areas, contests and kinds are chosen; at most {MOST} can be")
    return choice


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
