"""The body of ``vysledky.xml``: both kinds of councils in the whole country."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from skrutinium_server.election.model import ContestKind
from skrutinium_server.release.formats.volby.plan import (
    LIST_NAME,
    TYPES,
    UNKNOWN,
    UNKNOWN_NAME,
    Plan,
    shortened,
)
from skrutinium_server.release.formats.volby.rounding import half_up
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.tally.model import Count, KindTally

_NAMES: Final[dict[ContestKind, str]] = {
    "municipal-council": "Zastupitelstvo obce,městysu,města,statutár.města,hl.m.Prahy",
    "ward-council": "Zastupitelstvo městské části nebo městského obvodu",
}


class Decided:
    """What the decided councils add up to, kept as they change: a council counts for what it last said."""

    def __init__(self) -> None:
        self._said: dict[ContestKind, dict[str, dict[int, int]]] = {kind: {} for kind in TYPES}
        self._seats: dict[ContestKind, Counter[int]] = {kind: Counter() for kind in TYPES}

    def say(self, kind: ContestKind, council: str, seats: dict[int, int] | None) -> None:
        """``council`` now has these seats by party, or (None) is no longer decided."""
        self._seats[kind].subtract(self._said[kind].pop(council, {}))
        if seats is not None:
            self._said[kind][council] = seats
            self._seats[kind].update(seats)

    def councils(self, kind: ContestKind) -> int:
        """How many councils are decided."""
        return len(self._said[kind])

    def seats(self, kind: ContestKind) -> Counter[int]:
        """Seats by party over the decided councils."""
        return self._seats[kind]


def national(plan: Plan, kinds: dict[str, KindTally], decided: Decided, turnout: Turnout) -> Iterator[str]:
    """Exactly two blocks ``TYP_ZASTUP``, municipalities then wards; parties sorted by code."""
    for kind, mark in TYPES.items():
        tally = kinds.get(kind) or KindTally(Count())
        seats = decided.seats(kind)
        filled = seats.total()
        yield f'<TYP_ZASTUP OZNAC_TYPU="{mark}" NAZ_TYPU="{_NAMES[kind]}">\n'
        yield turnout.element(tally.count, " ")
        yield (
            f'<ZASTUPIT_INFO ZASTUPITELSTVA_CELKEM="{tally.contests}" ZASTUPITELSTVA_ZVOLENA="{decided.councils(kind)}"'
            f' ZASTUPITELE_ZVOLENI="{filled}"/>\n'
        )
        votes = _votes(plan, tally)
        names = plan.parties[kind]
        base = turnout.valid_votes(tally.count, sum(votes.values()))
        for party in sorted(names.keys() | votes.keys()):
            name = names.get(party, UNKNOWN_NAME)
            yield (
                f'<VOLEBNI_STRANA VSTRANA="{party}" NAZEV_STRANY="{shortened(name, LIST_NAME)}" HLASY="{votes[party]}"'
                f' HLASY_PROC="{half_up(votes[party], base)}" ZASTUPITELE_POCET="{seats[party]}"'
                f' ZASTUPITELE_PROC="{half_up(seats[party], filled)}"/>\n'
            )
        yield "</TYP_ZASTUP>\n"


def _votes(plan: Plan, tally: KindTally) -> Counter[int]:
    """Votes by party; those of lists whose party is not known stand under the reserved code, so that sums agree."""
    votes: Counter[int] = Counter()
    for committee, own in tally.committees.items():
        votes[UNKNOWN if committee is None else plan.party_codes[committee]] += own.votes
    return votes
