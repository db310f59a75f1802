"""A made-up night: every protocol passes the door, the outcomes show what the law can do, the bytes never change."""

import datetime
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.formats.csv_set import parse_record, read_folder, read_set, write_set
from skrutinium_server.intake.model import Origin, Protocol
from skrutinium_server.rehearsal.made_up import (
    FULL,
    SMALL,
    made_up_definition,
    made_up_night,
    made_up_protocols,
)
from skrutinium_server.rehearsal.made_up.arrival import COUNCILS, moments
from skrutinium_server.tally.seats.model import Allocated, LotNeeded
from skrutinium_server.tally.tally import Tally
from tests.tally.made import accepted

SEED = 2030
NIGHT_SHA256 = "9e0a00d586cae3ace1bebbe6adc61dea5390620b2b6c4d02102ea53498999b1c"
LAW = load_law("cz-municipal-2018")
START = datetime.datetime(2030, 4, 1, 12, 35, tzinfo=datetime.UTC)
HOURS = datetime.timedelta(hours=9)
SEEDS = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def definition() -> Definition:
    """The election of the demonstration."""
    return made_up_definition(SEED, SMALL)


def night_of(definition: Definition, seed: int) -> list[Protocol]:
    return list(made_up_protocols(definition, seed, START, HOURS))


def tally_of(definition: Definition, protocols: Sequence[Protocol]) -> Tally:
    tally = Tally(DefinitionIndex(definition), LAW)
    for position, protocol in enumerate(protocols, 1):
        tally.apply(position, accepted(protocol))
    return tally


def outcomes(definition: Definition, protocols: Sequence[Protocol]) -> dict[str, Allocated | LotNeeded]:
    """The outcome of every district; all of them are decided or wait for a lot only."""
    tally = tally_of(definition, protocols)
    assert tally.complete
    found = {
        id: district.outcome
        for contest in tally.contests.values()
        for id, district in contest.districts.items()
    }
    return {id: outcome for id, outcome in found.items() if isinstance(outcome, Allocated | LotNeeded)}


@given(SEEDS, st.booleans())
@settings(max_examples=15)
def test_every_protocol_passes_the_door_without_a_finding(seed: int, other: bool) -> None:
    """Whatever the seed, the door admits every protocol, and no rule of the law fires or is skipped."""
    definition = made_up_definition(seed, SMALL)
    index = DefinitionIndex(definition)
    for due in made_up_night(definition, seed + other, START, HOURS):
        protocol = parse_record(due.taken_over.data, LAW)
        admission = admit(protocol, due.taken_over, Origin("rehearsal", "replay"), index, LAW)
        assert (admission.findings, admission.skipped_rules) == ((), 0)
        assert due.at == protocol.established


@given(SEEDS)
@settings(max_examples=15)
def test_figures_could_have_come_from_envelopes(seed: int) -> None:
    """Nobody votes who is not on the roll, no candidate has more votes than envelopes, none holds more than the seats."""
    definition = made_up_definition(seed, SMALL)
    index = DefinitionIndex(definition)
    for protocol in night_of(definition, seed):
        figures = protocol.figures
        assert 0 < figures["returned"] <= figures["issued"] <= figures["eligible"]
        seats = index.districts[protocol.district].seats or 0
        assert 0 < figures["valid-votes"] <= figures["returned"] * seats
        assert figures["valid-votes"] == sum(row.votes for row in protocol.lists)
        ballot = index.lists_of_district(protocol.district)
        assert [row.number for row in protocol.lists] == [row.number for row in ballot]
        for row in protocol.lists:
            counts = [count for _, count in row.candidates or ()]
            assert sum(counts) == row.votes
            assert len(counts) == len(index.candidates_of(protocol.district, row.number)) > 0
            assert 0 <= min(counts) <= max(counts) <= figures["returned"]


@given(SEEDS)
@settings(max_examples=15)
def test_night_is_whole_and_in_order(seed: int) -> None:
    """Each poll comes once unmarked, the first at the start and the last at the end, sequences count from 1."""
    definition = made_up_definition(seed, SMALL)
    protocols = night_of(definition, seed)
    first = [(row.precinct, row.contest) for row in protocols if not row.repeated]
    assert sorted(first) == sorted((poll.precinct, poll.contest) for poll in definition.polls)
    assert [row.sequence for row in protocols] == list(range(1, len(protocols) + 1))
    times = [row.established for row in protocols]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (START, START + HOURS)


