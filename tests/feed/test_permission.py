"""What a range may read, against the rule written down a second time; and that nothing is read by hash that is refused by name."""

import datetime
import hashlib
import ipaddress
from asyncio import to_thread
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from skrutinium_server.feed.access import Grant
from skrutinium_server.feed.permission import NOBODY, permit
from skrutinium_server.release.store.model import Run
from tests.feed.made import EVENT, MadeStore, document, feed_on, night, small_night

NOON = datetime.datetime(2018, 10, 6, 12, 0, tzinfo=datetime.UTC)
HERE = ipaddress.ip_network("127.0.0.0/8")

moments = st.integers(-2, 2).map(lambda minutes: NOON + datetime.timedelta(minutes=minutes))
events = st.sampled_from(["kv2018", "se2018", "by2018"])
runs = st.builds(
    lambda event, id, phase, counting, not_before: Run(
        event,
        id,
        "Made up",
        "2018-10-05",
        "law",
        phase,
        counting,
        True,
        ("skrutinium",),
        not_before if phase == "live" else None,
    ),
    events,
    st.sampled_from("abcde"),
    st.sampled_from(["test", "rehearsal", "live"]),
    st.booleans(),
    st.none() | moments,
)
grants = st.builds(
    Grant,
    st.just("radio"),
    st.just("Radio"),
    st.just(HERE),
    st.sampled_from(["live", "test"]),
    st.none() | st.frozensets(events, min_size=1),
    st.none() | moments,
)


def may_read(grant: Grant, run: Run, known: list[Run], now: datetime.datetime) -> bool:
    """The rule in words of its own: every reason for yes has to be there."""
    registered = grant.until is None or now < grant.until
    of_event = grant.events is None or run.event in grant.events
    public = run.not_before is None or now >= run.not_before
    counting = [
        other.id for other in known if other.event == run.event and other.phase == "live" and other.open
    ]
    kind = {"live": True, "test": run.phase != "live" and counting == []}[grant.kind]
    return all((registered, of_event, public, kind))


@given(grants, st.lists(runs, max_size=6, unique_by=lambda run: (run.event, run.id)), moments)
def test_a_range_reads_what_the_rule_allows_and_nothing_else(
    grant: Grant, known: list[Run], now: datetime.datetime
) -> None:
    """For any range, runs and time, each run is read when and only when the rule allows it; each refusal has its reason."""
    allowed = permit(grant, known, now)
    for run in known:
        refusal = allowed.reads(run.event, run.id)
        assert (refusal is None) == may_read(grant, run, known, now)
        if refusal is not None:
            assert refusal.code in ("access-ended", "run-refused", "not-before")
            assert refusal.until == (run.not_before if refusal.code == "not-before" else None)
    for event, id in product(("kv2018", "se2018", "by2018", "other"), "abcdef"):
        if all((run.event, run.id) != (event, id) for run in known):
            assert allowed.reads(event, id) is not None


@given(grants, st.lists(runs, max_size=6, unique_by=lambda run: (run.event, run.id)), moments, moments)
def test_what_was_worked_out_holds_as_long_as_it_says(
    grant: Grant, known: list[Run], then: datetime.datetime, now: datetime.datetime
) -> None:
    """While it says that it holds, it is what would be worked out anew, also when the clock goes back."""
    allowed = permit(grant, known, then)
    assert allowed.holds(then)
    if allowed.holds(now):
        anew = permit(grant, known, now)
        assert (allowed.barred, allowed.readable, allowed.refusals) == (
            anew.barred,
            anew.readable,
            anew.refusals,
        )


@given(st.lists(runs, max_size=6), moments)
def test_no_range_reads_nothing(known: list[Run], now: datetime.datetime) -> None:
    """Without a range no run is read."""
    assert permit(None, known, now) is NOBODY
    assert all(NOBODY.reads(run.event, run.id) is not None for run in known)


TEST_RANGE = '[[subscriber]]\nid = "radio"\nname = "Radio"\ntest = ["127.0.0.0/8"]\n'


