"""Persons elected by a majority in two rounds: by the law's letter, for every night, and on real results of 27 contests."""

import copy
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Definition, Elected, Runoff
from skrutinium_server.tally.majority import first_round, second_round
from skrutinium_server.tally.model import DistrictTally, Open, Outcome, Unknown
from skrutinium_server.tally.seats.model import LotNeeded, Tie
from skrutinium_server.tally.tally import Tally
from tests.tally import persons
from tests.tally.adding import counting
from tests.tally.made import Night, accepted, counted, protocol
from tests.tally.persons import SENATE, definition, votes

ONE_TOWN = {"M0": {"1": [1, 2]}}


def lot(places: int, tied: tuple[int, ...], certain: tuple[int, ...] = ()) -> LotNeeded:
    return LotNeeded(0, (), (Tie(places, (), 0, tied),), 0, certain)


def outcome_of(made: Definition, *given: dict[int, int]) -> Outcome:
    """The outcome of contest 1 when its precincts tell these votes."""
    rows = [votes(poll, row) for poll, row in zip(made.polls, given, strict=False)]
    return district(counted(made, rows, SENATE), "1").outcome


def district(tally: Tally, contest: str) -> DistrictTally:
    return tally.contests[contest].districts[f"{contest}.1"]


class TestFirstRound:
    """More than half elects, else two run."""

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({1: 51, 2: 49}, Elected(1, "G")),
            ({1: 50, 2: 50}, Runoff((1, 2))),
            ({1: 50, 2: 30, 3: 20}, Runoff((1, 2))),
            ({1: 20, 2: 30, 3: 40}, Runoff((3, 2))),
            ({7: 1}, Elected(7, "G")),
            ({1: 40, 2: 30, 3: 30}, lot(1, (2, 3), (1,))),
            ({1: 30, 2: 30, 3: 30, 4: 10}, lot(2, (1, 2, 3))),
            ({1: 30, 2: 30, 3: 20}, Runoff((1, 2))),
            ({1: 2, 2: 1, 3: 1}, lot(1, (2, 3), (1,))),
        ],
    )
    def test_by_the_letter(self, given: dict[int, int], expected: Outcome) -> None:
        """Exactly half elects nobody; equal votes for the last place of the second round need a lot."""
        assert first_round(given) == expected

    @given(
        st.dictionaries(st.integers(1, 20), st.integers(0, 9), min_size=2).filter(
            lambda row: any(row.values())
        )
    )
    def test_nobody_with_fewer_votes_gets_further(self, given: dict[int, int]) -> None:
        """Whoever is elected, runs or may draw a lot has at least the votes of everybody who does not."""
        found = first_round(given)
        total = sum(given.values())
        majority = [number for number, row in given.items() if row > total - row]
        match found:
            case Elected(candidate=candidate):
                assert majority == [candidate]
                further = {candidate}
            case Runoff(candidates=both):
                further = set(both)
                assert len(further) == 2
            case LotNeeded(ties=(tie,), candidates=certain):
                assert 1 <= tie.places < len(tie.candidates)
                assert tie.places + len(certain) == 2
                assert len({given[number] for number in tie.candidates}) == 1
                further = {*certain, *tie.candidates}
            case _:
                raise AssertionError(found)
        assert isinstance(found, Elected) == bool(majority)
        least = min(given[number] for number in further)
        assert all(row < least for number, row in given.items() if number not in further)

    @given(st.dictionaries(st.integers(1, 20), st.integers(0, 9), min_size=2))
    @example({1: 3, 2: 3})
    def test_second_round_is_won_by_most(self, given: dict[int, int]) -> None:
        """The second round is won by whoever alone has the most votes; else those who have them draw a lot."""
        most = [number for number, row in given.items() if row == max(given.values())]
        assert second_round(given) == (Elected(most[0]) if len(most) == 1 else lot(1, tuple(sorted(most))))


