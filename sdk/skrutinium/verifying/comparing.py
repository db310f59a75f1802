"""Comparing the published documents with the recount; every function yields (what, published, recomputed)."""

import dataclasses
from collections.abc import Iterable, Iterator

from lxml import etree

from skrutinium.documents.parsing import NAMESPACE, children
from skrutinium.documents.protocols_reading import protocol
from skrutinium.verifying import majority, outcomes, seats
from skrutinium.verifying.recount import EVENT, Precincts, Recount, Sum, Votes, votes_of

Finding = tuple[str, object, object]


def whole(element: etree._Element, name: str) -> int | None:
    """A whole number, None when the attribute is absent."""
    value = element.get(name)
    return None if value is None else int(value)


def _progress(element: etree._Element, ours: Sum, what: str) -> Iterator[Finding]:
    for name, mine in (("expected", ours.expected), ("reported", ours.reported)):
        if (theirs := whole(element, name)) != mine:
            yield f"{what}{name}", theirs, mine
    if (word := element.get("reporting")) != ours.reporting:
        yield f"{what}reporting", word, ours.reporting


def _state(root: etree._Element, expected: int, reported: int, *, held: bool = False) -> Iterator[Finding]:
    """Interim or complete follows from the unit's own count; what lies beyond is the event's to say."""
    theirs, mine = root.get("state"), "complete" if reported >= expected and not held else "interim"
    if theirs != mine and (theirs in ("interim", "complete") or reported < expected):
        yield "state", theirs, mine


