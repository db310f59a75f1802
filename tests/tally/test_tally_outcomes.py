"""Named cases of the tally: when an outcome is there, what is said to be missing, what is refused, Czech wards."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    Definition,
    District,
    List,
    Poll,
    Precinct,
    UnnumberedList,
)
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.tally.errors import EntryError, TallyError
from skrutinium_server.tally.model import CommitteeTally, DistrictTally, Open, Unknown
from skrutinium_server.tally.seats.model import Allocated, LotNeeded
from skrutinium_server.tally.tally import Tally
from tests.tally.made import LAW, TIME, accepted, counted

AREAS = (
    Area("CZ", "country", "Made-up country"),
    Area("K", "county", "Made-up county", "CZ"),
    Area("T", "municipality", "Made-up town", "K"),
    Area("W1", "ward", "Made-up ward 1", "T"),
    Area("W2", "ward", "Made-up ward 2", "T"),
)
POLLS = (Poll("W1-1", "t", "t.1", 100), Poll("W2-1", "t", "t.1", 50), Poll("W1-1", "w", "w.1"))
DEFINITION = Definition(
    event="mu2030",
    name="Made-up election",
    date=TIME.date(),
    law=LAW.id,
    version=1,
    made_up=True,
    areas=AREAS,
    contests=(
        Contest("t", "municipal-council", "lists", "T", "Town council", seats=3),
        Contest("w", "ward-council", "lists", "W1", "Ward council"),
    ),
    districts=(District("t.1", "t", 1, "1"), District("w.1", "w", 1, "1", seats=2)),
    precincts=(Precinct("W1-1", "W1", 1), Precinct("W2-1", "W2", 1)),
    polls=POLLS,
    committees=(Committee("A", "Made-up A"), Committee("B", "Made-up B")),
    lists=(
        List("t", "t.1", 1, "A", candidates=3),
        List("t", "t.1", 2, "B", candidates=3),
        List("w", "w.1", 1, "A", candidates=2),
    ),
)


def sent(poll: Poll, votes: Mapping[int, int], sequence: int = 1, **figures: int) -> Protocol:
    """A protocol with votes by list."""
    rows = tuple(ListVotes(number, given) for number, given in votes.items())
    return Protocol(poll.precinct, poll.contest, poll.district, sequence, TIME, figures, rows)


def changed(**tables: Any) -> Definition:
    """The definition with other tables."""
    return msgspec.structs.replace(DEFINITION, **tables)


def town(tally: Tally) -> DistrictTally:
    """The only district of the town council."""
    return tally.contests["t"].districts["t.1"]


def full(definition: Definition = DEFINITION, *, ones: int = 20, twos: int = 10) -> Tally:
    """A tally with both protocols of the town council in."""
    return counted(definition, [sent(POLLS[0], {1: ones, 2: 5}), sent(POLLS[1], {1: 0, 2: twos - 5})])


class TestOutcomes:
    """From open to allocated."""

    def test_open_until_the_last_protocol(self) -> None:
        """No outcome is given before every expected protocol of the district is in."""
        tally = counted(DEFINITION, [sent(POLLS[0], {1: 20, 2: 5})])
        assert town(tally).outcome == Open()
        assert tally.country.kinds["municipal-council"].decided == 0

    def test_seats_reach_every_area_above(self) -> None:
        """A decided council's seats count in its area and all above, not in the wards that vote in it."""
        tally = full()
        assert isinstance(town(tally).outcome, Allocated)
        for area in ("CZ", "K", "T"):
            kind = tally.areas[area].kinds["municipal-council"]
            assert (kind.contests, kind.decided, kind.seats_decided) == (1, 1, 3)
            assert kind.committees == {"A": CommitteeTally(20, 2), "B": CommitteeTally(10, 1)}
        for area in ("W1", "W2"):
            kind = tally.areas[area].kinds["municipal-council"]
            assert (kind.contests, kind.decided, kind.seats_decided) == (1, 0, 0)

    def test_correction_moves_seats(self) -> None:
        """A correction that turns the result moves the seats of the committees, and another one moves them back."""
        tally = full()
        tally.apply(10, accepted(sent(POLLS[0], {1: 1, 2: 20}, 2)))
        assert tally.country.kinds["municipal-council"].committees == {
            "A": CommitteeTally(1, 0),
            "B": CommitteeTally(25, 3),
        }
        tally.apply(11, accepted(sent(POLLS[0], {1: 20, 2: 5}, 3)))
        assert tally.country.kinds["municipal-council"].committees == {
            "A": CommitteeTally(20, 2),
            "B": CommitteeTally(10, 1),
        }

    def test_lot_is_a_state(self) -> None:
        """A tie that needs a lot is no decision: no seats are counted until a correction resolves it."""
        tally = full(ones=10, twos=10)
        assert isinstance(town(tally).outcome, LotNeeded)
        kind = tally.country.kinds["municipal-council"]
        assert (kind.decided, kind.seats_decided) == (0, 0)
        tally.apply(10, accepted(sent(POLLS[0], {1: 11, 2: 5}, 2)))
        assert (kind.decided, kind.seats_decided) == (1, 3)
        tally.apply(11, accepted(sent(POLLS[0], {1: 10, 2: 5}, 3)))
        assert (kind.decided, kind.seats_decided) == (0, 0)
        assert {row.seats for row in kind.committees.values()} == {0}

    def test_persons_by_their_votes(self) -> None:
        """With candidates named and their votes told everywhere, the elected are told in the order of award."""
        persons = tuple(
            Candidate("w", "w.1", 1, number, "Made-up", f"Person {number}") for number in (1, 2, 3)
        )
        rows = (ListVotes(1, 12, ((1, 1), (2, 1), (3, 10))),)
        tally = counted(changed(candidates=persons), [Protocol("W1-1", "w", "w.1", 1, TIME, {}, rows)])
        outcome = tally.contests["w"].districts["w.1"].outcome
        assert isinstance(outcome, Allocated)
        assert outcome.lists[0].elected == (3, 1)

    def test_withdrawn_person_is_passed_over(self) -> None:
        """A candidate who was withdrawn keeps the votes for the list and gets no seat."""
        persons = tuple(
            Candidate("w", "w.1", 1, number, "Made-up", f"Person {number}", active=number != 3)
            for number in (1, 2, 3)
        )
        rows = (ListVotes(1, 12, ((1, 1), (2, 1), (3, 10))),)
        tally = counted(changed(candidates=persons), [Protocol("W1-1", "w", "w.1", 1, TIME, {}, rows)])
        outcome = tally.contests["w"].districts["w.1"].outcome
        assert isinstance(outcome, Allocated)
        assert outcome.lists[0].elected == (1, 2)

    def test_person_off_the_ballot_leaves_the_elected_open(self) -> None:
        """Votes for a candidate whom the definition does not name leave the seats told and the elected unknown."""
        persons = tuple(Candidate("w", "w.1", 1, number, "Made-up", f"Person {number}") for number in (1, 2))
        rows = (ListVotes(1, 12, ((1, 1), (2, 1), (3, 10))),)
        tally = counted(changed(candidates=persons), [Protocol("W1-1", "w", "w.1", 1, TIME, {}, rows)])
        outcome = tally.contests["w"].districts["w.1"].outcome
        assert isinstance(outcome, Allocated)
        assert (outcome.lists[0].seats, outcome.lists[0].elected) == (2, None)

    def test_persons_unknown_without_their_votes(self) -> None:
        """Where one protocol does not tell the candidates' votes, seats are told and the elected are not."""
        rows = (ListVotes(1, 20, ((1, 10), (2, 5), (3, 5))), ListVotes(2, 5, ((1, 5), (2, 0), (3, 0))))
        tally = counted(
            DEFINITION, [Protocol("W1-1", "t", "t.1", 1, TIME, {}, rows), sent(POLLS[1], {1: 0, 2: 5})]
        )
        outcome = town(tally).outcome
        assert isinstance(outcome, Allocated)
        assert [(row.seats, row.elected) for row in outcome.lists] == [(2, None), (1, None)]
        assert town(tally).without_candidates == 1


