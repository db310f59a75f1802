"""Made-up definitions that pass the check: one small by hand, any by hypothesis."""

import datetime

from hypothesis import strategies as st

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

SMALL = Definition(
    event="kv2030",
    name="Made-up election",
    date=datetime.date(2030, 10, 4),
    law="cz-municipal-2018",
    version=1,
    made_up=True,
    areas=(
        Area("100", "municipality", "Velká Ves", "CZ"),
        Area("101", "ward", "Velká Ves-střed", "100"),
        Area("CZ", "country", "Česko", None, "CZ"),
    ),
    contests=(
        Contest("100", "municipal-council", "lists", "100", "Velká Ves", 5),
        Contest("101", "ward-council", "lists", "101", "Velká Ves-střed", 5),
    ),
    districts=(
        District("100.1", "100", 1, "Velká Ves", 5),
        District("101.1", "101", 1, "Velká Ves-střed", 5),
    ),
    precincts=(Precinct("101-1", "101", 1), Precinct("101-2", "101", 2)),
    polls=(
        Poll("101-1", "100", "100.1", 700),
        Poll("101-1", "101", "101.1", 700),
        Poll("101-2", "100", "100.1"),
    ),
    committees=(Committee("1", "Made-up party", "MUP"), Committee("2", "Other made-up party")),
    lists=(
        List("100", "100.1", 1, "1", "Made-up list", 2),
        List("100", "100.1", 2, "2", "Other made-up list", 1),
        List("101", "101.1", 1),
    ),
    unnumbered_lists=(UnnumberedList("101", "101.1", "1", "Made-up list"),),
    candidates=(
        Candidate("100", "100.1", 1, 1, "Jana", "Vymyšlená", "Ing.", "", 41),
        Candidate("100", "100.1", 1, 2, "Jan", "Smyšlený"),
        Candidate("100", "100.1", 2, 1, "Eva", "Neskutečná", age=30, active=False),
    ),
)

_TEXTS = st.text(
    st.one_of(
        st.sampled_from(",;\"'\\ =ěščřžłąć"),
        st.characters(exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="\ufffe\uffff"),
    ),
    min_size=1,
    max_size=12,
).filter(lambda text: bool(text.strip()))
_MAYBE_TEXT = st.none() | _TEXTS
_MAYBE_COUNT = st.none() | st.integers(0, 999_999_999)
_SEATS = st.none() | st.integers(1, 99)


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Any definition that agrees with itself: up to three councils with districts, lists, candidates and polls."""
    committees = tuple(
        Committee(f"{n}", draw(_TEXTS), draw(_MAYBE_TEXT)) for n in range(draw(st.integers(0, 3)))
    )
    some_committee = st.sampled_from([None, *(committee.id for committee in committees)])
    areas, contests, districts = [Area("CZ", "country", draw(_TEXTS), None, draw(_MAYBE_TEXT))], [], []
    precincts, polls, lists = [], [], []
    unnumbered: list[UnnumberedList] = []
    candidates: list[Candidate] = []
    for id in draw(st.lists(st.integers(100, 999).map(str), unique=True, max_size=3)):
        areas.append(Area(id, "municipality", draw(_TEXTS), "CZ", draw(_MAYBE_TEXT)))
        contests.append(Contest(id, "municipal-council", "lists", id, draw(_TEXTS), draw(_SEATS)))
        for number in range(1, draw(st.integers(1, 2)) + 1):
            district = f"{id}.{number}"
            districts.append(District(district, id, number, draw(_TEXTS), draw(_SEATS)))
            for ballot in draw(st.lists(st.integers(1, 40), unique=True, max_size=3)):
                row = List(
                    id,
                    district,
                    ballot,
                    draw(some_committee),
                    draw(_MAYBE_TEXT),
                    draw(_MAYBE_COUNT),
                    draw(st.booleans()),
                )
                lists.append(row)
                candidates.extend(
                    Candidate(
                        id,
                        district,
                        ballot,
                        place,
                        draw(_TEXTS | st.just("")),
                        draw(_TEXTS),
                        title_after=draw(_TEXTS | st.just("")),
                    )
                    for place in range(1, draw(st.integers(0, 2)) + 1)
                )
            unnumbered.extend(
                UnnumberedList(id, district, draw(some_committee), name)
                for name in draw(st.lists(_TEXTS, max_size=2))
            )
            precinct = f"{id}-{number}"
            precincts.append(
                Precinct(
                    precinct, id, number, draw(st.sampled_from(["permanent", "prison"])), draw(_MAYBE_TEXT)
                )
            )
            polls.append(Poll(precinct, id, district, draw(_MAYBE_COUNT)))
    return Definition(
        event="kv2030",
        name=draw(_TEXTS),
        date=draw(st.none() | st.dates()),
        law="cz-municipal-2018",
        version=draw(st.integers(1, 9999)),
        made_up=draw(st.booleans()),
        areas=tuple(areas),
        contests=tuple(contests),
        districts=tuple(districts),
        precincts=tuple(precincts),
        polls=tuple(polls),
        committees=committees,
        lists=tuple(lists),
        unnumbered_lists=tuple(unnumbered),
        candidates=tuple(candidates),
    )
