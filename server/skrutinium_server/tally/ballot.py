"""What the definition says of the lists of one district, in the form that counting needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from skrutinium_server.election.index import DefinitionIndex


@dataclass(frozen=True, slots=True)
class Ballot:
    """Lists on the ballot of one district: ``committees`` by list number, in the order of the numbers (None: not known).

    ``candidates`` are the numbers on each list as far as the definition names persons, withdrawn ones too, because a
    protocol may still hold votes for them. ``unnumbered`` counts the lists whose number was not told.
    """

    committees: Mapping[int, str | None]
    candidates: Mapping[int, frozenset[int]]
    unnumbered: int


class Ballots:
    """Makes the ballots of one definition; lists with the same candidate numbers share one set, most count 1…n."""

    def __init__(self, index: DefinitionIndex) -> None:
        self._index = index
        self._shared: dict[frozenset[int], frozenset[int]] = {}
        self._unnumbered: dict[str, int] = {}
        for row in index.definition.unnumbered_lists:
            self._unnumbered[row.district] = self._unnumbered.get(row.district, 0) + 1

    def of(self, district: str) -> Ballot:
        """The ballot of a district."""
        lists = sorted(self._index.lists_of_district(district), key=lambda row: row.number)
        return Ballot(
            committees={row.number: row.committee for row in lists},
            candidates={row.number: self._numbers(district, row.number) for row in lists},
            unnumbered=self._unnumbered.get(district, 0),
        )

    def _numbers(self, district: str, number: int) -> frozenset[int]:
        numbers = frozenset(candidate.number for candidate in self._index.candidates_of(district, number))
        return self._shared.setdefault(numbers, numbers)
