"""Registers that cannot be read: an alarm with the file's name, the ones before stay, and nothing damaged is served."""

from asyncio import to_thread
from pathlib import Path

import pytest

from skrutinium_server.release.store.layout import Layout
from tests.feed.made import EVENT, Fed, MadeStore, feed_on
from tests.feed.made_registers import BEFORE, publish_registers
from tests.feed.test_published import DAY, REGISTERS
from tests.feed.test_serving import code

ALARM = f"{EVENT}/registers/newest"


async def alarmed(fed: Fed) -> bool:
    """Whether /status tells the alarm."""
    return ALARM.encode() in (await fed.get("/status"))[1]


@pytest.mark.parametrize(
    "broken",
    [b"", b"1 x\n", b"7 " + b"a" * 64 + b"\n", b"1 " + b"a" * 64 + b"\n"],
    ids=["empty", "no hash", "no such index", "another hash"],
)
async def test_newest_that_cannot_be_read_keeps_the_one_before(night_store: MadeStore, broken: bytes) -> None:
    """A damaged name of the newest index is an alarm until it is mended; what was served goes on being served."""
    await to_thread(publish_registers, night_store, 1, BEFORE)
    path = Layout(night_store.root).registers_newest(EVENT)
    good = await to_thread(path.read_bytes)
    async with feed_on(night_store) as fed:
        served = (await fed.get(f"{REGISTERS}/newest/registers.xml"))[1]
        assert not await alarmed(fed)
        await to_thread(path.write_bytes, broken)
        await fed.until("/status", ALARM.encode())
        assert (await fed.get(f"{REGISTERS}/newest/registers.xml"))[:2] == (200, served)
        await to_thread(path.write_bytes, good)
        await fed.until("/status", b'"alarms": []')


async def test_damaged_index_at_the_start_is_an_alarm_and_mended_by_itself(night_store: MadeStore) -> None:
    """A feed that starts on a damaged index says so, serves all else, and takes it when it is whole."""
    await to_thread(publish_registers, night_store, 1, BEFORE)
    path = Layout(night_store.root).registers_index(EVENT, 1, 1)
    good = await to_thread(path.read_bytes)
    await to_thread(path.write_bytes, good.replace(b"<document", b"<documant", 1))
    async with feed_on(night_store) as fed:
        assert await alarmed(fed)
        assert code((await fed.get(f"{REGISTERS}/newest/registers.xml"))[1]) == "no-registers"
        assert (await fed.get(f"/event/{EVENT}/newest/manifest.xml"))[0] == 200
        await to_thread(path.write_bytes, good)
        await fed.until("/status", b'"alarms": []')
        assert (await fed.get(f"{REGISTERS}/newest/registers.xml"))[:2] == (200, good)


def damage(path: Path, how: str) -> None:
    """Cut a file off, or change it."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if how == "cut" else data.replace(b' time="', b' tame="'))


@pytest.mark.parametrize("how", ["cut", "changed"])
async def test_damaged_earlier_index_is_refused(night_store: MadeStore, how: str) -> None:
    """An earlier index that is damaged is answered with store-damaged by number and by time; the newest is served."""
    await to_thread(publish_registers, night_store, 1, BEFORE)
    await to_thread(publish_registers, night_store, 2, BEFORE + DAY)
    await to_thread(damage, Layout(night_store.root).registers_index(EVENT, 1, 1), how)
    async with feed_on(night_store) as fed:
        for which in ("1", "1.1", f"at/{BEFORE:%Y-%m-%dT%H:%M:%SZ}"):
            status, body, _ = await fed.get(f"{REGISTERS}/{which}/registers.xml")
            assert (status, code(body)) == (503, "store-damaged"), which
        assert (await fed.get(f"{REGISTERS}/newest/registers.xml"))[0] == 200
