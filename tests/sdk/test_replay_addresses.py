"""The addresses of a replay against those of the feed that was recorded: the same bytes, or the same refusal."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from skrutinium.documents.series_reading import read_refusal
from skrutinium.mirroring.keeping import opened
from skrutinium.mirroring.mirror import Wanted
from skrutinium.replaying.player import Player
from skrutinium.replaying.recording import open_recording
from skrutinium.replaying.serving import Server
from tests.feed.made import EVENT, START, Fed, MadeStore, feed_on, small_night
from tests.feed.made_registers import BEFORE, publish_registers
from tests.sdk.several import IMPATIENT

DAY = datetime.timedelta(days=1)
REGISTERS = f"/event/{EVENT}/registers"


def at(time: datetime.datetime) -> str:
    return f"at/{time:%Y-%m-%dT%H:%M:%SZ}"


def minute(number: int, seconds: int = 0) -> str:
    """So many minutes after the start of the night: when that release was cut."""
    return at(START + datetime.timedelta(minutes=number, seconds=seconds))


@dataclass
class Both:
    """A feed, and a replay of what was pulled from it."""

    fed: Fed
    player: Player
    url: str

    async def feed(self, path: str) -> tuple[int, bytes]:
        return (await self.fed.get(path))[:2]

    async def replay(self, path: str) -> tuple[int, bytes]:
        asked = self.fed.client.get(self.url + path, headers={"Accept-Encoding": "identity"})
        async with asked as response:
            assert response.headers["Skrutinium-Replay"] == "1"
            return response.status, await response.read()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    store = await asyncio.to_thread(MadeStore, tmp_path)
    await asyncio.to_thread(small_night, store)
    for number, days, text in ((1, 0, b"<a>1</a>"), (1, 1, b"<a>2</a>"), (2, 2, b"<a>3</a>")):
        await asyncio.to_thread(publish_registers, store, number, BEFORE + days * DAY, a_xml=text)
    async with feed_on(store) as fed:
        async with opened(fed.base, tmp_path / "kept", Wanted(whole=True), IMPATIENT) as mirror:
            await mirror.update()
        recording = await asyncio.to_thread(open_recording, tmp_path / "kept")
        player = Player(recording, lambda: 0.0)
        await player.seek(3)
        await player.seek(time=recording.moments[-1].at)
        server = Server(player)
        yield Both(fed, player, await server.start())
        await server.stop()
    await asyncio.to_thread(store.close)


SERVED = [
    *(
        f"/event/{EVENT}/{minute(number)}/{name}"
        for number in (1, 2, 3)
        for name in ("event.xml", "manifest.xml")
    ),
    f"/event/{EVENT}/{minute(2)}/manifest.xml.sig",
    f"/event/{EVENT}/{minute(2)}/contest/1.xml",
    f"/event/{EVENT}/{minute(2, 59)}/area/CZ.xml",
    f"/event/{EVENT}/{minute(60)}/event.xml",
    f"/event/{EVENT}/run/night/{minute(1)}/event.xml",
    f"/event/{EVENT}/series/volby/{minute(1)}/vysledky.xml",
    f"/event/{EVENT}/run/night/series/volby/{minute(2)}/okrsky/vysledky_okrsky_00001.xml",
    *(
        f"/appdata/{folder}/odata/{name}"
        for folder in ("kv2018/20181005", "kvmedia/20181005")
        for name in (
            "vysledky.xml",
            "okresy/vysledky_obce_okres_CZ0642.xml",
            "zastup/vysledky_obec_582786.xml",
            "okrsky/vysledky_okrsky_00001.xml",
            "okrsky/vysledky_okrsky_00002.xml",
            "okrsky/vysledky_okrsky.xml",
        )
    ),
    *(
        f"{REGISTERS}/{version}/{name}"
        for version in ("newest", "2", "2.1", "1", "1.2", at(BEFORE + DAY), at(BEFORE + 3 * DAY), at(START))
        for name in ("registers.xml", "registers.xml.sig", "a.xml", "registers/areas.xml")
    ),
    *(
        f"{REGISTERS}/{version}/{name}"
        for version in ("1.1", at(BEFORE))
        for name in ("registers.xml", "registers.xml.sig")
    ),
]
REFUSED = [
    f"/event/{EVENT}/{minute(0)}/event.xml",
    f"/event/{EVENT}/{minute(1)}/area/CZ.xml",
    f"/event/{EVENT}/at/yesterday/event.xml",
    f"/event/{EVENT}/{minute(1)}",
    f"/event/{EVENT}/series/other/{minute(1)}/event.xml",
    "/appdata/kv2018/20181005/odata/okrsky/vysledky_okrsky_00003.xml",
    "/appdata/kv2018/20181005/odata/..%2f..%2fstate.xml",
    "/appdata/kv2018/20181005/odata/",
    "/appdata/kv2018/20181005/odata",
    "/appdata/kv2013/20181005/odata/vysledky.xml",
    "/appdata/kv2018/20181006/odata/vysledky.xml",
    "/appdata/senat/20181005/odata/vysledky.xml",
    "/appdata/kvother/20181005/odata/vysledky.xml",
    f"{REGISTERS}/3/registers.xml",
    f"{REGISTERS}/1.3/registers.xml",
    f"{REGISTERS}/0/registers.xml",
    f"{REGISTERS}/newest/nothing.xml",
    f"{REGISTERS}/{at(BEFORE - DAY)}/registers.xml",
    f"{REGISTERS}/at/yesterday/registers.xml",
    f"{REGISTERS}/newest/..%2fnewest",
    f"{REGISTERS}/newest",
]


async def test_same_bytes(both: Both) -> None:
    """What the feed serves as of a time, in the shape of volby.cz and of registers, a replay of it serves too."""
    due = {path: await both.feed(path) for path in SERVED}
    assert {status for status, _ in due.values()} == {200}
    assert {path: await both.replay(path) for path in SERVED} == due


async def test_refused_by_both(both: Both) -> None:
    """What the feed does not have, a replay refuses as well, in a document that says so, and is no fault."""
    for path in REFUSED:
        status, _ = await both.feed(path)
        again, body = await both.replay(path)
        assert (path, status // 100, again // 100) == (path, 4, 4)
        assert read_refusal(body, path).status == again


async def test_nothing_of_what_is_to_come(both: Both) -> None:
    """As of a moment of the night later releases are not there, by time nor in the shape of volby.cz."""
    await both.player.seek(2)
    held = both.player.released["volby"]
    assert (both.player.released["skrutinium"], held) == (2, 1)
    due = await both.feed(f"/event/{EVENT}/release/2/event.xml")
    assert await both.replay(f"/event/{EVENT}/{minute(60)}/event.xml") == due
    first = await both.feed(f"/event/{EVENT}/series/volby/release/1/vysledky.xml")
    assert await both.replay("/appdata/kv2018/20181005/odata/vysledky.xml") == first
    for path in ("okrsky/vysledky_okrsky_00001.xml", "okrsky/vysledky_okrsky.xml"):
        assert (await both.replay(f"/appdata/kv2018/20181005/odata/{path}"))[0] == 404
    await both.player.seek(1)
    assert (await both.replay(f"/event/{EVENT}/{minute(2)}/area/CZ.xml"))[0] == 404


async def test_conditions_hold_there_too(both: Both) -> None:
    """Conditional requests and compression work at these addresses as at all others."""
    for path in (
        "/appdata/kv2018/20181005/odata/vysledky.xml",
        f"{REGISTERS}/newest/registers.xml",
        f"/event/{EVENT}/{minute(1)}/contest/1.xml",
    ):
        async with aiohttp.ClientSession() as session:
            async with session.get(both.url + path) as response:
                body, etag = await response.read(), response.headers["ETag"]
            assert body == (await both.feed(path))[1]
            async with session.get(both.url + path, headers={"If-None-Match": etag}) as response:
                assert response.status == 304
