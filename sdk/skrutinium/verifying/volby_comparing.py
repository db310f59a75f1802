"""Comparing the documents of the series ``volby`` with the recount; every function yields (what, published, recomputed).

Own code throughout: sums, percentages and records come from the protocols of the series ``skrutinium`` and from
``docs/formats-volby.md`` alone. Seats are not checked.
"""

from collections.abc import Iterator, Mapping, Sequence

from lxml import etree

from skrutinium.verifying.prague import prague
from skrutinium.verifying.recount import EVENT, Recount, Sum, Votes
from skrutinium.verifying.taken_over import FIELDS

Finding = tuple[str, object, object]
Key = tuple[str, str]
"""Precinct and contest."""

NAMESPACE = "{http://www.volby.cz/kv/}"
TYPES = {"municipal-council": "OBEC", "ward-council": "MCMO"}
"""The kinds of contests that the format holds."""

KINDS = {mark: kind for kind, mark in TYPES.items()}
UNKNOWN = 0
"""``VSTRANA`` of lists whose party is not known."""


def half_up(part: int, base: int) -> str:
    """Percent with two decimals, rounded half up; ``0.00`` of nothing."""
    if base <= 0:
        return "0.00"
    hundredths, rest = divmod(part * 10_000, base)
    hundredths += 2 * rest >= base
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def cut_off(part: int, base: int) -> str:
    """Percent with two decimals, the rest cut off; ``0.00`` of nothing."""
    hundredths = part * 10_000 // base if base > 0 else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def differing(element: etree._Element, due: Mapping[str, object], what: str) -> Iterator[Finding]:
    """Attributes that do not say what is due; None is for one that must not be there."""
    for name, value in due.items():
        theirs = element.get(name)
        if theirs != (None if value is None else str(value)):
            yield f"{what}{name}", theirs, value


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return element.iterchildren(NAMESPACE + name)


def _one(parent: etree._Element, name: str) -> etree._Element | None:
    return parent.find(NAMESPACE + name)


def known(ours: Sum, field: str) -> int | None:
    """A figure that every reported protocol tells; of no protocols it is zero."""
    return ours.figures.get(field, 0) if ours.told_by.get(field, 0) == ours.reported else None


def _turnout(parent: etree._Element, ours: Sum, what: str) -> Iterator[Finding]:
    element = _one(parent, "UCAST")
    if element is None:
        yield f"{what}UCAST", None, "one"
        return
    figures = {name: known(ours, field) for name, field in FIELDS.items()}
    eligible, issued = figures["ZAPSANI_VOLICI"], figures["VYDANE_OBALKY"]
    due: dict[str, object] = {
        "OKRSKY_CELKEM": ours.expected,
        "OKRSKY_ZPRAC": ours.reported,
        "OKRSKY_ZPRAC_PROC": half_up(ours.reported, ours.expected),
        **figures,
        "UCAST_PROC": None if eligible is None or issued is None else half_up(issued, eligible),
    }
    yield from differing(element, due, what)


def _base(ours: Sum, votes: int) -> int:
    valid = known(ours, "valid-votes")
    return votes if valid is None else valid


# -------------------------------------------------------------------- councils
def council(element: etree._Element, recount: Recount) -> Iterator[Finding]:
    """One element ``OBEC``, in its own document or in its county's."""
    contest = str(element.get("KODZASTUP"))
    what = f"council {contest}: "
    divisions = recount.divisions.get(contest)
    if divisions is None or recount.kind.get(contest) not in TYPES:
        yield f"council {contest}", "published", None
        return
    ours = recount.contests.get(contest) or Sum()
    due = {
        "OZNAC_TYPU": TYPES[recount.kind[contest]],
        "POCET_OBVODU": len(divisions),
        "JE_SPOCTENO": "true" if ours.reporting == "all" else "false",
    }
    yield from differing(element, due, what)
    results = _one(element, "VYSLEDEK")
    if (results is not None) != (ours.expected > 0):
        yield f"{what}VYSLEDEK", results is not None, ours.expected > 0
        return
    if results is None:
        return
    yield from _turnout(results, ours, what)
    if len(divisions) == 1:
        (district,) = divisions.values()
        yield from _lists(results, district, recount, what)
        missing = dict[str, str]()
    else:
        missing = {str(number): district for number, district in divisions.items()}
    for part in _children(element, "OBVOD"):
        number = str(part.get("CIS_OBVODU"))
        own = missing.pop(number, None)
        inner = _one(part, "VYSLEDEK")
        if own is None or inner is None:
            yield f"{what}district {number}", "published", None
            continue
        yield from _turnout(inner, recount.districts.get(own) or Sum(), f"{what}district {number}: ")
        yield from _lists(inner, own, recount, f"{what}district {number}: ")
    for number in missing:
        yield f"{what}district {number}", None, "published"


def _lists(results: etree._Element, district: str, recount: Recount, what: str) -> Iterator[Finding]:
    ours = recount.districts.get(district) or Sum()
    base = _base(ours, sum(ours.parts.values()))
    missing: dict[int | str | None, int] = dict(ours.parts)
    before = 0
    for row in _children(results, "VOLEBNI_STRANA"):
        number = int(str(row.get("POR_STR_HLAS_LIST")))
        if number <= before:
            yield f"{what}order of lists", number, f"above {before}"
        before = number
        votes = missing.pop(number, 0)
        due = {
            "VSTRANA": _party(recount.committee.get((district, number))),
            "HLASY": votes,
            "HLASY_PROC": half_up(votes, base),
        }
        yield from differing(row, due, f"{what}list {number}: ")
        for person in _children(row, "ZASTUPITEL"):
            yield from _person(person, ours, number, votes, what)
    for rest, value in missing.items():
        if value:
            yield f"{what}list {rest}: HLASY", None, value