class TestUnknown:
    """What is missing is said."""

    @pytest.mark.parametrize(
        ("tables", "missing"),
        [
            (
                {
                    "contests": (
                        msgspec.structs.replace(DEFINITION.contests[0], seats=None),
                        DEFINITION.contests[1],
                    )
                },
                "the number of seats",
            ),
            (
                {"lists": (List("t", "t.1", 1, "A", candidates=3), List("t", "t.1", 2, "B"))},
                "the number of candidates of list 2",
            ),
            (
                {"lists": (List("t", "t.1", 1, "A"), List("t", "t.1", 2, "B"))},
                "the number of candidates of lists 1, 2",
            ),
            ({"lists": (List("t", "t.1", 1, "A", candidates=3),)}, "which list 2 in the protocols stand for"),
            (
                {"unnumbered_lists": (UnnumberedList("t", "t.1", None, "Made-up"),)},
                "the number on the ballot of 1 of the lists",
            ),
            (
                {
                    "lists": (
                        List("t", "t.1", 1, "A", candidates=3),
                        List("t", "t.1", 2, "B", candidates=3, active=False),
                    )
                },
                "why there are votes for the withdrawn list 2",
            ),
        ],
    )
    def test_missing_facts(self, tables: dict[str, Any], missing: str) -> None:
        """Seats wait for the facts that the law needs, and the outcome names exactly what is missing."""
        tally = full(changed(**tables))
        assert town(tally).outcome == Unknown(missing)
        assert tally.country.kinds["municipal-council"].decided == 0

    def test_no_votes_at_all(self) -> None:
        """Where no list has a vote the law gives no seats, which is said."""
        tally = full(ones=0, twos=5)
        assert isinstance(town(tally).outcome, Allocated)
        tally.apply(10, accepted(sent(POLLS[0], {1: 0, 2: 0}, 2)))
        assert isinstance(town(tally).outcome, Unknown)
        assert tally.country.kinds["municipal-council"].seats_decided == 0

    def test_law_without_seats(self) -> None:
        """Under a law that allocates no seats, and in contests without lists, no outcome is made up."""
        protocols = [sent(POLLS[0], {1: 20}), sent(POLLS[1], {1: 20})]
        counting_only = msgspec.structs.replace(LAW, seats=None)
        assert isinstance(town(counted(DEFINITION, protocols, counting_only)).outcome, Unknown)
        persons = (msgspec.structs.replace(DEFINITION.contests[0], form="persons"), DEFINITION.contests[1])
        assert isinstance(town(counted(changed(contests=persons), protocols)).outcome, Unknown)


