"""Following on a narrow line: a chosen part of each release is sent, manifests are always checked, the rest comes when asked for."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import skrutinium
from skrutinium import ChoiceNeeded
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import EVENT, HEAD, NS, make_night, sign
from tests.sdk.test_feed import IMPATIENT, QUICK, Scene, take

NOTICES = (
    f'{HEAD}<notices {NS} schema="1.0" number="%d" time="2026-10-10T12:00:00Z">'
    '<incident id="i1" begun="2026-10-10T11:00:00Z" ended="2026-10-10T11:10:00Z" text="Over."/>'
    '<incident id="i2" begun="2026-10-10T11:30:00Z" text="The first site answers slowly."/>'
    '<planned time="2026-10-11T02:00:00Z" text="The certificate is renewed."/>'
    f'<second-site address="https://second.example" fingerprint="{"ab" * 32}"/></notices>\n'
)
STATUS = (
    f'{HEAD}<status {NS} schema="1.0" time="2026-10-10T12:00:00Z" number="1" listening="3" '
    'target-alive="15" target-delay="1000"><alarm>store-damaged</alarm>'
    f'<series event="{EVENT}" run="night" id="skrutinium" phase="rehearsal" current="true" open="true" release="2" '
    'time="2026-10-10T15:02:00Z" state="interim" expected="6" reported="2" age="5" alive="4" delay="35"/>'
    f'<series event="{EVENT}" run="night" id="volby" phase="rehearsal" current="true" open="true"/>'
    f'<series event="{EVENT}" run="live" id="skrutinium" phase="live" current="false" open="true" refused="not-before" '
    'not-before="2026-10-10T14:00:00Z"/></status>\n'
)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    root = tmp_path / "store"
    written = await asyncio.to_thread(make_night().write, root, 2)
    feed = await StoreFeed(root).start()
    yield Scene(root, feed, written)
    await feed.stop()


def objects(scene: Scene) -> int:
    """How many documents were fetched by their hash."""
    return scene.feed.asked["/object"]


async def begun(scene: Scene, count: int) -> None:
    """The newest release is done, and so many follow it."""
    async with scene.connect() as first:
        await take(first, 1)
    await scene.grow(count)


async def test_only_what_is_chosen_is_sent(scene: Scene) -> None:
    """Of each release the chosen document is at hand without a request; another one is fetched by its hash, once, when asked for."""
    await begun(scene, 3)
    async with scene.connect(only=["event.xml"]) as feed:
        releases = await take(feed, 3)
        assert [one.number for one in releases] == [3, 4, 5]
        assert [one.snapshot for one in releases] == [False] * 3

        before = objects(scene)
        assert (await releases[-1].event()).release == 5
        assert objects(scene) == before

        assert "contest/100.xml" in releases[-1].changed
        contest = await releases[-1].contest("100")
        assert contest.count.reported == 2
        assert objects(scene) == before + 1
        await releases[-1].contest("100")
        assert objects(scene) == before + 1


async def test_same_documents_either_way(scene: Scene) -> None:
    """Whatever is chosen, every document of every release has the same bytes."""
    await begun(scene, 3)
    seen = scene.state_file.read_bytes()
    told: list[dict[str, bytes]] = []
    choices: tuple[dict[str, object], ...] = (
        {},
        {"only": []},
        {"contests": ["100"]},
        {"only": ["event.xml"], "contests": ["200"]},
        {"kinds": ["ward-council"]},
    )
    for settings in choices:
        await asyncio.to_thread(scene.state_file.write_bytes, seen)
        async with scene.connect(**settings) as feed:
            releases = await take(feed, 3)
            told.append(
                {f"{one.number} {path}": await one.document(path) for one in releases for path in one.changed}
            )
            assert len(await releases[-1].document("contest/202.xml")) > 0
    assert all(one == told[0] for one in told)


async def test_chain_is_checked_without_documents(scene: Scene) -> None:
    """A manifest whose signature does not hold is refused, though no document of it was asked for."""
    await begun(scene, 3)
    path = scene.written.series / "manifest" / "000000004.xml.sig"
    await asyncio.to_thread(path.write_bytes, sign(make_night().key, b"something else"))
    async with scene.connect(only=["event.xml"]) as feed:
        with pytest.raises(skrutinium.SignatureError):
            await take(feed, 3)


async def test_kinds_of_contest(scene: Scene) -> None:
    """With kinds of contest all contests of these kinds are at hand without a request, others are fetched when asked for."""
    await begun(scene, 3)
    async with scene.connect(kinds=["municipal-council"]) as feed:
        releases = await take(feed, 3)
        before = objects(scene)
        changed = {one for release in releases for one in release.changed_ids("contest")}
        for contest in changed & {"100", "200"}:
            assert (await releases[-1].contest(contest)).kind == "municipal-council"
        assert objects(scene) == before
        (ward, *_) = sorted(changed & {"201", "202"})
        await releases[-1].contest(ward)
        assert objects(scene) == before + 1


@pytest.mark.parametrize("chosen", [{"contests": ["999"]}, {"kinds": ["senate"]}])
async def test_unknown_contest(scene: Scene, chosen: dict[str, object]) -> None:
    """A contest, or a kind of contest, that the event does not have: an error that says so, not endless waiting."""
    await begun(scene, 1)
    async with scene.connect(**chosen) as feed:
        with pytest.raises(ChoiceNeeded, match="no such contest"):
            await take(feed, 1)


def test_too_much_chosen() -> None:
    """More than a feed takes in one request, or a text in place of a list, is refused at once."""
    with pytest.raises(ValueError, match="at most 100"):
        skrutinium.connect("http://127.0.0.1:1", areas=[str(one) for one in range(101)])
    with pytest.raises(ValueError, match="are lists"):
        skrutinium.connect("http://127.0.0.1:1", only="summary.xml")


async def test_notices(scene: Scene) -> None:
    """Notices are typed and checked; health tells the open incident and the second site; before the first there are none."""
    async with scene.connect() as feed:
        assert await feed.notices() == skrutinium.Notices()
        body = (NOTICES % 4).encode()
        scene.written.put("notices.xml", body + sign(scene.written.night.key, body))

        notices = await feed.notices()

        assert (notices.number, [one.id for one in notices.incidents], [one.id for one in notices.open]) == (
            4,
            ["i1", "i2"],
            ["i2"],
        )
        assert notices.planned[0].text == "The certificate is renewed."
        health = feed.health
        assert [one.text for one in health.incidents] == ["The first site answers slowly."]
        assert health.second_site is not None
        assert health.second_site.address == "https://second.example"


async def test_health_learns_of_incidents(scene: Scene) -> None:
    """While following, incidents reach health by themselves."""
    body = (NOTICES % 1).encode()
    scene.written.put("notices.xml", body + sign(scene.written.night.key, body))
    async with scene.connect(timing=QUICK, patience=0.5) as feed:
        with pytest.raises(skrutinium.StaleError):  # a night without a heartbeat: by then all was looked at
            await take(feed, 2)
        assert [one.id for one in feed.health.incidents] == ["i2"]


async def test_older_or_forged_notices(scene: Scene) -> None:
    """Notices that go back, or that somebody else signed, are refused."""
    key = scene.written.night.key
    async with scene.connect(requests=IMPATIENT) as feed:
        newer, older = ((NOTICES % number).encode() for number in (4, 3))
        scene.written.put("notices.xml", newer + sign(key, newer))
        await feed.notices()
        scene.written.put("notices.xml", older + sign(key, older))
        with pytest.raises(skrutinium.RollbackError):
            await feed.notices()
        scene.written.put("notices.xml", newer + sign(make_night().key, newer))
        with pytest.raises(skrutinium.SignatureError):
            await feed.notices()


async def test_status(scene: Scene) -> None:
    """How the feed says it is, typed; a series without a release has no numbers."""
    scene.written.put("status.xml", STATUS.encode())
    async with scene.connect() as feed:
        status = await feed.status()

    assert (status.listening, status.alarms) == (3, ("store-damaged",))
    assert [(one.id, one.release, one.age) for one in status.series] == [
        ("skrutinium", 2, 5),
        ("volby", None, None),
        ("skrutinium", None, None),
    ]
    assert status.notices.second_site is None


async def test_service_level(scene: Scene) -> None:
    """What the feed aims at, how it does by that, and from when on a run may be read; a feed that tells none of it has None."""
    scene.written.put("status.xml", STATUS.encode())
    async with scene.connect() as feed:
        status = await feed.status()
        scene.written.put("status.xml", STATUS.replace('target-alive="15" target-delay="1000"', "").encode())
        silent = await feed.status()

    assert (status.target_alive, status.target_delay) == (15, 1000)
    assert (silent.target_alive, silent.target_delay) == (None, None)
    assert [(one.alive, one.delay, one.refused, one.not_before) for one in status.series] == [
        (4, 35, None, None),
        (None, None, None, None),
        (None, None, "not-before", datetime.datetime(2026, 10, 10, 14, tzinfo=datetime.UTC)),
    ]
