"""The access log says of which run and release an answer was, and what a program calls itself when that is new."""

import json
from asyncio import to_thread
from pathlib import Path
from typing import Any

import pytest

from skrutinium_server.feed.access_log import AccessLog
from skrutinium_server.feed.permission import Allowed
from tests.feed.made import EVENT, MadeStore, feed_on

AT = f"/event/{EVENT}"


@pytest.mark.parametrize("front", [True, False])
async def test_answers_say_what_they_were(night_store: MadeStore, tmp_path: Path, front: bool) -> None:
    """Answers name event, run and release; a program is named once, and again when another one asks from there."""
    path = tmp_path / "access.jsonl"
    async with feed_on(night_store, front=front, access_log=path) as fed:
        for agent, address in (
            ("Graphics/4.2", f"{AT}/newest/event.xml"),
            ("Graphics/4.2", f"{AT}/newest/event.xml"),
            ("Graphics/4.2", f"{AT}/changes?since=1"),
            ('An "other"', f"{AT}/release/2/event.xml"),
            ('An "other"', "/state.xml"),
        ):
            assert (await fed.get(address, User_Agent=agent))[0] == 200
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in (await to_thread(path.read_text, "utf-8")).splitlines()
    ]
    assert [(one["path"].rpartition("/")[2], one.get("release"), one.get("agent")) for one in lines] == [
        ("event.xml", 3, "Graphics/4.2"),
        ("event.xml", 3, None),
        ("changes?since=1", 3, None),
        ("event.xml", 2, 'An "other"'),
        ("state.xml", None, None),
    ]
    assert {(one["event"], one["run"], one["phase"]) for one in lines[:4]} == {(EVENT, "night", "live")}


@pytest.mark.parametrize("begun", [True, False])
def test_what_waits_is_written_at_the_end(tmp_path: Path, begun: bool) -> None:
    """Whoever stops a log finds in the file what was told before, whether it had begun to write or not."""
    path = tmp_path / "access.jsonl"
    log = AccessLog(path, dict, dict)
    if begun:
        log.start()
    for status in (200, 404):
        log.note("127.0.0.1", Allowed(None, None), None, b"GET /", status, 0)
    log.stop()
    assert [json.loads(line)["status"] for line in path.read_text("utf-8").splitlines()] == [200, 404]
