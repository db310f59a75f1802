"""The definition of an event: the fixed facts that every later stage relies on.

Everything here is immutable data without I/O. Identifiers are strings, unique within an event, and used in
documents, addresses and files; they hold ASCII letters, digits, ``.`` and ``-`` only (see :data:`IDENTIFIER`).
Sources: requirements C1, C4, C5; design § 2 for the words.
"""

import datetime
import re
from typing import Final, Literal

import msgspec

IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
"""What an identifier of the event, an area, a contest, a district, a precinct, a committee or a run looks like."""

AreaKind = Literal["country", "region", "county", "municipality", "ward"]
"""Units of the country from the largest to the smallest; a Czech *okres* is a county, a *kraj* a region."""

ContestKind = Literal[
    "municipal-council", "ward-council", "regional-council", "senate", "mayor", "referendum"
]
"""Kinds of contest (codebook ``contest-kinds``)."""

ContestForm = Literal["lists", "persons", "question"]
"""How votes are cast: for lists with candidates, for single persons, or yes and no."""

WayOfElection = Literal["G", "L"]
"""By votes or by lot (codebook ``ways-of-election``)."""


class Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit of the country; ``parent`` is the next larger one, None for the country itself."""

    id: str
    kind: AreaKind
    name: str
    parent: str | None = None
    nuts: str | None = None


class Contest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One office or question to be decided.

    ``seats`` is None when the source does not tell it; then no outcome can be established.
    """

    id: str
    kind: ContestKind
    form: ContestForm
    area: str
    name: str
    seats: int | None = None
    round: int = 1


class District(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A constituency of a contest with its seats; a contest without a division has exactly one, number 1."""

    id: str
    contest: str
    number: int
    name: str
    seats: int | None = None


class Precinct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where people vote: the ``number`` is unique in its area (a ward where there are wards)."""

    id: str
    area: str
    number: int
    kind: str = "permanent"
    name: str | None = None


class Poll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One precinct votes in one contest, in that district: one protocol is expected for each poll.

    ``eligible`` is the number of voters reported before the election, None when unknown.
    """

    precinct: str
    contest: str
    district: str
    eligible: int | None = None


class Committee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who puts up lists, throughout the country (Czech *volební strana*, Polish *komitet*)."""

    id: str
    name: str
    short: str | None = None


class List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list on the ballot of one district.

    ``number`` is the number on the ballot. ``committee``, ``name`` and ``candidates`` (how many stand on it) are
    None when the source does not tell them.
    """

    contest: str
    district: str
    number: int
    committee: str | None = None
    name: str | None = None
    candidates: int | None = None
    active: bool = True


class UnnumberedList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list whose number on the ballot was not drawn yet (or not told without doubt) when the register was made."""

    contest: str
    district: str
    committee: str | None
    name: str


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person on a list (``list`` is the list's number) or, for contests of the form ``persons``, list 0."""

    contest: str
    district: str
    list: int
    number: int
    given_name: str
    family_name: str
    title_before: str = ""
    title_after: str = ""
    age: int | None = None
    active: bool = True
    committee: str | None = None
    """Who puts the person up, in contests of the form ``persons``; None elsewhere and when the source does not tell it."""


class Elected(msgspec.Struct, frozen=True, tag="elected"):
    """One person fills the one seat; ``candidate`` is the number, ``way`` is ``G`` by votes, ``L`` by lot."""

    candidate: int
    way: WayOfElection = "G"


class Runoff(msgspec.Struct, frozen=True, tag="runoff"):
    """Nobody is elected yet: a second round between these two, the one with more votes first."""

    candidates: tuple[int, int]


class ContestFirstRound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first round of one contest ended with.

    ``figures`` are the sums of the law's fields by id (a field that not every protocol told is left out), ``candidates``
    the votes by candidate number, of all who stood. ``outcome`` names the elected person or those who run again.
    ``name`` is the contest's and ``protocols`` how many were counted: what a document of both rounds says of contests
    that were decided at once and are in no second definition. Empty and 0 where they are not told.
    """

    contest: str
    figures: dict[str, int]
    candidates: dict[int, int]
    outcome: Elected | Runoff
    name: str = ""
    protocols: int = 0


class AreaFirstRound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sum of a contest's first round in the precincts of one area (a ward where there are wards).

    It is that of a field of the law (``figure``) or the votes of a ``candidate``; with neither it is the number of protocols.
    """

    contest: str
    area: str
    value: int
    figure: str | None = None
    candidate: int | None = None


class FirstRound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The facts of the first round that a second one is held after: ``event`` and ``date`` of the first round.

    ``contests`` holds all contests of the first round, those included where somebody was elected at once, ``candidates``
    all who stood in them. ``areas`` are sums of the contests with a runoff in the areas that the precincts lie in.
    """

    event: str
    date: datetime.date
    contests: tuple[ContestFirstRound, ...]
    candidates: tuple[Candidate, ...] = ()
    areas: tuple[AreaFirstRound, ...] = ()


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All fixed facts of one event. ``version`` counts from 1; it is fixed once a run opens (requirement C5).

    Every tuple is sorted by its key (see :func:`skrutinium_server.election.canonical.canonical`), so equal facts
    have equal bytes and one SHA-256. ``first_round`` is there in the definition of a second round only.
    """

    event: str
    name: str
    date: datetime.date | None
    law: str
    version: int
    made_up: bool = False
    areas: tuple[Area, ...] = ()
    contests: tuple[Contest, ...] = ()
    districts: tuple[District, ...] = ()
    precincts: tuple[Precinct, ...] = ()
    polls: tuple[Poll, ...] = ()
    committees: tuple[Committee, ...] = ()
    lists: tuple[List, ...] = ()
    unnumbered_lists: tuple[UnnumberedList, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    first_round: FirstRound | None = None
