"""The drill: the feed is killed in the middle of a night, crisis mail takes over by itself, and newsrooms miss nothing."""

import asyncio
import contextlib
import datetime
import hashlib
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import skrutinium
from skrutinium import Patience, Release, Timing
from skrutinium.trust.signing import fingerprint, read_key
from skrutinium_server.crisis.recipients import Watch
from skrutinium_server.ledger.model import Cut
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import There
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_night
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.store.reading import StoreReader
from tests.crisis.night import listed, recipients, write_list
from tests.crisis.relay import Relay, relay
from tests.e2e.at_work import begun, children_of, command, started
from tests.e2e.test_killed import reach
from tests.sdk.dovecot import Imap, imap_server
from tests.sdk.mails import Box

START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
RADIO, PAPER = recipients(2, interval=10)
PEOPLE = (
    RADIO,
    msgspec.structs.replace(PAPER, documents=("event.xml", "summary.xml", "contest/*.xml")),
)
QUICK = Timing(poll=0.2, others=0.2, heartbeat=1, notices=2, push_retry=0.5, first=0.2, again=5)
IMPATIENT = Patience(connect=10, silence=10, attempts=2, first_pause=0.1, longest_pause=0.5)
PATIENCE = 180
"""Seconds for a condition to come true; it is only there so that a broken drill ends."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - processes and files are looked at from outside
            await asyncio.sleep(0.05)


class Newsroom:
    """A client of the SDK that follows feed and mail, and keeps what it got."""

    def __init__(self, place: str, mail: skrutinium.Place, pin: str, state: Path) -> None:
        self.got: list[Release] = []
        self.totals: dict[int, int] = {}
        self._feed = skrutinium.connect(
            place,
            others=[mail],
            fingerprint=pin,
            state=state,
            timing=QUICK,
            requests=IMPATIENT,
            phase="rehearsal",
        )

    async def follow(self) -> None:
        async with self._feed as feed:
            async for release in feed.releases():
                self.totals[release.number] = votes_of(await release.event())
                self.got.append(release)

    @property
    def newest(self) -> int:
        """The number of the last release that was dealt with."""
        return self.got[-1].number if self.got else 0

    @property
    def reads_the_feed(self) -> bool:
        """Whether the feed answers it."""
        return self._feed.health.sources[0].channel != "none"


def votes_of(event: skrutinium.EventResults) -> int:
    """All votes for lists of all kinds of contest."""
    return sum(one.votes or 0 for kind in event.kinds for one in kind.committees)


class Drill:
    """The night: its site, its counting process, and the steps by which it comes in."""

    def __init__(self, root: Path) -> None:
        command("site", "create", root / "site")
        self.site = Site(root / "site")
        definition = made_up_definition(7, SMALL)
        self.site.define(definition)
        self.event = definition.event
        self.night = made_up_night(definition, 7, START, datetime.timedelta(hours=8))
        self._house: There | None = None

    @property
    def pin(self) -> str:
        """The fingerprint that newsrooms were given on paper."""
        (pem,) = (self.site.store / "keys").glob("*.pem")
        return fingerprint(read_key(pem.read_bytes(), "the site's key"))

    async def bring(self, protocols: list[Due]) -> int:
        """Let protocols come in, a few at a time, each group with its release; the number of the last one."""
        if self._house is None:
            self._house = await asyncio.wait_for(reach(self.site), PATIENCE)
        for place in range(0, len(protocols), 7):
            group = protocols[place : place + 7]
            records = [msgspec.to_builtins(due.taken_over, builtin_types=(bytes,)) for due in group]
            now = group[-1].at.isoformat()
            answer = await self._house.ask(
                do="take", run="night", records=records, now=now, speed=0, who="test"
            )
            assert answer["refused"] == 0
            await self._house.ask(do="cut", run="night")
        return max(await asyncio.to_thread(self.cuts))

    def cuts(self) -> list[int]:
        """The releases that the ledger asks for."""
        with SqliteReader(self.site.ledger("night")) as ledger:
            bodies = [entry.body for entry in ledger.entries()]
        return [body.number for body in bodies if isinstance(body, Cut) and body.series == "skrutinium"]

    def tally(self) -> Counter[tuple[str, str, int]]:
        """Votes by contest, district and list, as the ledger adds them up."""
        rows: list[dict[str, Any]] = json.loads(command("tally", self.site.root, "night", "--format", "json"))
        return Counter({(row["contest"], row["district"], row["list"]): row["votes"] or 0 for row in rows})

    def published(self, number: int) -> bytes:
        """A manifest as it lies in the store."""
        return StoreReader(self.site.store).manifest_bytes(
            self.site.series_key("night", "skrutinium"), number
        )

    def close(self) -> None:
        if self._house is not None:
            self._house.close()


@contextlib.asynccontextmanager
async def delivering(taking: Relay, box: Box, imap: Imap) -> AsyncIterator[None]:
    """Deliver what the relay takes: to the radio's Maildir, and to the paper's account."""

    done: list[bytes] = []

    async def deliver() -> None:
        while True:
            async with taking.arrived:
                await taking.arrived.wait_for(lambda: len(taking.taken) > len(done))
            for address, data in taking.taken[len(done) :]:
                done.append(data)
                if address in (RADIO.address, PAPER.address):
                    to = box if address == RADIO.address else imap.box
                    await asyncio.to_thread(to.deliver, data)

    task = asyncio.create_task(deliver())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def newsrooms(*clients: Newsroom) -> AsyncIterator[None]:
    """Let them follow; what ends one of them ends the test."""
    tasks = [asyncio.create_task(one.follow()) for one in clients]
    try:
        yield
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(error, asyncio.CancelledError), error


async def by_contest(release: Release, contests: set[str]) -> Counter[tuple[str, str, int]]:
    """Votes by contest, district and list, as the documents of a release tell them."""
    found = Counter[tuple[str, str, int]]()
    for contest in sorted(contests):
        for district in (await release.contest(contest)).districts:
            found.update({(contest, district.id, one.number): one.votes or 0 for one in district.lists})
    return found


def kill(pid: int) -> None:
    """Kill the feed and its children, as a power cut does."""
    for one in [pid, *children_of(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def ends(taking: Relay) -> int:
    """Messages so far that the feed is back."""
    return sum(str(one["Skrutinium-Kind"]) == "end" for one in taking.messages(RADIO.address))


@pytest.mark.blocking("looks at processes and files from outside while they work")
@pytest.mark.timeout(900)
async def test_the_feed_is_killed_in_the_middle_of_a_night(tmp_path: Path) -> None:
    """Clients get every release, by mail while the feed is down, and the totals of the ledger; when it is back they go back to it."""
    async with imap_server() as imap, relay() as taking:
        drill = await asyncio.to_thread(Drill, tmp_path)
        box = Box(tmp_path / "mail")
        async with delivering(taking, box, imap):
            await _night(drill, taking, box, imap, tmp_path)


async def _night(drill: Drill, taking: Relay, box: Box, imap: Imap, folder: Path) -> None:
    root, third = drill.site.root, len(drill.night) // 3
    with started("count", root, until="Stop with Ctrl-C"):
        await asyncio.to_thread(command, "run", "open", root, "night", "--phase", "rehearsal")
        feed, said = await asyncio.to_thread(begun, "feed", root, "--port", 0, until="The feed listens at")
        address = said[-1].split()[-1].rstrip("/")
        watch = Watch(address, every=1, failed=2, stale=60, back=3)
        await asyncio.to_thread(
            write_list, root / "recipients.toml", listed(taking.port, PEOPLE, watch=watch)
        )
        (root / "recipients.toml").chmod(0o600)
        account = skrutinium.open_mail(imap.place, password_file=imap.password_file, authority=imap.authority)
        radio = Newsroom(address, box.place, drill.pin, folder / "radio.json")
        paper = Newsroom(address, account, drill.pin, folder / "paper.json")
        both = (radio, paper)
        with started("crisis", "run", root, until="The crisis mail is"):
            try:
                async with newsrooms(*both):
                    await asyncio.to_thread(
                        command, "crisis", "arm", root, "--by", "j.novakova", "--reason", "the drill"
                    )
                    first = await drill.bring(drill.night[:third])
                    await until(lambda: all(one.newest == first for one in both))

                    await asyncio.to_thread(kill, feed.pid)
                    await asyncio.to_thread(feed.communicate)
                    second = await drill.bring(drill.night[third : 2 * third])
                    await until(lambda: all(one.newest == second for one in both))
                    tally = await asyncio.to_thread(drill.tally)
                    assert radio.totals[second] == paper.totals[second] == tally.total()
                    assert await by_contest(paper.got[-1], {contest for contest, _, _ in tally}) == tally

                    before, port = ends(taking), address.rpartition(":")[2]
                    with started("feed", root, "--port", port, until="The feed listens at"):
                        await until(lambda: ends(taking) > before)
                        await until(lambda: all(one.reads_the_feed for one in both))
                        last = await drill.bring(drill.night[2 * third :])
                        await until(lambda: all(one.newest == last for one in both))
                        tally = await asyncio.to_thread(drill.tally)
                        told = await asyncio.to_thread(command, "crisis", "status", root, "--json")
            finally:
                await account.close()
                drill.close()
                if feed.poll() is None:
                    kill(feed.pid)

    for room, mail in ((radio, box.place), (paper, imap.place)):
        numbers = [one.number for one in room.got]
        assert numbers == list(range(numbers[0], last + 1))
        assert {one.source for one in room.got if first < one.number <= second} == {mail}
        assert address in {one.source for one in room.got if one.number > second}
        assert all(hashlib.sha256(drill.published(one.number)).hexdigest() == one.sha256 for one in room.got)
        assert room.totals[last] == tally.total()
    assert last == max(drill.cuts())
    assert "feed" in json.dumps(json.loads(told)["log"])