async def test_test_range_reads_no_live_run_by_any_way(night_store: MadeStore) -> None:
    """A test range gets 403 at every address of a live run, and by hash nothing that only the live run has."""
    await to_thread(small_night, night_store, "rehearsal", "rehearsal", current=False)
    await to_thread(night_store.access.write_text, TEST_RANGE)
    live_only = hashlib.sha256(document("event night", 3)).hexdigest()
    other = hashlib.sha256(document("event rehearsal", 3)).hexdigest()
    ways: tuple[str, ...] = (
        "newest/event.xml",
        "release/1/event.xml",
        "at/2018-10-06T15:00:00Z/event.xml",
        "changes?since=0",
        "pack/1",
        "push",
    )
    ways += (
        "checkpoint/newest.xml",
        "heartbeat.xml",
        "newest/manifest.xml",
        "newest/manifest.xml.sig",
        "newest/none.xml",
    )
    async with feed_on(night_store) as fed:
        for way, place in product(ways, ("", "run/night/", "series/volby/", "run/rehearsal/")):
            status, body, _ = await fed.get(f"/event/{EVENT}/{place}{way}")
            assert (status, b'code="run-refused"' in body) == (403, True), place + way
        for way in (
            "/pls/kv2018/vysledky?datumvoleb=20181005",
            "/appdata/kv2018/20181005/odata/vysledky.xml",
        ):
            assert (await fed.get(way))[0] == 403
        for sha256 in (live_only, other):
            assert (await fed.get(f"/object/{sha256}"))[0] == 404
        told = (await fed.get("/status"))[1]
        assert told.count(b'"refused": "run-refused"') == 4
        assert b'"reported"' not in told
        for public in (
            "/state.xml",
            "/xsd/skrutinium/1.0/skrutinium.xsd",
            "/codebooks/phases.csv",
            "/access",
        ):
            assert (await fed.get(public))[0] in (200, 404), public
        assert (await fed.get("/state.xml"))[0] == 200
        night_store.runs["night"] = _closed(night_store.runs["night"])
        await to_thread(night_store.write_state)
        await fed.until("/status", b'"open": false')
        assert (await fed.get(f"/event/{EVENT}/run/rehearsal/newest/event.xml"))[0] == 200
        assert (await fed.get(f"/object/{other}"))[0] == 200
        assert (await fed.get(f"/object/{live_only}"))[0] == 404
        assert (await fed.get(f"/event/{EVENT}/newest/event.xml"))[0] == 403


async def test_range_of_one_event_reads_that_only(night_store: MadeStore) -> None:
    """A live range registered for another event is refused, and told why."""
    await to_thread(
        night_store.access.write_text,
        '[[subscriber]]\nid = "radio"\nname = "R"\nlive = ["127.0.0.1"]\nevents = ["se2018"]\n',
    )
    async with feed_on(night_store) as fed:
        status, body, _ = await fed.get(f"/event/{EVENT}/newest/event.xml")
        assert (status, b"not registered for this event" in body) == (403, True)


async def test_object_of_a_past_release_is_found(store: MadeStore) -> None:
    """A document that was replaced is served by its hash, also one from before the checkpoint that the feed started with."""
    await to_thread(small_night, store)
    await to_thread(store.release, night(), {"event.xml": document("event night", 4)}, checkpoint=True)
    async with feed_on(store) as fed:
        for version in (1, 2, 3, 4):
            sha256 = hashlib.sha256(document("event night", version)).hexdigest()
            assert (await fed.get(f"/object/{sha256}"))[1] == document("event night", version)
        assert (await fed.get(f"/object/{'0' * 64}"))[0] == 404


async def test_every_object_of_releases_on_the_way_is_found(night_store: MadeStore) -> None:
    """What several releases bring at once is known, also what the last of them has replaced."""
    async with feed_on(night_store, interval=3600) as fed:
        await to_thread(night_store.release, night(), {"event.xml": document("event night", 4)})
        await to_thread(night_store.release, night(), {"event.xml": document("event night", 5)})
        await to_thread(fed.running._watcher.look)
        for version in (2, 3, 4, 5):
            sha256 = hashlib.sha256(document("event night", version)).hexdigest()
            assert (await fed.get(f"/object/{sha256}"))[0] == 200, version


