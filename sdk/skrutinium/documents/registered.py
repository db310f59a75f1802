"""What stands in the registers of an event, one frozen dataclass each, and what they lead to.

What a row names by its id (``parent_id``, ``committee_id`` …) it also gives as a row (``parent``, ``committee`` …) when it comes
from a :class:`~skrutinium.documents.book.Book`; two rows are equal when they say the same, whatever book they come from.
Source: ``xsd/skrutinium/1.0/registers.xsd``.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from skrutinium.documents.book import Book

JoinedT = TypeVar("JoinedT", bound="Joined")


class Joined:
    """A row that knows the book it stands in; the book is no part of what it says."""

    __slots__ = ("_of",)
    _of: "Book"

    @property
    def _book(self) -> "Book":
        try:
            return self._of
        except AttributeError:
            raise ValueError("this row was read by itself; only rows of a book lead to others") from None


def join(row: JoinedT, book: "Book") -> JoinedT:
    """Tell a row the book that it stands in."""
    object.__setattr__(row, "_of", book)
    return row


@dataclass(frozen=True, slots=True)
class RegisteredArea(Joined):
    """One unit of the country; ``parent_id`` is None for the country, ``nuts`` None when it has no such code, or none is known."""

    id: str
    kind: str
    name: str
    parent_id: str | None
    nuts: str | None

    @property
    def parent(self) -> "RegisteredArea | None":
        """The next larger unit; None for the country."""
        return None if self.parent_id is None else self._book.area(self.parent_id)

    @property
    def children(self) -> "tuple[RegisteredArea, ...]":
        """The next smaller units, in the order of the register."""
        return self._book.areas_below(self.id)

    @property
    def contests(self) -> "tuple[RegisteredContest, ...]":
        """The contests held for it, in the order of the register."""
        return self._book.contests_of(self.id)


@dataclass(frozen=True, slots=True)
class RegisteredContest(Joined):
    """One office or question; ``form`` is ``lists``, ``persons`` or ``question``, ``seats`` None when not known."""

    id: str
    kind: str
    form: str
    area_id: str
    name: str
    seats: int | None
    round: int

    @property
    def area(self) -> RegisteredArea:
        """The area it is held for."""
        return self._book.area(self.area_id)

    @property
    def districts(self) -> "tuple[RegisteredDistrict, ...]":
        """Its districts, in the order of the register."""
        return self._book.districts_of(self.id)


@dataclass(frozen=True, slots=True)
class RegisteredDistrict(Joined):
    """One constituency of a contest; ``seats`` None when not known."""

    id: str
    contest_id: str
    number: int
    name: str
    seats: int | None

    @property
    def contest(self) -> RegisteredContest:
        """The contest."""
        return self._book.contest(self.contest_id)

    @property
    def lists(self) -> "tuple[RegisteredList, ...]":
        """The lists on its ballot, in the order of the register; those without a number last."""
        return self._book.lists_of(self.id)


@dataclass(frozen=True, slots=True)
class RegisteredPoll:
    """A contest that a precinct votes in; ``eligible`` voters on the roll before the election, None when not known."""

    contest_id: str
    district_id: str
    eligible: int | None


@dataclass(frozen=True, slots=True)
class RegisteredPrecinct(Joined):
    """Where people vote, and on what; ``name`` None when not known."""

    id: str
    area_id: str
    number: int
    kind: str
    name: str | None
    polls: tuple[RegisteredPoll, ...]

    @property
    def area(self) -> RegisteredArea:
        """The area it lies in."""
        return self._book.area(self.area_id)


@dataclass(frozen=True, slots=True)
class RegisteredCommittee:
    """Who puts up lists or candidates, throughout the country; what is not known is None."""

    id: str
    name: str | None
    short: str | None

    @property
    def known_as(self) -> str | None:
        """What results call it: its name, else its short one, None when neither is known."""
        return self.name or self.short


@dataclass(frozen=True, slots=True)
class RegisteredList(Joined):
    """A list on the ballot of one district; ``number`` None when it is not drawn yet, or not told without doubt.

    ``standing`` is how many candidates stand on it, None when not known; ``active`` is False for a list that was withdrawn or cancelled.
    """

    contest_id: str
    district_id: str
    number: int | None
    committee_id: str | None
    name: str | None
    standing: int | None
    active: bool

    @property
    def district(self) -> RegisteredDistrict:
        """The district."""
        return self._book.district(self.district_id)

    @property
    def committee(self) -> RegisteredCommittee | None:
        """Who puts it up; None when not known."""
        return None if self.committee_id is None else self._book.committee(self.committee_id)


@dataclass(frozen=True, slots=True)
class RegisteredCandidate(Joined):
    """One person who stands: on the list of that number, or (``list`` None) alone; what is not known is None.

    ``active`` is False for a candidate who was struck off or stepped down; ``age`` in years on the day of voting.
    """

    contest_id: str
    district_id: str
    list: int | None
    number: int
    given_name: str | None
    family_name: str | None
    title_before: str | None
    title_after: str | None
    age: int | None
    committee_id: str | None
    active: bool

    @property
    def name(self) -> str:
        """The whole name with titles; empty when it is not known."""
        name = " ".join(part for part in (self.title_before, self.given_name, self.family_name) if part)
        return f"{name}, {self.title_after}" if name and self.title_after else name

    @property
    def committee(self) -> RegisteredCommittee | None:
        """Who puts the person up: the list's committee where there is a list; None when not known."""
        if self.committee_id is not None:
            return self._book.committee(self.committee_id)
        return None if self.list is None else self._book.list(self.district_id, self.list).committee


@dataclass(frozen=True, slots=True)
class Codebook:
    """One codebook, such as ``phases``: for each item its columns (``name_en``, ``name_cs``, ``name_pl``, ``meaning`` …) that say something."""

    id: str
    items: Mapping[str, Mapping[str, str]]

    def name(self, item: str, language: str = "en") -> str:
        """The name of an item in a language, else in English, else its id."""
        told = self.items.get(item, {})
        return told.get(f"name_{language}") or told.get("name_en") or item


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """One entry of the calendar; ``ends`` is ``begins`` for a single moment, both UTC."""

    id: str
    kind: str
    begins: datetime.datetime
    ends: datetime.datetime
    text: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Testing windows, rehearsals, closing dates, voting, in the order of time; ``zone`` is the IANA name of the time zone of the election."""

    zone: str
    entries: tuple[CalendarEntry, ...]


Registered = (
    RegisteredArea
    | RegisteredContest
    | RegisteredDistrict
    | RegisteredPrecinct
    | RegisteredCommittee
    | RegisteredList
    | RegisteredCandidate
)
"""A row of any register."""
