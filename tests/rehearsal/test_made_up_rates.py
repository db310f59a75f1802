"""What goes wrong in a made-up night happens at the stated rates, and changes nothing of what counts in the end."""

import datetime
import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrutinium_server.election.canonical import canonical
from skrutinium_server.election.errors import SecondRoundError
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.errors import RefusedError
from skrutinium_server.intake.model import Admission, Origin
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.process.reasons import correction_reasons
from skrutinium_server.rehearsal.made_up import (
    QUIET,
    USUAL,
    Coming,
    MadeUpError,
    RateError,
    Rates,
    Settings,
    WishError,
    Wishes,
    begin,
    made_up,
    made_up_election,
    made_up_laws,
    taken_over,
)
from skrutinium_server.rehearsal.made_up.arrival import COUNCILS, ONE_PERSON, RUNOFF, Course, moments

LAWS = pytest.mark.parametrize("law", made_up_laws())
SEEDS = st.integers(0, 2**64 - 1)
MANY = Rates(refused=2000, warnings=1500, resends=1000, duplicates=1200, corrections=1800)
PINNED = {
    "cz-municipal-2018": "33042c4edf9ea8febb27294bf310dbcb0411cdca96d85ef24a32506a5a393e55",
    "cz-senate-2018": "48da511ffcc9767952d714ed8516239377d05f5e303f7a556126ca6a7a87012b",
}


class Door:
    """What becomes of protocols at the door, read from their bytes."""

    def __init__(self, definition: Definition) -> None:
        self.law = load_law(definition.law)
        self.index = DefinitionIndex(definition)

    def admit(self, one: Coming) -> Admission:
        """Raises RefusedError."""
        data = taken_over(one.protocol, self.law)
        protocol = read_protocol(data, self.law)
        assert protocol == one.protocol
        return admit(protocol, data, Origin("test", "replay"), self.index, self.law)


def versions(coming: list[Coming]) -> dict[tuple[str, str], list[Coming]]:
    found = defaultdict(list)
    for one in coming:
        found[one.protocol.precinct, one.protocol.contest].append(one)
    return found


