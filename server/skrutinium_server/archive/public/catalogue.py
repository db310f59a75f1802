"""What the pages have to know of each other: names, what lies in what, and how far each precinct is."""

from collections import defaultdict
from dataclasses import dataclass

from skrutinium_server.archive.public.model import Contest, Correction, Precinct, Row, Unit


@dataclass(frozen=True, slots=True)
class Place:
    """An area with a page of its own."""

    id: str
    kind: str
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Poll:
    """One vote in one precinct; ``reported`` is False while its protocol is awaited."""

    precinct: str
    area: str
    number: int
    name: str
    district: str
    reported: bool
    figures: dict[str, int]


class Catalogue:
    """Grows with the documents that are told to it; a document told again replaces what it said before."""

    def __init__(self) -> None:
        self.areas: dict[str, Place] = {}
        self.contests: dict[str, Row] = {}
        self.homes: dict[str, str] = {}
        self.corrections: dict[tuple[int, int], Correction] = {}
        self._polls: defaultdict[str, dict[str, Poll]] = defaultdict(dict)
        self._votes: dict[str, tuple[str, ...]] = {}
        self._corrected: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)

    def unit(self, unit: Unit) -> None:
        """An area and the contests that it lists."""
        self.areas[unit.id] = Place(unit.id, unit.kind, unit.name, unit.parent)
        for row in unit.contests:
            self.contests[row.id] = row
            self.homes[row.id] = unit.id

    def precinct(self, precinct: Precinct) -> None:
        """A precinct and its protocols."""
        self._votes[precinct.id] = tuple(sorted(protocol.contest for protocol in precinct.protocols))
        for protocol in precinct.protocols:
            self._polls[protocol.contest][precinct.id] = Poll(
                precinct.id,
                precinct.area,
                precinct.number,
                precinct.name,
                protocol.district,
                protocol.entry is not None,
                {figure.field: figure.value for figure in protocol.figures},
            )

    def correction(self, correction: Correction) -> None:
        """A correction."""
        key = (correction.release, correction.entry)
        self.corrections[key] = correction
        self._corrected[correction.precinct].add(key)

    def above(self, area: str | None) -> list[Place]:
        """The areas from the largest below the country down to ``area`` itself, as far as they have pages."""
        found: list[Place] = []
        while area is not None and area in self.areas and len(found) < 10:
            place = self.areas[area]
            if place.parent is not None:
                found.append(place)
            area = place.parent
        return found[::-1]

    def polls(self, contest: Contest) -> list[Poll]:
        """The precincts that vote in a contest, by district, area and number."""
        order = {district.id: district.number for district in contest.districts}
        return sorted(
            self._polls[contest.id].values(),
            key=lambda one: (order.get(one.district, 0), one.area, one.number, one.precinct),
        )

    def district(self, contest: str, precinct: str) -> str:
        """The district in which a precinct votes; empty where it does not."""
        poll = self._polls[contest].get(precinct)
        return poll.district if poll else ""

    def contests_of(self, precinct: str) -> tuple[str, ...]:
        """The contests that people of a precinct vote in."""
        return self._votes.get(precinct, ())

    def newest_corrections(self) -> list[Correction]:
        """All corrections, the newest first."""
        return [self.corrections[key] for key in sorted(self.corrections, reverse=True)]

    def corrections_of(self, precinct: str) -> list[Correction]:
        """Those of one precinct, the newest first."""
        return [self.corrections[key] for key in sorted(self._corrected.get(precinct, ()), reverse=True)]

    def contest_name(self, id: str) -> str:
        """The name of a contest, its id where no area lists it."""
        row = self.contests.get(id)
        return row.name if row else id
