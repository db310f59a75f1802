"""What an area stands for in a list of recipients: everything below it, and the contests held there. Pure but for :func:`read_territory`.

It comes from the registers in the release store; without them an area stands for its own document.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from skrutinium_server.crisis.errors import UnreadableResults
from skrutinium_server.crisis.reading import NAMESPACE, parse
from skrutinium_server.release.store.registers import RegistersReader

FILES: Final = ("registers/areas.xml", "registers/contests.xml")


class Territory:
    """``parents`` tells for each area the one around it, ``held`` for each contest the area where it is held."""

    def __init__(self, parents: Mapping[str, str | None], held: Mapping[str, str]) -> None:
        self._below: defaultdict[str | None, list[str]] = defaultdict(list)
        for area, parent in parents.items():
            self._below[parent].append(area)
        self._held: defaultdict[str, list[str]] = defaultdict(list)
        for contest, area in held.items():
            self._held[area].append(contest)

    def within(self, areas: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
        """These areas with all below, and the contests held in them."""
        found: set[str] = set()
        due = list(areas)
        while due:
            area = due.pop()
            if area not in found:
                found.add(area)
                due += self._below.get(area, ())
        return frozenset(found), frozenset(contest for area in found for contest in self._held.get(area, ()))


NOWHERE: Final = Territory({}, {})
"""Nothing is known of any area."""


def read_territory(store: Path, event: str) -> Territory:
    """The territory of an event by its newest registers; reads files. Raises StoreError, :class:`UnreadableResults`."""
    reader = RegistersReader(store)
    newest = reader.newest(event)
    if newest is None:
        return NOWHERE
    rows = reader.index(event, newest.number).rows
    if any(path not in rows for path in FILES):
        return NOWHERE
    areas, contests = (parse(path, reader.document(rows[path])) for path in FILES)
    try:
        return Territory(
            {row.attrib["id"]: row.get("parent") for row in areas.iterchildren(f"{NAMESPACE}area")},
            {row.attrib["id"]: row.attrib["area"] for row in contests.iterchildren(f"{NAMESPACE}contest")},
        )
    except KeyError as error:
        raise UnreadableResults(FILES[1], f"lacks the attribute {error}") from error
