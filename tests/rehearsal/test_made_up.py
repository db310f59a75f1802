"""A made-up definition: whole, of the size asked for, told apart from real ones, the same bytes everywhere."""

import csv
import datetime
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrutinium_server.election.canonical import canonical, read, sha256
from skrutinium_server.election.check import check
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Definition
from skrutinium_server.rehearsal.made_up import FULL, MARK, SMALL, Scale, ScaleError, made_up_definition
from skrutinium_server.rehearsal.made_up.chance import below, branch, noise, several
from skrutinium_server.rehearsal.made_up.scale import apportion, scale_of, spread
from skrutinium_server.release.formats.volby.plan import make_plan

SEED = 2030
DEFINITION_SHA256 = "06d62562931f7d32a43c2a3296107bb0d7a128ebec329e1b1b50e008ec5a810b"
SEEDS = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def definition() -> Definition:
    """The election of the demonstration."""
    return made_up_definition(SEED, SMALL)


@pytest.fixture(scope="module")
def full() -> Definition:
    """An election of the size of the country."""
    return made_up_definition(SEED, FULL)


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    """Small elections of every shape."""
    wards = tuple(sorted(draw(st.lists(st.integers(2, 5), max_size=2)), reverse=True))
    municipalities = draw(st.integers(4, 12))
    regions = draw(st.integers(1, 4))
    return Scale(
        regions=regions,
        counties=regions + draw(st.integers(0, 5)),
        councils=municipalities + sum(wards),
        precincts=municipalities + draw(st.integers(40, 80)),
        wards=wards,
        steepness=draw(st.sampled_from((1, 1, 2))) if not wards[1:] else 1,
        candidates=draw(st.integers(10, 300)),
    )


@given(SEEDS, scales())
@settings(max_examples=30)
def test_definition_agrees_with_itself(seed: int, scale: Scale) -> None:
    """Whatever the seed and the scale: the definition passes every check, has the size asked for, reads back."""
    made = made_up_definition(seed, scale)
    check(made)
    assert made.made_up
    assert len(made.contests) == scale.councils
    assert len(made.precincts) == scale.precincts
    kinds = Counter(area.kind for area in made.areas)
    assert (kinds["region"], kinds["county"]) == (scale.regions, scale.counties)
    assert kinds["ward"] == sum(scale.wards)
    assert read(canonical(made)) == made


@given(SEEDS)
@settings(max_examples=30)
def test_every_name_says_that_it_is_made_up(seed: int) -> None:
    """Every name alone, of an area, a council, a committee, a list or a person, holds a word that marks it."""
    made = made_up_definition(seed, SMALL)
    texts = [made.name, *(row.name for row in made.areas), *(row.name for row in made.contests)]
    texts += [row.name for row in made.districts] + [row.name for row in made.committees]
    texts += [row.name or "" for row in made.lists] + [row.family_name for row in made.candidates]
    assert [text for text in texts if not MARK.search(text)] == []
    assert "madeup" in made.event


