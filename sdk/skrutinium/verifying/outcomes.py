"""What each district and contest ends with, worked out from the recount alone, and comparing what was published with it."""

from collections.abc import Iterable, Iterator, Mapping

from lxml import etree

from skrutinium.documents.parsing import children
from skrutinium.verifying import majority, seats
from skrutinium.verifying.ballots import Ballot
from skrutinium.verifying.recount import Recount, Sum
from skrutinium.verifying.report import Report
from skrutinium.verifying.seats import Seats, Standing

Finding = tuple[str, object, object]
LAWS = majority.LAWS | seats.LAWS
"""The laws whose outcomes are worked out again."""


def of_lists(ballot: Ballot, ours: Sum) -> Seats | None:
    """The seats of a district of lists that is all in; None while what the law needs is not known."""
    lists = ballot.lists
    withdrawn = any(ours.parts.get(number) for number, one in lists.items() if not one.active)
    uncounted = any(one.count is None for one in lists.values() if one.active)
    if not ballot.seats or ballot.unnumbered or withdrawn or uncounted:
        return None
    if ballot.outcome == "unknown" and not all(one.known for one in lists.values()):
        return None  # a number in protocols alone cannot be told from a list of which nothing is known
    standing = {
        number: Standing(ours.parts.get(number, 0), one.count or 0, _persons(ballot, number, ours))
        for number, one in lists.items()
        if one.active
    }
    return seats.give(ballot.seats, standing) if standing else None


def _persons(ballot: Ballot, number: int, ours: Sum) -> Mapping[int, int] | None:
    """Votes of the candidates who stand; None unless every protocol tells everybody's."""
    one = ballot.lists[number]
    votes = {who: count for (of, who), count in ours.candidates.items() if of == number}
    whole = votes.keys() == one.named if one.named else len(votes) == one.candidates
    if ours.without_candidates or not votes or not whole:
        return None
    return {who: count for who, count in votes.items() if who in one.standing or not one.named}


def of_persons(ballot: Ballot, ours: Sum) -> majority.Verdict | None:
    """Who is elected where single persons stand and all is in; None while what the law needs is not known."""
    votes = {who: ours.candidates.get((0, who), 0) for who in ballot.persons}
    if ours.without_candidates or sum(votes.values()) != ours.parts.get(0, 0):
        return None
    return majority.decide(votes, ballot.turn)


def seats_won(recount: Recount, contest: str) -> Mapping[str | None, int] | None:
    """Seats by committee of a contest of which every district is decided; None for any other."""
    if contest not in recount.won:
        recount.won[contest] = _won(recount, contest)
    return recount.won[contest]


def _won(recount: Recount, contest: str) -> Mapping[str | None, int] | None:
    won: dict[str | None, int] = {}
    for district in recount.divisions.get(contest, {}).values():
        ours, ballot = recount.districts.get(district) or Sum(), recount.ballots.get(district)
        if ballot is None or ours.reported < ours.expected or not ours.expected:
            return None
        if recount.law in seats.LAWS:
            given = of_lists(ballot, ours)
            if given is None or given.places:
                return None
            rows = [(ballot.lists[number].committee, count) for number, count in given.won.items()]
        else:
            verdict = of_persons(ballot, ours)
            if verdict is None or verdict.outcome != "decided":
                return None
            rows = [(recount.nominee.get((district, who)), 1) for who in verdict.elected]
        for committee, count in rows:
            won[committee] = won.get(committee, 0) + count
    return won if recount.divisions.get(contest) else None


def tell(recount: Recount, report: Report) -> None:
    """Say in the report how many contests were decided again, or that this law is not known here."""
    if recount.law not in LAWS:
        report.note(
            f"seats and who is elected were not checked: the law {recount.law or '(not told)'} is not known"
        )
        return
    report.decided = sum(seats_won(recount, contest) is not None for contest in recount.divisions)


def booked(recount: Recount, area: str, contests: Iterable[str]) -> list[Mapping[str | None, int]]:
    """The decided ones of these contests whose seats count in an area: those that are held in it."""
    found = []
    for contest in contests:
        if area in recount.around(recount.contest_area.get(contest)):
            won = seats_won(recount, contest)
            if won is not None:
                found.append(won)
    return found


def lists(element: etree._Element, recount: Recount, ours: Sum, what: str) -> Iterator[Finding]:
    """A district of lists: outcome, threshold, seats, who is elected, and for whom a lot is needed."""
    ballot = recount.ballots.get(str(element.get("id")))
    if ballot is None:
        return  # a district that no contest has is told where structure is checked
    whole = ours.reported >= ours.expected
    given = of_lists(ballot, ours) if whole else None
    word = "open" if not whole else "unknown" if given is None else "lot" if given.places else "decided"
    pairs: list[Finding] = [
        ("outcome", element.get("outcome"), word),
        ("threshold", _number(element, "threshold"), given.percent if given else None),
        ("vacant", _number(element, "vacant") or 0, given.vacant if given else 0),
    ]
    for one in children(element, "list"):
        number = int(str(one.get("number")))
        mine = given if given is not None and number in given.won else None
        took_part = None if mine is None else number in mine.passed
        pairs += [
            (f"list {number} passed", _flag(one, "passed"), took_part),
            (f"seats of list {number}", _number(one, "seats"), mine.won[number] if mine else None),
            (
                f"elected of list {number}",
                _elected(one),
                list((mine.elected[number] if mine else None) or ()),
            ),
        ]
    lots = list(children(element, "lot"))
    tied = {_number(row, "list") for lot in lots for row in children(lot, "tied")}
    pairs += [
        ("tied lists", tied, set(given.tied) if given else set()),
        (
            "places of lots",
            sum(int(str(lot.get("places"))) for lot in lots),
            given.places if given else 0,
        ),
    ]
    yield from ((f"{what}{name}", theirs, due) for name, theirs, due in pairs if theirs != due)


def kind(element: etree._Element, recount: Recount, area: str, ours: Sum) -> Iterator[Finding]:
    """What a kind of contest in an area says of contests decided, and of the seats of each committee there."""
    if recount.law not in LAWS:
        return
    name = element.get("id")
    decided = booked(recount, area, ours.touching)
    seats_of: dict[str | None, int] = {}
    for won in decided:
        for committee, count in won.items():
            seats_of[committee] = seats_of.get(committee, 0) + count
    for what, mine in (("decided", len(decided)), ("seats-decided", sum(seats_of.values()))):
        if (theirs := _number(element, what)) != mine:
            yield f"{name}: {what}", theirs, mine
    for row in children(element, "committee"):
        committee = row.get("id")
        due = seats_of.pop(committee, 0) if decided else None
        if (told := _number(row, "seats")) != due:
            yield f"{name}: seats of committee {committee or '(not known)'}", told, due
    for rest, count in seats_of.items():
        if count:
            yield f"{name}: seats of committee {rest or '(not known)'}", None, count


def _elected(element: etree._Element) -> list[int]:
    """Numbers of those elected on a list, in the order of winning."""
    rows = [(_number(one, "elected"), _number(one, "number")) for one in children(element, "candidate")]
    return [who for place, who in sorted((p, n) for p, n in rows if p is not None and n is not None)]


def _number(element: etree._Element, name: str) -> int | None:
    value = element.get(name)
    return None if value is None else int(value)


def _flag(element: etree._Element, name: str) -> bool | None:
    value = element.get(name)
    return None if value is None else value in ("true", "1")
