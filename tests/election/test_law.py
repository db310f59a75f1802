"""Laws are data that is read strictly, and the Czech municipal law agrees with the records of a real night."""

from collections import Counter
from fractions import Fraction
from importlib import resources
from pathlib import Path

import pytest
from lxml import etree

from skrutinium_server.election.errors import LawError
from skrutinium_server.election.law import Law, Rule, law_ids, law_sha256, load_law, read_law

LAW = "cz-municipal-2018"


def text() -> str:
    return resources.files("skrutinium_server.election.laws").joinpath(f"{LAW}.toml").read_text("utf-8")


def test_every_law_of_the_package_loads() -> None:
    """Each law file is a law under its own name, and its hash tells the exact bytes."""
    assert LAW in law_ids()
    for id in law_ids():
        assert load_law(id).id == id
        assert len(law_sha256(id)) == 64


def test_municipal_law_says_what_section_45_says() -> None:
    """Fields carry the attributes of the feeds; seats are d'Hondt above 5 %, with the 110 % order."""
    law = load_law(LAW)
    assert {field.id: field.volby for field in law.fields} == {
        "eligible": "ZAPSANI_VOLICI",
        "issued": "VYDANE_OBALKY",
        "returned": "ODEVZDANE_OBALKY",
        "valid-votes": "PLATNE_HLASY",
    }
    assert (law.prefix, law.time_zone) == ("kv", "Europe/Prague")
    assert law.seats is not None
    assert (law.seats.method, law.seats.threshold, law.seats.lower_until) == ("dhondt", 5, 2)
    assert law.seats.order_share() == Fraction(11, 10)


def test_unknown_law_names_the_known_ones() -> None:
    """Asking for a law that is not there tells which ones are."""
    with pytest.raises(LawError, match=rf"no law 'xx'; expected one of .*{LAW}"):
        load_law("xx")


BROKEN = {
    "operator": (
        'operator = "="',
        'operator = "=="',
        ["lists-add-up", "operator", "expected an operator of = <="],
    ),
    "field of a term": (
        'field = "@lists"',
        'field = "@list"',
        ["lists-add-up", "unknown field '@list'", "valid-votes"],
    ),
    "key of a rule": (
        "constant = 0",
        "constante = 0",
        ["candidates-add-up", "constante", "expected the keys"],
    ),
    "key of a term": ("times_seats = true", "seats = true", ["votes-within-seats", "seats", "times_seats"]),
    "severity": ('severity = "warning"', 'severity = "hint"', ["returned-within-issued", "hint"]),
    "factor": ('factor = "9/10"', 'factor = "0.9"', ["returned-near-issued", "'0.9'", "'9/10'"]),
    "precinct kind": (
        "constant = 0",
        'precinct_kinds = ["moon"]',
        ["candidates-add-up", "'moon'", "permanent"],
    ),
    "same rule twice": ('id = "votes-not-few"', 'id = "lists-add-up"', ["rule lists-add-up stands twice"]),
    "same field twice": ('id = "issued"', 'id = "eligible"', ["field eligible stands twice"]),
    "percentage": ('base = "eligible"', 'base = "roll"', ["percentage turnout", "'roll'"]),
    "key of the law": ('prefix = "kv"', 'prefix = "kv"\ncolour = "red"', ["colour"]),
    "seat method": ('method = "dhondt"', 'method = "dice"', ["seats.method", "dice", "dhondt"]),
    "kind of contest": ('"ward-council"]', '"club"]', ["contest_kinds", "club"]),
    "no text": ('paragraph = "491/2001 § 34"', 'paragraph = ""', ["votes-within-seats", "paragraph"]),
    "not TOML": ('prefix = "kv"', "prefix = kv", ["not TOML"]),
    "other name": (f'id = "{LAW}"', 'id = "cz-other"', ["'cz-other'", "the name of the file"]),
}


@pytest.mark.parametrize(("old", "new", "told"), BROKEN.values(), ids=BROKEN)
def test_broken_law_stops_the_start(old: str, new: str, told: list[str]) -> None:
    """What no code is written for is an error that names file, rule and what was expected."""
    whole = text()
    assert old in whole
    with pytest.raises(LawError) as caught:
        read_law(f"{LAW}.toml", whole.replace(old, new, 1).encode())
    assert str(caught.value).startswith(f"{LAW}.toml")
    for part in told:
        assert part in str(caught.value)


def holds(rule: Rule, figures: dict[str, int], seats: int) -> bool:
    """The comparison of a rule, written again for this test."""
    left, right = (
        sum(term.times * figures[term.field] * (seats if term.times_seats else 1) for term in side)
        for side in (rule.left, rule.right)
    )
    bound = rule.share() * right + rule.constant
    return {
        "=": left == bound,
        "<=": left <= bound,
        ">=": left >= bound,
        "<": left < bound,
        ">": left > bound,
    }[rule.operator]


def fired(law: Law, folder: Path) -> tuple[int, Counter[str]]:
    count: Counter[str] = Counter()
    records = 0
    for file in folder.glob("*.xml"):
        for record in etree.parse(file).getroot().iterchildren("{*}OKRSEK"):
            records += 1
            turnout = record.find("{*}UCAST_OKRSEK")
            assert turnout is not None
            figures = {field.id: int(turnout.attrib[field.volby or ""]) for field in law.fields}
            figures["@lists"] = sum(
                int(votes.attrib["HLASY"]) for votes in record.iterchildren("{*}HLASY_OKRSEK")
            )
            for rule in law.rules:
                terms = (*rule.left, *rule.right)
                if all(term.field in figures and not term.times_seats for term in terms):
                    count[rule.id] += not holds(rule, figures, 0)
    return records, count


def test_no_real_record_breaks_an_error_rule(shared_data: Path) -> None:
    """Of the records that were taken over in 2018 none is refused; the warnings fire as rarely as the law file says."""
    law = load_law(LAW)
    records, count = fired(law, shared_data / "volby/kv2018/batches")
    assert records == 16_090
    assert {rule.id for rule in law.rules} - set(count) == {"candidates-add-up", "votes-within-seats"}
    assert {rule.id for rule in law.rules if rule.severity == "error" and count[rule.id]} == set()
    assert {id: times for id, times in count.items() if times} == {
        "returned-within-issued": 5,
        "returned-near-issued": 5,
        "votes-not-few": 5,
    }