async def test_object_that_no_series_names_is_not_served(night_store: MadeStore) -> None:
    """A document that lies in the store but was not published is not there."""
    rows = await to_thread(
        lambda: list(night_store.writer.put_objects([("event.xml", document("next", 9), "schema", 1)]))
    )
    async with feed_on(night_store) as fed:
        assert (await fed.get(f"/object/{rows[0].sha256}"))[0] == 404


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self, now: datetime.datetime) -> None:
        self.time = now

    def __call__(self) -> datetime.datetime:
        return self.time


async def test_nothing_of_a_live_run_before_its_minute(night_store: MadeStore) -> None:
    """Before the minute every address of the run answers not-before with the seconds left; from then on it is served."""
    clock = Clock(NOON - datetime.timedelta(seconds=90.5))
    night_store.runs["night"] = replace(night_store.runs["night"], not_before=NOON)
    await to_thread(night_store.write_state)
    held = hashlib.sha256(document("event night", 3)).hexdigest()
    async with feed_on(night_store, now=clock) as fed:
        for way in (
            "newest/event.xml",
            "release/1/event.xml",
            "heartbeat.xml",
            "changes?since=0",
            "pack/1",
            "checkpoint/2.xml",
        ):
            status, body, headers = await fed.get(f"/event/{EVENT}/{way}")
            assert (status, b'code="not-before"' in body, headers["Retry-After"]) == (404, True, "91"), way
        status, body, headers = await fed.get("/pls/kv2018/vysledky?datumvoleb=20181005")
        assert (status, b'KOD_CHYBY="10"' in body, headers["Retry-After"]) == (200, True, "91")
        assert (await fed.get("/appdata/kv2018/20181005/odata/vysledky.xml"))[0] == 404
        assert (await fed.get(f"/object/{held}"))[0] == 404
        told = (await fed.get("/status"))[1]
        assert told.count(b'"not_before": "2018-10-06T12:00:00Z"') == 2
        assert b'"reported"' not in told
        clock.time = NOON
        await fed.until(f"/event/{EVENT}/newest/event.xml", b'version="3"')
        assert (await fed.get(f"/object/{held}"))[0] == 200
        assert (await fed.get("/pls/kv2018/vysledky?datumvoleb=20181005"))[1] == document("VYSLEDKY", 2)


async def test_access_tells_what_may_be_read_and_why_not(night_store: MadeStore) -> None:
    """Whoever asks learns address, subscriber, kind, end, and for each run whether and why not."""
    await to_thread(small_night, night_store, "tests", "test", current=False)
    await to_thread(night_store.access.write_text, TEST_RANGE + "until = 2038-01-01T00:00:00Z\n")
    async with feed_on(night_store) as fed, fed.client.get(fed.base + "/access") as response:
        told = await response.json()
    runs = told.pop("runs")
    assert told == {
        "address": "127.0.0.1",
        "allowed": True,
        "range": "Radio",
        "subscriber": "radio",
        "network": "127.0.0.0/8",
        "kind": "test",
        "events": None,
        "until": "2038-01-01T00:00:00Z",
    }
    assert [(run["run"], run["phase"], run["readable"], run["why"]["code"]) for run in runs] == [
        ("night", "live", False, "run-refused"),
        ("tests", "test", False, "run-refused"),
    ]


async def test_range_whose_time_is_over_reads_nothing(night_store: MadeStore) -> None:
    """From the end of its registration on a range gets nothing but /access, which says since when."""
    clock = Clock(NOON - datetime.timedelta(seconds=1))
    await to_thread(
        night_store.access.write_text,
        f'[[subscriber]]\nid = "r"\nname = "R"\nlive = ["127.0.0.1"]\nuntil = {NOON:%Y-%m-%dT%H:%M:%SZ}\n',
    )
    async with feed_on(night_store, now=clock) as fed:
        assert (await fed.get("/state.xml"))[0] == 200
        clock.time = NOON
        await fed.until("/state.xml", b'code="access-ended"')
        async with fed.client.get(fed.base + "/access") as response:
            told = await response.json()
        assert (told["allowed"], told["until"], told["why"]["code"]) == (
            False,
            "2018-10-06T12:00:00Z",
            "access-ended",
        )


def _closed(run: Run) -> Run:
    return replace(run, open=False)
