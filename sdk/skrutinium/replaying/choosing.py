"""Which documents belong to chosen areas, contests and kinds of contest, by the registers in the recording."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from skrutinium.documents.book import Book, open_book
from skrutinium.documents.registers import RegisterRow
from skrutinium.documents.registers_reading import read_index
from skrutinium.errors import ChoiceNeeded, NotYet
from skrutinium.sources.folder import Folder
from skrutinium.sources.source import matches

_DOCUMENT = re.compile(r"(area|contest|district|precinct)/(.+)\.xml")
_NAMES = ("area", "contest", "kind", "only")


class Choosing:
    """Reads the registers once, when they are needed first."""

    def __init__(self, root: Path, event: str) -> None:
        self._source = Folder(root).registers(event)
        self._book: Book | None = None
        self._lock = asyncio.Lock()

    async def book(self) -> Book:
        """The newest registers; raises :class:`NotYet` when there are none."""
        async with self._lock:
            if self._book is None:
                number, _ = await self._source.newest()
                data, _ = await self._source.index(number)
                index = await asyncio.to_thread(read_index, data, self._source.where)

                async def load(row: RegisterRow) -> bytes:
                    document = await self._source.document(number, row)
                    if wrong := matches(row, document, row.path):
                        raise wrong
                    return document

                self._book = await open_book(index, load)
            return self._book

    async def chosen(self, query: Mapping[str, str]) -> "Chosen | None":
        """What a query chooses, None for everything; raises :class:`ChoiceNeeded` for what the event has not."""
        told = {name: [one for one in query[name].split(",") if one] for name in _NAMES if name in query}
        if not told:
            return None
        found: set[tuple[str, str]] = set()
        if told.keys() - {"only"}:
            try:
                book = await self.book()
            except NotYet as error:
                raise ChoiceNeeded("no-registers") from error
            try:
                await self._gather(book, told, found)
            except NotYet as error:
                raise ChoiceNeeded("no-area" if "area" in error.message else "no-contest") from error
        return Chosen(frozenset(found), frozenset(told.get("only", ())))

    async def _gather(self, book: Book, told: Mapping[str, list[str]], found: set[tuple[str, str]]) -> None:
        contests = [book.contest(one).id for one in told.get("contest", ())]
        for kind in told.get("kind", ()):
            of_kind = [one.id for one in book.contests if one.kind == kind]
            if not of_kind:
                raise NotYet("no contest is of this kind")
            contests += of_kind
        due = [book.area(one).id for one in told.get("area", ())]
        areas: set[str] = set()
        while due:
            area = due.pop()
            if area not in areas:
                areas.add(area)
                due += [one.id for one in book.areas_below(area)]
                found.update(("contest", one.id) for one in book.contests_of(area))
        found.update(("area", one) for one in areas)
        found.update(("contest", one) for one in contests)
        for precinct in await book.precincts():
            polls = {one.contest_id for one in precinct.polls}
            if precinct.area_id in areas:
                found.update(("contest", one) for one in polls)
            if precinct.area_id in areas or polls.intersection(contests):
                found.add(("precinct", precinct.id))


class Chosen:
    """The documents that a choice stands for."""

    def __init__(self, documents: frozenset[tuple[str, str]], paths: frozenset[str]) -> None:
        self._documents = documents
        self._paths = paths

    def takes(self, path: str) -> bool:
        """Whether the document at that path is meant."""
        if path in self._paths:
            return True
        found = _DOCUMENT.fullmatch(path)
        if found is None:
            return False
        kind, id = found[1], found[2]
        return (("contest", id.rpartition(".")[0]) if kind == "district" else (kind, id)) in self._documents
