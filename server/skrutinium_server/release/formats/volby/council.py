"""The element ``OBEC``: one council with its districts, lists and elected persons."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from skrutinium_server.election.model import Candidate
from skrutinium_server.release.formats.volby.heading import PLAIN, Form
from skrutinium_server.release.formats.volby.plan import CouncilPlan, DistrictPlan, shortened, unknown_list
from skrutinium_server.release.formats.volby.rounding import half_up, truncated
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.tally.model import ContestTally, Count, DistrictTally
from skrutinium_server.tally.seats.model import Allocated, ListSeats

_BROKEN: Final = "\n "
_NAME: Final = 40
_TITLE: Final = 40


Candidates = Callable[[str, int], Iterable[Candidate]]
"""Finds the candidates of a list by its district and number."""


@dataclass(frozen=True, slots=True)
class Council:
    """One council as written: its element, and what it adds to the national document.

    ``seats`` maps the codes of parties to seats, None while the council is not decided.
    """

    element: bytes
    seats: dict[int, int] | None


def council(
    plan: CouncilPlan, tally: ContestTally, turnout: Turnout, candidates: Candidates, form: Form = PLAIN
) -> Council:
    """Write one council; ``candidates`` finds those of a list. Seats and elected persons are told only when every district of it is decided."""
    if tally.count.reporting == "not-applicable":
        return Council(form.bytes_of(f'{plan.opening}false">\n</OBEC>\n'), None)
    decided = _decided(plan, tally)
    counted = "true" if tally.count.reporting == "all" else "false"
    parts = [f'{plan.opening}{counted}">\n']
    if len(plan.districts) == 1:
        district = plan.districts[0]
        parts += _results(district, tally.districts[district.id], tally.count, turnout, decided, candidates)
    else:
        parts.append(f"<VYSLEDEK>\n{turnout.element(tally.count, _BROKEN)}</VYSLEDEK>\n")
        for district in plan.districts:
            part = tally.districts[district.id]
            seats = "" if district.seats is None else f' VOLENO_ZASTUP="{district.seats}"'
            parts.append(f'<OBVOD CIS_OBVODU="{district.number}"{seats}>\n')
            parts += _results(district, part, part.count, turnout, decided, candidates)
            parts.append("</OBVOD>\n")
    parts.append("</OBEC>\n")
    return Council(form.bytes_of("".join(parts)), _seats_of_parties(plan, decided))


Decided = dict[str, dict[int, ListSeats]]
"""What each list received, by district and number of the list."""


def _decided(plan: CouncilPlan, tally: ContestTally) -> Decided | None:
    decided: Decided = {}
    for district in plan.districts:
        outcome = tally.districts[district.id].outcome
        if not isinstance(outcome, Allocated):
            return None
        decided[district.id] = {received.number: received for received in outcome.lists}
    return decided or None


def _seats_of_parties(plan: CouncilPlan, decided: Decided | None) -> dict[int, int] | None:
    if decided is None:
        return None
    seats: dict[int, int] = {}
    for district in plan.districts:
        for number, received in decided[district.id].items():
            party = (district.lists.get(number) or unknown_list(number)).party
            seats[party] = seats.get(party, 0) + received.seats
    return seats


def _results(
    plan: DistrictPlan,
    tally: DistrictTally,
    count: Count,
    turnout: Turnout,
    decided: Decided | None,
    candidates: Candidates,
) -> Iterator[str]:
    """``VYSLEDEK`` with one element for every list, in the order of the ballot."""
    yield "<VYSLEDEK>\n"
    yield turnout.element(count, _BROKEN)
    base = turnout.valid_votes(count, sum(tally.votes.values()))
    received = None if decided is None else decided[plan.id]
    for number in sorted(tally.votes):
        entry = plan.lists.get(number) or unknown_list(number)
        votes = tally.votes[number]
        yield f'{entry.before}{votes}" HLASY_PROC="{half_up(votes, base)}"{entry.after}'
        if received is None:
            yield ">\n"
        else:
            own = received.get(number)
            seats = 0 if own is None else own.seats
            yield f' ZASTUPITELE_POCET="{seats}" ZASTUPITELE_PROC="{half_up(seats, plan.seats or 0)}">\n'
            if own is not None and own.elected is not None:
                yield from _elected(tally, number, own.elected, candidates(plan.id, number))
        yield "</VOLEBNI_STRANA>\n"
    yield "</VYSLEDEK>\n"


def _elected(
    tally: DistrictTally, number: int, elected: tuple[int, ...], candidates: Iterable[Candidate]
) -> Iterator[str]:
    """``ZASTUPITEL``: the elected persons of one list in the order of award."""
    votes = tally.candidate_votes.get(number, {})
    persons = {candidate.number: candidate for candidate in candidates}
    for person in elected:
        share = ""
        if person in votes:
            share = f' HLASY="{votes[person]}" HLASY_PROC="{truncated(votes[person], tally.votes[number])}"'
        yield f'<ZASTUPITEL PORADOVE_CISLO="{person}"{_name(persons.get(person))}{share}/>\n'


def _name(candidate: Candidate | None) -> str:
    if candidate is None:
        return ""
    return (
        f' JMENO="{shortened(candidate.given_name, _NAME)}" PRIJMENI="{shortened(candidate.family_name, _NAME)}"'
        f' TITULPRED="{shortened(candidate.title_before, _TITLE)}" TITULZA="{shortened(candidate.title_after, _TITLE)}"'
    )
