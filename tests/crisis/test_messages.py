"""From a release store to a relay: what arrives has the right files, and proves itself."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from skrutinium_server.crisis.composing import Wanted, compose
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Sent
from skrutinium_server.crisis.sending import Sending
from skrutinium_server.process.clock import wall_time
from tests.crisis.night import NOW, MadeNight, chance, listed, read, recipients
from tests.crisis.reader import releases
from tests.crisis.relay import files, relay


async def test_messages_arrive_with_what_proves_them(
    night: MadeNight, outbox: Outbox, executor: ThreadPoolExecutor
) -> None:
    """Each recipient gets the agreed documents of each release since the one told, all of which the keys and the chain prove."""
    await asyncio.to_thread(night.release, times=6)
    reader, results = await asyncio.to_thread(read, night.store)
    async with relay() as taking:
        told = listed(taking.port, recipients(3))
        sending = Sending(told.relay, told.sender.address, outbox, executor, wall_time, chance)
        wanted = [Wanted(one, "begin", 4, 0) for one in told.recipient]
        composed = await asyncio.to_thread(list, compose(reader, results, wanted, told, 1, night.store, NOW))
        await asyncio.to_thread(outbox.queue, [one for made, _ in composed for one in made], wall_time())
        assert await sending.round() is None
        for one in told.recipient:
            (message,) = taking.messages(one.address)
            found = await releases(night.made.signer.fingerprint, files(message))
            assert list(found) == [1, 2, 3, 4, 5, 6, 7]
            assert all({"event.xml", "summary.xml"} <= set(documents) for documents in found.values())
    states = await asyncio.to_thread(outbox.messages)
    assert all(isinstance(one.state, Sent) for one in states)
