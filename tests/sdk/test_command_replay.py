"""``skrutinium record`` and ``replay``: a night is kept with its times, and seen again by any reader of a feed."""

import asyncio
import contextlib
import datetime
import json
import signal
import sys
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import aiohttp
import pytest

import skrutinium
from skrutinium.documents.series_reading import read_refusal
from skrutinium.errors import NetworkError, NoSuchPlace, NotYet, SchemaError
from skrutinium.mirroring.mirror import Pulled
from skrutinium.mirroring.times import NAME, Recorder, read_times
from skrutinium.replaying.player import Player
from skrutinium.replaying.recording import Recording, open_recording
from skrutinium.replaying.serving import Server
from skrutinium.replaying.steering import obey
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.several import IMPATIENT, QUICK
from tests.sdk.store_builder import EVENT, RUN, SERIES, Written, fingerprint, make_night
from tests.sdk.test_commands import run, started

NIGHT = make_night()
BEGAN = datetime.datetime(2026, 10, 10, 20, 0, tzinfo=datetime.UTC)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(*moments: tuple[float, dict[str, object]]) -> bytes:
    """A file of times; seconds after the recording began."""
    told = (
        {"at": (BEGAN + datetime.timedelta(seconds=seconds)).isoformat(), **what} for seconds, what in moments
    )
    return b"".join(json.dumps(one).encode() + b"\n" for one in told)


def release(number: int, **more: object) -> dict[str, object]:
    return {"what": "release", "series": SERIES, "number": number, **more}


TIMES = lines(
    (0, {"what": "began", "format": 1}),
    (0, release(1, late=True)),
    (10, release(2)),
    (11, {"what": "heartbeat", "data": "first"}),
    (20, release(3)),
    (25, {"what": "outage", "code": "network", "message": "gone"}),
    (30, release(4)),
    (31, {"what": "back"}),
    (40, release(5)),
    (41, {"what": "heartbeat", "data": "second"}),
)


@pytest.fixture
async def recording(tmp_path: Path) -> Recording:
    await asyncio.to_thread(NIGHT.write, tmp_path)
    (tmp_path / NAME).write_bytes(TIMES + b'{"at": "half a li')
    return await asyncio.to_thread(open_recording, tmp_path)


@contextlib.asynccontextmanager
async def served(player: Player) -> AsyncIterator[str]:
    server = Server(player)
    url = await server.start()
    try:
        yield url
    finally:
        await server.stop()


# ------------------------------------------------------------------ where a replay is
async def test_player_keeps_the_recorded_distances(recording: Recording) -> None:
    """Time passes by the clock times the speed; pausing stops it, and what happened depends on the position alone."""
    clock = Clock()
    player = Player(recording, clock, speed=Fraction(2))
    await player.seek(1)
    clock.now += 4
    assert player.position == BEGAN + datetime.timedelta(seconds=8)
    player.pause(True)
    clock.now += 100
    assert (player.position, player.paused) == (BEGAN + datetime.timedelta(seconds=8), True)

    await player.seek(time=BEGAN + datetime.timedelta(seconds=26))
    assert (player.released[SERIES], player.out, player.heartbeat) == (3, True, b"first")
    await player.seek(2)
    assert (player.released[SERIES], player.out, player.heartbeat, player.turns) == (2, False, None, 1)
    await player.seek(5)
    assert (player.released[SERIES], player.out) == (5, False)


async def test_player_pauses_where_it_should_and_goes_on(recording: Recording) -> None:
    """At ``pause_at`` it stands still until told otherwise, and ends after the last moment."""
    clock = Clock()
    player = Player(recording, clock, speed=Fraction(1000), pause_at=3)
    await player.seek(1)
    clock.now += 60
    playing = asyncio.create_task(player.run())
    async with asyncio.timeout(60), player.changed:
        await player.changed.wait_for(lambda: player.paused)
    assert player.released[SERIES] == 3

    clock.now += 60
    assert await obey(player, "p\n")
    clock.now += 60
    player.pause(False)  # wakes it: the clock of this test does not
    async with asyncio.timeout(60):
        await playing
    assert (player.released[SERIES], player.ended, player.heartbeat) == (5, True, b"second")


async def test_orders(recording: Recording) -> None:
    """Steps, numbers and times seek, ``q`` ends, anything else is refused with what could be said."""
    player = Player(recording, Clock())
    for order, due in (("2", 2), ("n", 3), ("b", 2), ("2026-10-10T20:00:35Z", 4)):
        assert await obey(player, order)
        assert player.released[SERIES] == due
    assert not await obey(player, "q")
    for wrong, words in (("17", "1 to 5"), ("yesterday", "neither a release nor a time")):
        with pytest.raises(ValueError, match=words):
            await obey(player, wrong)


