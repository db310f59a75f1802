"""The disk below the outbox fills: nothing is lost or sent again, the operators learn of it, and with room all goes on by itself."""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.crisis.errors import OutboxError
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Sent, Waiting
from skrutinium_server.crisis.recipients import Relay
from skrutinium_server.crisis.running import Crisis, opened
from skrutinium_server.crisis.triggering import Start
from skrutinium_server.process.crisis_metrics import CrisisMetrics
from tests.crisis.clock import Clock
from tests.crisis.night import MadeNight, chance, listed, place, recipients
from tests.crisis.relay import relay
from tests.crisis.test_outbox import message
from tests.crisis.test_sending import Post, messages
from tests.soak.test_disk import fill, small_disk

OPERATOR = "operator@organiser.example"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 4 MiB."""
    with small_disk(tmp_path / "crisis", 4) as folder:
        yield folder


def fill_up(disk: Path) -> Path:
    """Take all room, also that which the log of the database holds."""
    with contextlib.closing(sqlite3.connect(disk / "outbox.sqlite")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return fill(disk)


def test_a_write_that_finds_no_room_leaves_nothing(disk: Path) -> None:
    """What finds no room is refused whole, with words that tell why; with room the same outbox takes it."""
    with Outbox(disk) as outbox:
        outbox.queue([message(7)], Clock()())
        filler = fill_up(disk)
        for _ in range(2):
            with pytest.raises(OutboxError, match="full"):
                outbox.queue([message(8), message(8, recipient="paper")], Clock()())
        assert [one.number for one in outbox.messages()] == [7]
        filler.unlink()
        outbox.queue([message(8), message(8, recipient="paper")], Clock()())
        assert [one.number for one in outbox.messages()] == [7, 8, 8]


async def test_what_was_sent_is_not_sent_again(disk: Path, executor: ThreadPoolExecutor) -> None:
    """That the relay took a message is known as long as the process lives, and is written as soon as there is room."""

    def at_rcpt(address: str, attempt: int) -> str | None:
        return "450 later" if address == recipients(3)[0].address and attempt == 1 else None

    outbox = await asyncio.to_thread(Outbox, disk)
    async with relay(at_rcpt=at_rcpt) as taking:
        post = Post(outbox, executor, Relay("127.0.0.1", taking.port, "none"))
        await post.put(messages(3))
        filler = await asyncio.to_thread(fill_up, disk)
        rest = await post.sending.round()
        assert rest
        assert "full" in str(post.sending.unwritten)
        await post.sending.round()
        assert len(taking.taken) == 2
        post.clock.on(60)  # who was to wait gets it, although that stands nowhere
        await post.sending.round()
        await post.sending.round()
        assert len(taking.taken) == 3
        assert await post.states() == [Waiting()] * 3
        await asyncio.to_thread(filler.unlink)
        assert await post.sending.round() is None
        assert str(post.sending.unwritten) == "None"
        assert [type(state) for state in await post.states()] == [Sent] * 3
        assert len(taking.taken) == 3
    await asyncio.to_thread(outbox.close)


@contextlib.asynccontextmanager
async def at_work(mail: Crisis) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    running = asyncio.create_task(mail.run(stop))
    try:
        yield running
    finally:
        stop.set()
        await running


async def test_a_crisis_on_a_full_disk(tmp_path: Path, disk: Path, night: MadeNight) -> None:
    """The operators learn past the outbox that it is full, and when it is not; then everybody gets every message once."""

    def decide() -> None:
        with Outbox(disk) as outbox:
            outbox.decide(msgspec.json.encode(Start("j.novakova", "the line is cut")), Clock()())

    people = recipients(60)
    async with asyncio.timeout(120), relay() as taking:
        where = await asyncio.to_thread(place, tmp_path, night.store, listed(taking.port, people))
        recorded: list[str] = []
        async with opened(where, Clock(), chance, lambda what, *_: recorded.append(what)) as mail:
            await asyncio.to_thread(decide)
            filler = await asyncio.to_thread(fill_up, disk)
            async with at_work(mail), taking.arrived:
                await taking.arrived.wait_for(lambda: told(taking.messages(OPERATOR)))
                while not trouble(mail):  # noqa: ASYNC110 - the relay has answered; that it did is written down next
                    await asyncio.sleep(0)
                assert taking.messages() == []
                await asyncio.to_thread(filler.unlink)
                await taking.arrived.wait_for(
                    lambda: (
                        len(taking.messages()) >= len(people) and len(told(taking.messages(OPERATOR))) >= 3
                    )
                )
                while trouble(mail):  # noqa: ASYNC110
                    await asyncio.sleep(0)
        subjects = told(taking.messages(OPERATOR))
    assert sorted(subjects) == [
        "[Skrutinium] Crisis mail was started by j.novakova: the line is cut",
        "[Skrutinium] The outbox can be used again; crisis mail goes on.",
        "[Skrutinium] The outbox cannot be used",
    ]
    assert recorded == ["crisis-begin"]
    assert Counter(taking.ids()).most_common(1)[0][1] == 1
    assert len({address for address, _ in taking.taken}) == len(people) + 1


def trouble(mail: Crisis) -> bool:
    """What the metrics say of the outbox."""
    metrics = {one.name: one for one in CrisisMetrics(mail, Path())()}
    return bool(metrics["skrutinium_crisis_outbox_trouble"].samples[0].value)


def told(mails: list[EmailMessage]) -> list[str]:
    """What the operators read first."""
    return [str(one["Subject"]) for one in mails]
