"""Which part of a night is wanted as tables: which tables, and of which areas and contests."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from skrutinium.documents.book import Book
from skrutinium.errors import ChoiceNeeded, NotYet
from skrutinium.tables.columns import OF_DOCUMENT, TABLES, Row, Table
from skrutinium.tables.paths import Place, place_of

_WHOLE = ("event", "summary", "turnout")


@dataclass(frozen=True, slots=True)
class Selection:
    """``tables``, ``areas``, ``contests`` and ``kinds`` of contest: None for all; made by :func:`selection`.

    An area stands for its document and everything below: smaller areas, the contests held there or voted on in one of its precincts,
    the precincts, their corrections. A contest stands for itself and the precincts that vote in it, a kind for all contests of it. Areas,
    contests and kinds add up. What is told of the whole event is in any case.
    """

    tables: tuple[str, ...] | None = None
    areas: tuple[str, ...] | None = None
    contests: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None

    @property
    def chosen(self) -> tuple[Table, ...]:
        """The tables wanted, in their order."""
        return tuple(table for table in TABLES.values() if self.tables is None or table.name in self.tables)

    @property
    def document_kinds(self) -> frozenset[str]:
        """The kinds of documents that hold those tables."""
        return frozenset(table.document for table in self.chosen)

    @property
    def located(self) -> bool:
        """Whether it takes the registers to know what is meant."""
        return (self.areas, self.contests, self.kinds) != (None, None, None)

    async def scope(self, event: str, book: Callable[[], Awaitable[Book]]) -> "Scope":
        """What is meant of an event; raises :class:`ChoiceNeeded` for an area, contest or kind that the registers do not have.

        Raises :class:`NotYet` where it takes the registers and no source has them.
        """
        if not self.located:
            return Scope(self, event, None)
        try:
            registers = await book()
        except NotYet as error:
            words = f"it takes the registers to know which documents areas, contests and kinds of contest are in, and {error.message}"
            raise NotYet(
                f"{words}: read them from the feed first, or ask for everything", address=error.address
            ) from error
        return Scope(self, event, await _documents(self, registers))


def selection(
    tables: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    contests: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> Selection:
    """The selection meant; raises ValueError for a table that there is not, and for a text in place of a list."""
    if any(isinstance(one, str) for one in (tables, areas, contests, kinds)):
        raise ValueError("tables, areas, contests and kinds are lists, such as tables=['lists']")
    if unknown := sorted(set(tables or ()) - TABLES.keys()):
        raise ValueError(f"there is no table {unknown[0]}, but: {', '.join(TABLES)}")
    ordered = None if tables is None else tuple(name for name in TABLES if name in tables)
    named = (None if ids is None else tuple(sorted(set(ids))) for ids in (areas, contests, kinds))
    return Selection(ordered, *named)


class Scope:
    """A selection of one event, as its registers say it."""

    def __init__(self, wanted: Selection, event: str, documents: frozenset[tuple[str, str]] | None) -> None:
        self.selection = wanted
        self._event = event
        self._kinds = wanted.document_kinds
        self._documents = documents

    def place(self, path: str) -> Place | None:
        """What a path names, None when it is not wanted, or has no tables."""
        place = place_of(path, self._event)
        if place is None or place.kind not in self._kinds:
            return None
        if self._documents is None or place.kind in _WHOLE or place.kind == "corrections":
            return place
        return place if (place.kind, str(place.owner)) in self._documents else None

    def wanted(self, rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
        """Of the rows of a document the tables that are wanted; of corrections those of precincts that are."""
        tables = self.selection.tables
        if self._documents is not None and "corrections" in rows:
            precinct = TABLES["corrections"].names.index("precinct")
            told = [row for row in rows["corrections"] if ("precinct", str(row[precinct])) in self._documents]
            entries = {row[:2] for row in told}
            changes = [row for row in rows["correction_changes"] if row[:2] in entries]
            rows = {"corrections": told, "correction_changes": changes}
        return rows if tables is None else {name: told for name, told in rows.items() if name in tables}


def scope_of(wanted: Selection, event: str, paths: Iterable[str]) -> Scope:
    """What was meant where these are the paths of all its documents."""
    places = [place for path in paths if (place := place_of(path, event)) is not None]
    return Scope(wanted, event, frozenset((place.kind, str(place.owner)) for place in places))


async def _documents(wanted: Selection, book: Book) -> frozenset[tuple[str, str]]:
    """Kinds and ids of the documents of areas, contests and kinds of contest."""
    areas: set[str] = set()
    for id in wanted.areas or ():
        areas |= _with_below(book, id)
    contests = {_known(lambda id=id: book.contest(id).id, "contest", id) for id in wanted.contests or ()}  # type: ignore[misc]
    of_kind = {kind: {one.id for one in book.contests if one.kind == kind} for kind in wanted.kinds or ()}
    for kind, ids in of_kind.items():
        if not ids:
            there = ", ".join(sorted({one.kind for one in book.contests}))
            raise ChoiceNeeded(f"the event has no contest of the kind {kind}, but of: {there}")
        contests |= ids
    within = {one.id for one in book.contests if one.area_id in areas}
    precincts: set[str] = set()
    for precinct in await book.precincts():
        polled = {poll.contest_id for poll in precinct.polls}
        if precinct.area_id in areas:
            precincts.add(precinct.id)
            within |= polled
        elif polled & contests:
            precincts.add(precinct.id)
    return frozenset(
        [*_named("area", areas), *_named("contest", within | contests), *_named("precinct", precincts)]
    )


def _named(kind: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    return [(kind, id) for id in ids]


def _with_below(book: Book, id: str) -> set[str]:
    found = {_known(lambda: book.area(id).id, "area", id)}
    waiting = [id]
    while waiting:
        below = [one.id for one in book.areas_below(waiting.pop())]
        found.update(below)
        waiting += below
    return found


def _known(look: Callable[[], str], what: str, id: str) -> str:
    try:
        return look()
    except NotYet as error:
        raise ChoiceNeeded(f"the event has no {what} {id}", address=error.address) from error


KINDS = tuple(OF_DOCUMENT)
"""The kinds of documents that have tables, in the order of the tables."""