@given(SEEDS)
@settings(max_examples=15)
def test_resends_are_marked_and_change_the_figures(seed: int) -> None:
    """A few protocols come again, marked and with other figures, one of them twice; all contests of a precinct stay."""
    definition = made_up_definition(seed, SMALL)
    versions: defaultdict[tuple[str, str], list[Protocol]] = defaultdict(list)
    for protocol in night_of(definition, seed):
        versions[protocol.precinct, protocol.contest].append(protocol)
    again = sorted(len(rows) for rows in versions.values() if len(rows) > 1)
    assert again == [2, 2, 3]
    for rows in versions.values():
        assert [row.repeated for row in rows] == [False] + [True] * (len(rows) - 1)
        told = [(row.figures["eligible"], row.figures["valid-votes"]) for row in rows]
        assert len(set(told)) == len(told)
    plain = {(row.precinct, row.contest): row for row in made_up_protocols(definition, seed, START, HOURS, 0)}
    for key, rows in versions.items():
        assert (rows[-1].figures, rows[-1].lists) == (plain[key].figures, plain[key].lists)


@given(SEEDS)
@settings(max_examples=20)
def test_threshold_is_lowered_and_the_order_changes(seed: int) -> None:
    """In every small election one council lowers its threshold, a list fails, the 110 % rule lifts a candidate."""
    definition = made_up_definition(seed, SMALL)
    found = outcomes(definition, night_of(definition, seed))
    assert len(found) == 15
    several = {row.district for row in definition.lists if row.number == 2}
    assert any(outcome.threshold_percent < 5 for id, outcome in found.items() if id in several)
    assert any(outcome.threshold_percent == 5 for outcome in found.values())
    lists = [row for outcome in found.values() for row in outcome.lists if row.elected]
    assert any(row.elected != tuple(range(1, row.seats + 1)) for row in lists)
    assert any(not row.passed for outcome in found.values() for row in outcome.lists)


def test_small_precincts_come_first(definition: Definition) -> None:
    """The protocols of the first third are of smaller precincts than those of the last, the city is complete last."""
    rows = [row for row in night_of(definition, SEED) if not row.repeated]
    third = len(rows) // 3
    voters = [row.figures["eligible"] * len(row.lists) for row in rows]
    assert 3 * sum(voters[:third]) < 2 * sum(voters[-third:])
    assert rows[-1].contest == "900001"


def test_arrival_follows_the_real_curve() -> None:
    """Of many protocols the share that is in after each hour is that of the real night, within two in a hundred."""
    minutes = [at // 60_000_000 for at in moments(16_000, 935 * 60_000_000, COUNCILS)]
    assert minutes[0] == 0
    assert minutes[-1] >= 930
    for passed, share in ((25, 3.0), (55, 12.0), (145, 44.1), (265, 76.0), (445, 95.4)):
        assert abs(100 * sum(at <= passed for at in minutes) / 16_000 - share) < 2
    assert moments(0, 100, COUNCILS) == []
    assert moments(1, 100, COUNCILS) == [0]


def test_same_seed_gives_the_pinned_night(definition: Definition) -> None:
    """The night of a seed has the bytes it always had, on every machine and version; another seed has others."""
    nights = [made_up_night(definition, seed, START, HOURS) for seed in (SEED, SEED + 1)]
    hashes = [hashlib.sha256(msgspec.msgpack.encode(night)).hexdigest() for night in nights]
    assert hashes[0] == NIGHT_SHA256
    assert hashes[1] != hashes[0]


def test_bytes_are_those_of_the_csv_format(definition: Definition, tmp_path: Path) -> None:
    """The bytes of each protocol are what the reader of the CSV format takes over from files with that protocol."""
    dues = made_up_night(definition, SEED, START, HOURS)
    protocols = night_of(definition, SEED)
    assert len(dues) == len(protocols)
    for due, protocol in zip(dues, protocols, strict=True):
        (received,) = read_set(write_set((protocol,), LAW), LAW)
        assert (received.protocol, received.taken_over) == (protocol, due.taken_over)
    newest = {(row.precinct, row.contest): row for row in protocols}.values()
    for name, data in write_set(newest, LAW).items():
        (tmp_path / name).write_bytes(data)
    assert [item.protocol for item in read_folder(tmp_path, LAW)] == list(newest)


def test_no_votes_are_made_up_for_a_real_election(definition: Definition) -> None:
    """A definition that does not say that it is made up gets no night, and a start needs a time zone."""
    real = msgspec.structs.replace(definition, made_up=False)
    with pytest.raises(ValueError, match="not made up"):
        made_up_night(real, SEED, START, HOURS)
    with pytest.raises(ValueError, match="no time zone"):
        made_up_night(definition, SEED, START.replace(tzinfo=None), HOURS)


def test_country_has_a_night_too() -> None:
    """The first protocols of a night as large as the country agree with its definition."""
    definition = made_up_definition(SEED, FULL)
    index = DefinitionIndex(definition)
    night = made_up_protocols(definition, SEED, START, HOURS)
    for _, protocol in zip(range(200), night, strict=False):
        assert index.poll(protocol.precinct, protocol.contest) is not None
        assert protocol.figures["valid-votes"] <= protocol.figures["returned"] * (
            index.districts[protocol.district].seats or 0
        )