class TestOutcome:
    """Of a contest whose protocols are in, and what may be missing."""

    @pytest.fixture
    def made(self) -> Definition:
        return definition({"1": {1: "A", 2: "B", 3: None}}, ONE_TOWN)

    def test_open_until_the_last_protocol(self, made: Definition) -> None:
        """Nothing is said while a protocol is out; then votes of all precincts together elect."""
        assert outcome_of(made, {1: 90, 2: 1, 3: 1}) == Open()
        assert outcome_of(made, {1: 9, 2: 1, 3: 1}, {1: 0, 2: 4, 3: 1}) == Elected(1, "G")

    def test_votes_stand_on_list_0(self, made: Definition) -> None:
        """The sum of the votes is that of list 0, each candidate's own stand beside it."""
        tally = counted(made, [votes(made.polls[0], {1: 5, 2: 3, 3: 2})], SENATE)
        assert (district(tally, "1").votes, district(tally, "1").candidate_votes) == (
            {0: 10},
            {0: {1: 5, 2: 3, 3: 2}},
        )

    @pytest.mark.parametrize("round_", [1, 2])
    def test_elected_fills_the_seat_of_the_committee(self, round_: int) -> None:
        """The seat is booked for the committee in the areas that contain the constituency, and nowhere below."""
        made = definition({"1": {1: "A", 2: "B"}}, ONE_TOWN, round_=round_)
        tally = counted(made, [votes(poll, {1: 2, 2: 1}) for poll in made.polls], SENATE)
        country = tally.country.kinds["senate"]
        assert (country.decided, country.seats_decided, country.committees["A"].seats) == (1, 1, 1)
        assert tally.areas["M0"].kinds["senate"].committees["A"].votes == 4
        assert tally.areas["M0"].kinds["senate"].seats_decided == 0

    def test_runoff_decides_no_seat(self, made: Definition) -> None:
        """A second round to come leaves the contest undecided."""
        tally = counted(made, [votes(poll, {1: 2, 2: 2, 3: 1}) for poll in made.polls], SENATE)
        assert district(tally, "1").outcome == Runoff((1, 2))
        assert tally.country.kinds["senate"].decided == 0

    def test_equal_votes_in_the_second_round(self) -> None:
        """Equal votes of the two are a lot that is needed, never a guess."""
        made = definition({"1": {2: "A", 5: "B"}}, ONE_TOWN, round_=2)
        assert outcome_of(made, {2: 3, 5: 4}, {2: 2, 5: 1}) == lot(1, (2, 5))

    def test_one_left_in_the_second_round(self) -> None:
        """Where one of the two is no longer there, what the law says then is missing."""
        withdrawn = frozenset({("1", 5)})
        made = definition({"1": {2: "A", 5: "B"}}, ONE_TOWN, round_=2, inactive=withdrawn)
        found = outcome_of(made, {2: 3}, {2: 2})
        assert found == Unknown("a rule of the law for a second round in which only one candidate stands")

    def test_withdrawn_candidates_do_not_stand(self) -> None:
        """A withdrawn candidate without votes is passed over; votes for one are a question that is asked."""
        made = definition({"1": {1: "A", 2: "B", 3: "C"}}, ONE_TOWN, inactive=frozenset({("1", 3)}))
        assert outcome_of(made, {1: 2, 2: 2}, {1: 1, 2: 1}) == Runoff((1, 2))
        asked = outcome_of(made, {1: 2, 2: 2}, {1: 1, 2: 1, 3: 5})
        assert asked == Unknown("why there are votes for the withdrawn candidate 3")

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ({1: 1, 2: 2, 3: 0, 9: 4}, "who candidate 9 in the protocols is"),
            ({}, "a rule of the law for a district in which no candidate has a vote"),
        ],
    )
    def test_what_is_missing(self, made: Definition, given: dict[int, int], missing: str) -> None:
        """What stands between the votes and an outcome is told in words."""
        assert outcome_of(made, given, given) == Unknown(missing)

    def test_untold_votes_of_candidates(self, made: Definition) -> None:
        """A protocol without the candidates' votes leaves the outcome unknown."""
        row = votes(made.polls[0], {})
        untold = protocol(made.polls[1], [msgspec.structs.replace(row.lists[0], votes=4, candidates=None)])
        tally = counted(made, [row, untold], SENATE)
        assert district(tally, "1").outcome == Unknown("the votes of the candidates in 1 of the protocols")