def event_state(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """What is said of the whole event is what the manifest says of it."""
    if (theirs := root.get("state")) != recount.state:
        yield "state", theirs, recount.state


def _area_state(root: etree._Element, recount: Recount, area: str) -> Iterator[Finding]:
    sums = recount.areas.get(area, {}).values()
    return _state(root, sum(one.expected for one in sums), sum(one.reported for one in sums))


def _count(parent: etree._Element, recount: Recount, ours: Sum, what: str) -> Iterator[Finding]:
    element = parent.find(NAMESPACE + "count")
    if element is None:
        yield f"{what}count", None, "one"
        return
    yield from _progress(element, ours, what)
    if recount.eligible is not None:
        mine_out = ours.eligible_out if ours.expected else None  # where nobody votes there is nothing to tell
        if (theirs_out := whole(element, "eligible-out")) != mine_out:
            yield f"{what}eligible-out", theirs_out, mine_out
    theirs = {
        str(one.get("field")): (whole(one, "value"), whole(one, "protocols"))
        for one in element.iterchildren(NAMESPACE + "figure")
    }
    mine = {
        name: (value, None if ours.told_by[name] == ours.reported else ours.told_by[name])
        for name, value in ours.figures.items()
    }
    for name in sorted(theirs.keys() | mine.keys()):
        if theirs.get(name) != mine.get(name):
            yield f"{what}figure {name}", _figure(theirs.get(name)), _figure(mine.get(name))


def _figure(told: tuple[int | None, int | None] | None) -> str | None:
    if told is None:
        return None
    return f"{told[0]}" if told[1] is None else f"{told[0]} (told by {told[1]} protocols)"


def _kinds(root: etree._Element, recount: Recount, area: str) -> Iterator[Finding]:
    """Every kind of contest in an area, with all committees."""
    sums = recount.areas.get(area, {})
    published = set()
    for element in children(root, "kind"):
        kind = str(element.get("id"))
        published.add(kind)
        ours = sums.get(kind) or Sum()
        if (theirs := whole(element, "contests")) != len(ours.touching):
            yield f"{kind}: contests", theirs, len(ours.touching)
        yield from _count(element, recount, ours, f"{kind}: ")
        yield from _committees(element, ours, kind)
        yield from outcomes.kind(element, recount, area, ours)
    for kind, ours in sums.items():
        if ours.expected and kind not in published:
            yield f"{kind}", None, f"{ours.reported} of {ours.expected} protocols"


def _committees(element: etree._Element, ours: Sum, kind: str) -> Iterator[Finding]:
    mine = dict(ours.parts)
    for row in element.iterchildren(NAMESPACE + "committee"):
        committee, votes = row.get("id"), row.get("votes")
        expected = mine.pop(committee, 0) if ours.reported else None
        if votes != (None if expected is None else str(expected)):
            yield f"{kind}: votes of committee {committee or '(not known)'}", votes, expected
    for rest, value in mine.items():
        if value:
            yield f"{kind}: votes of committee {rest or '(not known)'}", None, value


def _out(element: etree._Element, recount: Recount, area: str, what: str = "") -> Iterator[Finding]:
    ours = recount.precincts.get(area) or Precincts()
    for name, mine in (("precincts", ours.all), ("precincts-out", ours.out)):
        if (theirs := whole(element, name)) != mine:
            yield f"{what}{name}", theirs, mine
    if recount.eligible is not None and (told := whole(element, "eligible-out")) != ours.eligible_out:
        yield f"{what}eligible-out", told, ours.eligible_out


def _area_rows(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    for row in children(root, "area"):
        area = str(row.get("id"))
        ours = Sum()
        for one in recount.areas.get(area, {}).values():
            ours.expected += one.expected
            ours.reported += one.reported
        yield from _progress(row, ours, f"area {area}: ")
        yield from _out(row, recount, area, f"area {area}: ")


def _held(element: etree._Element, recount: Recount, contest: str, what: str = "") -> Iterator[Finding]:
    """The contest's own document says whether it is held; no other may say anything else."""
    if (theirs := element.get("held")) != (mine := recount.held.get(contest)):
        yield f"{what}held", theirs, mine


def event(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``event.xml``."""
    yield from event_state(root, recount)
    yield from _out(root, recount, EVENT)
    if (theirs := whole(root, "held") or 0) != len(recount.held):
        yield "held", theirs, len(recount.held)
    yield from _kinds(root, recount, EVENT)
    yield from _area_rows(root, recount)


def area(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``area/ID.xml``."""
    yield from _area_state(root, recount, str(root.get("id")))
    yield from _out(root, recount, str(root.get("id")))
    yield from _kinds(root, recount, str(root.get("id")))
    yield from _area_rows(root, recount)
    for row in children(root, "contest"):
        contest = str(row.get("id"))
        yield from _progress(row, recount.contests.get(contest) or Sum(), f"contest {contest}: ")
        yield from _held(row, recount, contest, f"contest {contest}: ")


def contest(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``contest/ID.xml``."""
    ours = recount.contests.get(str(root.get("id"))) or Sum()
    yield from _state(root, ours.expected, ours.reported, held="held" in root.attrib)
    yield from _count(root, recount, ours, "")
    for element in children(root, "district"):
        what = f"district {element.get('id')}: "
        yield from _district(element, recount, int(str(root.get("round"))), what)


def district(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``district/ID.xml``: the same, for one district."""
    ours = recount.districts.get(str(root.get("id"))) or Sum()
    yield from _state(root, ours.expected, ours.reported, held="held" in root.attrib)
    if root.get("id") not in recount.divisions.get(str(root.get("contest")), {}).values():
        yield "contest", root.get("contest"), None
    yield from _held(root, recount, str(root.get("contest")))
    yield from _district(root, recount, int(str(root.get("round"))), "")


def _district(element: etree._Element, recount: Recount, turn: int, what: str) -> Iterator[Finding]:
    ours = recount.districts.get(str(element.get("id"))) or Sum()
    yield from _count(element, recount, ours, what)
    yield from _lists(element, ours, what)
    if recount.law in majority.LAWS and next(children(element, "list"), None) is None:
        yield from _elected(element, ours, turn, what)
    if recount.law in seats.LAWS and next(children(element, "candidate"), None) is None:
        yield from outcomes.lists(element, recount, ours, what)


def _elected(element: etree._Element, ours: Sum, turn: int, what: str) -> Iterator[Finding]:
    """Single persons: who is elected, who goes into the second round, and for whom a lot is needed."""
    people = list(children(element, "candidate"))
    standing = [int(str(one.get("number"))) for one in people if one.get("active") not in ("false", "0")]
    votes = {who: ours.candidates.get((0, who), 0) for who in standing}
    known = not ours.without_candidates and sum(votes.values()) == ours.parts.get(0, 0)
    verdict = majority.Verdict("open")
    if ours.reported >= ours.expected:
        verdict = (majority.decide(votes, turn) if known else None) or majority.Verdict("unknown")
    if (word := element.get("outcome")) != verdict.outcome:
        yield f"{what}outcome", word, verdict.outcome
    lots = list(children(element, "lot"))
    for name, theirs, mine in (
        ("elected", _marked(people, "elected"), verdict.elected),
        ("runoff", _marked(people, "runoff"), verdict.runoff),
        ("tied", {int(str(one.get("candidate"))) for lot in lots for one in lot}, verdict.tied),
    ):
        if theirs != mine:
            yield f"{what}{name}", _numbers(theirs), _numbers(mine)
    if (places := sum(int(str(lot.get("places"))) for lot in lots)) != verdict.places:
        yield f"{what}places of lots", places, verdict.places


def _marked(people: list[etree._Element], mark: str) -> set[int]:
    return {int(str(one.get("number"))) for one in people if one.get(mark) not in (None, "false", "0")}


def _numbers(people: Iterable[int]) -> str | None:
    return ", ".join(map(str, sorted(people))) or None


def _lists(district: etree._Element, ours: Sum, what: str) -> Iterator[Finding]:
    missing: dict[int | str | None, int] = dict(ours.parts)
    missing.pop(0, None)  # stands for the persons of a district without lists
    for element in children(district, "list"):
        number = int(str(element.get("number")))
        expected = missing.pop(number, 0) if ours.reported else None
        if (votes := whole(element, "votes")) != expected:
            yield f"{what}votes of list {number}", votes, expected
        yield from _candidates(element, number, ours, f"{what}list {number}: ")
    for rest, value in missing.items():
        if value:
            yield f"{what}votes of list {rest}", None, value
    yield from _candidates(district, 0, ours, what)


def _candidates(parent: etree._Element, number: int, ours: Sum, what: str) -> Iterator[Finding]:
    met = set()
    told = ours.reported > 0 and not ours.without_candidates
    for element in children(parent, "candidate"):
        who = int(str(element.get("number")))
        met.add(who)
        votes = whole(element, "votes")
        if votes is None and not told:
            continue  # the source does not tell them all
        expected = ours.candidates.get((number, who), 0) if ours.reported else None
        if votes != expected:
            yield f"{what}votes of candidate {who}", votes, expected
    if not told:
        return
    for (one, who), value in ours.candidates.items():
        if one == number and value and who not in met:
            yield f"{what}votes of candidate {who}", None, value


def precinct(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``precinct/ID.xml``: exactly the protocols that count, and the rest awaited."""
    name = str(root.get("id"))
    owed = dict(recount.polls.get(name, {}))
    reported = sum((name, contest) in recount.current for contest in owed)
    yield from _state(root, len(owed), reported)
    for element in children(root, "protocol"):
        theirs = protocol(element)
        owed.pop(theirs.contest, None)
        ours = recount.current.get((name, theirs.contest))
        if ours is None:
            yield f"protocol of contest {theirs.contest}", f"entry {theirs.entry}", None
        elif (published := votes_of(theirs)) != ours:
            for part in (field.name for field in dataclasses.fields(Votes)):
                left, right = getattr(published, part), getattr(ours, part)
                if left != right:
                    yield f"protocol of contest {theirs.contest}: {part}", left, right
    awaited = {str(one.get("contest")) for one in children(root, "awaited")}
    for contest_id in sorted(awaited ^ owed.keys()):
        yield f"awaited contest {contest_id}", contest_id in awaited, contest_id in owed
    for contest_id in sorted(awaited):
        if (name, contest_id) in recount.current:
            yield f"protocol of contest {contest_id}", "awaited", "taken over"
