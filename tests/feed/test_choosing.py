"""Part of what changed, by area, contest and path; push of chosen areas alone."""

import asyncio
import gzip
from asyncio import to_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed.addresses import Changes, Push
from skrutinium_server.feed.choosing import Choice, Chosen, Territory
from skrutinium_server.feed.refusals import BAD_CHOICE, NO_CONTEST, Refusal
from skrutinium_server.feed.targets import parse_target
from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, night
from tests.feed.made_registers import AREAS, CONTESTS, PRECINCTS, publish_registers
from tests.feed.test_push import Stream, opened
from tests.feed.test_serving import code, members

CHANGES = f"/event/{EVENT}/changes"
PATHS = [
    "area/CZ.xml",
    "area/6202.xml",
    "area/6203.xml",
    "contest/582786.xml",
    "contest/551082.xml",
    "contest/583.xml",
    "contest/27.xml",
    "district/582786.1.xml",
    "district/583.2.xml",
    "precinct/582786-1.xml",
    "precinct/551082-1.xml",
    "precinct/583-1.xml",
    "event.xml",
    "summary.xml",
    "batch/1.xml",
]
KINDS = {id: "senate" if id == "27" else "municipal-council" for id in CONTESTS}
TERRITORY = Territory(AREAS, CONTESTS, PRECINCTS, KINDS)


def paths_of(**choice: tuple[str, ...]) -> set[str]:
    """The paths that a choice takes."""
    chosen = TERRITORY.chosen(Choice(**choice))
    assert isinstance(chosen, Chosen)
    return {path for path in PATHS if chosen.takes(path)}


def test_area_stands_for_everything_below_and_for_what_is_voted_on_there() -> None:
    """Smaller areas, contests held there or voted on there, their districts, the precincts; nothing of the neighbours."""
    ward = {"contest/551082.xml", "contest/582786.xml", "contest/27.xml", "precinct/551082-1.xml"}
    assert paths_of(areas=("551082",)) == ward | {"district/582786.1.xml"}
    town = ward | {"district/582786.1.xml", "precinct/582786-1.xml"}
    assert paths_of(areas=("582786",)) == town
    assert paths_of(areas=("6202",)) == town | {"area/6202.xml"}
    other = {"area/6203.xml", "contest/583.xml", "contest/27.xml", "district/583.2.xml", "precinct/583-1.xml"}
    assert paths_of(areas=("6203",)) == other
    assert paths_of(areas=("6202", "6203")) == town | other | {"area/6202.xml"}
    assert paths_of(areas=("CZ",)) == set(PATHS) - {"event.xml", "summary.xml", "batch/1.xml"}


def test_contest_stands_for_its_districts_and_precincts() -> None:
    """A contest is its document, its districts, and the precincts that vote in it; paths are added to either."""
    senate = {"contest/27.xml", "precinct/582786-1.xml", "precinct/551082-1.xml", "precinct/583-1.xml"}
    assert paths_of(contests=("27",)) == senate
    assert paths_of(contests=("583",), paths=("summary.xml",)) == {
        "contest/583.xml",
        "district/583.2.xml",
        "precinct/583-1.xml",
        "summary.xml",
    }


def test_kind_stands_for_all_of_its_contests() -> None:
    """A kind of contest takes what its contests take one by one; a kind that is not held here is refused."""
    assert paths_of(kinds=("senate",)) == paths_of(contests=("27",))
    councils = tuple(sorted(CONTESTS.keys() - {"27"}))
    assert paths_of(kinds=("municipal-council",)) == paths_of(contests=councils)
    assert paths_of(kinds=("municipal-council", "senate")) == paths_of(contests=tuple(sorted(CONTESTS)))
    assert TERRITORY.chosen(Choice(kinds=("referendum",))) is NO_CONTEST


