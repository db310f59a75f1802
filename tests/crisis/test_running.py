"""A crisis from its beginning to its end, with a clock that the test turns and a real relay."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from skrutinium_server.crisis.holding import is_running
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.recipients import Recipient, Watch
from skrutinium_server.crisis.running import Crisis, current_state, opened
from skrutinium_server.crisis.triggering import (
    Arm,
    Armed,
    Decision,
    Disarm,
    Disarmed,
    Looked,
    Running,
    Start,
    State,
    Stop,
)
from tests.crisis.clock import Clock
from tests.crisis.night import RUN, MadeNight, chance, listed, place, recipients, write_list
from tests.crisis.reader import releases
from tests.crisis.relay import Answer, Relay, files, relay, text

START = Start("j.novakova", "the line is cut")
STOP = Stop("j.novakova", "the line is mended")
NAME = f"madeup2030/{RUN}"


class Case:
    """A crisis mail with its relay and clock; :meth:`work` lets it do all that is due now."""

    def __init__(self, mail: Crisis, taking: Relay, clock: Clock, folder: Path) -> None:
        self.mail = mail
        self.relay = taking
        self.clock = clock
        self.folder = folder

    async def work(self) -> None:
        await self.mail.follow()
        await self.mail.sending.round()

    async def decide(self, decision: Decision) -> None:
        """As the commands do."""

        def record() -> None:
            with Outbox(self.folder / "crisis") as outbox:
                outbox.decide(msgspec.json.encode(decision), self.clock())

        await asyncio.to_thread(record)
        await self.work()

    def kinds(self, address: str) -> list[str]:
        return [str(message["Skrutinium-Kind"]) for message in self.relay.messages(address)]

    def state(self) -> State:
        return self.mail.state

    def operators(self) -> list[str]:
        return [str(message["Subject"]) for message in self.relay.messages("operator@organiser.example")]


@contextlib.asynccontextmanager
async def crisis(
    folder: Path, night: MadeNight, people: Sequence[Recipient], watch: Watch | None = None
) -> AsyncIterator[Case]:
    clock = Clock()
    async with relay() as taking:
        told = listed(taking.port, people, watch=watch)
        where = await asyncio.to_thread(place, folder, night.store, told)
        async with opened(where, clock, chance) as mail:
            try:
                yield Case(mail, taking, clock, folder)
            finally:
                await mail.close()


async def test_a_crisis_from_beginning_to_end(tmp_path: Path, night: MadeNight) -> None:
    """Recipients get a first message, new releases at the interval, unchanged ones marked, and a last message; no release is missing."""
    await asyncio.to_thread(night.release, times=3)
    people = recipients(2, interval=600)
    async with crisis(tmp_path, night, people) as case:
        await case.work()
        assert case.relay.taken == []
        await case.decide(START)
        await asyncio.to_thread(night.release, times=2)
        case.clock.on(599)
        await case.work()
        assert case.kinds(people[0].address) == ["begin"]
        case.clock.on(1)
        await case.work()
        case.clock.on(600)
        await case.work()
        case.clock.on(600)
        await case.work()
        await asyncio.to_thread(night.release)
        await case.decide(STOP)
        case.clock.on(3600)
        await case.work()
        for one in people:
            assert case.kinds(one.address) == ["begin", "release", "unchanged", "unchanged", "end"]
        mails = case.relay.messages(people[1].address)
        ids = [str(message["Message-ID"]).split(".")[3:6] for message in mails]
        assert ids == [["4", "1", "0"], ["6", "1", "0"], ["6", "1", "1"], ["6", "1", "2"], ["7", "1", "0"]]
        found = await releases(night.made.signer.fingerprint, *map(files, mails))
        assert list(found) == [1, 2, 3, 4, 5, 6, 7]
        assert len(case.operators()) == 2
        assert isinstance(case.mail.state, Disarmed)


async def test_messages_bring_what_was_not_taken_before(tmp_path: Path, night: MadeNight) -> None:
    """A message that the relay did not take yet is replaced by one that carries all it did; who got it is not bothered."""
    await asyncio.to_thread(night.release, 1, times=70)
    people = recipients(2, interval=600, zip_above=0)
    async with crisis(tmp_path, night, people) as case:
        case.relay.at_data = lambda address, _: "451 later" if address == people[0].address else None
        case.mail.seen = {NAME: 60}
        await case.decide(START)
        assert case.kinds(people[0].address) == []
        await asyncio.to_thread(night.release, 0)
        case.clock.on(600)
        case.relay.at_data = lambda _address, _attempt: None
        await case.work()
        (late,) = case.relay.messages(people[0].address)
        found = await releases(night.made.signer.fingerprint, files(late))
        assert set(range(61, 73)) <= set(found)
        first, second = case.relay.messages(people[1].address)
        assert second["Skrutinium-Kind"] == "release"
        assert set(range(61, 72)) <= set(await releases(night.made.signer.fingerprint, files(first)))


async def test_it_begins_and_ends_by_itself(tmp_path: Path, night: MadeNight) -> None:
    """Armed, it begins when the feed has failed for long enough, with every release since the last good look, and ends when it is back."""
    await asyncio.to_thread(night.release, times=9)
    people = recipients(1)
    async with crisis(tmp_path, night, people, Watch(failed=120, back=300)) as case:
        await case.decide(Arm("j.novakova", "the night begins"))
        case.mail.seen = {NAME: 4}
        fails = Looked("fails", "no answer")
        await case.mail.take(fails)
        case.clock.on(119)
        await case.mail.take(fails)
        await case.work()
        assert case.kinds(people[0].address) == []
        case.clock.on(1)
        await case.mail.take(fails)
        await case.work()
        (message,) = case.relay.messages(people[0].address)
        assert set(range(5, 11)) <= set(await releases(night.made.signer.fingerprint, files(message)))
        serves = Looked("serves", "", {NAME: 10})
        await case.mail.take(serves)
        case.clock.on(300)
        await case.mail.take(serves)
        await case.work()
        assert case.kinds(people[0].address) == ["begin", "end"]
        assert isinstance(case.mail.state, Armed)
        assert len(case.operators()) == 3


async def test_a_live_run_waits_for_its_minute(tmp_path: Path, night: MadeNight) -> None:
    """Nothing of a live run is sent before the minute that the law sets, whatever is decided."""
    clock = Clock()
    clock.on(60)
    await asyncio.to_thread(night.state, phase="live", not_before=clock())
    people = recipients(1)
    async with crisis(tmp_path, night, people) as case:
        await case.decide(START)
        case.clock.on(59)
        await case.work()
        assert case.kinds(people[0].address) == []
        case.clock.on(1)
        await case.work()
        assert case.kinds(people[0].address) == ["begin"]


async def test_it_goes_on_where_it_was(tmp_path: Path, night: MadeNight) -> None:
    """After a restart the state is what was decided, and nobody gets a second first message."""
    people = recipients(2)
    async with crisis(tmp_path, night, people) as case:
        await case.decide(START)
    async with crisis(tmp_path, night, people) as case:
        await case.work()
        assert isinstance(case.mail.state, Running)
        assert case.relay.taken == []
        case.clock.on(600)
        await case.work()
        assert case.kinds(people[0].address) == ["unchanged"]


async def test_one_process_at_a_time(tmp_path: Path, night: MadeNight) -> None:
    """A folder has one process; another one is refused, and the commands know."""
    async with crisis(tmp_path, night, recipients(1)) as case:
        assert await asyncio.to_thread(is_running, case.folder / "crisis")
    assert not await asyncio.to_thread(is_running, tmp_path / "crisis")


async def test_refused_recipients_are_told_to_the_operators(tmp_path: Path, night: MadeNight) -> None:
    """A recipient whom the relay refuses for good is told once in a crisis; the others get their messages."""
    people = recipients(3)
    async with crisis(tmp_path, night, people) as case:
        case.relay.at_rcpt = lambda address, _: "550 no such user" if address == people[1].address else None
        await case.decide(START)
        await case.work()
        case.clock.on(600)
        await case.work()
        await case.work()
        assert case.kinds(people[0].address) == ["begin", "unchanged"]
        assert [subject for subject in case.operators() if "refused" in subject] == [
            "[Skrutinium] 1 recipient is refused by the relay"
        ]


async def test_refusals_are_told_once_whatever_restarts(tmp_path: Path, night: MadeNight) -> None:
    """A refusal that a process had no time to tell is told by the next one, and by no later one; who tries it out is told at once."""
    people = recipients(2)
    refuses: Answer = lambda address, _: "550 no such user" if address == people[1].address else None  # noqa: E731
    async with crisis(tmp_path, night, people) as case:
        case.relay.at_rcpt = refuses
        await case.mail.try_out()
        await case.decide(START)
        assert not [subject for subject in case.operators() if "refused" in subject]
    async with crisis(tmp_path, night, people) as case:
        await case.work()
        assert case.operators() == ["[Skrutinium] 1 recipient is refused by the relay"]
    async with crisis(tmp_path, night, people) as case:
        case.relay.at_rcpt = refuses
        case.clock.on(600)
        await case.work()
        await case.work()
        assert case.kinds(people[0].address) == ["unchanged"]
        assert case.operators() == []


async def test_a_file_that_is_too_large_is_told_once(tmp_path: Path, night: MadeNight) -> None:
    """A file over the limit of a recipient is told to the operators once in a crisis, not with every release."""
    people = recipients(1, limit=200_000, documents=("event.xml", "contest/999.xml"))
    async with crisis(tmp_path, night, people) as case:
        await asyncio.to_thread(night.large, 400_000)
        await case.decide(START)
        for _ in range(2):
            await asyncio.to_thread(night.large, 400_000)
            case.clock.on(600)
            await case.work()
            await case.work()
        assert case.kinds(people[0].address) == ["begin", "release", "release"]
        assert [one for one in case.operators() if "large" in one] == [
            "[Skrutinium] A file is too large to be sent"
        ]


async def test_the_list_may_change(tmp_path: Path, night: MadeNight) -> None:
    """Who is put on the list in a crisis gets a first message; a list that is broken keeps the last good one in force."""
    people = recipients(3)
    async with crisis(tmp_path, night, people[:1]) as case:
        await case.decide(START)
        path = tmp_path / "recipients.toml"
        await asyncio.to_thread(write_list, path, listed(case.relay.port, people))
        await case.work()
        assert case.kinds(people[2].address) == ["begin"]
        await asyncio.to_thread(path.write_text, "[[recipient]]\n")
        case.clock.on(600)
        await case.work()
        await case.work()
        assert case.kinds(people[2].address) == ["begin", "unchanged"]


async def test_a_test_message_says_so(tmp_path: Path, night: MadeNight) -> None:
    """A message that tries out the way is marked first in its subject and its text, and counts for no crisis."""
    people = recipients(3)
    async with crisis(tmp_path, night, people) as case:
        sent = await case.mail.try_out([people[1].id])
        assert [one.recipient for one in sent] == [people[1].id]
        (message,) = case.relay.messages()
        assert str(message["Subject"]).startswith("[ZKUŠEBNÍ ZPRÁVA · ZKOUŠKA · VYMYŠLENO]")
        assert text(message).startswith("*** ZKUŠEBNÍ ZPRÁVA")
        await case.decide(START)
        assert case.kinds(people[1].address) == ["test", "begin"]
        assert len(set(case.relay.ids())) == len(case.relay.ids())


async def test_every_beginning_and_end_is_kept(tmp_path: Path, night: MadeNight) -> None:
    """Who or what began and ended it, and why, stands in the outbox, in order."""
    async with crisis(tmp_path, night, recipients(1)) as case:
        await case.decide(START)
        await case.decide(STOP)
    given, state = await asyncio.to_thread(_kept, tmp_path / "crisis")
    assert given[:2] == [msgspec.json.encode(START), msgspec.json.encode(STOP)]
    assert state == Disarmed()


def _kept(folder: Path) -> tuple[list[bytes], State]:
    with Outbox(folder) as outbox:
        return [decision for _, _, decision, _ in outbox.decisions()], current_state(outbox)[1]


async def test_a_decision_comes_before_what_the_watch_sees(tmp_path: Path, night: MadeNight) -> None:
    """What a person decided counts first, and is not passed over after a restart because the watch wrote its own meanwhile."""
    fails = Looked("fails", "no answer")
    async with crisis(tmp_path, night, recipients(1), Watch(failed=10)) as case:
        await case.decide(Arm("j.novakova", "the night begins"))
        await case.mail.take(fails)
        case.clock.on(10)
        disarm = msgspec.json.encode(Disarm("j.novakova", "a false alarm"))

        def elsewhere() -> tuple[int, int]:
            with Outbox(tmp_path / "crisis") as outbox:
                position = outbox.decide(disarm, case.clock())
                outbox.heed(None, msgspec.json.encode(fails), msgspec.json.encode(Armed()), case.clock())
                return position, current_state(outbox)[0]

        position, heeded = await asyncio.to_thread(elsewhere)
        assert heeded < position
        await case.mail.take(fails)
        assert isinstance(case.state(), Armed)
        await case.work()
        assert case.state() == Disarmed()
        assert case.relay.messages("desk@radio-0.example") == []


async def test_an_outbox_out_of_order_is_waited_for(tmp_path: Path, night: MadeNight) -> None:
    """An outbox that cannot be used for a while does not end the process: it goes on when it can."""

    def rename(old: str, new: str) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "crisis" / "outbox.sqlite")) as database:
            database.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def decide() -> None:
        with Outbox(tmp_path / "crisis") as outbox:
            outbox.decide(msgspec.json.encode(START), Clock()())

    people = recipients(1)
    async with asyncio.timeout(60), relay() as taking:
        told = listed(taking.port, people, watch=Watch(address="http://127.0.0.1:1", every=1))
        where = await asyncio.to_thread(place, tmp_path, night.store, told)
        async with opened(where, Clock(), chance) as mail:
            stop = asyncio.Event()
            running = asyncio.create_task(mail.run(stop))
            await asyncio.to_thread(rename, "decision", "elsewhere")
            while not running.done() and "no such table" not in mail.operators.trouble:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await asyncio.to_thread(rename, "elsewhere", "decision")
            await asyncio.to_thread(decide)
            while not running.done() and not taking.messages(people[0].address):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            stop.set()
            await running
        assert taking.messages(people[0].address)