class TestLaws:
    """What holds for every night."""

    @given(persons.nights())
    def test_every_step_equals_scratch(self, night: Night) -> None:
        """After each entry the tally equals a fresh one of only the protocols that count, and plain sums over them."""
        made, protocols = night
        tally = Tally(DefinitionIndex(made), SENATE)
        for place, row in enumerate(protocols, 1):
            tally.apply(place, accepted(row))
            newest = counting(protocols[:place])
            assert _totals(tally) == _totals(counted(made, list(newest.values()), SENATE))
            _agree(tally, made, newest.values())
        for contest in tally.contests.values():
            event(type(contest.districts[f"{contest.id}.1"].outcome).__name__)

    @given(persons.nights(distinct=True), st.data())
    def test_order_does_not_matter(self, night: Night, data: st.DataObject) -> None:
        """The same protocols with different sequences give the same tally in whatever order they arrive."""
        made, protocols = night
        shuffled = data.draw(st.permutations(protocols))
        assert _totals(counted(made, protocols, SENATE)) == _totals(counted(made, shuffled, SENATE))

    @given(persons.nights())
    def test_correction_reverses_exactly(self, night: Night) -> None:
        """Correcting every protocol to something else and then back restores every figure, seats and outcomes too."""
        made, protocols = night
        tally = counted(made, protocols, SENATE)
        before = _totals(tally)
        position = tally.position
        newest = list(counting(protocols).values())
        for sequence, rows in ((100, newest[1:] + newest[:1]), (101, newest)):
            for own, other in zip(newest, rows, strict=True):
                position += 1
                content = {"figures": other.figures, "lists": other.lists}
                row = msgspec.structs.replace(own, sequence=sequence, **content)
                assert tally.apply(position, accepted(row)).counts
        assert _totals(tally) == before


def _totals(tally: Tally) -> object:
    return copy.deepcopy((tally.contests, tally.areas, tally.reported))


def _agree(tally: Tally, made: Definition, counts: object) -> None:
    """Votes by candidate and by committee, added up by themselves."""
    rows = list(counts)  # type: ignore[call-overload]
    committee = {(row.contest, row.number): row.committee for row in made.candidates}
    for contest in tally.contests.values():
        own = [row for row in rows if row.contest == contest.id]
        votes_of: Counter[int] = Counter()
        for row in own:
            votes_of.update(dict(row.lists[0].candidates or ()))
        (found,) = contest.districts.values()
        assert +Counter(found.candidate_votes.get(0, {})) == +votes_of
        assert found.votes == {0: sum(row.lists[0].votes for row in own)}
    for id, area in tally.areas.items():
        inside = [row for row in rows if id == "CZ" or row.precinct.startswith(f"{id}-")]
        if id.startswith("K"):
            continue
        of: Counter[str | None] = Counter()
        for row in inside:
            for number, had in row.lists[0].candidates or ((-1, row.lists[0].votes),):
                of[committee.get((row.contest, number))] += had
        assert +Counter({name: row.votes for name, row in area.kinds["senate"].committees.items()}) == +of


def test_real_outcomes(shared_data: Path) -> None:
    """Of 27 real contests, from their published votes, who is elected in which round comes out as published."""
    root = etree.parse(shared_data / "volby/kv2014/senat.xml").getroot()
    told = 0
    for contest in root.iterfind("{*}OBVOD"):
        people = contest.findall("{*}KANDIDAT")
        first = {int(row.get("PORADOVE_CISLO", "")): int(row.get("HLASY_1KOLO", "")) for row in people}
        states = {int(row.get("PORADOVE_CISLO", "")): row.get("ZVOLEN_1KOLO") for row in people}
        found = first_round(first)
        if isinstance(found, Elected):
            assert [number for number, state in states.items() if state == "ZVOLEN"] == [found.candidate]
        else:
            assert isinstance(found, Runoff)
            assert {number for number, state in states.items() if state == "2.KOLO"} == set(found.candidates)
            again = [row for row in people if row.get("HLASY_2KOLO") is not None]
            second = {int(row.get("PORADOVE_CISLO", "")): int(row.get("HLASY_2KOLO", "")) for row in again}
            (won,) = [row for row in again if row.get("ZVOLEN_2KOLO") == "ZVOLEN"]
            assert second_round(second) == Elected(int(won.get("PORADOVE_CISLO", "")))
        told += 1
    assert told == 27