@given(
    st.sets(st.sampled_from(sorted(AREAS)), min_size=1), st.sets(st.sampled_from(sorted(AREAS)), min_size=1)
)
def test_choosing_more_takes_as_much_as_choosing_each(one: set[str], other: set[str]) -> None:
    """What two sets of areas take together is what each of them takes."""
    both = paths_of(areas=tuple(sorted(one | other)))
    assert both == paths_of(areas=tuple(sorted(one))) | paths_of(areas=tuple(sorted(other)))


@pytest.mark.parametrize(
    ("query", "choice"),
    [
        ("", None),
        ("&area=6202", Choice(areas=("6202",))),
        ("&area=6203,6202&area=6202&contest=27", Choice(("6202", "6203"), ("27",))),
        ("&area=6203%2C6202", Choice(("6202", "6203"))),
        ("&only=summary.xml,event.xml", Choice(paths=("event.xml", "summary.xml"))),
        ("&only=area/6202.xml", Choice(paths=("area/6202.xml",))),
        ("&kind=senate,municipal-council", Choice(kinds=("municipal-council", "senate"))),
        ("&area=", BAD_CHOICE),
        ("&area=a/b", BAD_CHOICE),
        ("&only=/etc/passwd", BAD_CHOICE),
        ("&only=../x", BAD_CHOICE),
        ("&area=" + ",".join(map(str, range(101))), BAD_CHOICE),
    ],
)
def test_query_of_a_choice(query: str, choice: Choice | Refusal | None) -> None:
    """Lists come in any order and any number of times; what is no id or path is refused, and too many are."""
    asked = parse_target(f"{CHANGES}?since=3{query}")
    assert asked == choice if isinstance(choice, Refusal) else asked
    if isinstance(choice, Refusal):
        return
    assert isinstance(asked, Changes)
    assert asked.choice == choice
    pushed = parse_target(f"/event/{EVENT}/push?x=1{query}")
    assert isinstance(pushed, Push)
    assert pushed.choice == choice


def test_series_without_areas_takes_paths_only() -> None:
    """An area means nothing to the series volby; a path does."""
    base = f"/event/{EVENT}/series/volby/changes?since=1"
    assert parse_target(f"{base}&area=6202") is BAD_CHOICE
    assert isinstance(parse_target(f"{base}&only=vysledky.xml"), Changes)


@pytest.fixture
def chosen_store(store: MadeStore) -> MadeStore:
    """A night of three releases in a territory: one of each county, and one with corrections of the first."""
    store.open_run("night", "live")
    publish_registers(store)
    store.release(night(), {path: document(path, 1) for path in PATHS})
    store.release(
        night(),
        {
            path: document(path, 2)
            for path in (
                "event.xml",
                "area/6202.xml",
                "contest/582786.xml",
                "precinct/582786-1.xml",
                "batch/2.xml",
            )
        },
    )
    corrected = b'<corrections><correction precinct="583-1" contest="583"/></corrections>\n'
    store.release(
        night(),
        {
            "event.xml": document("event.xml", 3),
            "precinct/583-1.xml": document("precinct", 3),
            "corrections/3.xml": corrected,
        },
    )
    return store


async def test_changes_of_an_area_hold_every_manifest_and_only_its_documents(chosen_store: MadeStore) -> None:
    """Manifests and signatures are always there; documents and corrections only where they touch what was chosen."""
    async with feed_on(chosen_store) as fed:
        expected = {
            "&area=6202": {"area/6202.xml", "contest/582786.xml", "precinct/582786-1.xml"},
            "&area=6203": {"precinct/583-1.xml", "corrections/3.xml"},
            "&area=583&only=event.xml": {"precinct/583-1.xml", "corrections/3.xml", "event.xml"},
            "&contest=551082": set(),
            "&only=event.xml,summary.xml": {"event.xml"},
            "&only=batch/2.xml": {"batch/2.xml"},
        }
        for query, due in expected.items():
            status, body, headers = await fed.get(f"{CHANGES}?since=1{query}")
            assert (status, headers["Content-Type"]) == (200, "application/x-tar"), query
            held = await members(body)
            manifests = {f"manifest/00000000{n}.xml{end}" for n in (2, 3) for end in ("", ".sig")}
            assert held.keys() == manifests | due, query
            status, packed, headers = await fed.get(f"{CHANGES}?since=1{query}", Accept_Encoding="gzip")
            assert gzip.decompress(packed) == body
            assert (
                await fed.get(
                    f"{CHANGES}?since=1{query}", If_None_Match=headers["ETag"], Accept_Encoding="gzip"
                )
            )[0] == 304
        assert (await members((await fed.get(f"{CHANGES}?since=2&area=6202"))[1])).keys() == {
            "manifest/000000003.xml",
            "manifest/000000003.xml.sig",
        }