@LAWS
@given(seed=SEEDS)
@settings(max_examples=10)
def test_rates_are_kept(law: str, seed: int) -> None:
    """Of 10,000 polls so many are refused, sent again, sent twice and corrected, and so many are taken over with a warning."""
    election = made_up_election(Settings(law=law, precincts=100, seed=seed, rates=MANY))
    coming, door = list(election.coming), Door(election.definition)
    kinds = Counter(one.kind for one in coming)
    polls = len(election.definition.polls)
    assert kinds["first"] == polls
    assert kinds["refused"] == max(1, polls * MANY.refused // 10_000)
    assert kinds["duplicate"] == max(1, polls * MANY.duplicates // 10_000)
    assert kinds["correction"] == max(1, polls * MANY.corrections // 10_000)
    assert kinds["resend"] == max(3, polls * MANY.resends // 10_000) + 1
    warned = {
        (one.protocol.precinct, one.protocol.contest)
        for one in coming
        if one.kind == "first" and door.admit(one).findings
    }
    assert len(warned) == polls * MANY.warnings // 10_000


@LAWS
@given(seed=SEEDS)
@settings(max_examples=10)
def test_door_refuses_what_is_wrong_and_nothing_else(law: str, seed: int) -> None:
    """Slips are refused, several rules among them; the right protocol follows within minutes; the rest has warnings at most."""
    election = made_up_election(Settings(law=law, precincts=100, seed=seed, rates=MANY))
    coming, door = list(election.coming), Door(election.definition)
    codes: Counter[str] = Counter()
    for one in coming:
        if one.kind == "refused":
            with pytest.raises(RefusedError) as refused:
                door.admit(one)
            codes.update(getattr(refused.value, "rules", (refused.value.code,)))
        else:
            assert {finding.severity for finding in door.admit(one).findings} <= {"warning"}
    assert len(codes) >= 2
    for sent in versions(coming).values():
        kinds = [one.kind for one in sent]
        if "refused" in kinds:
            assert kinds[:2] == ["refused", "first"]
            assert sent[1].at - sent[0].at <= datetime.timedelta(minutes=20)


@LAWS
@given(seed=SEEDS)
@settings(max_examples=10)
def test_every_version_follows_the_one_before(law: str, seed: int) -> None:
    """Times and sequences never go back; a correction comes last, with a reason that persons give, and changes figures."""
    election = made_up_election(Settings(law=law, precincts=60, seed=seed, rates=MANY))
    coming = list(election.coming)
    assert [one.at for one in coming] == sorted(one.at for one in coming)
    for sent in versions(coming).values():
        order = ["refused", "first", "duplicate", "resend", "resend", "correction"]
        places = iter(order)
        assert all(one.kind in places for one in sent)
        for before, after in pairwise(sent):
            if after.kind == "duplicate":
                assert after.protocol is before.protocol
                continue
            assert after.protocol.sequence > before.protocol.sequence
            told = [(one.protocol.figures, one.protocol.lists) for one in (before, after)]
            assert told[0] != told[1]
        for one in sent:
            assert (one.reason in correction_reasons()) is (one.kind == "correction")
            assert (one.authority is None) is (one.reason is None)
            assert one.protocol.repeated is (one.kind in ("resend", "correction"))


@LAWS
@given(seed=SEEDS)
@settings(max_examples=5)
def test_what_counts_is_the_same_whatever_went_wrong(law: str, seed: int) -> None:
    """The last version of every protocol has the figures and votes of a night in which nothing goes wrong."""
    odd = Rates(warnings=MANY.warnings, resends=0)
    nights = [
        list(made_up_election(Settings(law=law, precincts=60, seed=seed, rates=rates)).coming)
        for rates in (MANY, odd)
    ]
    last, right = (
        {key: (sent[-1].protocol.figures, sent[-1].protocol.lists) for key, sent in versions(night).items()}
        for night in nights
    )
    assert last == right


@LAWS
def test_quiet_night_has_one_protocol_a_poll(law: str) -> None:
    """With all rates 0 nothing is refused, sent again or corrected, and nothing has a finding."""
    election = made_up_election(Settings(law=law, precincts=60, rates=QUIET))
    coming, door = list(election.coming), Door(election.definition)
    assert {one.kind for one in coming} == {"first"}
    assert not any(door.admit(one).findings for one in coming)


def digest(law: str, seed: int = 2030) -> str:
    """SHA-256 over the definition and every protocol with its time, reason and authority, in order."""
    wanted = Settings(law=law, precincts=72, seed=seed, rates=USUAL, wishes=Wishes(lots=1, ties=1))
    definition, night = made_up(wanted)
    whole = hashlib.sha256(canonical(definition))
    for at, data, reason, authority in night:
        whole.update(f"{at.isoformat()} {reason} {authority} {data.source_sha256}\n".encode() + data.data)
    return whole.hexdigest()


@LAWS
def test_seed_gives_the_pinned_bytes(law: str) -> None:
    """The election of a seed, with errors and wishes, has the bytes it always had; another seed has others."""
    assert digest(law) == PINNED[law]
    assert digest(law, 2031) != PINNED[law]


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Apia"},
        {
            "PYTHONHASHSEED": "4294967295",
            "LC_ALL": "tr_TR.UTF-8",
            "LANG": "cs_CZ.UTF-8",
            "TZ": "America/St_Johns",
        },
    ],
    ids=["C", "other"],
)
def test_another_process_makes_the_same_bytes(surroundings: dict[str, str]) -> None:
    """Neither the order of sets in another process nor its locale and time zone change a byte of any law's election."""
    code = "from tests.rehearsal.test_made_up_rates import PINNED, digest\nprint({law: digest(law) for law in PINNED})"
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert outcome.stdout.strip() == str(PINNED)


@pytest.mark.parametrize(
    ("course", "shares"),
    [
        (COUNCILS, ((25, 3.0), (55, 12.0), (145, 44.1), (265, 76.0), (445, 95.4))),
        (ONE_PERSON, ((40, 35.9), (70, 75.3), (100, 93.0), (160, 99.6))),
        (RUNOFF, ((40, 56.6), (70, 89.8), (100, 98.4), (160, 99.9))),
    ],
)
def test_arrival_follows_the_real_curves(course: Course, shares: tuple[tuple[int, float], ...]) -> None:
    """Of many protocols the share that is in after so many minutes is that of the real night, within two in a hundred."""
    length = course.curve[-1][0] * 60_000_000
    minutes = [at / 60_000_000 for at in moments(16_000, length, course)]
    for passed, share in shares:
        assert abs(100 * sum(at <= passed for at in minutes) / 16_000 - share) < 2


def test_one_person_is_counted_faster() -> None:
    """Nights of persons begin and end earlier than those of councils, second rounds earlier still."""
    ends = []
    for law, round_ in (("cz-municipal-2018", 1), ("cz-senate-2018", 1), ("cz-senate-2018", 2)):
        election = made_up_election(Settings(law=law, precincts=200, seed=2030, round=round_))
        coming = list(election.coming)
        assert coming[0].at == begin(election.definition)
        ends.append(coming[-1].at - coming[0].at)
    assert ends == sorted(ends, reverse=True)
    assert ends[0] > datetime.timedelta(hours=6) > datetime.timedelta(hours=4) > ends[1] > ends[2]


def test_start_and_length_are_kept() -> None:
    """A night begins when it is told to, and ends with its last protocol as many minutes later."""
    start = datetime.datetime(2031, 1, 1, 20, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    coming = list(made_up_election(Settings(start=start, minutes=90, rates=MANY)).coming)
    assert coming[0].at == start
    assert coming[-1].at == start + datetime.timedelta(minutes=90)


def test_what_cannot_be_is_refused() -> None:
    """Rates, wishes, rounds and times that cannot be are refused with what was expected."""
    with pytest.raises(RateError, match="resends is 10001; expected 0 to 10,000"):
        Rates(resends=10_001)
    with pytest.raises(WishError, match="lots is -1; expected a number"):
        Wishes(lots=-1)
    with pytest.raises(MadeUpError, match="round 3; expected 1 or 2"):
        Settings(round=3)
    with pytest.raises(MadeUpError, match="no time zone"):
        Settings(start=datetime.datetime(2030, 4, 2, 12))  # noqa: DTZ001 - without a zone on purpose
    with pytest.raises(MadeUpError, match="-1 minutes; expected 0 to"):
        Settings(minutes=-1)
    with pytest.raises(MadeUpError, match="knows no second round"):
        made_up_election(Settings(round=2))


def test_second_round_follows_from_the_night_with_its_oddities() -> None:
    """What the second round's definition says of the first is what the protocols of that night add up to."""
    wanted = Settings(law="cz-senate-2018", precincts=200, seed=3, rates=MANY)
    first = made_up_election(wanted)
    try:
        second = made_up_election(Settings(law=wanted.law, precincts=200, seed=3, rates=MANY, round=2))
    except SecondRoundError:
        pytest.fail("by this seed somebody has to run again")
    figures: Counter[tuple[str, str]] = Counter()
    for (_, contest), sent in versions(list(first.coming)).items():
        figures.update({(contest, name): value for name, value in sent[-1].protocol.figures.items()})
    assert second.definition.first_round is not None
    for facts in second.definition.first_round.contests:
        assert facts.figures == {name: figures[facts.contest, name] for name in facts.figures}
