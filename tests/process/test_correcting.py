"""Corrections of a live run: one person before the results are declared, two afterwards, for exactly what both saw."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from skrutinium_server.process.house import House
from skrutinium_server.process.status import site_status
from skrutinium_server.process.wishes import VALID, Wishes
from tests.process.test_decisions import (
    FIRST,
    PROTOCOLS,
    RUN,
    SECOND,
    Clock,
    both,
    changed,
    document,
    made,
    records,
    state,
    take,
)

CORRECT = {"do": "correct", "run": RUN, "reason": "recount", "authority": "Commission, 3/2030"}
DECLARE = {"do": "declare", "state": "final", "reason": "established", "authority": "Commission"}
pytestmark = [
    pytest.mark.blocking("looks at files beside the counting house"),
    pytest.mark.timeout(120),
]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A live run with all protocols."""
    site = await asyncio.to_thread(made, tmp_path)
    house = House(site, cutting=False, wall=Clock())
    await house.start()
    try:
        assert (await both(house, do="open", phase="live"))["ok"]
        assert (await take(house, await asyncio.to_thread(records, tmp_path, PROTOCOLS)))["refused"] == 0
        yield house
    finally:
        await house.stop()


async def one_changed(folder: Path, place: int) -> list[Any]:
    """A later version of one protocol."""
    return await asyncio.to_thread(records, folder, (changed(PROTOCOLS[place]),))


async def test_one_person_corrects_before_anything_is_declared(house: House, tmp_path: Path) -> None:
    """Before results are declared one proved person corrects, and the answer names the release that says so."""
    brought = await one_changed(tmp_path, 0)
    assert (await house.answer({**CORRECT, "records": brought}))["error"] == "decision"
    answer = await house.answer({**CORRECT, **FIRST, "records": brought})
    assert answer["corrected"] == 1, answer
    number = answer["releases"]["skrutinium"]
    said = await asyncio.to_thread(document, house.site, f"corrections/{number}.xml")
    assert b'authority="Commission, 3/2030"' in said


async def test_status_tells_the_legal_minute_and_what_waits(house: House) -> None:
    """The operator sees that nothing is read yet, and who waits for another person; after a quarter of an hour nobody does."""
    assert "pending" in await house.answer({**DECLARE, "run": RUN, **FIRST})
    minute = (await asyncio.to_thread(house.site.told))[RUN].not_before
    assert minute is not None
    early = await site_status(house.site, minute - datetime.timedelta(seconds=1))
    assert [text for text in early.notes if text.startswith("Nothing of run night is read before 2030-")]
    told = await site_status(house.site, Clock()())
    (note,) = told.notes
    assert note.startswith("j.novakova asks to declare run night")
    assert (await site_status(house.site, Clock()() + VALID)).notes == ()


async def test_two_persons_correct_what_is_declared(house: House, tmp_path: Path) -> None:
    """Of declared results one person's correction changes nothing until another one confirms it; it survives a restart in between."""
    assert (await both(house, **DECLARE))["ok"]
    before = await asyncio.to_thread(document, house.site, "event.xml")
    brought = await one_changed(tmp_path, 0)
    pending = await house.answer({**CORRECT, **FIRST, "records": brought})
    assert pending["pending"]["do"] == "correct", pending
    assert await asyncio.to_thread(document, house.site, "event.xml") == before
    assert (await house.answer({"do": "confirm", "run": RUN, **FIRST}))["error"] == "decision"
    await house.stop()
    again = House(house.site, cutting=False, wall=Clock())
    await again.start()
    try:
        answer = await again.answer({"do": "confirm", "run": RUN, **SECOND})
        assert answer["corrected"] == 1, answer
        assert await asyncio.to_thread(document, house.site, "event.xml") != before
        assert await asyncio.to_thread(state, house.site) == "final"
        assert (await again.answer({"do": "confirm", "run": RUN, **SECOND}))["error"] == "decision"
    finally:
        await again.stop()


async def test_only_what_was_seen_is_confirmed(house: House, tmp_path: Path) -> None:
    """Who saw one request cannot confirm another one that took its place meanwhile."""
    assert (await both(house, **DECLARE))["ok"]
    wishes = Wishes(house.site.root)
    assert "pending" in await house.answer({**CORRECT, **FIRST, "records": await one_changed(tmp_path, 0)})
    saw = (await asyncio.to_thread(wishes.get, RUN, Clock()())).sha256
    assert "pending" in await house.answer({**CORRECT, **FIRST, "records": await one_changed(tmp_path, 1)})
    confirm = {"do": "confirm", "run": RUN, **SECOND}
    refused = await house.answer({**confirm, "saw": saw})
    assert refused["error"] == "decision"
    assert "Something else waits" in refused["message"]
    saw = (await asyncio.to_thread(wishes.get, RUN, Clock()())).sha256
    assert (await house.answer({**confirm, "saw": saw}))["corrected"] == 1


async def test_all_or_none(house: House, tmp_path: Path) -> None:
    """One correction that cannot be keeps the others out too, and nothing waits to be confirmed."""
    assert (await both(house, **DECLARE))["ok"]
    brought = [
        *await one_changed(tmp_path, 0),
        *await asyncio.to_thread(records, tmp_path, PROTOCOLS[1:2]),
    ]
    refused = await house.answer({**CORRECT, **FIRST, "records": brought})
    assert refused["error"] == "correction"
    assert refused["message"].startswith("1 of 2 corrections are refused")
    assert (await house.answer({"do": "confirm", "run": RUN, **SECOND}))["error"] == "decision"
    wrong = await house.answer({**CORRECT, **FIRST, "records": brought[:1], "reason": "whim"})
    assert wrong["error"] == "run"
    assert "court-order" in wrong["message"]
