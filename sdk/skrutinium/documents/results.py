"""The documents of results, one frozen dataclass each.

Votes are whole numbers; ``None`` means that there is no number to show. The four kinds of nothing stay apart: nothing
reported yet is :attr:`Reporting.NONE` with votes ``None``, partly reported is :attr:`Reporting.PART`, zero votes are
``0``, and where no vote is held stands :attr:`Reporting.NOT_APPLICABLE`. Times are aware, UTC.
Source: ``xsd/skrutinium/1.0/skrutinium.xsd``.
"""

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Reporting(enum.StrEnum):
    """How much of a unit is reported."""

    NONE = "none"
    PART = "part"
    ALL = "all"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the root of every document says: which release wrote it, for which event, run and phase."""

    event: str
    run: str
    phase: str
    release: int
    time: datetime.datetime
    schema: str
    codebook: int


@dataclass(frozen=True, slots=True)
class Count:
    """Protocols expected and reported, and the sums of the law's fields over what is reported.

    ``eligible_out`` is the number of voters in the precincts still out, None when unknown. ``told_by`` holds the fields
    that only some of the reported protocols tell, with the number of those.
    """

    reporting: Reporting
    expected: int
    reported: int
    figures: Mapping[str, int]
    eligible_out: int | None = None
    told_by: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Out:
    """Precincts of a unit, those of them from which a protocol is out, and the voters of the latter (None: unknown)."""

    precincts: int
    precincts_out: int
    eligible_out: int | None


@dataclass(frozen=True, slots=True)
class Committee:
    """Votes and seats of one committee over several contests; ``id`` None: lists whose committee is not known."""

    id: str | None
    name: str | None
    votes: int | None
    seats: int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """All contests of one kind in a unit, added up."""

    id: str
    contests: int
    decided: int
    seats_decided: int
    count: Count
    committees: tuple[Committee, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One unit or contest in a list of them; ``kind`` is the kind of area or of contest.

    ``out`` is told of units only; ``held`` of contests only: why their publication is held, None when it is not.
    """

    id: str
    kind: str
    name: str
    reporting: Reporting
    expected: int
    reported: int
    out: "Out | None" = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person who stands; ``elected`` is the order on the list's elected, None when not elected or not decided.

    ``committee`` put up a person who stands alone, None when it is not known; a list has its own.
    """

    number: int
    given_name: str | None
    family_name: str | None
    title_before: str
    title_after: str
    votes: int | None
    elected: int | None
    way: str | None
    runoff: bool
    active: bool = True
    committee: str | None = None

    @property
    def name(self) -> str:
        """The whole name with titles; empty when the source does not tell it."""
        name = " ".join(part for part in (self.title_before, self.given_name, self.family_name) if part)
        return f"{name}, {self.title_after}" if name and self.title_after else name


@dataclass(frozen=True, slots=True)
class List:
    """One list in one district; ``standing`` is how many candidates stand on it, None when unknown."""

    number: int
    committee: str | None
    name: str | None
    standing: int | None
    votes: int | None
    passed: bool | None
    seats: int | None
    candidates: tuple[Candidate, ...]
    active: bool = True


@dataclass(frozen=True, slots=True)
class UnnumberedList:
    """A list whose number on the ballot the source did not tell: it is one of the lists without a name."""

    committee: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a referendum."""

    number: int
    text: str
    yes: int | None
    no: int | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Tied:
    """One of those who are tied: a list, a candidate of a list, or (``list`` None) a candidate."""

    list: int | None
    candidate: int | None


@dataclass(frozen=True, slots=True)
class Lot:
    """A tie that only a lot can break: so many places among those tied."""

    places: int
    tied: tuple[Tied, ...]


@dataclass(frozen=True, slots=True)
class FirstRound:
    """What the first round of a district ended with; ``event`` was that round."""

    event: str
    date: datetime.date | None
    figures: Mapping[str, int]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class District:
    """One district; ``outcome`` is open, decided, lot, runoff or unknown, ``missing`` what the source lacks then."""

    id: str
    number: int
    name: str
    seats: int | None
    outcome: str
    threshold: int | None
    vacant: int | None
    count: Count
    lists: tuple[List, ...]
    candidates: tuple[Candidate, ...]
    questions: tuple[Question, ...]
    lots: tuple[Lot, ...]
    unnumbered: tuple[UnnumberedList, ...] = ()
    missing: str | None = None
    first_round: FirstRound | None = None


