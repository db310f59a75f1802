"""Made-up definitions and protocols for the tests of the tally, small enough that every kind of gap shows often.

Hypothesis draws the size and a seed, the rest comes from the seed: far faster than drawing each number, and a failing
night still shrinks to few towns.
"""

import datetime
import random
from collections.abc import Iterable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Field, Law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    Definition,
    District,
    List,
    Poll,
    Precinct,
    UnnumberedList,
)
from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.intake.model import ListVotes, Origin, Protocol
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.tally.tally import Tally

TIME = datetime.datetime(2030, 10, 5, 14, 0, tzinfo=datetime.UTC)
FIELDS = ("registered", "issued", "valid")
COMMITTEES = (None, "A", "B", "C")
LAW = Law(
    id="made-up",
    name_cs="Vymyšlený zákon",
    name_en="Made-up law",
    prefix="mu",
    time_zone="Europe/Prague",
    contest_kinds=("municipal-council", "ward-council"),
    fields=tuple(Field(name, str(place), name, name) for place, name in enumerate(FIELDS, 1)),
    rules=(),
    seats=SeatLaw(
        method="dhondt",
        threshold=5,
        threshold_base="candidates-over-seats",
        lower_until=2,
        order_factor="11/10",
    ),
)


def accepted(protocol: Protocol) -> Accepted:
    """The protocol as an entry of the ledger, what the tally does not read filled in."""
    return Accepted(
        protocol=protocol,
        data_sha256="0" * 64,
        format="csv",
        encoding="utf-8",
        source="made-up.csv",
        source_sha256="0" * 64,
        offset=0,
        origin=Origin("made-up", "import"),
        version=1,
        supersedes=None,
        reason=None,
        authority=None,
        findings=(),
        skipped_rules=0,
        time=TIME,
    )


def protocol(
    poll: Poll, lists: Iterable[ListVotes], *, sequence: int = 1, figures: dict[str, int] | None = None
) -> Protocol:
    """A protocol of the poll."""
    return Protocol(poll.precinct, poll.contest, poll.district, sequence, TIME, figures or {}, tuple(lists))


def counted(definition: Definition, protocols: Sequence[Protocol], law: Law = LAW) -> Tally:
    """A fresh tally of the protocols in that order, at positions from 2 (the first entry opens the run)."""
    tally = Tally(DefinitionIndex(definition), law)
    for position, row in enumerate(protocols, 2):
        tally.apply(position, accepted(row))
    return tally


Night = tuple[Definition, list[Protocol]]


def nights(*, distinct: bool = False) -> SearchStrategy[Night]:
    """A definition and protocols of it in their order of arrival: gaps, re-sends, older versions that come late.

    With ``distinct`` the sequences of one precinct and contest all differ.
    """
    return st.builds(
        lambda towns, seed: _Maker(seed).night(towns, distinct), st.integers(1, 4), st.integers(0, 2**32)
    )