def _person(row: etree._Element, ours: Sum, number: int, votes: int, what: str) -> Iterator[Finding]:
    who = int(str(row.get("PORADOVE_CISLO")))
    own = ours.candidates.get((number, who))
    if own is not None:
        due = {"HLASY": own, "HLASY_PROC": cut_off(own, votes)}
        yield from differing(row, due, f"{what}list {number}: candidate {who}: ")


def _party(committee: str | None) -> int | str:
    if committee is None:
        return UNKNOWN
    return int(committee) if committee.isascii() and committee.isdigit() else committee


# -------------------------------------------------------------------- the country
def national(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``vysledky.xml``: both kinds of councils."""
    missing = dict(KINDS)
    for block in _children(root, "TYP_ZASTUP"):
        mark = str(block.get("OZNAC_TYPU"))
        kind = missing.pop(mark, None)
        if kind is None:
            yield f"block {mark}", "twice", "once"
            continue
        ours = recount.areas.get(EVENT, {}).get(kind) or Sum()
        yield from _turnout(block, ours, f"{mark}: ")
        info = _one(block, "ZASTUPIT_INFO")
        if info is not None:
            due = {"ZASTUPITELSTVA_CELKEM": len(ours.touching)}
            yield from differing(info, due, f"{mark}: ")
        yield from _parties(block, ours, f"{mark}: ")
    for mark in missing:
        yield f"block {mark}", None, "once"


def _parties(block: etree._Element, ours: Sum, what: str) -> Iterator[Finding]:
    votes: dict[int | str, int] = {}
    for committee, value in ours.parts.items():
        party = _party(None if committee is None else str(committee))
        votes[party] = votes.get(party, 0) + value
    base = _base(ours, sum(votes.values()))
    before = -1
    for row in _children(block, "VOLEBNI_STRANA"):
        party = int(str(row.get("VSTRANA")))
        if party <= before:
            yield f"{what}order of parties", party, f"above {before}"
        before = party
        own = votes.pop(party, 0)
        yield from differing(row, {"HLASY": own, "HLASY_PROC": half_up(own, base)}, f"{what}party {party}: ")
    for rest, value in votes.items():
        if value:
            yield f"{what}party {rest}: HLASY", None, value


# -------------------------------------------------------------------- batches
def batch(
    root: etree._Element, number: int, due: Sequence[tuple[Key, Votes]], recount: Recount
) -> Iterator[Finding]:
    """``okrsky/vysledky_okrsky_NNNNN.xml``: exactly the records ``due``, in the order of ``PORADI_ZPRAC``."""
    sums = [recount.areas.get(EVENT, {}).get(kind) or Sum() for kind in TYPES]
    records = list(_children(root, "OKRSEK"))
    head = _one(root, "DAVKA")
    if head is None:
        yield "DAVKA", None, "one"
    else:
        said: dict[str, object] = {
            "PORADI_DAVKY": number,
            "OKRSKY_DAVKA": len(records),
            "OKRSKY_CELKEM": sum(one.expected for one in sums),
            "OKRSKY_ZPRAC": sum(one.reported for one in sums),
        }
        yield from differing(head, said, "")
    missing = {_name(recount, key, votes): (key, votes) for key, votes in due}
    before = -1
    for record in records:
        name = tuple(str(record.get(one)) for one in ("CIS_OBEC", "CIS_OKRSEK", "KODZASTUP", "PORADI_ZPRAC"))
        known = missing.pop(name, None)
        if known is None:
            yield _shown(name), "published", None
            continue
        if (order := int(name[3])) < before:
            yield f"{_shown(name)}: order of PORADI_ZPRAC", order, f"at least {before}"
        before = order
        yield from _record(record, *known, recount, f"{_shown(name)}: ")
    for name in missing:
        yield _shown(name), None, "published"


def _name(recount: Recount, key: Key, votes: Votes) -> tuple[str, ...]:
    precinct, contest = key
    place = recount.precinct_area[precinct], recount.precinct_number.get(precinct, "")
    return (*place, contest, str(votes.sequence))


def _shown(name: tuple[str, ...]) -> str:
    return f"record of precinct {name[0]}-{name[1]}, council {name[2]}, PORADI_ZPRAC {name[3]}"


def _record(record: etree._Element, key: Key, votes: Votes, recount: Recount, what: str) -> Iterator[Finding]:
    numbers = {district: number for number, district in recount.divisions.get(key[1], {}).items()}
    due: dict[str, object] = {
        "CIS_OBVODU": numbers.get(votes.district),
        "OZNAC_TYPU": TYPES[recount.kind[key[1]]],
        "DATUM_CAS_ZPRAC": prague(votes.established),
        "OPAKOVANE": int(votes.repeated),
    }
    yield from differing(record, due, what)
    figures = _one(record, "UCAST_OKRSEK")
    if figures is None:
        yield f"{what}UCAST_OKRSEK", None, "one"
    else:
        yield from differing(
            figures, {name: votes.figures.get(field) for name, field in FIELDS.items()}, what
        )
    left = {str(number): value for number, value in votes.lists.items()}
    for row in _children(record, "HLASY_OKRSEK"):
        number = str(row.get("POR_STR_HLAS_LIST"))
        own = left.pop(number, None)
        yield from differing(row, {"HLASY": own}, f"{what}list {number}: ")
    for number, value in left.items():
        yield f"{what}list {number}: HLASY", None, value
