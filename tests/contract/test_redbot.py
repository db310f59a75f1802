"""redbot, an independent checker of HTTP, has nothing to complain about: run as a process of its own against a feed on loopback."""

import asyncio
import json
import os
from asyncio import to_thread
from pathlib import Path
from typing import Any

import pytest

from tests.feed.made import EVENT, MadeStore, document, feed_on, night, small_night
from tests.feed.made_registers import publish_registers, put_archive

PYTHON = Path(__file__).resolve().parents[2] / ".venv-redbot" / "bin" / "python"
CHECKING = Path(__file__).with_name("redbot_checking.py")

EXPLAINED = {
    "STATUS_NOT_FOUND": "it is a 404, and is meant to be one",
    "STORE_NO_STORE": "refusals and what is made for each request are not to be kept",
    "STORE_STORABLE": "caches may keep it: who may read through one is the affair of whoever runs it",
    "LM_PRESENT": "by the run's clock, which may be that of an election long ago",
    "STALE_SERVABLE": "numbered documents never change, so a stale one is as good",
    "FRESH_MUST_REVALIDATE": "newest documents are not to be shown when they are stale",
    "STALE_MUST_REVALIDATE": "the same, on a machine so busy that a second has passed",
    "FRESHNESS_STALE_ALREADY": "newest documents are fresh for a second, which may have passed on a busy machine",
    "CURRENT_AGE": "the second of Date may have passed on a busy machine",
    "INM_UNKNOWN": "what is made for each request has changed by the next one",
}
"""Notes of level INFO that may be there, and why."""


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of the environment that `make setup` installs redbot in."""
    if not PYTHON.exists():
        message = "no .venv-redbot/bin/python: run make setup"
        if os.environ.get("CI"):
            pytest.fail(f"{message}, and in CI nothing is skipped")
        pytest.skip(message)
    return str(PYTHON)


async def checked(python: str, addresses: list[str]) -> dict[str, tuple[int, list[dict[str, Any]]]]:
    """For each address the status of the answer and what redbot has to say of it, by its further requests too."""
    process = await asyncio.create_subprocess_exec(
        python, str(CHECKING), *addresses, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    for address, told in json.loads(out).items():
        (entry,) = told["log"]["entries"]
        notes: list[dict[str, Any]] = []
        due = list(entry["_red_messages"])
        while due:
            note = due.pop()
            notes.append(note)
            due += note.get("subnotes", ())
        found[address] = entry["response"]["status"], notes
    return found


async def test_nothing_to_complain_about(tmp_path: Path, python: str) -> None:
    """Manifests, documents, registers, archives, tars of changes, pages, the 304s among them, and 404: no note that is bad or warns."""
    store = await to_thread(MadeStore, tmp_path)
    await to_thread(small_night, store)
    await to_thread(store.release, night(), {"event.xml": document("event", 4, 200_000)})
    await to_thread(publish_registers, store)
    await to_thread(put_archive, store, night(), 4, bytes(500_000), b"tables")
    base = f"/event/{EVENT}"
    plain = {
        f"{base}/newest/nothing.xml": 404,
        "/nothing": 404,
        "/status": 200,
        "/health": 200,
    }
    conditional = [
        f"{base}/newest/manifest.xml",
        f"{base}/newest/event.xml",
        f"{base}/newest/contest/1.xml",
        f"{base}/release/1/contest/1.xml",
        f"{base}/changes?since=3",
        f"{base}/registers/newest/registers/areas.xml",
        f"{base}/archive/newest.zip",
        "/state.xml",
        "/",
    ]
    parted = {f"{base}/newest/event.xml", f"{base}/archive/newest.zip", f"{base}/changes?since=3"}
    async with feed_on(store) as fed:
        expected = {**plain, **dict.fromkeys(conditional, 200)}
        found = await checked(python, [fed.base + path for path in expected])
        assert len(found) == len(expected)
        for path, due in expected.items():
            status, told = found[fed.base + path]
            ids = {note["note_id"] for note in told}
            assert status == due
            for note in told:
                assert note["level"] in ("GOOD", "INFO"), (path, note)
                assert note["level"] == "GOOD" or note["note_id"] in EXPLAINED, (path, note)
            if path in conditional:
                assert "INM_304" in ids, (path, ids)
            assert ("RANGE_CORRECT" in ids) == (path in parted), (path, ids)
