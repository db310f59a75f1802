"""The documents of results, one frozen dataclass each.

Votes are whole numbers; ``None`` means that there is no number to show. The four kinds of nothing stay apart: nothing
reported yet is :attr:`Reporting.NONE` with votes ``None``, partly reported is :attr:`Reporting.PART`, zero votes are
``0``, and where no vote is held stands :attr:`Reporting.NOT_APPLICABLE`; :meth:`Count.votes` gives each a type of its own.
Shares are fractions of the whole. Times are aware, UTC.
Source: ``xsd/skrutinium/1.0/skrutinium.xsd``.
"""

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from skrutinium.documents.shares import share_of
from skrutinium.documents.stamp import Stamp
from skrutinium.documents.votes import Full, NotApplicable, NotReported, NotTold, Partial, Votes


def _added(votes: Iterable[int | None]) -> int | None:
    """The sum of what is told; None when nothing is."""
    told = [one for one in votes if one is not None]
    return sum(told) if told else None


class Reporting(enum.StrEnum):
    """How much of a unit is reported."""

    NONE = "none"
    PART = "part"
    ALL = "all"
    NOT_APPLICABLE = "not-applicable"


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

    def votes(self, number: int | None) -> Votes:
        """What stands behind a number of this unit, such as the votes of one of its lists."""
        match self.reporting:
            case Reporting.NOT_APPLICABLE:
                return NotApplicable()
            case Reporting.NONE:
                return NotReported()
            case Reporting.PART:
                return NotTold() if number is None else Partial(number)
            case Reporting.ALL:
                return NotTold() if number is None else Full(number)

    def figure(self, field: str) -> Votes:
        """What stands behind a field of the law; one that only some of the reported protocols tell is never full."""
        known = self.votes(self.figures.get(field))
        return Partial(known.number) if isinstance(known, Full) and field in self.told_by else known

    @property
    def share(self) -> Fraction | None:
        """Protocols reported of those expected, exactly; None where none is expected."""
        return share_of(self.reported, self.expected)

    @property
    def turnout(self) -> Fraction | None:
        """Voters who got ballots over voters on the roll, exactly, over what is reported.

        None while that is unknown, and when not every reported protocol tells both.
        """
        if {"issued", "eligible"} & self.told_by.keys():
            return None
        return share_of(self.figures.get("issued"), self.figures.get("eligible"))


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

    @property
    def votes(self) -> int | None:
        """Votes of all committees; None while nothing is reported."""
        return _added(one.votes for one in self.committees)

    def share(self, committee: Committee) -> Fraction | None:
        """What share of these votes a committee has, exactly; None while there are none."""
        return share_of(committee.votes, self.votes)


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

    @property
    def share(self) -> Fraction | None:
        """Votes for yes as a share of yes and no, exactly; None while there are none."""
        return share_of(self.yes, None if self.yes is None or self.no is None else self.yes + self.no)


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

    @property
    def votes(self) -> int | None:
        """Votes of all lists, or of all who stand alone; None while nothing is reported, and in a referendum."""
        standing: Sequence[List | Candidate] = self.lists or self.candidates
        return _added(one.votes for one in standing)

    def share(self, one: List | Candidate) -> Fraction | None:
        """What share of these votes a list, or one who stands alone, has, exactly; None while there are none."""
        return share_of(one.votes, self.votes)


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
    """One of those ahead: a committee or a ``candidate``; ``share`` of the votes of all, as told: to a hundredth of a percent."""

    committee: str | None
    candidate: int | None
    name: str | None
    votes: int
    share: Fraction
    seats: int | None


@dataclass(frozen=True, slots=True)
class KindSummary:
    """One kind of contest in one ``line`` for tickers, with its numbers.

    ``share`` of the protocols and ``turnout`` (None: not known) are as told, to a hundredth of a percent: the share of protocols
    stays below 1 while one is out.
    """

    id: str
    line: str
    expected: int
    reported: int
    share: Fraction
    turnout: Fraction | None
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
class AreaTurnout:
    """Precincts that have to report and did, voters and ballots issued there; None while nothing is reported."""

    id: str
    expected: int
    reported: int
    eligible: int | None
    issued: int | None

    @property
    def turnout(self) -> Fraction | None:
        """Ballots issued over voters, exactly; None while unknown, or without a voter."""
        return share_of(self.issued, self.eligible)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnoutReport(Stamp):
    """``turnout.xml``: voters and ballots issued at a reporting ``hour``, by area."""

    hour: datetime.datetime
    areas: tuple[AreaTurnout, ...]
