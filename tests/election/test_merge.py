"""Joining two sources: what is known stays and is completed, contradictions name both."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from skrutinium_server.election.canonical import canonical, in_order
from skrutinium_server.election.errors import MergeError
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import Definition, List, Precinct, UnnumberedList
from tests.election.made import SMALL, definitions


def changed(table: str, place: int, **values: Any) -> Definition:
    rows = list(getattr(SMALL, table))
    rows[place] = msgspec.structs.replace(rows[place], **values)
    return msgspec.structs.replace(SMALL, **{table: tuple(rows)})


@given(definitions())
def test_nothing_new_changes_nothing(definition: Definition) -> None:
    """A definition joined with nothing or with itself is that definition."""
    assert merge(None, definition) == merge(definition, definition) == in_order(definition)


POORER = {
    "no date": msgspec.structs.replace(SMALL, date=None, event="kv"),
    "no seats": changed("contests", 0, seats=None),
    "no name": changed("contests", 0, name="KODZASTUP 100"),
    "no ward": changed("areas", 1, parent="CZ"),
    "no eligible": changed("polls", 0, eligible=None),
    "list by number": changed("lists", 0, committee=None, name=None, candidates=None),
    "no precinct": msgspec.structs.replace(SMALL, precincts=(), polls=()),
    "no candidates": msgspec.structs.replace(SMALL, candidates=()),
    "number not drawn": msgspec.structs.replace(
        SMALL,
        lists=SMALL.lists[1:],
        candidates=SMALL.candidates[2:],
        unnumbered_lists=(*SMALL.unnumbered_lists, UnnumberedList("100", "100.1", "1", "Made-up list")),
    ),
}


@pytest.mark.parametrize("poorer", POORER.values(), ids=POORER)
def test_unknown_facts_are_completed(poorer: Definition) -> None:
    """What one source lacks comes from the other, in either order with the same bytes."""
    assert merge(SMALL, poorer) == in_order(SMALL)
    assert canonical(merge(poorer, SMALL)) == canonical(SMALL)


def test_lists_of_one_name_are_counted() -> None:
    """Of two lists with one committee and name, one with a number, the other still waits for its own."""
    waiting = UnnumberedList("100", "100.1", "1", "Made-up list")
    base = msgspec.structs.replace(SMALL, unnumbered_lists=(waiting,))
    assert merge(base, SMALL).unnumbered_lists == (waiting, *SMALL.unnumbered_lists)
    drawn = msgspec.structs.replace(SMALL, lists=(*SMALL.lists, List("100", "100.1", 3, "1", "Made-up list")))
    assert merge(base, drawn).unnumbered_lists == SMALL.unnumbered_lists
    assert merge(drawn, base).unnumbered_lists == SMALL.unnumbered_lists


def test_new_precincts_are_added() -> None:
    """A precinct that only one source knows is there afterwards; the version stays that of the base."""
    extra = msgspec.structs.replace(SMALL, version=5, precincts=(Precinct("101-9", "101", 9),))
    merged = merge(SMALL, extra)
    assert [row.id for row in merged.precincts] == ["101-1", "101-2", "101-9"]
    assert merged.version == 1


CONTRADICTIONS = {
    "seats": (changed("contests", 0, seats=7), ["seats of contest 100", "5", "7"]),
    "name": (changed("areas", 0, name="Malá Ves"), ["name of area 100", "Velká Ves", "Malá Ves"]),
    "parent": (changed("areas", 1, parent="999"), ["area 101", "100", "999"]),
    "district": (changed("polls", 0, district="101.1"), ["district of poll 101-1 100", "100.1", "101.1"]),
    "list": (changed("lists", 0, committee="2"), ["committee of list 100 100.1 1", "1", "2"]),
    "date": (
        msgspec.structs.replace(SMALL, date=msgspec.convert("2031-01-01", type=type(SMALL.date))),
        ["date"],
    ),
    "event": (msgspec.structs.replace(SMALL, event="kv2031"), ["kv2030", "kv2031"]),
    "law": (msgspec.structs.replace(SMALL, law="pl-council-2014"), ["law of the event", "pl-council-2014"]),
    "made up": (msgspec.structs.replace(SMALL, made_up=False), ["made_up of the event", "True", "False"]),
}


@pytest.mark.parametrize(("other", "told"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradiction_names_both(other: Definition, told: list[str]) -> None:
    """Two sources that say different things are an error in either order."""
    for base, facts in ((SMALL, other), (other, SMALL)):
        with pytest.raises(MergeError) as caught:
            merge(base, facts)
        for part in told:
            assert part in str(caught.value)
