"""Comparing the Senate's documents of the series ``volby`` with the recount; every function yields (what, published, recomputed).

Own code throughout, like :mod:`.volby_comparing`. Of the round that is counted every number is compared, and who is
elected; of a first round before it those of the constituencies that vote again, by what ``skrutinium`` says of it.
"""

from collections.abc import Iterator, Mapping, Sequence

from lxml import etree

from skrutinium.verifying import majority
from skrutinium.verifying.prague import prague
from skrutinium.verifying.recount import EVENT, FirstFacts, Recount, Sum, Votes
from skrutinium.verifying.taken_over import FIELDS
from skrutinium.verifying.volby_comparing import Finding, Key, cut_off, differing, half_up, known

NAMESPACE = "{http://www.volby.cz/senat/}"
KIND = "senate"
_WORDS = {"elected": "ZVOLEN", "runoff": "2.KOLO"}


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return element.iterchildren(NAMESPACE + name)


def _held(recount: Recount) -> set[str]:
    return {contest for contest, kind in recount.kind.items() if kind == KIND}


def constituencies(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``vysledky.xml``: all constituencies by number, and the totals."""
    missing, before = _held(recount), 0
    for element in _children(root, "OBVOD"):
        contest = str(element.get("CISLO"))
        if int(contest) <= before:
            yield "order of constituencies", contest, f"above {before}"
        before = int(contest)
        if contest in missing:
            missing.discard(contest)
            yield from _constituency(element, contest, recount)
        elif recount.turn == 1 or contest in recount.kind:
            yield f"constituency {contest}", "published", None
    for contest in sorted(missing):
        yield f"constituency {contest}", None, "published"
    totals = root.find(f"{NAMESPACE}CELKEM")
    ours = recount.areas.get(EVENT, {}).get(KIND) or Sum()
    if totals is None:
        yield "CELKEM", None, "one"
    else:
        yield from _turnout(totals, recount.turn, ours, "all: ")


def _constituency(element: etree._Element, contest: str, recount: Recount) -> Iterator[Finding]:
    what, ours, turn = f"constituency {contest}: ", recount.contests.get(contest) or Sum(), recount.turn
    yield from _turnout(element, turn, ours, what)
    votes = _votes(contest, recount)
    words = _words(votes, contest, ours, recount)
    missing = {
        number for number, value in votes.items() if value or number not in recount.withdrawn.get(contest, ())
    }
    base, before = _base(ours, votes), 0
    first = recount.first.get(contest)
    for row in _children(element, "KANDIDAT"):
        number = int(str(row.get("PORADOVE_CISLO")))
        if number <= before:
            yield f"{what}order of candidates", number, f"above {before}"
        before = number
        due: dict[str, object] = dict.fromkeys(
            (f"HLASY_{turn}KOLO", f"HLASY_PROC_{turn}KOLO", f"ZVOLEN_{turn}KOLO")
        )
        if number in missing or turn == 1:
            missing.discard(number)
            own = votes.get(number, 0)
            due = {
                f"HLASY_{turn}KOLO": own,
                f"HLASY_PROC_{turn}KOLO": cut_off(own, base),
                f"ZVOLEN_{turn}KOLO": words.get(number, "NEZVOLEN") if words is not None else None,
            }
        yield from differing(row, due, f"{what}candidate {number}: ")
        if first is not None and turn > 1:
            yield from differing(row, _first(number, first), f"{what}candidate {number}: ")
    for number in sorted(missing):
        yield f"{what}candidate {number}", None, "published"


def _first(number: int, first: FirstFacts) -> dict[str, object]:
    own = first.votes.get(number, 0)
    valid = first.figures.get("valid-votes", sum(first.votes.values()))
    return {"HLASY_1KOLO": own, "HLASY_PROC_1KOLO": cut_off(own, valid)}


def _votes(contest: str, recount: Recount) -> dict[int, int]:
    """Votes by candidate, of everybody on the ballot."""
    (district,) = recount.divisions[contest].values()
    ours = recount.districts.get(district) or Sum()
    votes = {number: 0 for place, number in recount.nominee if place == district}
    votes.update({number: value for (entry, number), value in ours.candidates.items() if not entry})
    return votes


def _words(votes: Mapping[int, int], contest: str, ours: Sum, recount: Recount) -> dict[int, str] | None:
    """The words of those who are elected or run again; None while nobody can say."""
    withdrawn = recount.withdrawn.get(contest, set())
    standing = {number: value for number, value in votes.items() if number not in withdrawn}
    if ours.reporting != "all":
        return None
    verdict = majority.decide(standing, recount.turn)
    if verdict is None or verdict.outcome not in ("decided", "runoff"):
        return None
    words = dict.fromkeys(verdict.elected, _WORDS["elected"])
    return words | dict.fromkeys(verdict.runoff, _WORDS["runoff"])


def _base(ours: Sum, votes: Mapping[int, int]) -> int:
    valid = known(ours, "valid-votes")
    return sum(votes.values()) if valid is None else valid


def _turnout(parent: etree._Element, turn: int, ours: Sum, what: str) -> Iterator[Finding]:
    rows = [row for row in _children(parent, "UCAST") if row.get("KOLO") == str(turn)]
    if len(rows) != 1:
        yield f"{what}UCAST of round {turn}", len(rows), 1
        return
    figures = {name: known(ours, field) for name, field in FIELDS.items()}
    eligible, issued, returned, valid = (
        figures[name] for name in ("ZAPSANI_VOLICI", "VYDANE_OBALKY", "ODEVZDANE_OBALKY", "PLATNE_HLASY")
    )
    due: dict[str, object] = {
        "OKRSKY_CELKEM": ours.expected,
        "OKRSKY_ZPRAC": ours.reported,
        "OKRSKY_ZPRAC_PROC": half_up(ours.reported, ours.expected),
        **figures,
        "UCAST_PROC": None if eligible is None or issued is None else half_up(issued, eligible),
        "PLATNE_HLASY_PROC": None if returned is None or valid is None else half_up(valid, returned),
    }
    yield from differing(rows[0], due, what)


# -------------------------------------------------------------------- municipalities
def municipalities(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``obvody/vysledky_obce_obvod_N.xml``: the constituency and its part of each municipality."""
    whole = root.find(f"{NAMESPACE}OBVOD")
    contest = "" if whole is None else str(whole.get("CISLO"))
    if whole is None or contest not in _held(recount):
        yield f"constituency {contest}", "published", None
        return
    what = f"constituency {contest}: "
    yield from _unit(whole, recount.contests.get(contest) or Sum(), _votes(contest, recount), recount, what)
    missing = _places(contest, recount)
    for place in _children(root, "OBEC"):
        area = str(place.get("CIS_OBEC"))
        ours = missing.pop(area, None)
        if ours is None:
            yield f"{what}municipality {area}", "published", None
            continue
        votes = {number: value for (entry, number), value in ours.candidates.items() if not entry}
        yield from _unit(place, ours, votes, recount, f"{what}municipality {area}: ")
    for area in missing:
        yield f"{what}municipality {area}", None, "published"


def _places(contest: str, recount: Recount) -> dict[str, Sum]:
    sums: dict[str, Sum] = {}
    for precinct in recount.contest_precincts.get(contest, ()):
        ours = sums.setdefault(recount.precinct_area[precinct], Sum())
        ours.expected += 1
        votes = recount.current.get((precinct, contest))
        if votes is not None:
            ours.add_figures(votes, 1)
            for who, value in votes.candidates.items():
                ours.candidates[who] = ours.candidates.get(who, 0) + value
    return sums


def _unit(
    element: etree._Element, ours: Sum, votes: Mapping[int, int], recount: Recount, what: str
) -> Iterator[Finding]:
    yield from _turnout(element, recount.turn, ours, what)
    name, left = f"HLASY_{recount.turn}KOLO", dict(votes)
    for row in _children(element, "HLASY"):
        number = int(str(row.get("PORADOVE_CISLO")))
        own = left.pop(number, 0)
        if name in row.attrib or own:
            yield from differing(row, {name: own}, f"{what}candidate {number}: ")
    for number, value in left.items():
        if value:
            yield f"{what}candidate {number}: {name}", None, value


# -------------------------------------------------------------------- batches
def batch(
    root: etree._Element, number: int, due: Sequence[tuple[Key, Votes]], recount: Recount
) -> Iterator[Finding]:
    """``okrsky/vysledky_okrsky_NNNNN.xml``: exactly the records ``due``, in the order of ``PORADI_ZPRAC``."""
    ours = recount.areas.get(EVENT, {}).get(KIND) or Sum()
    records = list(_children(root, "OKRSEK"))
    head = root.find(f"{NAMESPACE}DAVKA")
    if head is None:
        yield "DAVKA", None, "one"
    else:
        said: dict[str, object] = {
            "KOLO": recount.turn,
            "PORADI_DAVKY": number,
            "OKRSKY_DAVKA": len(records),
            "OKRSKY_CELKEM": ours.expected,
            "OKRSKY_ZPRAC": ours.reported,
        }
        yield from differing(head, said, "")
    missing = {_name(recount, key, votes): (key, votes) for key, votes in due}
    before = -1
    for record in records:
        name = tuple(str(record.get(one)) for one in ("CIS_OBEC", "CIS_OKRSEK", "CIS_OBVOD", "PORADI_ZPRAC"))
        own = missing.pop(name, None)
        if own is None:
            yield _shown(name), "published", None
            continue
        if (order := int(name[3])) < before:
            yield f"{_shown(name)}: order of PORADI_ZPRAC", order, f"at least {before}"
        before = order
        yield from _record(record, own[1], f"{_shown(name)}: ")
    for name in missing:
        yield _shown(name), None, "published"


def _name(recount: Recount, key: Key, votes: Votes) -> tuple[str, ...]:
    precinct, contest = key
    place = recount.precinct_area[precinct], recount.precinct_number.get(precinct, "")
    return (*place, contest, str(votes.sequence))


def _shown(name: tuple[str, ...]) -> str:
    return f"record of precinct {name[0]}-{name[1]}, constituency {name[2]}, PORADI_ZPRAC {name[3]}"


def _record(record: etree._Element, votes: Votes, what: str) -> Iterator[Finding]:
    due = {"DATUM_CAS_ZPRAC": prague(votes.established), "OPAKOVANE": int(votes.repeated)}
    yield from differing(record, due, what)
    figures = record.find(f"{NAMESPACE}UCAST_OKRSEK")
    if figures is None:
        yield f"{what}UCAST_OKRSEK", None, "one"
    else:
        yield from differing(
            figures, {name: votes.figures.get(field) for name, field in FIELDS.items()}, what
        )
    left = {number: value for (entry, number), value in votes.candidates.items() if not entry}
    for row in _children(record, "HLASY_OKRSEK"):
        number = int(str(row.get("PORADOVE_CISLO")))
        yield from differing(row, {"HLASY": left.pop(number, None)}, f"{what}candidate {number}: ")
    for number, value in left.items():
        yield f"{what}candidate {number}: HLASY", None, value
