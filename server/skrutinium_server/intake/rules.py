"""The law's rules applied to a protocol: which fire, and which could not be applied. Pure, exact.

Sources: design § 7, requirement C7.
"""

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law, Operator, Rule, Term
from skrutinium_server.intake.model import Finding, Protocol

COMPARISONS: Final[Mapping[Operator, Callable[[int, int], bool]]] = {
    "=": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def check(protocol: Protocol, law: Law, index: DefinitionIndex) -> tuple[tuple[Finding, ...], int]:
    """What the rules say, in their order, and how many were skipped because something they compare is unknown.

    A rule for other kinds of precinct does not apply, which is not the same as skipped.
    """
    values = _values(protocol)
    district = index.districts.get(protocol.district)
    seats = None if district is None else district.seats
    precinct = index.precincts.get(protocol.precinct)
    findings: list[Finding] = []
    skipped = 0
    for rule in law.rules:
        if rule.precinct_kinds and (precinct is None or precinct.kind not in rule.precinct_kinds):
            continue
        held = holds(rule, values, seats)
        if held is None:
            skipped += 1
        elif not held:
            findings.append(Finding(rule.id, rule.severity, rule.text_en))
    return tuple(findings), skipped


def holds(rule: Rule, values: Mapping[str, int], seats: int | None) -> bool | None:
    """Whether the rule's comparison is true; None when a value or the number of seats is unknown."""
    left, right = _sum(rule.left, values, seats), _sum(rule.right, values, seats)
    if left is None or right is None:
        return None
    if rule.factor == "1":
        return COMPARISONS[rule.operator](left, right + rule.constant)
    above, below = _share(rule.factor)
    return COMPARISONS[rule.operator](left * below, right * above + rule.constant * below)


def _values(protocol: Protocol) -> dict[str, int]:
    values = dict(protocol.figures)
    values["@lists"] = sum([votes.votes for votes in protocol.lists])
    told = [votes for votes in protocol.lists if votes.candidates is not None]
    if told:
        values["@list-differences"] = sum(
            votes.votes != sum(count for _, count in votes.candidates or ()) for votes in told
        )
    return values


def _sum(terms: tuple[Term, ...], values: Mapping[str, int], seats: int | None) -> int | None:
    total = 0
    for term in terms:
        value = values.get(term.field)
        if value is None:
            return None
        if term.times_seats:
            if seats is None:
                return None
            value *= seats
        total += value * term.times
    return total


@lru_cache(maxsize=256)
def _share(factor: str) -> tuple[int, int]:
    return Fraction(factor).as_integer_ratio()
