"""Comparing results with the registers: whatever was to be published is, under the same names, and nothing else is.

Every function yields (code, what, published, in the registers).
"""

from collections import Counter
from collections.abc import Callable, Iterator

from lxml import etree

from skrutinium.documents.parsing import NAMESPACE, children
from skrutinium.verifying.registers import PERSON, Attributes, Person, Registers

Finding = tuple[str, str, object, object]

UNPUBLISHED, UNREGISTERED, NAMES = "unpublished", "unregistered", "names"
_NOTHING: Attributes = {}
_LIST = ("committee", "name", "candidates", "active")


def document(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    """What one document of results says of the event, against the registers."""
    tag = etree.QName(root).localname
    compare = _BY_ROOT.get(tag)
    if compare is None:
        return
    unit = tag.removesuffix("-results")
    rows = {
        "area": registers.areas,
        "contest": registers.contests,
        "district": registers.districts,
        "precinct": registers.precincts,
    }.get(unit)
    if rows is not None and root.get("id") not in rows:
        yield UNREGISTERED, unit, root.get("id"), None
    else:
        yield from compare(registers, root)


def _named(element: etree._Element, row: Attributes, names: tuple[str, ...], what: str) -> Iterator[Finding]:
    for name in names:
        if (theirs := element.get(name)) != (ours := row.get(name)) and not _standing(name, theirs, ours):
            yield NAMES, f"{what}{name}", theirs, ours


def _standing(name: str, theirs: str | None, ours: str | None) -> bool:
    """Whether both say that a list or candidate stands: an absent ``active`` is true."""
    return name == "active" and {theirs, ours} <= {None, "true", "1"}


def _both(theirs: set[str], ours: set[str], what: str) -> Iterator[Finding]:
    yield from ((UNPUBLISHED, f"{what} {one}", None, "registered") for one in sorted(ours - theirs))
    yield from ((UNREGISTERED, f"{what} {one}", "published", None) for one in sorted(theirs - ours))


def _area_rows(registers: Registers, root: etree._Element, id: str) -> Iterator[Finding]:
    rows = {str(row.get("id")): row for row in children(root, "area")}
    yield from _both(set(rows), registers.children.get(id, set()), "area")
    for one, row in rows.items():
        yield from _named(row, registers.areas.get(one, _NOTHING), ("kind", "name"), f"area {one}: ")


def _committees(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    for kind in children(root, "kind"):
        for row in children(kind, "committee"):
            if (id := row.get("id")) is None:
                continue
            what = f"{kind.get('id')}: committee {id}"
            if id not in registers.committees:
                yield UNREGISTERED, what, "published", None
            elif row.get("name") != (ours := registers.committee_name(id)):
                yield NAMES, f"{what}: name", row.get("name"), ours


def _event(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    theirs = root.get("made-up") in ("true", "1")
    if theirs != registers.made_up:
        yield NAMES, "made-up", theirs, registers.made_up
    for country in (id for id, row in registers.areas.items() if "parent" not in row):
        yield from _area_rows(registers, root, country)
    yield from _committees(registers, root)
    yield from _standing_committees(registers, root)


def _standing_committees(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    """Whoever put up a list or a candidate that people can vote for is in the table of that kind of contest."""
    shown = {
        (str(kind.get("id")), row.get("id"))
        for kind in children(root, "kind")
        for row in children(kind, "committee")
    }
    due: set[tuple[str, str]] = set()
    voted = {poll["district"] for polls in registers.polls.values() for poll in polls.values()}
    for district in voted:
        kind = registers.contests[registers.districts[district]["contest"]]["kind"]
        rows = registers.lists.get(district, {}).values()
        told = (row.get("committee") for row in rows if row.get("active") not in ("false", "0"))
        due.update((kind, committee) for committee in told if committee is not None)
    for kind, committee in sorted(due - shown):
        yield UNPUBLISHED, f"{kind}: committee {committee}", None, registers.committee_name(committee)


def _area(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    id = str(root.get("id"))
    yield from _named(root, registers.areas.get(id, _NOTHING), ("kind", "name", "parent"), "")
    yield from _area_rows(registers, root, id)
    yield from _committees(registers, root)
    for row in children(root, "contest"):
        one = str(row.get("id"))
        if one not in registers.contests:
            yield UNREGISTERED, f"contest {one}", "published", None
        yield from _named(row, registers.contests.get(one, _NOTHING), ("kind", "name"), f"contest {one}: ")


def _contest(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    id = str(root.get("id"))
    ours = registers.contests.get(id, _NOTHING)
    yield from _named(root, ours, ("kind", "area", "name", "seats", "round"), "")
    rows = {str(row.get("id")): row for row in children(root, "district")}
    yield from _both(set(rows), registers.divisions.get(id, set()), "district")
    for one, row in rows.items():
        yield from _district_row(registers, row, f"district {one}: ")


def _district(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    row = registers.districts.get(str(root.get("id")), _NOTHING)
    contest = registers.contests.get(row.get("contest", ""), _NOTHING)
    due = {"contest": contest.get("id", ""), "contest-name": contest.get("name", "")}
    due |= {name: contest[name] for name in ("kind", "area", "round") if name in contest}
    yield from _named(root, due, ("contest", "contest-name", "kind", "area", "round"), "")
    yield from _district_row(registers, root, "")


def _district_row(registers: Registers, element: etree._Element, what: str) -> Iterator[Finding]:
    id = str(element.get("id"))
    yield from _named(element, registers.districts.get(id, _NOTHING), ("number", "name", "seats"), what)
    ours, met = registers.lists.get(id, {}), set[int]()
    for row in children(element, "list"):
        number = int(str(row.get("number")))
        met.add(number)
        if number in ours:
            yield from _named(row, ours[number], _LIST, f"{what}list {number}: ")
        elif any(row.get(name) is not None for name in _LIST):  # else a protocol alone brought the number in
            yield UNREGISTERED, f"{what}list {number}", row.get("name") or "published", None
        yield from _candidates(registers, row, (id, number), f"{what}list {number}: ")
    for number in sorted(ours.keys() - met):
        yield UNPUBLISHED, f"{what}list {number}", None, ours[number].get("name", "registered")
    if not met:
        yield from _candidates(registers, element, (id, 0), what)
    yield from _unnumbered(registers, element, id, what)


def _unnumbered(registers: Registers, element: etree._Element, id: str, what: str) -> Iterator[Finding]:
    theirs = Counter((row.get("committee"), row.get("name")) for row in children(element, "unnumbered-list"))
    ours = Counter((row.get("committee"), row.get("name")) for row in registers.unnumbered.get(id, ()))
    for _, name in (ours - theirs).elements():
        yield UNPUBLISHED, f"{what}list without a number", None, name
    for _, name in (theirs - ours).elements():
        yield UNREGISTERED, f"{what}list without a number", name, None


def _candidates(
    registers: Registers, element: etree._Element, key: tuple[str, int], what: str
) -> Iterator[Finding]:
    ours, met = registers.persons.get(key, {}), set[int]()
    for row in element.iterchildren(NAMESPACE + "candidate"):
        number = int(str(row.get("number")))
        met.add(number)
        theirs: Person = tuple(map(row.get, PERSON))
        person = ours.get(number)
        if person is None:
            if any(one is not None for one in theirs):  # else a protocol alone brought the number in
                yield UNREGISTERED, f"{what}candidate {number}", _name(theirs), None
        elif theirs != person:
            for name, left, right in zip(PERSON, theirs, person, strict=True):
                if left != right and not _standing(name, left, right):
                    yield NAMES, f"{what}candidate {number}: {name}", left, right
    for number in sorted(ours.keys() - met):
        yield UNPUBLISHED, f"{what}candidate {number}", None, _name(ours[number])


def _name(person: Person) -> str:
    return " ".join(one for one in person[:2] if one) or "registered"


def _precinct(registers: Registers, root: etree._Element) -> Iterator[Finding]:
    id = str(root.get("id"))
    yield from _named(root, registers.precincts.get(id, _NOTHING), ("area", "number", "kind", "name"), "")
    theirs = {
        f"{one.get('contest')} in district {one.get('district')}"
        for name in ("protocol", "awaited")
        for one in children(root, name)
    }
    ours = {f"{one['contest']} in district {one['district']}" for one in registers.polls.get(id, {}).values()}
    yield from _both(theirs, ours, "protocol of contest")


_BY_ROOT: dict[str, Callable[[Registers, etree._Element], Iterator[Finding]]] = {
    "event-results": _event,
    "area-results": _area,
    "contest-results": _contest,
    "district-results": _district,
    "precinct-results": _precinct,
}
