"""Documents as the pages show them: read once, typed, with nothing added but sums that stand beside each other."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lxml import etree

from skrutinium_server.archive.reading import children, number, told, whole


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
    """One district of a contest: lists, or candidates where persons stand."""

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
    unnumbered: tuple[str, ...]
    lots: tuple[Lot, ...]
    first: FirstRound | None

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
    protocols: tuple[Protocol, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One number that changed; None: there was or is none."""

    what: str
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


def _stamp(root: etree._Element) -> Stamp:
    return Stamp(
        told(root, "event"),
        told(root, "run"),
        told(root, "phase"),
        whole(root, "release"),
        told(root, "time"),
    )


def _progress(element: etree._Element) -> Progress:
    return Progress(told(element, "reporting"), whole(element, "expected"), whole(element, "reported"))


def _figures(element: etree._Element) -> tuple[Figure, ...]:
    return tuple(
        Figure(told(one, "field"), whole(one, "value"), number(one, "protocols"))
        for one in children(element, "figure")
    )


def _row(element: etree._Element) -> Row:
    return Row(told(element, "id"), told(element, "kind"), told(element, "name"), _progress(element))


def _kind(element: etree._Element) -> Kind:
    count = next(children(element, "count"))
    committees = [
        Committee(
            one.get("name") or (f"committee {told(one, 'id')}, name not known" if one.get("id") else ""),
            number(one, "votes"),
            number(one, "seats"),
        )
        for one in children(element, "committee")
    ]
    committees.sort(key=lambda one: (not one.name, -(one.seats or 0), -(one.votes or 0), one.name))
    return Kind(
        id=told(element, "id"),
        contests=whole(element, "contests"),
        decided=whole(element, "decided"),
        seats=whole(element, "seats-decided"),
        progress=_progress(count),
        figures=_figures(count),
        eligible_out=number(count, "eligible-out"),
        committees=tuple(committees),
    )


def unit(root: etree._Element) -> Unit:
    """``event.xml`` or ``area/ID.xml``."""
    return Unit(
        stamp=_stamp(root),
        id=told(root, "id"),
        name=told(root, "name"),
        kind=told(root, "kind"),
        parent=root.get("parent"),
        state=told(root, "state"),
        kinds=tuple(map(_kind, children(root, "kind"))),
        areas=tuple(map(_row, children(root, "area"))),
        contests=tuple(map(_row, children(root, "contest"))),
        date=told(root, "date"),
        made_up=root.get("made-up") == "true",
    )


def _candidate(element: etree._Element) -> Candidate:
    parts = (told(element, name) for name in ("title-before", "given-name", "family-name"))
    name = " ".join(filter(None, parts))
    after = told(element, "title-after")
    return Candidate(
        number=whole(element, "number"),
        name=f"{name}, {after}" if after else name,
        votes=number(element, "votes"),
        elected=number(element, "elected"),
        way=told(element, "way"),
        active=element.get("active") != "false",
        runoff=element.get("runoff") == "true",
    )


def _list(element: etree._Element) -> List:
    return List(
        number=whole(element, "number"),
        name=told(element, "name"),
        votes=number(element, "votes"),
        seats=number(element, "seats"),
        passed=told(element, "passed"),
        active=element.get("active") != "false",
        candidates=tuple(map(_candidate, children(element, "candidate"))),
    )


def _first_round(element: etree._Element) -> FirstRound:
    return FirstRound(
        event=told(element, "event"),
        date=told(element, "date"),
        figures=_figures(element),
        candidates=tuple(map(_candidate, children(element, "candidate"))),
    )


def _district(element: etree._Element) -> District:
    count = next(children(element, "count"))
    return District(
        id=told(element, "id"),
        number=whole(element, "number"),
        name=told(element, "name"),
        seats=number(element, "seats"),
        outcome=told(element, "outcome"),
        threshold=number(element, "threshold"),
        vacant=number(element, "vacant"),
        missing=told(element, "missing"),
        progress=_progress(count),
        figures=_figures(count),
        lists=tuple(map(_list, children(element, "list"))),
        candidates=tuple(map(_candidate, children(element, "candidate"))),
        unnumbered=tuple(told(one, "name") for one in children(element, "unnumbered-list")),
        lots=tuple(
            Lot(
                whole(one, "places"),
                tuple((number(tied, "list"), number(tied, "candidate")) for tied in children(one, "tied")),
            )
            for one in children(element, "lot")
        ),
        first=next(map(_first_round, children(element, "first-round")), None),
    )


def contest(root: etree._Element) -> Contest:
    """``contest/ID.xml``."""
    count = next(children(root, "count"))
    districts = tuple(map(_district, children(root, "district")))
    return Contest(
        stamp=_stamp(root),
        id=told(root, "id"),
        kind=told(root, "kind"),
        area=told(root, "area"),
        name=told(root, "name"),
        seats=number(root, "seats"),
        round=number(root, "round") or 1,
        state=told(root, "state"),
        held=told(root, "held"),
        progress=_progress(count),
        figures=_figures(count),
        eligible_out=number(count, "eligible-out"),
        districts=districts,
        names={(one.id, row.number): row for one in districts for row in one.lists},
        persons={(one.id, row.number): row for one in districts for row in one.candidates},
    )


def _protocol(element: etree._Element) -> Protocol:
    return Protocol(
        contest=told(element, "contest"),
        district=told(element, "district"),
        entry=whole(element, "entry"),
        version=whole(element, "version"),
        established=told(element, "established"),
        accepted=told(element, "accepted"),
        figures=_figures(element),
        lists=tuple(
            Votes(
                whole(one, "number"),
                whole(one, "votes"),
                tuple((whole(row, "number"), whole(row, "votes")) for row in children(one, "candidate")),
            )
            for one in children(element, "list")
        ),
    )


def precinct(root: etree._Element) -> Precinct:
    """``precinct/ID.xml``."""
    awaited = (
        Protocol(told(one, "contest"), told(one, "district"), None, 0, "", "", (), ())
        for one in children(root, "awaited")
    )
    return Precinct(
        stamp=_stamp(root),
        id=told(root, "id"),
        area=told(root, "area"),
        number=whole(root, "number"),
        kind=told(root, "kind"),
        name=told(root, "name"),
        protocols=(*map(_protocol, children(root, "protocol")), *awaited),
    )


def _change(element: etree._Element) -> Change:
    if element.get("field") is not None:
        what = told(element, "field")
    elif element.get("candidate") is not None:
        what = f"list {told(element, 'list')}, candidate {told(element, 'candidate')}"
        if element.get("list") == "0":
            what = f"candidate {told(element, 'candidate')}"
    else:
        what = f"list {told(element, 'list')}"
    return Change(what, number(element, "old"), number(element, "new"))


def corrections(root: etree._Element) -> tuple[Correction, ...]:
    """``corrections/N.xml``."""
    return tuple(
        Correction(
            release=whole(root, "release"),
            precinct=told(one, "precinct"),
            contest=told(one, "contest"),
            entry=whole(one, "entry"),
            supersedes=whole(one, "supersedes"),
            reason=told(one, "reason"),
            authority=told(one, "authority"),
            time=told(one, "time"),
            changes=tuple(map(_change, children(one, "change"))),
        )
        for one in children(root, "correction")
    )