# ------------------------------------------------------------------ as a feed
async def test_reader_sees_the_night_again(recording: Recording, tmp_path: Path) -> None:
    """A reader of the replay gets every release, signed by the recorded key, with all documents."""
    player = Player(recording, asyncio.get_running_loop().time, speed=Fraction(1000))
    await player.seek(1)
    player.pause(True)
    got, documents = [], {}
    async with served(player) as url:
        playing = asyncio.create_task(player.run())
        feed = skrutinium.connect(url, fingerprint=fingerprint(NIGHT.key), timing=QUICK, requests=IMPATIENT)
        async with asyncio.timeout(60), feed:
            async for one in feed.releases():
                player.pause(False)
                got.append(one.number)
                assert (await one.event()).release <= one.number
                if one.number == 5:
                    documents = {row.path: await one.read(row) for row in await one.documents()}
                    break
        async with asyncio.timeout(60):
            await playing
    async with skrutinium.connect(str(tmp_path)) as feed:
        there = await feed.release()
        assert documents == {row.path: await there.read(row) for row in await there.documents()}
    assert got == [1, 2, 3, 4, 5]


async def test_addresses_are_those_of_a_feed(recording: Recording, tmp_path: Path) -> None:
    """Conditional requests, long poll, changes, packs, checkpoints and refusals as a feed has them; nothing of what is to come."""
    player = Player(recording, Clock())
    await player.seek(3)
    series = tmp_path / "event" / EVENT / RUN / SERIES
    here = f"/event/{EVENT}"
    async with (
        served(player) as url,
        aiohttp.ClientSession(url, auto_decompress=False) as session,
        asyncio.timeout(60),
    ):

        async def get(path: str, **headers: str) -> tuple[int, bytes, str]:
            async with session.get(path, headers={"Accept-Encoding": "identity", **headers}) as response:
                assert response.headers["Skrutinium-Replay"] == "1"
                return response.status, await response.read(), response.headers.get("ETag", "")

        status, manifest, etag = await get(f"{here}/newest/manifest.xml")
        assert (status, manifest) == (200, (series / "manifest/000000003.xml").read_bytes())
        assert (await get(f"{here}/newest/manifest.xml", **{"If-None-Match": etag}))[0] == 304
        assert (await get(f"{here}/release/2/manifest.xml.sig"))[1] == (
            series / "manifest/000000002.xml.sig"
        ).read_bytes()
        assert (await get(f"{here}/checkpoint/newest.xml.sig"))[1] == (
            series / "checkpoint/000000002.xml.sig"
        ).read_bytes()
        assert (await get(f"{here}/newest/manifest.xml?after=3"))[0] == 204
        for missing in (
            "release/4/manifest.xml",
            "pack/5",
            "checkpoint/5.xml",
            "changes?since=3",
            "release/0/event.xml",
            "nothing",
        ):
            status, body, _ = await get(f"{here}/{missing}")
            refusal = read_refusal(body, missing)  # which validates it
            assert (status, refusal.status, refusal.code) == (404, 404, "not-yet")
        assert json.loads((await get("/access"))[1])["allowed"] is True
        assert (await get("/xsd/skrutinium/1.0/skrutinium.xsd"))[0] == 200
        assert (await get("/object/../state.xml"))[0] in (404, 200)
        assert (await get("/keys/..%2fmirror.json"))[0] == 404

        waiting = asyncio.create_task(get(f"{here}/newest/manifest.xml?after=3", Prefer="wait=60"))
        by_etag = asyncio.create_task(
            get(f"{here}/newest/manifest.xml", **{"If-None-Match": etag, "Prefer": "wait=60"})
        )
        await player.seek(5)
        for task in (waiting, by_etag):
            assert (await task)[1] == (series / "manifest/000000005.xml").read_bytes()
        await player.seek(time=BEGAN + datetime.timedelta(seconds=26))
        status, body, _ = await get(f"{here}/newest/event.xml")
        assert (status, read_refusal(body, "outage").code) == (503, "outage")


async def test_choice_needs_the_registers(recording: Recording) -> None:
    """Where no registers were recorded an area cannot be chosen, and the reader is told so; paths can."""
    player = Player(recording, Clock())
    await player.seek(5)
    async with served(player) as url:
        async with skrutinium.connect(url, requests=IMPATIENT, only=["event.xml"]) as feed:
            assert (await feed.release(5)).number == 5
        asked = f"{url}/event/{EVENT}/changes?since=0&area=100"
        async with aiohttp.request("GET", asked) as response:
            assert (response.status, b"no-registers" in await response.read()) == (404, True)


