"""What the definition says of the lists or persons of one district, in the form that counting needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from skrutinium_server.election.index import DefinitionIndex


@dataclass(frozen=True, slots=True)
class Persons:
    """Candidates of a list as far as the definition names them, by number; ``standing`` leaves out the withdrawn ones.

    A protocol may still hold votes for those who were withdrawn.
    """

    numbers: frozenset[int]
    standing: tuple[int, ...]


NOBODY: Final = Persons(frozenset(), ())


@dataclass(frozen=True, slots=True)
class Ballot:
    """What is on the ballot of one district: ``committees`` by list number, in the order of the numbers (None: not known).

    ``candidates`` are the persons on each list; ``unnumbered`` counts the lists whose number was not told. Where single
    persons are voted for, ``nominees`` maps each of them to the committee (None: not known), all stand on list 0, which
    belongs to nobody; else it is None.
    """

    committees: Mapping[int, str | None]
    candidates: Mapping[int, Persons]
    unnumbered: int
    nominees: Mapping[int, str | None] | None = None

    def standing(self) -> Iterable[str | None]:
        """The committees that stand on this ballot, some perhaps more than once."""
        return self.committees.values() if self.nominees is None else self.nominees.values()


class Ballots:
    """Makes the ballots of one definition; lists with the same numbers share them, most count 1…n."""

    def __init__(self, index: DefinitionIndex) -> None:
        self._index = index
        self._shared: dict[tuple[tuple[int, bool], ...], Persons] = {(): NOBODY}
        self._unnumbered: dict[str, int] = {}
        for row in index.definition.unnumbered_lists:
            self._unnumbered[row.district] = self._unnumbered.get(row.district, 0) + 1

    def of(self, district: str) -> Ballot:
        """The ballot of a district."""
        if self._index.contests[self._index.districts[district].contest].form == "persons":
            people = self._index.candidates_of(district, 0)
            nominees = {row.number: row.committee for row in people}
            return Ballot({0: None}, {0: self._persons(district, 0)}, 0, nominees)
        lists = sorted(self._index.lists_of_district(district), key=lambda row: row.number)
        return Ballot(
            committees={row.number: row.committee for row in lists},
            candidates={row.number: self._persons(district, row.number) for row in lists},
            unnumbered=self._unnumbered.get(district, 0),
        )

    def _persons(self, district: str, number: int) -> Persons:
        rows = self._index.candidates_of(district, number)
        key = tuple((candidate.number, candidate.active) for candidate in rows)
        if key not in self._shared:
            self._shared[key] = Persons(
                frozenset(place for place, _ in key), tuple(place for place, active in key if active)
            )
        return self._shared[key]
