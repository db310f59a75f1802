"""A book: what the registers of one version of the definition say, joined on demand.

Areas, contests, districts, committees and lists are at hand at once. What is large (precincts, candidates) or seldom needed
(codebooks, calendar) is read when it is asked for, once. Everything comes through ``load``, which gives checked bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from skrutinium.documents import registered as r
from skrutinium.documents import registers_reading as reading
from skrutinium.documents.book_changes import BookChange, changes_between
from skrutinium.documents.registers import RegisterRow, RegistersIndex
from skrutinium.errors import NotYet, SchemaError

Load = Callable[[RegisterRow], Awaitable[bytes]]
"""Gets the bytes of a document that an index lists, checked by its size and hash."""

KeyT = TypeVar("KeyT", bound=Hashable)
RowT = TypeVar("RowT")
JoinedT = TypeVar("JoinedT", bound=r.Joined)
_FOLDER = "registers/candidates/"
_CODEBOOKS = "codebooks/"


class Book:
    """What the registers of one version of the definition say; made by :func:`open_book`.

    A lookup of what the registers do not have raises :class:`NotYet`.
    """

    def __init__(self, index: RegistersIndex, load: Load) -> None:
        self.index = index
        self._rows = {row.path: row for row in index.documents}
        self._load = load
        self._lock = asyncio.Lock()
        self._areas: Mapping[str, r.RegisteredArea] = {}
        self._contests: Mapping[str, r.RegisteredContest] = {}
        self._districts: Mapping[str, r.RegisteredDistrict] = {}
        self._committees: Mapping[str, r.RegisteredCommittee] = {}
        self._lists: Mapping[str, tuple[r.RegisteredList, ...]] = {}
        self._below: Mapping[str, tuple[r.RegisteredArea, ...]] = {}
        self._held: Mapping[str, tuple[r.RegisteredContest, ...]] = {}
        self._divided: Mapping[str, tuple[r.RegisteredDistrict, ...]] = {}
        self._precincts: Mapping[str, r.RegisteredPrecinct] | None = None
        self._candidates: dict[str, Mapping[tuple[str, int | None], tuple[r.RegisteredCandidate, ...]]] = {}
        self._codebooks: dict[str, r.Codebook] = {}
        self._calendar: r.Calendar | None = None

    def __repr__(self) -> str:
        return f"<Book of {self.event}, definition {self.definition}>"

    @property
    def event(self) -> str:
        """The event."""
        return self.index.event

    @property
    def definition(self) -> int:
        """Version of the definition: documents of results name it in ``codebook``."""
        return self.index.definition

    @property
    def made_up(self) -> bool:
        """Whether the election is made up."""
        return self.index.made_up

    # ------------------------------------------------------------------ at hand
    @property
    def areas(self) -> tuple[r.RegisteredArea, ...]:
        """All units of the country, in the order of the register."""
        return tuple(self._areas.values())

    @property
    def contests(self) -> tuple[r.RegisteredContest, ...]:
        """All contests, in the order of the register."""
        return tuple(self._contests.values())

    @property
    def committees(self) -> tuple[r.RegisteredCommittee, ...]:
        """All committees, in the order of the register."""
        return tuple(self._committees.values())

    @property
    def districts(self) -> tuple[r.RegisteredDistrict, ...]:
        """All districts, in the order of the register."""
        return tuple(self._districts.values())

    @property
    def lists(self) -> tuple[r.RegisteredList, ...]:
        """All lists, district by district; those without a number last in their district."""
        return tuple(row for rows in self._lists.values() for row in rows)

    def area(self, id: str) -> r.RegisteredArea:
        """One unit of the country."""
        return self._found(self._areas, id, "area", id)

    def areas_below(self, id: str) -> tuple[r.RegisteredArea, ...]:
        """The next smaller units of an area."""
        return self._below.get(id, ())

    def contest(self, id: str) -> r.RegisteredContest:
        """One contest."""
        return self._found(self._contests, id, "contest", id)

    def contests_of(self, area: str) -> tuple[r.RegisteredContest, ...]:
        """The contests held for an area."""
        return self._held.get(area, ())

    def district(self, id: str) -> r.RegisteredDistrict:
        """One district."""
        return self._found(self._districts, id, "district", id)

    def districts_of(self, contest: str) -> tuple[r.RegisteredDistrict, ...]:
        """The districts of a contest."""
        return self._divided.get(contest, ())

    def committee(self, id: str) -> r.RegisteredCommittee:
        """One committee."""
        return self._found(self._committees, id, "committee", id)

    def list(self, district: str, number: int) -> r.RegisteredList:
        """The list with that number on the ballot of a district."""
        there = {one.number: one for one in self.lists_of(district)}
        return self._found(there, number, "list", f"{number} in district {district}")

    def lists_of(self, district: str) -> tuple[r.RegisteredList, ...]:
        """The lists on the ballot of a district; those without a number last."""
        return self._lists.get(district, ())

    # ------------------------------------------------------------------ read when asked for
    async def precincts(self) -> tuple[r.RegisteredPrecinct, ...]:
        """All precincts, in the order of the register."""
        return tuple((await self._all_precincts()).values())

    async def precinct(self, id: str) -> r.RegisteredPrecinct:
        """One precinct."""
        return self._found(await self._all_precincts(), id, "precinct", id)

    async def candidates(
        self, district: str, list_number: int | None = None
    ) -> tuple[r.RegisteredCandidate, ...]:
        """Who stands on a list of a district, or (without a list) alone, in the order of the ballot; empty when it is not known."""
        path = f"{_FOLDER}{self._county_of(self.district(district).contest.area)}.xml"
        if path not in self._rows:
            return ()
        return (await self._ballots(path)).get((district, list_number), ())

    async def candidates_in(self, area: str) -> tuple[r.RegisteredCandidate, ...]:
        """Who stands in the contests held in a county, or for one larger area; empty when it is not known."""
        path = f"{_FOLDER}{area}.xml"
        if path not in self._rows:
            return ()
        return tuple(row for rows in (await self._ballots(path)).values() for row in rows)

    async def candidate(self, district: str, list_number: int | None, number: int) -> r.RegisteredCandidate:
        """One person who stands, by the number on a list or (``list_number`` None) on the ballot."""
        there = {one.number: one for one in await self.candidates(district, list_number)}
        place = f"{number} of district {district}" + (f", list {list_number}" if list_number else "")
        return self._found(there, number, "candidate", place)

    async def codebook(self, id: str) -> r.Codebook:
        """A codebook of the project, such as ``phases`` or ``contest-kinds``."""
        async with self._lock:
            if id not in self._codebooks:
                self._codebooks[id] = await self._read(f"{_CODEBOOKS}{id}.xml", reading.read_codebook)
            return self._codebooks[id]

    async def calendar(self) -> r.Calendar:
        """Testing windows, rehearsals, closing dates, voting."""
        async with self._lock:
            if self._calendar is None:
                self._calendar = await self._read("calendar.xml", reading.read_calendar)
            return self._calendar

    async def changes(self, older: "Book") -> tuple[BookChange, ...]:
        """What the registers say otherwise than an older book of the same event; what is large is read only where it differs.

        Raises ValueError for a book of another event.
        """
        return await changes_between(older, self)

    # ------------------------------------------------------------------ how it is done
    async def open(self) -> None:
        """Read what is at hand from then on; :func:`open_book` does it."""
        areas, contests, districts, committees, lists = await asyncio.gather(
            self._register("areas", reading.read_areas),
            self._register("contests", reading.read_contests),
            self._register("districts", reading.read_districts),
            self._register("committees", reading.read_committees),
            self._register("lists", reading.read_lists),
        )
        # For a whole country it is a matter of tens of milliseconds, which nobody who follows a feed should wait for.
        await asyncio.to_thread(self._put_together, areas, contests, districts, committees, lists)

    def _put_together(
        self,
        areas: tuple[r.RegisteredArea, ...],
        contests: tuple[r.RegisteredContest, ...],
        districts: tuple[r.RegisteredDistrict, ...],
        committees: tuple[r.RegisteredCommittee, ...],
        lists: tuple[r.RegisteredList, ...],
    ) -> None:
        self._areas = {row.id: r.join(row, self) for row in areas}
        _check_no_circle(self._areas)
        self._contests = {row.id: r.join(row, self) for row in contests}
        self._districts = {row.id: r.join(row, self) for row in districts}
        self._committees = {row.id: row for row in committees}
        self._lists = _grouped((r.join(row, self) for row in lists), lambda row: row.district_id)
        self._below = _grouped(areas, lambda row: row.parent_id or "")
        self._held = _grouped(contests, lambda row: row.area_id)
        self._divided = _grouped(districts, lambda row: row.contest_id)

    async def _all_precincts(self) -> Mapping[str, r.RegisteredPrecinct]:
        async with self._lock:
            if self._precincts is None:
                rows = await self._register("precincts", reading.read_precincts)
                self._precincts = await asyncio.to_thread(lambda: {row.id: r.join(row, self) for row in rows})
            return self._precincts

    async def _ballots(self, path: str) -> Mapping[tuple[str, int | None], tuple[r.RegisteredCandidate, ...]]:
        async with self._lock:
            if path not in self._candidates:
                rows = await self._read(path, reading.read_candidates)
                self._candidates[path] = await asyncio.to_thread(
                    lambda: _grouped(
                        (r.join(row, self) for row in rows), lambda row: (row.district_id, row.list)
                    )
                )
            return self._candidates[path]

    def _county_of(self, area: r.RegisteredArea) -> str:
        """The county that an area lies in, or is; the area itself when it is larger: candidates lie by it."""
        above: r.RegisteredArea | None = area
        while above is not None:
            if above.kind == "county":
                return above.id
            above = above.parent
        return area.id

    async def _register(
        self, name: str, read: Callable[[bytes, str, RegisterRow], tuple[RowT, ...]]
    ) -> tuple[RowT, ...]:
        return await self._read(f"registers/{name}.xml", read)

    async def _read(self, path: str, read: Callable[[bytes, str, RegisterRow], RowT]) -> RowT:
        row = self._found(self._rows, path, "document", path)
        return await asyncio.to_thread(read, await self._load(row), self.event, row)

    def _found(self, there: Mapping[KeyT, RowT], key: KeyT, what: str, shown: str) -> RowT:
        try:
            return there[key]
        except KeyError:
            raise NotYet(f"registers {self.definition} of {self.event} have no {what} {shown}") from None


async def open_book(index: RegistersIndex, load: Load) -> Book:
    """The book of an index that was checked; raises what ``load`` raises, :class:`SchemaError` and :class:`NotYet`."""
    book = Book(index, load)
    await book.open()
    return book


def _check_no_circle(areas: Mapping[str, r.RegisteredArea]) -> None:
    """Raise :class:`SchemaError` when an area lies in itself: whoever walks up from it would never arrive."""
    arrived: set[str] = set()
    for id in areas:
        way: dict[str, None] = {}
        above: str | None = id
        while above is not None and above in areas and above not in arrived:
            if above in way:
                raise SchemaError(f"area {above} lies in itself", address="registers/areas.xml")
            way[above] = None
            above = areas[above].parent_id
        arrived |= way.keys()


def _grouped(rows: Iterable[RowT], key: Callable[[RowT], KeyT]) -> dict[KeyT, tuple[RowT, ...]]:
    groups: dict[KeyT, list[RowT]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {one: tuple(held) for one, held in groups.items()}
