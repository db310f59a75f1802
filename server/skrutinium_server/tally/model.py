"""What the tally knows at one point of the ledger. Owned and changed by :class:`~.tally.Tally`; read by the writers.

Sources: requirements M1, C9, X5; design § 4.2, § 4.5.
"""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from skrutinium_server.election.model import Elected, Runoff
from skrutinium_server.tally.seats.model import Allocated, LotNeeded

Reporting = Literal["none", "part", "all", "not-applicable"]


@dataclass(slots=True)
class Count:
    """How far a unit is: protocols ``expected`` and ``reported``, and the sums of the law's fields over the latter.

    ``eligible_out`` is the number of voters (before the election) in the precincts still out, None when unknown.
    ``told`` says how many of the reported protocols tell each field: where it is less than ``reported``, the sum in
    ``figures`` is not that of the whole. A field that none of them tells is in neither.
    """

    expected: int = 0
    reported: int = 0
    figures: dict[str, int] = field(default_factory=dict)
    eligible_out: int | None = None
    told: dict[str, int] = field(default_factory=dict)

    @property
    def reporting(self) -> Reporting:
        """Nothing, part or all of it; ``not-applicable`` where no protocol is expected."""
        if not self.expected:
            return "not-applicable"
        if not self.reported:
            return "none"
        return "all" if self.reported >= self.expected else "part"


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Protocols are still out."""


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """All protocols are in, but what the law needs is lacking; ``missing`` says what, for people.

    Most often the source does not tell it (numbers of candidates); it may also be the law that has no rule.
    """

    missing: str


Outcome = Open | Unknown | Allocated | LotNeeded | Elected | Runoff
"""Lists: allocated; persons: elected or a second round; both: open, unknown, a lot."""


@dataclass(slots=True)
class DistrictTally:
    """One district of a contest.

    ``votes`` maps list number to votes, in the order of the numbers (every list on the ballot and every list met in a
    protocol that counts); ``candidate_votes`` maps list number to {candidate number: votes}, empty where the source does
    not tell them; ``without_candidates`` counts the reported protocols that do not tell them for each of their lists.

    In a contest of the form ``persons`` all candidates stand on list 0: ``votes`` is {0: their sum} and
    ``candidate_votes[0]`` maps each candidate's number to votes, once a protocol is in.
    """

    id: str
    count: Count
    votes: dict[int, int]
    candidate_votes: dict[int, dict[int, int]]
    without_candidates: int
    outcome: Outcome


@dataclass(slots=True)
class ContestTally:
    """One contest: sums over its districts, which are kept by district id in the order of their numbers."""

    id: str
    count: Count
    districts: dict[str, DistrictTally]


@dataclass(slots=True)
class CommitteeTally:
    """Votes and seats of one committee in a unit over all contests of one kind; ``seats`` counts decided districts only."""

    votes: int = 0
    seats: int = 0


@dataclass(slots=True)
class KindTally:
    """All contests of one kind in a unit.

    ``contests`` is how many touch the unit, ``decided`` how many of them have their outcome (every district allocated,
    or the person elected; a second round to come is no outcome),
    ``seats_decided`` the seats filled in those. ``committees`` maps committee id to its tally; the key None holds the
    lists whose committee is not known. Committees on the ballots of the unit are there from the start, with 0 votes;
    None only while there is such a list, on a ballot or in a protocol that counts.
    Seats are counted in the areas that contain the contest's own area.
    """

    count: Count
    contests: int = 0
    decided: int = 0
    seats_decided: int = 0
    committees: dict[str | None, CommitteeTally] = field(default_factory=dict)


@dataclass(slots=True)
class AreaTally:
    """One area: ``kinds`` by kind of contest; ``count`` over all kinds (protocols, no figures).

    ``precincts`` are those that vote there, ``precincts_out`` those of them from which a protocol is out, whatever the
    contest; ``eligible_out`` the voters (before the election) of the latter, each counted once, None when unknown.
    """

    id: str
    count: Count
    kinds: dict[str, KindTally]
    precincts: int = 0
    precincts_out: int = 0
    eligible_out: int | None = 0


@dataclass(slots=True)
class Changes:
    """Which units changed since the changes were last taken; ``everything`` before they were taken first."""

    everything: bool
    contests: set[str] = field(default_factory=set)
    areas: set[str] = field(default_factory=set)
    precincts: set[str] = field(default_factory=set)