class TestStates:
    """Not reported, part, all, zero and not applicable are different."""

    def test_before_the_first_protocol(self) -> None:
        """Everything expected is there from the start, with nothing reported and no figure."""
        tally = Tally(DefinitionIndex(DEFINITION), LAW)
        kind = tally.country.kinds["municipal-council"]
        assert (tally.expected, tally.reported, tally.complete, tally.position) == (3, 0, False, 0)
        assert (kind.count.expected, kind.count.reporting, kind.count.figures) == (2, "none", {})
        assert kind.count.eligible_out == 150
        assert tally.country.kinds["ward-council"].count.eligible_out is None
        assert town(tally).votes == {1: 0, 2: 0}
        assert kind.committees == {"A": CommitteeTally(), "B": CommitteeTally()}
        assert tally.current("W1-1", "t") is None

    def test_wards_hold_both_councils(self) -> None:
        """A ward's precinct counts for the city's council and for the ward's own, each by itself."""
        tally = counted(DEFINITION, [sent(POLLS[0], {1: 7}, valid=7), sent(POLLS[2], {1: 3}, valid=3)])
        ward = tally.areas["W1"]
        assert (ward.count.expected, ward.count.reported) == (2, 2)
        assert ward.kinds["municipal-council"].count.figures == {"valid": 7}
        assert ward.kinds["ward-council"].count.figures == {"valid": 3}
        assert tally.areas["T"].kinds["municipal-council"].count.reporting == "part"
        assert tally.areas["T"].kinds["ward-council"].count.reporting == "all"

    def test_zero_is_not_unknown(self) -> None:
        """A told zero is a figure; a field that no protocol tells is absent; one told by some says by how many."""
        tally = counted(
            DEFINITION, [sent(POLLS[0], {1: 0}, valid=0, issued=4), sent(POLLS[1], {1: 0}, valid=0)]
        )
        count = tally.contests["t"].count
        assert count.figures == {"valid": 0, "issued": 4}
        assert count.told == {"valid": 2, "issued": 1}

    def test_areas_without_polls(self) -> None:
        """An area where nobody votes expects nothing."""
        tally = Tally(DefinitionIndex(changed(areas=(*AREAS, Area("X", "county", "Made-up", "CZ")))), LAW)
        assert (tally.areas["X"].count.reporting, tally.areas["X"].kinds) == ("not-applicable", {})

    def test_list_off_the_ballot(self) -> None:
        """Votes of a list that is not on the ballot count, for no known committee, until a correction takes them back."""
        tally = counted(DEFINITION, [sent(POLLS[0], {3: 4, 1: 2})])
        assert list(town(tally).votes.items()) == [(1, 2), (2, 0), (3, 4)]
        assert tally.country.kinds["municipal-council"].committees[None].votes == 4
        tally.apply(9, accepted(sent(POLLS[0], {1: 2}, 2)))
        assert town(tally).votes == {1: 2, 2: 0}
        assert None not in tally.country.kinds["municipal-council"].committees


class TestRefused:
    """Entries that cannot be counted."""

    @pytest.mark.parametrize(
        ("position", "protocol", "code"),
        [
            (2, sent(POLLS[1], {1: 1}), "tally-order"),
            (3, sent(Poll("W2-1", "w", "w.1"), {1: 1}), "tally-poll"),
            (3, sent(Poll("W1-1", "t", "w.1"), {1: 1}), "tally-district"),
        ],
    )
    def test_refused_entry_changes_nothing(self, position: int, protocol: Protocol, code: str) -> None:
        """An entry out of order, of an unknown poll or for another district is refused and leaves all as it was."""
        tally = counted(DEFINITION, [sent(POLLS[0], {1: 1})])
        before = msgspec.msgpack.encode(tally.contests)
        tally.take_changes()
        with pytest.raises(EntryError) as caught:
            tally.apply(position, accepted(protocol))
        assert caught.value.code == code
        assert tally.position == 2
        assert msgspec.msgpack.encode(tally.contests) == before
        assert not tally.take_changes().contests

    def test_definition_without_country(self) -> None:
        """A definition without a country is refused with what was found."""
        with pytest.raises(TallyError, match="expected exactly one") as caught:
            Tally(
                DefinitionIndex(
                    changed(
                        areas=(Area("K", "county", "Made-up"),),
                        contests=(),
                        districts=(),
                        polls=(),
                        precincts=(),
                    )
                ),
                LAW,
            )
        assert caught.value.code == "tally-country"
