"""What ``watch`` shows of a release, gathered once; drawing it needs nothing else."""

import datetime
from dataclasses import dataclass

from skrutinium.documents.protocols import Correction
from skrutinium.documents.results import Candidate, ContestResults, EventResults, Kind, List
from skrutinium.following.release import Release

_LATEST = 12
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened: a contest that moved, or a correction."""

    time: datetime.datetime
    text: str
    correction: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One release as it is shown; ``latest`` has the newest first, ``arrived`` counts the protocols that came in or were corrected."""

    number: int
    time: datetime.datetime
    run: str
    phase: str
    made_up: bool
    name: str
    state: str
    expected: int
    reported: int
    kinds: tuple[Kind, ...]
    arrived: int
    corrections: int
    latest: tuple[Line, ...]

    @property
    def all_in(self) -> bool:
        """Whether every protocol is in."""
        return self.state != "interim" and self.reported >= self.expected


def share(part: int, whole: int) -> str:
    """A share in percent with one decimal, halves up; a dash where there is nothing to share."""
    if not whole:
        return "–"
    tenths = (part * 2000 + whole) // (2 * whole)
    return f"{tenths // 10}.{tenths % 10} %"


def grouped(number: int | None) -> str:
    """A number with its thousands set apart; a dash when there is none."""
    return "–" if number is None else f"{number:,}"


def turnout(kind: Kind) -> str:
    """Envelopes issued to voters on the roll, over what is reported; a dash while that is unknown."""
    figures = kind.count.figures
    if "eligible" not in figures or "issued" not in figures:
        return "–"
    return share(figures["issued"], figures["eligible"])


SHOWN = ("event.xml",)
"""What every view takes; corrections and the contests that moved are asked for when there are any."""


async def view_of(release: Release, before: View | None, *, latest: bool = True) -> View:
    """Gather what is shown of a release; ``before`` hands on the latest lines.

    Without ``latest`` the contests that moved are left aside: a line of text has no room for them. The batch is never read for a
    view, because it holds the bytes of every protocol.
    """
    event: EventResults = await release.event()
    corrections = None if release.snapshot else await release.corrections()
    lines = [_corrected(one) for one in corrections.corrections] if corrections else []
    corrected = len(corrections.corrections) if corrections else 0
    newly = release.reported - before.reported if before else 0
    if latest and not release.snapshot:
        named = release.changed_ids("contest")[:_NAMED]
        lines += [_moved(release, await release.contest(one)) for one in named]
    return View(
        number=release.number,
        time=release.time,
        run=release.run,
        phase=release.phase,
        made_up=event.made_up,
        name=event.name,
        state=release.state,
        expected=release.expected,
        reported=release.reported,
        kinds=event.kinds,
        arrived=0 if release.snapshot else newly + corrected,
        corrections=corrected,
        latest=(*lines, *(before.latest if before else ()))[:_LATEST],
    )


def _corrected(one: Correction) -> Line:
    parts = []
    for change in one.changes[:2]:
        what = change.field or (f"list {change.list}" + (f"/{change.candidate}" if change.candidate else ""))
        parts.append(f"{what}: {grouped(change.old)} → {grouped(change.new)}")
    more = f" and {len(one.changes) - 2} more" if len(one.changes) > 2 else ""
    told = ", ".join(parts) + more if parts else "sent again, no number changed"
    return Line(one.time, f"correction in precinct {one.precinct}: {told} ({one.reason})", correction=True)


def _moved(release: Release, contest: ContestResults) -> Line:
    seats = ", decided" if all(one.outcome == "decided" for one in contest.districts) else ""
    held = f", held: {contest.held}" if contest.held else ""
    counted = f"{contest.count.reported} of {contest.count.expected}"
    return Line(release.time, f"{contest.name}: {counted}{held}{seats}{_lead(contest)}")


def _lead(contest: ContestResults) -> str:
    """Who is ahead, or who it is already; of a referendum what the first question stands at."""
    persons = [(district, one) for district in contest.districts for one in district.candidates if one.votes]
    for what, those in (
        ("elected", [(district, one) for district, one in persons if one.elected]),
        ("second round", [(district, one) for district, one in persons if one.runoff]),
    ):
        if those:
            told = [
                f"{_called(one)} {share(one.votes or 0, district.votes or 0)}" for district, one in those[:2]
            ]
            return f", {what}: {', '.join(told)}" + (f" and {len(those) - 2} more" if len(those) > 2 else "")
    votes: dict[str, int] = {}
    for district in contest.districts:
        for standing in district.lists or district.candidates:
            if standing.votes:
                name = _called(
                    standing, "" if len(contest.districts) == 1 else f" of district {district.number}"
                )
                votes[name] = votes.get(name, 0) + standing.votes
    if votes:
        first = max(votes, key=lambda one: votes[one])
        return f", ahead: {first} {share(votes[first], sum(votes.values()))}"
    asked = next(
        (one for district in contest.districts for one in district.questions if one.yes is not None), None
    )
    if asked is None:
        return ""
    return f", yes {share(asked.yes or 0, (asked.yes or 0) + (asked.no or 0))}"


def _called(one: List | Candidate, of: str = "") -> str:
    """The name of a list or a person; a number ``of`` its district where the source tells none."""
    if isinstance(one, Candidate):
        return one.name or f"candidate {one.number}{of}"
    return one.name or f"list {one.number}{of}"
