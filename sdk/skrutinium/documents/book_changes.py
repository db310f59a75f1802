"""What one version of the registers says otherwise than another: a candidate who was struck off, a list that got its number."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skrutinium.documents.registered import Registered, RegisteredCandidate, RegisteredList

if TYPE_CHECKING:
    from skrutinium.documents.book import Book

_FOLDER = "registers/candidates/"
_PRECINCTS = "registers/precincts.xml"


@dataclass(frozen=True, slots=True)
class BookChange:
    """A row of a register that is new (``old`` None), gone (``new`` None) or another.

    ``register`` is its name (``areas``, ``candidates`` …), ``id`` the row's id, or what stands for it: the district, the number of the
    list and that of the candidate, with ``/`` between.
    """

    register: str
    id: str
    old: Registered | None
    new: Registered | None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that differ; none for a row that is new or gone."""
        old, new = self.old, self.new
        if old is None or new is None:
            return ()
        names = (one.name for one in dataclasses.fields(old))
        return tuple(name for name in names if getattr(old, name) != getattr(new, name))

    def __str__(self) -> str:
        told = [f"{name} {getattr(self.old, name)} → {getattr(self.new, name)}" for name in self.fields]
        return f"{self.register} {self.id}: " + (", ".join(told) or ("new" if self.old is None else "gone"))


async def changes_between(old: "Book", new: "Book") -> tuple[BookChange, ...]:
    """Every row that differs, register by register; raises ValueError for books of two events."""
    if old.event != new.event:
        raise ValueError(f"books of two events, {old.event} and {new.event}")
    at_hand: list[tuple[str, Iterable[Registered], Iterable[Registered]]] = [
        ("areas", old.areas, new.areas),
        ("contests", old.contests, new.contests),
        ("districts", old.districts, new.districts),
        ("committees", old.committees, new.committees),
        ("lists", old.lists, new.lists),
    ]
    changes = [change for each in at_hand for change in _register_changes(*each)]
    other = _paths_that_differ(old, new)
    if _PRECINCTS in other:
        changes += _register_changes("precincts", await old.precincts(), await new.precincts())
    areas = sorted(path.removeprefix(_FOLDER)[: -len(".xml")] for path in other if path.startswith(_FOLDER))
    before = [row for area in areas for row in await old.candidates_in(area)]
    now = [row for area in areas for row in await new.candidates_in(area)]
    return (*changes, *_register_changes("candidates", before, now))


def _paths_that_differ(old: "Book", new: "Book") -> set[str]:
    before = {(row.path, row.sha256) for row in old.index.documents}
    now = {(row.path, row.sha256) for row in new.index.documents}
    return {path for path, _ in before ^ now}


def _register_changes(
    register: str, old: Iterable[Registered], new: Iterable[Registered]
) -> Iterator[BookChange]:
    """What differs between two versions of a register, in the order of the new one; what is gone comes last."""
    before, now = ({_key(row): row for row in rows} for rows in (old, new))
    for id, row in now.items():
        if (known := before.get(id)) != row:
            yield BookChange(register, id, known, row)
    yield from (BookChange(register, id, row, None) for id, row in before.items() if id not in now)


def _key(row: Registered) -> str:
    match row:
        case RegisteredList():
            return f"{row.district_id}/{row.number or row.name}"
        case RegisteredCandidate():
            parts = (row.district_id, row.list, row.number)
            return "/".join(str(part) for part in parts if part is not None)
        case _:
            return row.id