async def test_what_is_no_recording_is_told(tmp_path: Path) -> None:
    """A folder without a store, one without all releases, and lines that are none are errors of their own."""
    with pytest.raises(NoSuchPlace):
        await asyncio.to_thread(open_recording, tmp_path)
    await asyncio.to_thread(NIGHT.write, tmp_path)
    (tmp_path / NAME).write_bytes(b'{"at": "never", "what": "release"}\n')
    with pytest.raises(SchemaError, match="line 1 is no line of times"):
        await asyncio.to_thread(open_recording, tmp_path)
    (tmp_path / "event" / EVENT / RUN / SERIES / "manifest/000000002.xml").unlink()
    with pytest.raises(NotYet, match="--all"):
        await asyncio.to_thread(open_recording, tmp_path)


# ------------------------------------------------------------------ the commands
async def test_recording_is_replayed(tmp_path: Path) -> None:
    """What ``record`` kept of a night, heartbeats too, ``replay`` serves; it obeys its standard input."""
    root = tmp_path / "site"
    written = await asyncio.to_thread(Written, root, NIGHT)
    for made in NIGHT.releases[:2]:
        await asyncio.to_thread(written.add, made)
    await asyncio.to_thread(written.heartbeat, "2026-10-10T13:00:00Z")
    feed = await StoreFeed(root).start()
    process = await started("record", feed.url, str(tmp_path / "kept"), "--until-complete", "--json")
    assert process.stdout is not None
    async with asyncio.timeout(120):
        assert json.loads(await process.stdout.readline())["newest"] == {SERIES: 2}
        for made in NIGHT.releases[2:]:
            await asyncio.to_thread(written.add, made)
            await feed.tell()
        await process.communicate()
    await feed.stop()
    assert process.returncode == 0
    told = await asyncio.to_thread(lambda: [one["what"] for one in read_times(tmp_path / "kept" / NAME)])
    assert (told[0], told[-1], told.count("release")) == ("began", "ended", 5)
    assert {"state", "heartbeat"} <= set(told)

    replay = await started_replay(
        tmp_path / "kept", "--from", "2", "--pause-at", "4", "--speed", "1000", "--json"
    )
    assert replay.stdout is not None
    assert replay.stdin is not None
    async with asyncio.timeout(120):
        url = json.loads(await replay.stdout.readline())["replay"]
        while json.loads(await replay.stdout.readline())["released"] != {SERIES: 4}:
            pass
        assert (await run("watch", url, "--once"))[1].count("release 4 ") == 1
        replay.stdin.write(b"5\nq\n")
        _, err = await replay.communicate()
    assert (replay.returncode, err) == (0, b"")


async def started_replay(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from skrutinium.commands import main; main()", "replay", str(folder), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_record_goes_on_after_a_kill(tmp_path: Path) -> None:
    """A killed recording is continued: half a line is cut off, no release is noted twice."""
    await asyncio.to_thread(NIGHT.write, tmp_path / "site", 3)
    times = tmp_path / "kept" / NAME
    for looks, end in enumerate((signal.SIGKILL, signal.SIGKILL, signal.SIGINT), 1):
        process = await started("record", str(tmp_path / "site"), str(tmp_path / "kept"))
        async with asyncio.timeout(60):
            while (await _bytes(times)).count(b'"what": "state"') < looks:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            process.send_signal(end)
            await process.communicate()
        assert process.returncode == (130 if end is signal.SIGINT else -end)
        if end is signal.SIGKILL:
            with times.open("ab") as file:
                file.write(b'{"at": "2026')

    told = await asyncio.to_thread(lambda: list(read_times(times)))
    assert [one["number"] for one in told if one["what"] == "release"] == [1, 2, 3]
    assert told[-1]["what"] == "ended"


async def _bytes(path: Path) -> bytes:
    return await asyncio.to_thread(lambda: path.read_bytes() if path.exists() else b"")


async def test_recorder_tells_outages_once(tmp_path: Path) -> None:
    """An outage is noted once, with its end; that nothing is there yet is none."""
    async with Recorder(tmp_path / NAME, "place", lambda: BEGAN) as recorder:
        recorder.trouble(NotYet("nothing yet"))
        recorder.trouble(NetworkError("away"))
        recorder.trouble(NetworkError("away still"))
        recorder.look(Pulled(state=b"<state/>"))
    told = await asyncio.to_thread(lambda: [one["what"] for one in read_times(tmp_path / NAME)])

    assert told == ["began", "outage", "back", "state", "ended"]
