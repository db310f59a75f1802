"""The counting house with several runs: closed, damaged, being closed, and resting on something that changed."""

import asyncio
import datetime
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skrutinium_server.ledger.model import Accepted, Cut
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.writing import write_whole

START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
DEFINITION = made_up_definition(3, SMALL)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site.create(tmp_path / "site")
    made.define(DEFINITION)
    return made


@pytest.fixture
def records() -> list[Any]:
    night = made_up_night(DEFINITION, 3, START, datetime.timedelta(hours=1))
    return [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in night]


def damage(ledger: Path) -> None:
    """Change one byte of the first entry, as a broken disk would."""
    connection = sqlite3.connect(ledger, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    (head,) = connection.execute("SELECT head FROM entries WHERE position = 1").fetchone()
    connection.execute("UPDATE entries SET head = ? WHERE position = 1", [head.replace(b"opened", b"opfned")])
    connection.close()


def bodies(site: Site, run: str) -> list[object]:
    with SqliteReader(site.ledger(run)) as reader:
        return [entry.body for entry in reader.entries()]


async def test_damaged_run_does_not_stop_the_others(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A run whose ledger is broken is told in the log and left alone; the others are counted."""
    house = House(site, cutting=False)
    await house.start()
    for run in ("broken", "sound"):
        assert (await house.answer({"do": "open", "run": run, "phase": "test"}))["ok"]
    await house.stop()
    await asyncio.to_thread(damage, site.ledger("broken"))

    again = House(site, cutting=False)
    await again.start()
    status = await again.answer({"do": "status"})
    await again.stop()
    assert list(status["runs"]) == ["sound"]
    assert "run broken is not counted" in caplog.text
    assert "position 1" in caplog.text


async def test_closing_leaves_nothing_unpublished(site: Site, records: list[Any]) -> None:
    """What is brought while a run is being closed is published or refused, never accepted and left out."""
    house = House(site, cutting=True)
    await house.start()
    await house.answer({"do": "open", "run": "night", "phase": "test"})
    take = {"do": "take", "run": "night", "records": records[:20]}
    closing = asyncio.create_task(house.answer({"do": "close", "run": "night"}))
    answers = [await house.answer({**take, "records": [record]}) for record in records[:20]]
    assert (await closing)["ok"]
    await house.stop()
    kept = await asyncio.to_thread(bodies, site, "night")
    accepted = [place for place, body in enumerate(kept) if isinstance(body, Accepted)]
    last_cut = max(place for place, body in enumerate(kept) if isinstance(body, Cut))
    assert len(accepted) == sum(answer.get("accepted", 0) for answer in answers)
    assert all(place < last_cut for place in accepted)
    assert {answer.get("error") for answer in answers} <= {None, "run"}


async def test_killed_while_closing_is_closed_at_the_next_start(site: Site) -> None:
    """Killed between the state file and the last entry, the run is closed when counting starts again."""
    house = House(site, cutting=False)
    await house.start()
    await house.answer({"do": "open", "run": "night", "phase": "test"})
    await asyncio.to_thread(write_state, site, opened=None, closed="night", now=START)
    await house.stop()
    again = House(site, cutting=False)
    await again.start()
    refused = await again.answer({"do": "take", "run": "night", "records": []})
    await again.stop()
    assert refused["error"] == "run"
    assert "closed" in refused["message"]
    _, (run,) = await asyncio.to_thread(StoreReader(site.store).state)
    assert not run.open


async def test_changed_definition_or_law_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on only with the definition and the law that it was opened with."""
    house = House(site, cutting=False)
    await house.start()
    await house.answer({"do": "open", "run": "night", "phase": "test"})
    await house.stop()
    await asyncio.to_thread(site.basis, "night")
    record = await asyncio.to_thread(site.run, "night")
    path = site.run_folder("night") / "run.json"
    for field, named in (("law_sha256", "law"), ("definition_sha256", "Definition")):
        other = msgspec.structs.replace(record, **{field: "0" * 64})
        await asyncio.to_thread(write_whole, path, msgspec.json.encode(other))
        with pytest.raises(RunError, match=named):
            await asyncio.to_thread(site.basis, "night")


async def test_time_of_a_command_is_checked(site: Site) -> None:
    """A time without zone, nonsense, and absurd speeds are refused with what was expected."""
    house = House(site, cutting=False)
    await house.start()
    await house.answer({"do": "open", "run": "night", "phase": "test"})
    take = {"do": "take", "run": "night", "records": []}
    for wrong in ({"now": "2030-10-05T14:00:00"}, {"now": "soon"}, {"now": START.isoformat(), "speed": "1"}):
        answer = await house.answer({**take, **wrong})
        assert answer["error"] == "process"
        assert "expected" in answer["message"]
    assert (await house.answer({**take, "now": START.isoformat(), "speed": 0}))["ok"]
    await house.stop()