@dataclass(frozen=True, slots=True)
class ListVotes:
    """Votes of one list in one protocol; ``candidates`` maps number to votes, empty where the source does not tell."""

    number: int
    votes: int
    candidates: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The bytes exactly as they were taken over, and where they stood in their source."""

    data: bytes
    format: str
    encoding: str
    source: str
    source_sha256: str
    offset: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """What one precinct commission established for one contest, as the ledger holds it."""

    precinct: str
    contest: str
    district: str
    entry: int
    version: int
    sequence: int
    established: datetime.datetime
    accepted: datetime.datetime
    sha256: str
    repeated: bool
    supersedes: int | None
    reason: str | None
    authority: str | None
    figures: Mapping[str, int]
    lists: tuple[ListVotes, ...]
    taken_over: TakenOver | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventResults(Stamp):
    """``event.xml``: the whole event by kind of contest; ``held`` counts the contests whose publication is held."""

    name: str
    date: datetime.date | None
    state: str
    made_up: bool
    out: Out
    held: int
    kinds: tuple[Kind, ...]
    areas: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaResults(Stamp):
    """``area/ID.xml``: one unit of the country by kind of contest."""

    id: str
    kind: str
    name: str
    parent: str | None
    state: str
    out: Out
    kinds: tuple[Kind, ...]
    areas: tuple[Row, ...]
    contests: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestResults(Stamp):
    """``contest/ID.xml``: one contest with its districts, lists, candidates and outcome.

    ``held`` says why its publication is held (the figures are those before the hold), None when it is not.
    """

    id: str
    kind: str
    area: str
    name: str
    seats: int | None
    round: int
    state: str
    made_up: bool
    count: Count
    districts: tuple[District, ...]
    held: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictResults(Stamp):
    """``district/ID.xml``: one district of a contest that has more than one; ``held`` is that of the contest."""

    contest: str
    contest_name: str
    kind: str
    area: str
    round: int
    state: str
    made_up: bool
    district: District
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Leading:
    """One of those ahead: a committee or a ``candidate``; ``share`` of the votes in hundredths of a percent."""

    committee: str | None
    candidate: int | None
    name: str | None
    votes: int
    share: int
    seats: int | None


@dataclass(frozen=True, slots=True)
class KindSummary:
    """One kind of contest in one ``line`` for tickers, with its numbers; shares are hundredths of a percent."""

    id: str
    line: str
    expected: int
    reported: int
    share: int
    turnout: int | None
    contests: int
    decided: int
    seats_decided: int
    leading: tuple[Leading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Stamp):
    """``summary.xml``: the event in one line for each kind of contest."""

    name: str
    state: str
    kinds: tuple[KindSummary, ...]


@dataclass(frozen=True, slots=True)
class Awaited:
    """A contest whose protocol has not come in yet."""

    contest: str
    district: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecinctResults(Stamp):
    """``precinct/ID.xml``: the protocols of one precinct that count now."""

    id: str
    area: str
    number: int
    kind: str
    name: str | None
    protocols: tuple[Protocol, ...]
    awaited: tuple[Awaited, ...]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolBatch(Stamp):
    """``batch/N.xml``: every protocol published since the release before; ``state`` is that of the event."""

    protocols: tuple[Protocol, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Change:
    """One number of a protocol that changed: a field, or the votes of a list or of a candidate of a list."""

    field: str | None
    list: int | None
    candidate: int | None
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Correction:
    """One protocol that replaced an earlier one, with every number that changed."""

    precinct: str
    contest: str
    entry: int
    supersedes: int
    reason: str
    authority: str
    time: datetime.datetime
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections(Stamp):
    """``corrections/N.xml``: what changed in protocols that had been published before.

    ``state`` is that of the event: ``corrected`` when this changes what was certified before.
    """

    corrections: tuple[Correction, ...]
    state: str
