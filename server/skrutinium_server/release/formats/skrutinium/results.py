"""Documents of results: the event, an area, a contest with its districts, lists and candidates.

Not yet reported, zero and not applicable stay different (design § 4.5): a unit with nothing reported has neither sums nor
votes, votes of candidates stand only where every reported protocol tells them.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from skrutinium_server.election.model import Elected, Runoff
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.figures import Figures
from skrutinium_server.release.formats.skrutinium.outline import (
    KINDS,
    ContestOutline,
    DistrictOutline,
    ListOutline,
    Outline,
)
from skrutinium_server.release.formats.skrutinium.stamp import DECLARATION, Stamp
from skrutinium_server.release.model import State
from skrutinium_server.tally.model import (
    AreaTally,
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
    """Writes the documents of results of one tally under one stamp.

    ``state`` is that of the whole event, ``held`` tells by contest why its publication is held.
    """

    def __init__(
        self,
        outline: Outline,
        figures: Figures,
        tally: Tally,
        stamp: Stamp,
        state: State,
        held: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._outline = outline
        self._figures = figures
        self._tally = tally
        self._stamp = stamp.attributes()
        self._state = state
        self._held = held

    def event(self) -> bytes:
        """``event.xml``."""
        definition = self._outline.definition
        country = self._tally.areas[self._outline.country]
        date = "" if definition.date is None else f' date="{definition.date.isoformat()}"'
        made_up = ' made-up="true"' if definition.made_up else ""
        held = f' held="{len(self._held)}"' if self._held else ""
        return (
            f'{DECLARATION}<event-results {self._stamp} name="{attribute(definition.name)}"{date} {_precincts(country)}'
            f'{held} state="{self._state}"{made_up}>\n{self._kinds(country.kinds)}'
            f"{self._area_rows(self._outline.country)}</event-results>\n"
        ).encode()

    def area(self, id: str) -> bytes:
        """``area/ID.xml``; raises KeyError for an unknown area."""
        outline = self._outline.areas[id]
        tally = self._tally.areas[id]
        contests = self._tally.contests
        rows = "".join(
            f" <contest {self._outline.contest_rows[contest]} {_progress(contests[contest].count)}{self._hold(contest)}/>\n"
            for contest in outline.contests
        )
        return (
            f"{DECLARATION}<area-results {self._stamp} {outline.root} {_precincts(tally)} "
            f'state="{unit_state(self._state, tally.count)}">\n'
            f"{self._kinds(tally.kinds)}{self._area_rows(id)}{rows}</area-results>\n"
        ).encode()

    def contest(self, id: str) -> bytes:
        """``contest/ID.xml``; raises KeyError for an unknown contest."""
        outline = self._outline.contest(id)
        tally: ContestTally = self._tally.contests[id]
        districts = "".join(
            f" <district {head}>\n{body} </district>\n"
            for head, body in (
                self._district(outline, district, tally.districts[district.id])
                for district in outline.districts
            )
        )
        state = unit_state(self._state, tally.count, id in self._held)
        return (
            f'{DECLARATION}<contest-results {self._stamp} {outline.root}{self._hold(id)} state="{state}">\n'
            f"{self._figures.count(tally.count, ' ')}{districts}</contest-results>\n"
        ).encode()

    def districts(self, contest: str) -> Iterator[tuple[str, bytes]]:
        """(id, ``district/ID.xml``) for each district of a contest that has more than one; KeyError when it is unknown."""
        outline = self._outline.contest(contest)
        if not outline.divided:
            return
        tallies = self._tally.contests[contest].districts
        for district in outline.districts:
            tally = tallies[district.id]
            head, body = self._district(outline, district, tally)
            state = unit_state(self._state, tally.count, contest in self._held)
            yield (
                district.id,
                (
                    f"{DECLARATION}<district-results {self._stamp} {outline.parent}{self._hold(contest)} "
                    f'state="{state}" {head}>\n{body}</district-results>\n'
                ).encode(),
            )

    def _hold(self, contest: str) -> str:
        reason = self._held.get(contest)
        return "" if reason is None else f' held="{attribute(reason)}"'

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
            f" <area {areas[child].row} {_progress(tallies[child].count)} {_precincts(tallies[child])}/>\n"
            for child in areas[id].children
        )

    def _district(
        self, contest: ContestOutline, outline: DistrictOutline, tally: DistrictTally
    ) -> tuple[str, str]:
        """Attributes and content of a district."""
        outcome, lots = _outcome(tally)
        standing = self._persons if contest.form == "persons" else self._lists
        count = self._figures.count(tally.count, "  ")
        body = f"{count}{standing(outline, tally)}{outline.unnumbered}{lots}{outline.first_round}"
        return f"{outline.head} {outcome}", body

    def _lists(self, outline: DistrictOutline, tally: DistrictTally) -> str:
        seats = _seats(tally)
        return "".join(
            _list(number, outline.lists.get(number, _NO_LIST), tally, seats.get(number))
            for number in sorted(outline.lists.keys() | tally.votes.keys())
        )

    def _persons(self, outline: DistrictOutline, tally: DistrictTally) -> str:
        marks: dict[int, str] = {}
        match tally.outcome:
            case Elected(candidate=candidate, way=way):
                marks = {candidate: f' elected="1" way="{way}"'}
            case Runoff(candidates=candidates) | LotNeeded(candidates=candidates):
                # Of a lot that is needed for a place in the second round, who is in it for certain.
                marks = dict.fromkeys(candidates, ' runoff="true"')
            case _:
                pass
        return _candidates("  ", outline.lists.get(0, _NO_LIST), _candidate_votes(tally, 0), marks)


def unit_state(state: State, count: Count, held: bool = False) -> State:
    """How final a unit is in an event of that ``state``; while it is ``held``, what else came in is not shown.

    A unit that is in stays in whatever happens elsewhere, so its document needs no rewriting for that.
    """
    if state not in ("interim", "complete"):
        return state
    return "complete" if count.reported >= count.expected and not held else "interim"


def _precincts(area: AreaTally) -> str:
    out = "" if area.eligible_out is None else f' eligible-out="{area.eligible_out}"'
    return f'precincts="{area.precincts}" precincts-out="{area.precincts_out}"{out}'


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
            # Persons have no threshold, and no lists that one could be for.
            needed = f' threshold="{threshold}"' if tally.outcome.lists else ""
            return f'outcome="lot"{needed}{_vacant(vacant)}', "".join(map(_lot, ties))
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
        of_list = f' list="{tie.list}"' if tie.list else ""
        tied = "".join(f'   <tied{of_list} candidate="{number}"/>\n' for number in tie.candidates)
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
    candidates = _candidates("   ", outline, _candidate_votes(tally, number), _elected(seats))
    if not candidates:
        return f"  {head}{votes}{won}/>\n"
    return f"  {head}{votes}{won}>\n{candidates}  </list>\n"


def _elected(seats: ListSeats | None) -> dict[int, str]:
    if seats is None or not seats.elected:
        return {}
    return {one: f' elected="{place}" way="G"' for place, one in enumerate(seats.elected, 1)}


def _candidates(
    pad: str, outline: ListOutline, votes: dict[int, int] | None, marks: Mapping[int, str]
) -> str:
    """One row a candidate; ``marks`` are attributes of those who are elected or go into the second round."""
    heads = outline.candidates
    numbers = (
        heads.keys() if not votes or votes.keys() <= heads.keys() else sorted(heads.keys() | votes.keys())
    )
    rows = []
    for number in numbers:
        head = heads.get(number) or f'<candidate number="{number}"'
        told = "" if votes is None else f' votes="{votes.get(number, 0)}"'
        rows.append(f"{pad}{head}{told}{marks.get(number, '')}/>\n")
    return "".join(rows)
