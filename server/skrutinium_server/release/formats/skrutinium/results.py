"""Documents of results: the event, an area, a contest with its districts, lists and candidates.

Not yet reported, zero and not applicable stay different (design § 4.5): a unit with nothing reported has neither sums nor
votes, votes of candidates stand only where every reported protocol tells them.
"""

from collections.abc import Mapping

from skrutinium_server.election.model import Elected, Runoff
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.figures import Figures
from skrutinium_server.release.formats.skrutinium.outline import KINDS, DistrictOutline, ListOutline, Outline
from skrutinium_server.release.formats.skrutinium.stamp import DECLARATION, Stamp
from skrutinium_server.release.model import State
from skrutinium_server.tally.model import (
    CommitteeTally,
    ContestTally,
    Count,
    DistrictTally,
    KindTally,
    Open,
    Unknown,
)
from skrutinium_server.tally.seats.model import Allocated, ListSeats, LotNeeded, Tie
from skrutinium_server.tally.tally import Tally

_NO_LIST = ListOutline("", {})


class Results:
    """Writes the documents of results of one tally under one stamp; ``state`` is that of the whole event."""

    def __init__(self, outline: Outline, figures: Figures, tally: Tally, stamp: Stamp, state: State) -> None:
        self._outline = outline
        self._figures = figures
        self._tally = tally
        self._stamp = stamp.attributes()
        self._state = state

    def event(self) -> bytes:
        """``event.xml``."""
        definition = self._outline.definition
        country = self._tally.areas[self._outline.country]
        date = "" if definition.date is None else f' date="{definition.date.isoformat()}"'
        made_up = ' made-up="true"' if definition.made_up else ""
        return (
            f'{DECLARATION}<event-results {self._stamp} name="{attribute(definition.name)}"{date} '
            f'state="{self._unit_state(country.count)}"{made_up}>\n{self._kinds(country.kinds)}'
            f"{self._area_rows(self._outline.country)}</event-results>\n"
        ).encode()

    def area(self, id: str) -> bytes:
        """``area/ID.xml``; raises KeyError for an unknown area."""
        outline = self._outline.areas[id]
        tally = self._tally.areas[id]
        contests = self._tally.contests
        rows = "".join(
            f" <contest {self._outline.contest_rows[contest]} {_progress(contests[contest].count)}/>\n"
            for contest in outline.contests
        )
        return (
            f'{DECLARATION}<area-results {self._stamp} {outline.root} state="{self._unit_state(tally.count)}">\n'
            f"{self._kinds(tally.kinds)}{self._area_rows(id)}{rows}</area-results>\n"
        ).encode()

    def contest(self, id: str) -> bytes:
        """``contest/ID.xml``; raises KeyError for an unknown contest."""
        outline = self._outline.contest(id)
        tally: ContestTally = self._tally.contests[id]
        write = self._persons if outline.form == "persons" else self._lists
        districts = "".join(
            self._district(
                district, tally.districts[district.id], write(district, tally.districts[district.id])
            )
            for district in outline.districts
        )
        return (
            f'{DECLARATION}<contest-results {self._stamp} {outline.root} state="{self._unit_state(tally.count)}">\n'
            f"{self._figures.count(tally.count, ' ')}{districts}</contest-results>\n"
        ).encode()

    def _unit_state(self, count: Count) -> State:
        # A unit that is in stays in whatever happens elsewhere, so its document needs no rewriting for that.
        if self._state not in ("interim", "complete"):
            return self._state
        return "complete" if count.reported >= count.expected else "interim"

    def _kinds(self, kinds: Mapping[str, KindTally]) -> str:
        return "".join(self._kind(kind, kinds[kind]) for kind in KINDS if kind in kinds)

    def _kind(self, id: str, kind: KindTally) -> str:
        heads = self._outline.committees
        rows = [
            f"  <committee {head}{_won(kind.committees[committee], kind)}/>\n"
            for committee, head in heads.items()
            if committee in kind.committees
        ]
        rows += [
            f'  <committee id="{committee}"{_won(kind.committees[committee], kind)}/>\n'
            for committee in sorted(filter(None, kind.committees.keys() - heads.keys()))
        ]
        if None in kind.committees:
            rows.append(f"  <committee{_won(kind.committees[None], kind)}/>\n")
        return (
            f' <kind id="{id}" contests="{kind.contests}" decided="{kind.decided}" '
            f'seats-decided="{kind.seats_decided}">\n{self._figures.count(kind.count, "  ")}{"".join(rows)} </kind>\n'
        )

    def _area_rows(self, id: str) -> str:
        areas = self._outline.areas
        tallies = self._tally.areas
        return "".join(
            f" <area {areas[child].row} {_progress(tallies[child].count)}/>\n" for child in areas[id].children
        )

    def _district(self, outline: DistrictOutline, tally: DistrictTally, body: str) -> str:
        outcome, lots = _outcome(tally)
        return (
            f" <district {outline.head} {outcome}>\n{self._figures.count(tally.count, '  ')}{body}"
            f"{outline.unnumbered}{lots} </district>\n"
        )

    def _lists(self, outline: DistrictOutline, tally: DistrictTally) -> str:
        seats = _seats(tally)
        return "".join(
            _list(number, outline.lists.get(number, _NO_LIST), tally, seats.get(number))
            for number in sorted(outline.lists.keys() | tally.votes.keys())
        )

    def _persons(self, outline: DistrictOutline, tally: DistrictTally) -> str:
        return _candidates(
            "  ", outline.lists.get(0, _NO_LIST), _candidate_votes(tally, 0), _seats(tally).get(0)
        )


