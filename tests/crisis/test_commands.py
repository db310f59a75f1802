"""The commands of the crisis mail, as an operator gives them."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from prometheus_client.metrics_core import Metric

from skrutinium_server.authority.persons import Authority
from skrutinium_server.crisis.errors import RelayError
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.running import opened
from skrutinium_server.crisis.triggering import Running, Start
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.crisis_mail import checked
from skrutinium_server.process.crisis_metrics import CrisisMetrics
from skrutinium_server.process.settings import SETTINGS
from tests.crisis.night import MadeNight, chance, listed, place, recipients, write_list
from tests.crisis.relay import relay
from tests.e2e.at_work import command, started

pytestmark = pytest.mark.timeout(400)  # programs are started, on machines that are busy


async def said(*arguments: object, code: int = 0) -> str:
    """What a command says, while the relay goes on."""
    return await asyncio.to_thread(partial(command, *arguments, code=code))


def running(folder: Path, then: Callable[[], str]) -> str:
    """What ``then`` says while the process of the crisis mail runs."""
    with started("crisis", "run", folder, until="The crisis mail is"):
        return then()


async def test_a_crisis_by_commands(tmp_path: Path, night: MadeNight) -> None:
    """With nothing but a store and a list: the list is examined, the way tried out, a crisis begun, seen and ended."""
    people = recipients(3)
    async with relay() as taking:
        where = await asyncio.to_thread(place, tmp_path, night.store, listed(taking.port, people))
        assert "3 recipients" in await said("crisis", "recipients", "check", where.recipients)
        assert people[2].address in await said("crisis", "recipients", "list", where.recipients)
        tried = await said("crisis", "send", tmp_path, "--test", "--to", people[0].id)
        assert f"{people[0].id} ({people[0].address}): sent" in tried
        by = ("--by", "j.novakova", "--reason", "the line is cut")
        assert "no process is running" in await said("crisis", "start", tmp_path, *by)
        begun = asyncio.create_task(taking.until(4))

        def ended() -> str:
            asyncio.run_coroutine_threadsafe(_finished(begun), loop).result()
            return command("crisis", "stop", tmp_path, *by)

        loop = asyncio.get_running_loop()
        assert "heeds it" in await asyncio.to_thread(running, tmp_path, ended)
        kinds = [str(one["Skrutinium-Kind"]) for one in taking.messages()]
        assert kinds[:4] == ["test", "begin", "begin", "begin"]
        told = json.loads(await said("crisis", "status", tmp_path, "--json"))
        assert {one["recipient"] for one in told["recipients"]} >= {one.id for one in people}
        assert "start by j.novakova: the line is cut" in [line["text"] for line in told["log"]]
        assert "j.novakova" in await said("crisis", "status", tmp_path)


async def _finished(task: "asyncio.Task[None]") -> None:
    await task


async def test_at_a_site_a_person_proves_it(tmp_path: Path, night: MadeNight) -> None:
    """Where persons are registered only they begin a crisis, by passphrase; the event log has it once the process heeds it."""
    authority = Authority(tmp_path)
    secret = tmp_path / "secret"
    await asyncio.to_thread((tmp_path / "site.toml").write_text, SETTINGS)
    await asyncio.to_thread(authority.add_person, "j.novakova", "operator", "four words of mine")
    await asyncio.to_thread(secret.write_text, "four words of mine\n")
    wrong = ("--by", "nobody", "--reason", "x", "--passphrase-file", secret)
    right = ("--by", "j.novakova", "--reason", "the line is cut", "--passphrase-file", secret)
    assert "[not-authenticated]" in await said("crisis", "start", tmp_path, *wrong, code=1)
    await said("crisis", "start", tmp_path, *right)
    async with relay() as taking:
        await asyncio.to_thread(place, tmp_path, night.store, listed(taking.port, recipients(1)))
        begun = asyncio.create_task(taking.until(2))
        loop = asyncio.get_running_loop()

        def waited() -> str:
            asyncio.run_coroutine_threadsafe(_finished(begun), loop).result()
            return ""

        await asyncio.to_thread(running, tmp_path, waited)
    entries = await asyncio.to_thread(authority.log.entries)
    assert entries[-1].who == "j.novakova"
    assert "Crisis mail was started by j.novakova: the line is cut" in str(entries[-1].event)


async def test_status_and_preflight_tell_of_it(tmp_path: Path) -> None:
    """Preflight tries the relay and says who gets mail; status tells that crisis mail is sent, or waits without a process."""
    site = tmp_path / "site"
    await asyncio.to_thread(command, "site", "create", site)
    assert (await said("status", site, "--json")).count('"crisis": null') == 1
    async with relay() as taking:
        await asyncio.to_thread(write_list, site / "recipients.toml", listed(taking.port, recipients(7)))
        found = await asyncio.to_thread(lambda: list(checked(site, 20)))
        assert found[0] == ("go", f"7 recipients; 127.0.0.1:{taking.port} takes mail")
        assert found[1][0] == "warn"
    with pytest.raises(RelayError, match=f"127.0.0.1:{taking.port}"):
        await asyncio.to_thread(lambda: list(checked(site, 20)))
    await said("crisis", "start", site, "--by", "j.novakova", "--reason", "x")
    await asyncio.to_thread(_heeded, site / "crisis")
    told = await said("status", site, code=1)
    assert "Crisis mail is being sent" in told
    assert "no process sends it" in told


async def test_metrics_tell_of_it(tmp_path: Path, night: MadeNight) -> None:
    """State, messages by what became of them, refused recipients and trouble with the relay are told as metrics."""
    async with relay(at_rcpt=lambda address, _: "550 no" if "radio-1" in address else None) as taking:
        where = await asyncio.to_thread(place, tmp_path, night.store, listed(taking.port, recipients(2)))
        async with opened(where, wall_time, chance) as mail:
            await mail.take(Start("j.novakova", "x"))
            await mail.follow()
            await mail.sending.round()
            told = CrisisMetrics(mail, where.folder)
            samples = [
                one for family in (*told(), *await asyncio.to_thread(_outbox, told)) for one in family.samples
            ]
            await mail.close()
    found = {(one.name, *one.labels.values()): one.value for one in samples}
    assert found["skrutinium_crisis_state", "running"] == 1
    assert found["skrutinium_crisis_messages", "sent"] == 2
    assert found["skrutinium_crisis_messages", "failed"] == 1
    assert found["skrutinium_crisis_refused",] == 1
    assert found["skrutinium_crisis_relay_trouble",] == 0


def _outbox(told: CrisisMetrics) -> list[Metric]:
    return list(told.outbox())


def _heeded(folder: Path) -> None:
    """As the process does, which is killed then."""
    begun = Running(1, wall_time(), "j.novakova", "x", by_itself=False, armed=False, seen={})
    with Outbox(folder) as outbox:
        outbox.heed(1, b"", msgspec.json.encode(begun), wall_time())


async def test_what_cannot_be_done_is_told(tmp_path: Path, night: MadeNight) -> None:
    """No store, no list, nobody of that id: one line with its code, exit code 1."""
    empty = tmp_path / "empty"
    await asyncio.to_thread(empty.mkdir)
    assert "error [site]" in await said("crisis", "status", empty, code=1)
    assert "error [crisis-recipients]" in await said("crisis", "send", tmp_path, "--test", code=1)
    await asyncio.to_thread(place, tmp_path, night.store, listed(1, recipients(1)))
    unknown = await said("crisis", "send", tmp_path, "--test", "--to", "nobody", code=1)
    assert "error [crisis-nothing]" in unknown
    assert "error [crisis-relay]" in await said("crisis", "send", tmp_path, "--test", code=1)