def test_no_code_is_a_real_one(full: Definition, repository: Path) -> None:
    """No area has the code or NUTS code of a real one, and those of municipalities have six digits from 900001 on."""
    real: set[str] = set()
    for name in ("cz-regions", "cz-counties"):
        with (repository / "codebooks" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            real |= {row[column] for row in csv.DictReader(file) for column in ("id", "nuts")}
    assert len(real) > 150
    nuts = [area.nuts for area in full.areas if area.nuts is not None]
    assert len(set(nuts)) == len(nuts) == FULL.regions + FULL.counties
    assert real.isdisjoint(nuts)
    assert real.isdisjoint(area.id for area in full.areas)
    codes = sorted(int(area.id) for area in full.areas if area.kind in ("municipality", "ward"))
    assert codes == list(range(900_001, 900_001 + FULL.councils))


def test_demonstration_is_small_enough_to_follow(definition: Definition) -> None:
    """The small election: 15 councils in two counties of two regions, a city of four wards, about 70 precincts."""
    kinds = Counter(area.kind for area in definition.areas)
    assert kinds == {"country": 1, "region": 2, "county": 2, "municipality": 11, "ward": 4}
    assert len(definition.precincts) == 72
    index = DefinitionIndex(definition)
    wards = [area for area in definition.areas if area.kind == "ward"]
    city = {ward.parent for ward in wards}
    assert len(city) == 1
    assert len({index.ancestors(contest.area)[-3] for contest in definition.contests}) == 2
    # A precinct of a ward votes for the council of its ward and for that of the city.
    for ward in wards:
        for precinct in definition.precincts:
            if precinct.area == ward.id:
                assert {poll.contest for poll in index.polls_of_precinct(precinct.id)} == {ward.id, *city}


@given(SEEDS)
@settings(max_examples=30)
def test_rare_cases_are_there(seed: int) -> None:
    """Every small election has a council with one list, and one where a list has fewer candidates than seats."""
    made = made_up_definition(seed, SMALL)
    index = DefinitionIndex(made)
    ballots = [index.lists_of_district(district.id) for district in made.districts]
    assert any(len(ballot) == 1 for ballot in ballots)
    seats = {district.id: district.seats or 0 for district in made.districts}
    assert any(2 * (row.candidates or 0) < seats[row.district] for row in made.lists)


def test_candidates_are_as_the_lists_tell(definition: Definition) -> None:
    """A list has as many candidates as it tells, numbered from 1, no name twice in one small council."""
    index = DefinitionIndex(definition)
    for row in definition.lists:
        people = index.candidates_of(row.district, row.number)
        assert [person.number for person in people] == list(range(1, (row.candidates or 0) + 1))
    for contest in definition.contests:
        persons = [row for row in definition.candidates if row.contest == contest.id]
        assert len({(row.given_name, row.family_name) for row in persons}) == len(persons)


def test_country_has_the_size_and_shape_of_the_real_one(full: Definition) -> None:
    """The full election has 15,000 precincts, 6,250 councils, 200,000 candidates; most municipalities one precinct."""
    check(full)
    assert (len(full.precincts), len(full.contests)) == (15_000, 6_250)
    assert 200_000 <= len(full.candidates) <= 210_000
    assert 17_000 <= len(full.polls) <= 18_000
    sizes = sorted(FULL.spread())
    assert sum(sizes) == 15_000
    assert sizes[len(sizes) // 2] == 1
    assert sizes[-1] > 900
    assert max(Counter(row.contest for row in full.candidates).values()) > 700
    voters = {poll.precinct: poll.eligible or 0 for poll in full.polls}
    assert 6_500_000 < sum(voters.values()) < 9_500_000
    names = [area.name for area in full.areas]
    assert len(set(names)) == len(names)


def test_precincts_are_as_large_as_real_ones(full: Definition) -> None:
    """So many of a hundred precincts have at most so many voters, within a sixth of those of 2018: many small, few large."""
    voters = sorted({poll.precinct: poll.eligible or 0 for poll in full.polls}.values())
    for share, real in ((5, 71), (10, 97), (25, 197), (50, 537), (75, 823), (90, 1040), (95, 1179)):
        assert abs(voters[len(voters) * share // 100] - real) < real / 6, share
    assert voters[0] >= 20
    assert 1500 < voters[-1] < 5000


def test_no_name_is_a_real_one(full: Definition, shared_data: Path) -> None:
    """No committee, list, area or family name of a made-up election stands in the registers of real ones, nor do the words that mark them."""
    files = [
        *sorted((shared_data / "volby/kv2018/registers").glob("*.csv")),
        *sorted((shared_data / "volby/se2014").glob("*.xml")),
    ]
    real = "\n".join(path.read_bytes().decode("cp1250", errors="replace") for path in files)
    values = {value.strip().casefold() for value in re.split(r'[<>"\n;,|]+', real)}
    assert len(values) > 20_000
    tables = (full.areas, full.contests, full.committees, full.lists)
    names = {row.name or "" for table in tables for row in table}
    names |= {row.family_name for row in full.candidates} | {row.given_name for row in full.candidates}
    assert {name for name in names if name.casefold() in values} == set()
    assert {word for word in re.findall(r"\w+", real) if MARK.match(word)} == set()


def test_czech_feeds_can_carry_it(definition: Definition) -> None:
    """All codes and names fit the format of the Czech feeds, where every council lies in a county."""
    plan = make_plan(definition)
    assert len(plan.councils) == 15
    assert set(plan.counties) == {"CZ0991", "CZ0981"}
    assert all("…" not in council.opening for council in plan.councils.values())


def test_same_seed_gives_the_pinned_bytes(definition: Definition) -> None:
    """The definition of a seed has the bytes it always had, on every machine and version."""
    assert sha256(canonical(definition)) == DEFINITION_SHA256
    assert canonical(made_up_definition(SEED + 1, SMALL)) != canonical(definition)


def test_another_process_makes_the_same_bytes() -> None:
    """Neither the order of sets in another process nor its locale and zone change a byte."""
    code = (
        "from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition\n"
        "from skrutinium_server.election.canonical import canonical, sha256\n"
        f"print(sha256(canonical(made_up_definition({SEED}, SMALL))))"
    )
    surroundings = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Pacific/Apia"}
    outcome = subprocess.run(
        [sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True
    )
    assert outcome.stdout.strip() == DEFINITION_SHA256


def test_draws_are_pinned() -> None:
    """The draws themselves give the numbers they always gave, and depend on every name of their branch."""
    chance = branch(SEED, "pinned", 1)
    drawn = [below(chance, 1000) for _ in range(4)], noise(chance, 4).hex(), several(chance, "abcdef", 3)
    assert hashlib.sha256(repr(drawn).encode()).hexdigest()[:16] == "fde12f22af16c0c6", drawn
    firsts = {below(branch(*key), 10**9) for key in ((1, "a"), (2, "a"), (1, "b"), (1, "a", 1))}
    assert len(firsts) == 4


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1).filter(any))
def test_apportioned_parts_add_up(total: int, shares: list[int]) -> None:
    """Parts are whole, add up to the total, and each is within 1 of its due."""
    parts = apportion(total, shares)
    assert sum(parts) == total
    for part, share in zip(parts, shares, strict=True):
        assert abs(part * sum(shares) - total * share) <= sum(shares)


@given(st.integers(1, 400), st.integers(0, 5000), st.sampled_from((1, 2)))
def test_spread_leaves_nobody_out(parts: int, more: int, steepness: int) -> None:
    """Every part has 1 at least, and together they are the total."""
    sizes = spread(parts + more, parts, steepness)
    assert min(sizes) >= 1
    assert sum(sizes) == parts + more


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"regions": 0}, "0 regions"),
        ({"regions": 3}, "3 regions"),
        ({"counties": 99}, "99 counties"),
        ({"councils": 100_000}, "100000 councils"),
        ({"councils": 7}, "3 municipalities"),
        ({"wards": (1,)}, r"\(1,\) wards"),
        ({"precincts": 10}, "10 precincts"),
        ({"precincts": 15, "wards": (9,), "councils": 15}, "with 9 wards"),
        ({"steepness": 3}, "steepness 3"),
        ({"candidates": 1}, "1 candidates"),
    ],
)
def test_impossible_scale_is_refused(numbers: dict[str, Any], told: str) -> None:
    """A scale that no election can have is refused with what is wrong and what was expected."""
    wanted: dict[str, Any] = {
        "regions": 2,
        "counties": 2,
        "councils": 15,
        "precincts": 72,
        "wards": (4,),
        **numbers,
    }
    with pytest.raises(ScaleError, match=f"{told}.*expected"):
        Scale(**wanted)


def test_date_is_no_day_of_an_election(definition: Definition) -> None:
    """The date lies ahead on a Monday; Czech elections are held on Friday and Saturday."""
    assert definition.date == datetime.date(2030, 4, 1)
    assert definition.date.weekday() == 0


@given(st.integers(4, 40_000))
def test_any_number_of_precincts_has_a_scale(precincts: int) -> None:
    """From 4 precincts on every number has a layout; from 300 on most municipalities have one or two."""
    scale = scale_of(precincts)
    assert scale.precincts == precincts
    sizes = scale.spread()
    assert precincts < 300 or (sizes[0] < precincts / 5 and sizes[2 * len(sizes) // 3] <= 2)


def test_scale_of_the_country_is_the_full_one() -> None:
    """15,000 precincts are the country; a million is laid out too; three are too few."""
    assert scale_of(15_000) == FULL
    assert scale_of(10**6).councils == 99_999
    with pytest.raises(ScaleError, match=r"3 precincts cannot be made up.*expected 4"):
        scale_of(3)