def _progress(count: Count) -> str:
    return f'reporting="{count.reporting}" expected="{count.expected}" reported="{count.reported}"'


def _won(committee: CommitteeTally, kind: KindTally) -> str:
    votes = f' votes="{committee.votes}"' if kind.count.reported else ""
    seats = f' seats="{committee.seats}"' if kind.decided else ""
    return votes + seats


def _outcome(tally: DistrictTally) -> tuple[str, str]:
    """Attributes that tell the outcome, and the lots that are needed."""
    match tally.outcome:
        case Open():
            return 'outcome="open"', ""
        case Unknown(missing):
            return f'outcome="unknown" missing="{attribute(missing)}"', ""
        case Allocated(threshold_percent=threshold, vacant=vacant):
            return f'outcome="decided" threshold="{threshold}"{_vacant(vacant)}', ""
        case LotNeeded(threshold_percent=threshold, vacant=vacant, ties=ties):
            return f'outcome="lot" threshold="{threshold}"{_vacant(vacant)}', "".join(map(_lot, ties))
        case Elected():
            return 'outcome="decided"', ""
        case Runoff():
            return 'outcome="runoff"', ""


def _vacant(vacant: int) -> str:
    return f' vacant="{vacant}"' if vacant else ""


def _lot(tie: Tie) -> str:
    if tie.list is None:
        tied = "".join(f'   <tied list="{number}"/>\n' for number in tie.lists)
    else:
        tied = "".join(f'   <tied list="{tie.list}" candidate="{number}"/>\n' for number in tie.candidates)
    return f'  <lot places="{tie.places}">\n{tied}  </lot>\n'


def _seats(tally: DistrictTally) -> dict[int, ListSeats]:
    outcome = tally.outcome
    if isinstance(outcome, Allocated | LotNeeded):
        return {row.number: row for row in outcome.lists}
    return {}


def _candidate_votes(tally: DistrictTally, number: int) -> dict[int, int] | None:
    """Votes of the candidates of one list; None where they are not known for everything that is reported."""
    if not tally.count.reported or tally.without_candidates:
        return None
    return tally.candidate_votes.get(number, {})


def _list(number: int, outline: ListOutline, tally: DistrictTally, seats: ListSeats | None) -> str:
    head = outline.head or f'<list number="{number}"'
    votes = f' votes="{tally.votes.get(number, 0)}"' if tally.count.reported else ""
    won = "" if seats is None else f' passed="{"true" if seats.passed else "false"}" seats="{seats.seats}"'
    candidates = _candidates("   ", outline, _candidate_votes(tally, number), seats)
    if not candidates:
        return f"  {head}{votes}{won}/>\n"
    return f"  {head}{votes}{won}>\n{candidates}  </list>\n"


def _candidates(pad: str, outline: ListOutline, votes: dict[int, int] | None, seats: ListSeats | None) -> str:
    heads = outline.candidates
    ordinals = (
        {} if seats is None or not seats.elected else {one: n for n, one in enumerate(seats.elected, 1)}
    )
    numbers = (
        heads.keys() if not votes or votes.keys() <= heads.keys() else sorted(heads.keys() | votes.keys())
    )
    rows = []
    for number in numbers:
        head = heads.get(number) or f'<candidate number="{number}"'
        told = "" if votes is None else f' votes="{votes.get(number, 0)}"'
        won = f' elected="{ordinals[number]}" way="G"' if number in ordinals else ""
        rows.append(f"{pad}{head}{told}{won}/>\n")
    return "".join(rows)
