"""Laws of the tally that hold for every made-up night: steps and scratch, order of arrival, corrections, sums."""

import copy
from collections import Counter
from collections.abc import Mapping

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.tally.model import AreaTally, Changes, ContestTally
from skrutinium_server.tally.tally import Tally
from tests.tally.adding import Addition, counting
from tests.tally.made import LAW, Night, accepted, counted, nights

Totals = tuple[Mapping[str, ContestTally], Mapping[str, AreaTally], int]


def totals(tally: Tally) -> Totals:
    """All figures of the tally as they are now."""
    return copy.deepcopy((tally.contests, tally.areas, tally.reported))


class TestSteps:
    """One entry after the other."""

    @given(nights())
    def test_every_step_equals_scratch(self, night: Night) -> None:
        """After each entry the tally equals a fresh one of only the protocols that count, and plain sums over them."""
        definition, protocols = night
        tally = Tally(DefinitionIndex(definition), LAW)
        Addition(definition, {}).agree(tally)
        for place, row in enumerate(protocols, 1):
            tally.apply(place, accepted(row))
            newest = counting(protocols[:place])
            assert totals(tally) == totals(counted(definition, list(newest.values())))
            Addition(definition, newest).agree(tally)
            assert tally.position == place
        rows = [row for contest in tally.contests.values() for row in contest.districts.values()]
        for name in {type(row.outcome).__name__ for row in rows}:
            event(name)

    @given(nights())
    def test_current_and_applied(self, night: Night) -> None:
        """`current` is the entry that counts; `apply` says whether it is the new one and which one it replaced."""
        definition, protocols = night
        tally = Tally(DefinitionIndex(definition), LAW)
        for place, row in enumerate(protocols, 1):
            before = tally.current(row.precinct, row.contest)
            applied = tally.apply(place, accepted(row))
            after = tally.current(row.precinct, row.contest)
            assert after is not None
            assert after[1].protocol == counting(protocols[:place])[row.precinct, row.contest]
            if applied.counts:
                assert (after, applied.replaced) == ((place, accepted(row)), before)
            else:
                assert (after, applied.replaced) == (before, None)

    @given(nights())
    def test_entries_stay_their_own(self, night: Night) -> None:
        """A tally never changes the entries it is given, nor the definition."""
        definition, protocols = night
        before = msgspec.msgpack.encode((definition, protocols))
        counted(definition, protocols)
        assert msgspec.msgpack.encode((definition, protocols)) == before


class TestOrder:
    """The order of arrival."""

    @given(nights(distinct=True), st.data())
    def test_order_does_not_matter(self, night: Night, data: st.DataObject) -> None:
        """The same protocols with different sequences give the same tally in whatever order they arrive."""
        definition, protocols = night
        shuffled = data.draw(st.permutations(protocols))
        assert totals(counted(definition, protocols)) == totals(counted(definition, shuffled))

    @given(nights())
    def test_equal_sequence_does_not_replace(self, night: Night) -> None:
        """Of protocols with equal sequence the first counts: sending everything again changes nothing at all."""
        definition, protocols = night
        tally = counted(definition, protocols)
        before = totals(tally)
        tally.take_changes()
        for place, row in enumerate(protocols, tally.position + 1):
            changed = msgspec.structs.replace(row, lists=(), figures={"issued": 1})
            assert not tally.apply(place, accepted(changed)).counts
        changes = tally.take_changes()
        assert totals(tally) == before
        assert changes == Changes(everything=False)


class TestCorrections:
    """A protocol in place of another."""

    @given(nights())
    def test_correction_reverses_exactly(self, night: Night) -> None:
        """Correcting every protocol to something else and then back restores every figure, seats and outcomes too."""
        definition, protocols = night
        tally = counted(definition, protocols)
        before = totals(tally)
        position = tally.position
        newest = list(counting(protocols).values())
        for sequence, rows in ((100, newest[1:] + newest[:1]), (101, newest)):
            for own, other in zip(newest, rows, strict=True):
                position += 1
                content = {"figures": other.figures, "lists": other.lists}
                row = msgspec.structs.replace(own, sequence=sequence, **content)
                assert tally.apply(position, accepted(row)).counts
        assert totals(tally) == before

    @given(nights(), st.data())
    def test_emptied_protocol_counts_as_reported(self, night: Night, data: st.DataObject) -> None:
        """A correction that takes every figure away leaves the protocol reported and its figures unknown, not zero."""
        definition, protocols = night
        if not protocols:
            return
        row = data.draw(st.sampled_from(protocols))
        tally = counted(definition, protocols)
        reported = tally.reported
        empty = msgspec.structs.replace(row, sequence=100, lists=(), figures={})
        tally.apply(tally.position + 1, accepted(empty))
        assert tally.reported == reported
        Addition(definition, counting([*protocols, empty])).agree(tally)


class TestSums:
    """Parts and wholes."""

    @given(nights())
    def test_parts_add_up(self, night: Night) -> None:
        """Districts add up to their contest, regions to the country, and committees to the votes of all lists."""
        definition, protocols = night
        tally = counted(definition, protocols)
        for contest in tally.contests.values():
            figures: Counter[str] = Counter()
            for district in contest.districts.values():
                figures.update(district.count.figures)
            assert figures == Counter(contest.count.figures)
            assert contest.count.reported == sum(row.count.reported for row in contest.districts.values())
        for kind, whole in tally.country.kinds.items():
            parts = [
                area.kinds[kind]
                for area in tally.areas.values()
                if area.id.startswith("K") and kind in area.kinds
            ]
            for committee, row in whole.committees.items():
                inside = [part.committees[committee] for part in parts if committee in part.committees]
                assert row.votes == sum(part.votes for part in inside)
                assert row.seats == sum(part.seats for part in inside)
            assert whole.decided == sum(part.decided for part in parts)
            assert whole.seats_decided == sum(row.seats for row in whole.committees.values())
            lists = [
                sum(district.votes.values())
                for contest in definition.contests
                if contest.kind == kind
                for district in tally.contests[contest.id].districts.values()
            ]
            assert sum(row.votes for row in whole.committees.values()) == sum(lists)


class TestChanges:
    """What is told to have changed."""

    @given(nights(), st.data())
    def test_changes_cover_what_differs(self, night: Night, data: st.DataObject) -> None:
        """Every contest, area and precinct that differs between two takings is among the changes."""
        definition, protocols = night
        cut = data.draw(st.integers(0, len(protocols)))
        tally = counted(definition, protocols[:cut])
        assert tally.take_changes().everything
        contests, areas, _ = totals(tally)
        versions = {
            (row.precinct, row.contest): tally.current(row.precinct, row.contest) for row in definition.polls
        }
        for place, row in enumerate(protocols[cut:], tally.position + 1):
            tally.apply(place, accepted(row))
        changes = tally.take_changes()
        assert not changes.everything
        assert {id for id in contests if contests[id] != tally.contests[id]} <= changes.contests
        assert {id for id in areas if areas[id] != tally.areas[id]} <= changes.areas
        assert changes.precincts == {key[0] for key in versions if versions[key] != tally.current(*key)}
        assert tally.take_changes() == Changes(everything=False)