class _Maker:
    """Makes one night; in half of them the definition lacks nothing, in half all protocols tell candidates."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._whole = self._chance(2)
        self._told = self._chance(2)
        self._areas = [Area("CZ", "country", "Made-up country"), Area("R", "region", "Made-up region", "CZ")]
        self._contests: list[Contest] = []
        self._districts: list[District] = []
        self._precincts: list[Precinct] = []
        self._polls: list[Poll] = []
        self._lists: dict[str, list[List]] = {}
        self._unnumbered: list[UnnumberedList] = []
        self._candidates: dict[tuple[str, int], list[Candidate]] = {}

    def night(self, towns: int, distinct: bool) -> Night:
        self._areas.extend(Area(f"K{county}", "county", f"Made-up county {county}", "R") for county in (0, 1))
        for town in range(towns):
            self._town(f"M{town}", f"K{town % 2}")
        protocols = [row for poll in self._polls for row in self._versions(poll, distinct)]
        self._random.shuffle(protocols)
        return self._definition(), protocols

    def _chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def _known(self, low: int, high: int) -> int | None:
        return None if not self._whole and self._chance(4) else self._random.randint(low, high)

    def _town(self, town: str, county: str) -> None:
        """A town with its council, some with two wards that have councils of their own."""
        self._areas.append(Area(town, "municipality", f"Made-up town {town}", county))
        wards = [f"{town}w{ward}" for ward in (1, 2)] if self._chance(3) else []
        self._areas.extend(Area(ward, "ward", f"Made-up ward {ward}", town) for ward in wards)
        districts = self._council(
            Contest(f"{town}c", "municipal-council", "lists", town, f"Council of {town}")
        )
        for place in wards or [town]:
            numbers = range(1, self._random.randint(1, 3) + 1)
            rows = [Precinct(f"{place}-{number}", place, number) for number in numbers]
            self._precincts.extend(rows)
            for row in rows:
                self._polls.append(
                    Poll(row.id, f"{town}c", self._random.choice(districts), self._known(0, 30))
                )
            if place in wards:
                contest = Contest(f"{place}c", "ward-council", "lists", place, f"Council of {place}")
                (district,) = self._council(contest, 1)
                self._polls.extend(Poll(row.id, contest.id, district) for row in rows)

    def _council(self, contest: Contest, most: int = 2) -> list[str]:
        numbers = range(1, self._random.randint(1, most) + 1)
        self._contests.append(contest)
        for number in numbers:
            id = f"{contest.id}.{number}"
            self._districts.append(District(id, contest.id, number, f"District {number}", self._known(1, 4)))
            lists = self._random.randint(1 if self._whole else 0, 4)
            self._lists[id] = [
                self._list(contest.id, id, row) for row in sorted(self._random.sample(range(1, 5), lists))
            ]
            if not self._whole and self._chance(5):
                self._unnumbered.append(UnnumberedList(contest.id, id, None, "Made-up list"))
        return [f"{contest.id}.{number}" for number in numbers]

    def _list(self, contest: str, district: str, number: int) -> List:
        candidates = self._known(1, 4)
        self._candidates[district, number] = [
            Candidate(
                contest, district, number, person, "Made-up", f"Person {person}", active=not self._chance(9)
            )
            for person in range(1, (candidates or 2) + 1)
            if self._whole or self._told
        ]
        committee = self._random.choice(COMMITTEES)
        active = self._whole or not self._chance(9)
        return List(contest, district, number, committee=committee, candidates=candidates, active=active)

    def _versions(self, poll: Poll, distinct: bool) -> list[Protocol]:
        number = self._random.choice([0, 1, 1, 1, 2, 3] if not self._whole else [1, 2])
        sequences = (
            self._random.sample(range(1, 6), number)
            if distinct
            else self._random.choices(range(1, 4), k=number)
        )
        return [self._protocol(poll, sequence) for sequence in sequences]

    def _protocol(self, poll: Poll, sequence: int) -> Protocol:
        """Mostly with the lists on the ballot; some with lists and candidates that are not on it."""
        strange = not self._whole and self._chance(4)
        numbers = [row.number for row in self._lists[poll.district]]
        if strange:
            numbers = self._random.sample(range(1, 6), self._random.randint(0, 4))
        rows = []
        for number in numbers:
            candidates = None
            if self._told or (not self._whole and self._chance(4)):
                known = [row.number for row in self._candidates.get((poll.district, number), ())]
                chosen = self._random.sample(range(1, 6), 3) if strange else known
                candidates = tuple((person, self._random.randint(0, 9)) for person in chosen)
            votes = sum(given for _, given in candidates or ()) or self._random.randint(0, 20)
            rows.append(ListVotes(number, votes, candidates))
        names = self._random.choice([FIELDS, FIELDS, FIELDS[:2], FIELDS[1:], ()])
        return protocol(
            poll, rows, sequence=sequence, figures={name: self._random.randint(0, 40) for name in names}
        )

    def _definition(self) -> Definition:
        return Definition(
            event="mu2030",
            name="Made-up election",
            date=TIME.date(),
            law=LAW.id,
            version=1,
            made_up=True,
            areas=tuple(self._areas),
            contests=tuple(self._contests),
            districts=tuple(self._districts),
            precincts=tuple(self._precincts),
            polls=tuple(self._polls),
            committees=tuple(Committee(id, f"Made-up committee {id}") for id in COMMITTEES if id is not None),
            lists=tuple(row for rows in self._lists.values() for row in rows),
            unnumbered_lists=tuple(self._unnumbered),
            candidates=tuple(row for rows in self._candidates.values() for row in rows),
        )
