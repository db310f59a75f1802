"""What registers say of an event, as verifying reads it: rows by their attributes, apart from what the rest of the package makes of them.

Source: ``xsd/skrutinium/1.0/registers.xsd``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Attributes = Mapping[str, str]
"""A row of a register as its attributes; what is not known is absent."""

PERSON = ("given-name", "family-name", "title-before", "title-after", "committee", "active")
"""What a register says of a candidate that results say, too."""

Person = tuple[str | None, ...]
"""The values of :data:`PERSON`, in that order."""


@dataclass(slots=True)
class Registers:
    """What the registers of one version of the definition say.

    Rows are by id; ``polls`` maps precinct to {contest: row}; ``lists`` and ``persons`` map a district to its lists by
    number, and (district, list) to its candidates by number (list 0: single persons).
    """

    number: int
    made_up: bool = False
    areas: dict[str, Attributes] = field(default_factory=dict)
    contests: dict[str, Attributes] = field(default_factory=dict)
    districts: dict[str, Attributes] = field(default_factory=dict)
    precincts: dict[str, Attributes] = field(default_factory=dict)
    polls: dict[str, dict[str, Attributes]] = field(default_factory=dict)
    committees: dict[str, Attributes] = field(default_factory=dict)
    lists: dict[str, dict[int, Attributes]] = field(default_factory=dict)
    unnumbered: dict[str, list[Attributes]] = field(default_factory=dict)
    persons: dict[tuple[str, int], dict[int, Person]] = field(default_factory=dict)
    children: dict[str, set[str]] = field(default_factory=dict)
    divisions: dict[str, set[str]] = field(default_factory=dict)

    def eligible(self, precinct: str, contest: str) -> int | None:
        """Voters on the roll before the election, None when the register does not tell."""
        told = self.polls.get(precinct, {}).get(contest, {}).get("eligible")
        return None if told is None else int(told)

    def committee_name(self, id: str) -> str | None:
        """What results call a committee: its name, else its short one, None when neither is known."""
        row = self.committees.get(id, {})
        return row.get("name") or row.get("short")

    def area_documents(self) -> set[str]:
        """The areas that have a document: country, regions, counties, and what has parts or several contests."""
        held: dict[str, set[str]] = {}
        for precinct, polls in self.polls.items():
            held.setdefault(self.precincts[precinct]["area"], set()).update(polls)
        for contest, row in self.contests.items():
            held.setdefault(row["area"], set()).add(contest)
        return {
            id
            for id, row in self.areas.items()
            if row["kind"] in ("country", "region", "county")
            or self.children.get(id)
            or len(held.get(id, ())) > 1
        }

    def paths(self) -> set[str]:
        """Every document of results that there has to be, whatever is reported (``batch`` and the like left aside)."""
        divided = (one for held in self.divisions.values() if len(held) > 1 for one in held)
        return (
            {f"area/{one}.xml" for one in self.area_documents()}
            | {f"contest/{one}.xml" for one in self.contests}
            | {f"district/{one}.xml" for one in divided}
            | {f"precinct/{one}.xml" for one in self.precincts}
        )