async def test_changes_of_an_area_are_made_once(chosen_store: MadeStore) -> None:
    """However many ask for the same part of a release, in whatever order they name it, it is packed once."""
    async with feed_on(chosen_store) as fed:
        past = fed.running._handling._past
        packed: list[object] = []
        changes = past.changes
        past.changes = lambda *told: (packed.append(told[:4]), changes(*told))[1]  # type: ignore[method-assign,func-returns-value]
        paths = [f"{CHANGES}?since=1&area={areas}" for areas in ("6202,6203", "6203,6202")] * 20
        answers = await asyncio.gather(*(fed.get(path, Accept_Encoding="gzip") for path in paths))
        assert {status for status, _, _ in answers} == {200}
        assert len(packed) == 1


async def test_what_cannot_be_chosen_is_told(chosen_store: MadeStore, fed: Fed) -> None:
    """An area or contest that the event lacks is not found; without registers nobody knows what lies where."""
    async with feed_on(chosen_store) as other:
        for query, due in (
            ("area=9", (404, "no-area")),
            ("contest=9", (404, "no-contest")),
            ("area=", (400, "bad-choice")),
        ):
            status, body, _ = await other.get(f"{CHANGES}?since=1&{query}")
            assert (status, code(body)) == due
            status, body, _ = await other.get(f"/event/{EVENT}/push?{query}")
            assert (status, code(body)) == due


async def test_without_registers_only_paths_can_be_chosen(fed: Fed) -> None:
    """Nothing is denied wrongly: it is said that the registers are missing, and paths are served."""
    status, body, _ = await fed.get(f"{CHANGES}?since=1&area=6202")
    assert (status, code(body)) == (404, "no-registers")
    status, body, _ = await fed.get(f"{CHANGES}?since=2&only=event.xml")
    assert status == 200
    assert (await members(body))["event.xml"] == document("event night", 3)


async def test_push_of_chosen_areas_tells_only_what_touches_them(chosen_store: MadeStore) -> None:
    """The newest at first; then releases that touch the areas, with their own numbers; after a break the same by the last id."""
    async with feed_on(chosen_store) as fed, opened(fed, f"/event/{EVENT}/push?area=6202") as response:
        stream = Stream(response)
        assert (await stream.event("release"))["id"] == "3"
        await to_thread(chosen_store.release, night(), {"precinct/583-1.xml": document("far", 4)})
        await to_thread(chosen_store.release, night(), {"event.xml": document("event.xml", 5)})
        digest = await to_thread(chosen_store.release, night(), {"contest/27.xml": document("near", 6)})
        assert await stream.event("release") == {"event": "release", "id": "6", "data": f"6 {digest}"}
        for last, due in (("1", "2"), ("2", "6"), ("5", "6")):
            async with opened(fed, f"/event/{EVENT}/push?area=6202", Last_Event_ID=last) as again:
                assert (await Stream(again).event("release"))["id"] == due
        async with opened(fed, f"/event/{EVENT}/push?area=6203", Last_Event_ID="2") as again:
            told = Stream(again)
            assert [(await told.event("release"))["id"] for _ in range(3)] == ["3", "4", "6"]
        # What was read for it is remembered by the choice, which is small, not by all that the choice stands for.
        kept = [part for key in fed.running._handling.fetching.memory._held for part in key]  # type: ignore[attr-defined]
        assert "touching" in kept
        assert not any(isinstance(part, Chosen) for part in kept)
