"""Choosing part of a release: areas, contests, kinds of contest, paths. Pure, but for what is handed in.

What lies where comes from the registers of the event (``areas.xml``, ``contests.xml``, ``precincts.xml``). An area stands for its
document and for everything below: smaller areas, the contests held there or voted on in one of its precincts, their districts,
the precincts. A contest stands for itself, its districts, and the precincts that vote in it; a kind for all of its contests. Corrections are taken when they are
of a chosen precinct; batches cover the whole event and are taken only when they are named as a path. Source: issue "What is there to read".
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from skrutinium_server.feed.refusals import NO_AREA, NO_CONTEST, Refusal
from skrutinium_server.xml_parsing import xml_parser

SERIES: Final = "skrutinium"
"""The series whose documents lie in areas."""

FILES: Final = ("registers/areas.xml", "registers/contests.xml", "registers/precincts.xml")
"""The registers that tell what lies where."""

_DOCUMENT: Final = re.compile(r"(area|contest|district|precinct)/(.+)\.xml")
_PRECINCT: Final = re.compile(rb'\sprecinct="([^"]*)"')
_NAMESPACE: Final = "{urn:skrutinium:1}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader wants to have: ids of areas and contests, paths, and kinds of contest; each ascending, without repetition."""

    areas: tuple[str, ...] = ()
    contests: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def located(self) -> bool:
        """Whether it takes the registers to know what is meant."""
        return bool(self.areas or self.contests or self.kinds)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The documents that a choice stands for."""

    documents: frozenset[tuple[str, str]] = frozenset()
    paths: frozenset[str] = frozenset()

    def takes(self, path: str, read: Callable[[], bytes] | None = None) -> bool:
        """Whether the document at ``path`` is meant; ``read`` tells its bytes where only they can tell."""
        if path in self.paths:
            return True
        found = _DOCUMENT.fullmatch(path)
        if found is None:
            return read is not None and path.startswith("corrections/") and self._corrects(read())
        kind, id = found[1], found[2]
        if kind == "district":
            kind, id = "contest", id.rpartition(".")[0]
        return (kind, id) in self.documents

    def touched(self, paths: Iterable[str]) -> bool:
        """Whether a release that changed these paths is news; corrections always come with the precinct that they correct."""
        return any(map(self.takes, paths))

    def _corrects(self, data: bytes) -> bool:
        return bool(self.documents) and any(
            ("precinct", match.decode("utf-8", "replace")) in self.documents
            for match in _PRECINCT.findall(data)
        )


class Territory:
    """What lies where in one event: ``areas`` with what they lie in, ``contests`` with their area, ``precincts`` with area and contests.

    ``kinds`` names the kind of each contest.
    """

    __slots__ = ("_below", "_contests", "_kinds", "_polls", "_precincts", "areas", "contests", "weight")

    def __init__(
        self,
        areas: Mapping[str, str | None],
        contests: Mapping[str, str],
        precincts: Mapping[str, tuple[str, tuple[str, ...]]],
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self.areas = areas
        self.contests = contests
        self._kinds: defaultdict[str, list[str]] = defaultdict(list)
        for id, kind in (kinds or {}).items():
            self._kinds[kind].append(id)
        self._below: defaultdict[str, list[str]] = defaultdict(list)
        self._contests: defaultdict[str, list[str]] = defaultdict(list)
        self._precincts: defaultdict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
        self._polls: defaultdict[str, list[str]] = defaultdict(list)
        for id, parent in areas.items():
            if parent is not None:
                self._below[parent].append(id)
        for id, area in contests.items():
            self._contests[area].append(id)
        for id, (area, polls) in precincts.items():
            self._precincts[area].append((id, polls))
            for contest in polls:
                self._polls[contest].append(id)
        self.weight = 600 * (len(areas) + len(contests) + len(precincts))

    def chosen(self, choice: Choice) -> Chosen | Refusal:
        """The documents that a choice stands for, or a refusal when it names what is not there."""
        found: set[tuple[str, str]] = set()
        for id in choice.areas:
            if id not in self.areas:
                return NO_AREA
            self._gather(id, found)
        if not all(kind in self._kinds for kind in choice.kinds):
            return NO_CONTEST
        for id in (*choice.contests, *(id for kind in choice.kinds for id in self._kinds[kind])):
            if id not in self.contests:
                return NO_CONTEST
            found.add(("contest", id))
            found.update(("precinct", precinct) for precinct in self._polls[id])
        return Chosen(frozenset(found), frozenset(choice.paths))

    def _gather(self, top: str, found: set[tuple[str, str]]) -> None:
        due = [top]
        while due:
            id = due.pop()
            if ("area", id) in found:
                continue
            found.add(("area", id))
            found.update(("contest", contest) for contest in self._contests.get(id, ()))
            for precinct, polls in self._precincts.get(id, ()):
                found.add(("precinct", precinct))
                found.update(("contest", contest) for contest in polls)
            due.extend(self._below.get(id, ()))


def read_territory(areas: bytes, contests: bytes, precincts: bytes) -> Territory:
    """What the three registers tell; raises ValueError when they are not what they should be."""
    try:
        held = list(_rows(contests, "contest"))
        return Territory(
            {row.attrib["id"]: row.get("parent") for row in _rows(areas, "area")},
            {row.attrib["id"]: row.attrib["area"] for row in held},
            {
                row.attrib["id"]: (
                    row.attrib["area"],
                    tuple(poll.attrib["contest"] for poll in row.iter(f"{_NAMESPACE}poll")),
                )
                for row in _rows(precincts, "precinct")
            },
            {row.attrib["id"]: kind for row in held if (kind := row.get("kind")) is not None},
        )
    except KeyError as error:
        raise ValueError(f"a row lacks {error}") from error
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not well-formed XML: {error}") from error


def _rows(data: bytes, name: str) -> Iterable[etree._Element]:
    return etree.fromstring(data, xml_parser()).iter(f"{_NAMESPACE}{name}")
