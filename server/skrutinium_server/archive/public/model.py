"""What the pages show: documents as typed data, with nothing added but sums that stand beside each other."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit is, in protocols."""

    reporting: str
    expected: int
    reported: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A sum of one field; ``protocols`` when only so many of the reported ones tell it."""

    field: str
    value: int
    protocols: int | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every root tells."""

    event: str
    run: str
    phase: str
    release: int
    time: str


@dataclass(frozen=True, slots=True)
class Row:
    """An area or a contest in a table."""

    id: str
    kind: str
    name: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Committee:
    """A committee over several contests; without a name: all lists whose committee is not known."""

    name: str
    votes: int | None
    seats: int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """All contests of one kind in a unit; committees with the most seats and votes first, the nameless last."""

    id: str
    contests: int
    decided: int
    seats: int
    progress: Progress
    figures: tuple[Figure, ...]
    eligible_out: int | None
    committees: tuple[Committee, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """The event or an area."""

    stamp: Stamp
    id: str
    name: str
    kind: str
    parent: str | None
    state: str
    kinds: tuple[Kind, ...]
    areas: tuple[Row, ...]
    contests: tuple[Row, ...]
    date: str = ""
    made_up: bool = False

    @property
    def progress(self) -> Progress:
        """Protocols of all kinds of contests."""
        return total(kind.progress for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person who stands."""

    number: int
    name: str
    votes: int | None
    elected: int | None
    way: str
    active: bool
    runoff: bool


@dataclass(frozen=True, slots=True)
class List:
    """A list with its candidates; ``seats`` is None while not decided."""

    number: int
    name: str
    votes: int | None
    seats: int | None
    passed: str
    active: bool
    candidates: tuple[Candidate, ...]

    @property
    def named(self) -> dict[int, str]:
        """Names of the candidates by number."""
        return {one.number: one.name for one in self.candidates}

    @property
    def elected(self) -> list[Candidate]:
        """Those elected, in the order in which they won."""
        return sorted((one for one in self.candidates if one.elected), key=lambda one: one.elected or 0)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with votes for yes and no; ``answer`` is empty while not decided."""

    number: int
    text: str
    yes: int | None
    no: int | None
    answer: str

    @property
    def votes(self) -> int | None:
        """All votes: what shares are taken of."""
        return _sum([self.yes, self.no])


@dataclass(frozen=True, slots=True)
class Lot:
    """Who is tied, for how many places."""

    places: int
    tied: tuple[tuple[int | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class FirstRound:
    """What the first round of a district ended with."""

    event: str
    date: str
    figures: tuple[Figure, ...]
    candidates: tuple[Candidate, ...]

    @property
    def votes(self) -> int | None:
        """All votes: what shares are taken of."""
        return _sum([one.votes for one in self.candidates])


@dataclass(frozen=True, slots=True)
class District:
    """One district of a contest: lists, candidates where persons stand, or questions."""

    id: str
    number: int
    name: str
    seats: int | None
    outcome: str
    threshold: int | None
    vacant: int | None
    missing: str
    progress: Progress
    figures: tuple[Figure, ...]
    lists: tuple[List, ...]
    candidates: tuple[Candidate, ...]
    questions: tuple[Question, ...]
    unnumbered: tuple[str, ...]
    lots: tuple[Lot, ...]
    first: FirstRound | None

    @property
    def tied(self) -> frozenset[int]:
        """Persons for whom a lot is needed where no lists stand."""
        return frozenset(
            one for lot in self.lots for number, one in lot.tied if one is not None and not number
        )

    @property
    def votes(self) -> int | None:
        """All votes for lists or candidates: what shares are taken of."""
        return _sum([*(one.votes for one in self.lists), *(one.votes for one in self.candidates)])


@dataclass(frozen=True, slots=True)
class Contest:
    """One contest."""

    stamp: Stamp
    id: str
    kind: str
    area: str
    name: str
    seats: int | None
    round: int
    state: str
    held: str
    progress: Progress
    figures: tuple[Figure, ...]
    eligible_out: int | None
    districts: tuple[District, ...]
    names: dict[tuple[str, int], List] = field(repr=False)
    persons: dict[tuple[str, int], Candidate] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes of one list in a protocol, and of its candidates by number."""

    number: int
    votes: int
    candidates: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol that counts, or one that is awaited (``entry`` is None)."""

    contest: str
    district: str
    entry: int | None
    version: int
    established: str
    accepted: str
    figures: tuple[Figure, ...]
    lists: tuple[Votes, ...]


@dataclass(frozen=True, slots=True)
class Precinct:
    """One precinct."""

    stamp: Stamp
    id: str
    area: str
    number: int
    kind: str
    name: str
    state: str
    protocols: tuple[Protocol, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One number that changed: of a field, of a list, or of a candidate (of list 0 where persons stand). None: there was or is none."""

    field: str
    list: int | None
    candidate: int | None
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Correction:
    """A protocol that replaced another."""

    release: int
    precinct: str
    contest: str
    entry: int
    supersedes: int
    reason: str
    authority: str
    time: str
    changes: tuple[Change, ...]


def _sum(votes: list[int | None]) -> int | None:
    known = [count for count in votes if count is not None]
    return sum(known) if len(known) == len(votes) else None


def total(rows: Iterable[Progress]) -> Progress:
    """Progress over several units."""
    rows = tuple(rows)
    expected, reported = sum(row.expected for row in rows), sum(row.reported for row in rows)
    if not expected:
        return Progress("not-applicable", 0, 0)
    return Progress("none" if not reported else "all" if reported >= expected else "part", expected, reported)
