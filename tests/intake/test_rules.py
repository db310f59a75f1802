"""Rules fire exactly beyond their boundary, and not when something is unknown."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Rule, Term
from skrutinium_server.intake.model import ListVotes
from skrutinium_server.intake.rules import COMPARISONS, check, holds
from tests.intake.made import INDEX, LAW, WHOLE, read

PROTOCOL = read(WHOLE).records[0].protocol
FIGURES = {"eligible": 100, "issued": 50, "returned": 50, "valid-votes": 300}
SEATED = DefinitionIndex(
    msgspec.structs.replace(
        INDEX.definition,
        districts=tuple(
            msgspec.structs.replace(district, seats=6) for district in INDEX.definition.districts
        ),
    )
)


def fired(lists: tuple[ListVotes, ...] = PROTOCOL.lists, figures: dict[str, int] | None = None) -> set[str]:
    """Ids of the rules that fire with some figures changed, seats known."""
    protocol = msgspec.structs.replace(PROTOCOL, figures={**FIGURES, **(figures or {})}, lists=lists)
    return {finding.rule for finding in check(protocol, LAW, SEATED)[0]}


@pytest.mark.parametrize(
    ("rule", "held", "broken"),
    [
        ("issued-within-eligible", {"eligible": 50}, {"eligible": 49}),
        ("returned-within-issued", {"returned": 50}, {"returned": 51}),
        ("returned-near-issued", {"returned": 45}, {"returned": 44}),
        ("lists-add-up", {"valid-votes": 300}, {"valid-votes": 299}),
        ("votes-within-seats", {"returned": 50}, {"returned": 49}),
        ("votes-not-few", {"returned": 300}, {"returned": 301}),
    ],
)
def test_rule_of_the_municipal_law_fires_beyond_its_boundary(
    rule: str, held: dict[str, int], broken: dict[str, int]
) -> None:
    """On the boundary the rule holds, one beyond it fires."""
    assert rule not in fired(figures=held)
    assert rule in fired(figures=broken)


def test_candidates_are_added_up_where_they_are_told() -> None:
    """Lists whose candidates are told must add up; the others are not looked at."""
    good, other = ListVotes(1, 200, ((1, 150), (2, 50))), ListVotes(2, 100)
    assert "candidates-add-up" not in fired(lists=(good, other))
    assert "candidates-add-up" in fired(lists=(ListVotes(1, 200, ((1, 150), (2, 49))), other))


def test_unknown_skips_and_is_counted() -> None:
    """A figure, the seats, or candidates that are not told skip their rules; nothing is taken for zero."""
    without = {name: value for name, value in FIGURES.items() if name != "returned"}
    protocol = msgspec.structs.replace(PROTOCOL, figures=without)
    findings, skipped = check(protocol, LAW, SEATED)
    assert (findings, skipped) == ((), 5)
    assert check(PROTOCOL, LAW, SEATED)[1] == 1
    assert check(PROTOCOL, LAW, INDEX)[1] == 2
    assert check(msgspec.structs.replace(PROTOCOL, figures={}), LAW, SEATED) == ((), len(LAW.rules))


def test_rule_for_other_precincts_does_not_apply() -> None:
    """A rule for one kind of precinct neither fires nor counts as skipped elsewhere."""
    rule = msgspec.structs.replace(LAW.rules[0], operator=">", precinct_kinds=("prison",))
    law = msgspec.structs.replace(LAW, rules=(rule,))
    assert check(PROTOCOL, law, INDEX) == ((), 0)
    unknown = msgspec.structs.replace(PROTOCOL, figures={})
    assert check(unknown, law, INDEX) == ((), 0)
    law = msgspec.structs.replace(LAW, rules=(msgspec.structs.replace(rule, precinct_kinds=("permanent",)),))
    assert len(check(PROTOCOL, law, INDEX)[0]) == 1


NUMBER = st.integers(0, 10**9)


@given(
    operator=st.sampled_from(sorted(COMPARISONS)),
    left=NUMBER,
    right=NUMBER,
    factor=st.fractions(0, 9, max_denominator=999),
    constant=st.integers(-100, 100),
    times=st.integers(-3, 3).filter(bool),
    seats=st.integers(1, 70),
)
def test_comparison_is_exact(
    operator: str, left: int, right: int, factor: Fraction, constant: int, times: int, seats: int
) -> None:
    """The comparison is the one of exact fractions, whatever the factor."""
    rule = msgspec.convert(
        {
            "id": "made",
            "severity": "error",
            "left": (Term("a", times),),
            "operator": operator,
            "right": (Term("b", times_seats=True), Term("a")),
            "factor": str(factor),
            "constant": constant,
            "text_cs": "x",
            "text_en": "x",
            "paragraph": "1",
        },
        Rule,
    )
    expected = {
        "=": Fraction(left * times) == factor * (right * seats + left) + constant,
        "<=": Fraction(left * times) <= factor * (right * seats + left) + constant,
        ">=": Fraction(left * times) >= factor * (right * seats + left) + constant,
        "<": Fraction(left * times) < factor * (right * seats + left) + constant,
        ">": Fraction(left * times) > factor * (right * seats + left) + constant,
    }
    assert holds(rule, {"a": left, "b": right}, seats) == expected[operator]
    assert holds(rule, {"a": left, "b": right}, None) is None
    assert holds(rule, {"a": left}, seats) is None
