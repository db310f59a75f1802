"""Killed at any moment of sending, the crisis mail goes on: everybody gets every release, and what comes twice is the same message."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.crisis.holding import Place
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.triggering import Decision, Start, Stop
from skrutinium_server.process.clock import wall_time
from tests.crisis.night import MadeNight, listed, place, recipients
from tests.crisis.reader import releases
from tests.crisis.relay import Relay, files, parsed, relay
from tests.e2e.at_work import begun

PEOPLE = 12
KILLS = (("rcpt", 1), ("data", 2), ("data", 9), ("rcpt", 20), ("data", 30))
"""At which recipient or message, counted from the beginning, the process is killed: before it is answered."""


class Victim:
    """The process of the crisis mail, which the relay kills; :meth:`live` starts it again each time."""

    def __init__(self, where: Place) -> None:
        self.where = where
        self.process: subprocess.Popen[str] | None = None
        self.seen = {"rcpt": 0, "data": 0}
        self.kills = list(KILLS)

    def at(self, step: str) -> str | None:
        self.seen[step] += 1
        if self.kills and self.kills[0] == (step, self.seen[step]) and self.process is not None:
            self.kills.pop(0)
            os.kill(self.process.pid, signal.SIGKILL)
        return None

    async def live(self, stop: asyncio.Event) -> None:
        """Run it until ``stop``, again whenever it was killed."""
        arguments = ("crisis", "run", self.where.store.parent, "--recipients", self.where.recipients)
        while not stop.is_set():
            process, _ = await asyncio.to_thread(begun, *arguments, until="The crisis mail is")
            self.process = process
            waiting = asyncio.create_task(asyncio.to_thread(process.communicate))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not waiting.done():
                process.send_signal(signal.SIGINT)
            said, _ = await waiting
            killed = -signal.SIGKILL
            assert process.returncode == killed or (stop.is_set() and process.returncode == 0), said


@contextlib.asynccontextmanager
async def killed(folder: Path, night: MadeNight) -> AsyncIterator[tuple[Relay, Victim]]:
    people = recipients(PEOPLE, interval=10)
    async with relay() as taking:
        where = await asyncio.to_thread(
            place, folder, night.store, listed(taking.port, people, connections=3)
        )
        victim = Victim(where)
        taking.at_rcpt = lambda _address, _attempt: victim.at("rcpt")
        taking.at_data = lambda _address, _attempt: victim.at("data")
        stop = asyncio.Event()
        living = asyncio.create_task(victim.live(stop))
        try:
            yield taking, victim
        finally:
            stop.set()
            await living


async def decide(where: Place, decision: Decision) -> None:
    def record() -> None:
        with Outbox(where.folder) as outbox:
            outbox.decide(msgspec.json.encode(decision), wall_time())

    await asyncio.to_thread(record)


def got(taking: Relay, address: str) -> set[tuple[str, int]]:
    """Kind and release of what an address got."""
    mails = taking.messages(address)
    return {(str(one["Skrutinium-Kind"]), int(str(one["Skrutinium-Release"]))) for one in mails}


async def until(taking: Relay, kind: str, number: int) -> None:
    """Wait until everybody has a message of that kind that tells of a release."""
    addresses = [one.address for one in recipients(PEOPLE)]
    async with asyncio.timeout(240), taking.arrived:
        await taking.arrived.wait_for(
            lambda: all(
                any(found[0] == kind and found[1] >= number for found in got(taking, address))
                for address in addresses
            )
        )


@pytest.mark.timeout(600)  # it starts the program several times, and waits for an interval
async def test_killed_at_any_moment_everybody_gets_every_release(tmp_path: Path, night: MadeNight) -> None:
    """Every release reaches everybody at least once, a message that comes again has the same id and bytes, and all kills took place."""
    await asyncio.to_thread(night.release, times=2)
    async with killed(tmp_path, night) as (taking, victim):
        await decide(victim.where, Start("j.novakova", "the line is cut"))
        await until(taking, "begin", 3)
        newest = await asyncio.to_thread(night.release)
        await until(taking, "release", newest)
        newest = await asyncio.to_thread(night.release)
        await decide(victim.where, Stop("j.novakova", "the line is mended"))
        await until(taking, "end", newest)
    assert victim.kills == []
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for _, data in taking.taken:
        bodies[str(parsed(data)["Message-ID"])].add(data)
    assert all(len(different) == 1 for different in bodies.values())
    for one in recipients(PEOPLE):
        mails = map(files, taking.messages(one.address))
        found = await releases(night.made.signer.fingerprint, *mails)
        assert list(found) == list(range(1, newest + 1))
