"""The look-ups of a definition answer what a search through its tables answers."""

from hypothesis import given

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Definition
from tests.election.made import SMALL, definitions


def test_small_definition() -> None:
    """Rows, groups and the way up to the country are found; what is unknown is None or empty."""
    index = DefinitionIndex(SMALL)
    assert index.ancestors("101") == ("101", "100", "CZ")
    assert [area.id for area in index.children("CZ")] == ["100"]
    assert [contest.id for contest in index.contests_of_area("101")] == ["101"]
    assert [poll.precinct for poll in index.polls_of_contest("100")] == ["101-1", "101-2"]
    assert [poll.contest for poll in index.polls_of_precinct("101-1")] == ["100", "101"]
    found = index.poll("101-1", "100")
    assert found is not None
    assert found.eligible == 700
    assert [row.number for row in index.lists_of_district("100.1")] == [1, 2]
    assert [candidate.number for candidate in index.candidates_of("100.1", 1)] == [1, 2]
    committee = index.committee("1")
    assert committee is not None
    assert committee.short == "MUP"
    assert index.poll("101-2", "101") is None
    assert index.list_of("100.1", 9) is None
    assert index.committee("9") is None
    assert index.ancestors("9") == ()
    assert index.children("9") == ()
    assert index.polls_of_contest("9") == ()


@given(definitions())
def test_look_ups_equal_searches(definition: Definition) -> None:
    """Every look-up gives the same rows as going through the sorted tables."""
    index = DefinitionIndex(definition)
    ordered = in_order(definition)
    assert tuple(index.areas.values()) == ordered.areas
    assert tuple(index.precincts.values()) == ordered.precincts
    for contest in ordered.contests:
        assert index.contests[contest.id] == contest
        assert index.polls_of_contest(contest.id) == tuple(
            p for p in ordered.polls if p.contest == contest.id
        )
        assert index.districts_of_contest(contest.id) == tuple(
            d for d in ordered.districts if d.contest == contest.id
        )
    for district in ordered.districts:
        lists = tuple(row for row in ordered.lists if row.district == district.id)
        assert index.lists_of_district(district.id) == lists
        for row in lists:
            assert index.list_of(district.id, row.number) == row
            assert index.candidates_of(district.id, row.number) == tuple(
                c for c in ordered.candidates if (c.district, c.list) == (district.id, row.number)
            )
    for poll in ordered.polls:
        assert index.poll(poll.precinct, poll.contest) == poll
