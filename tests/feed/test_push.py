"""Server-sent events: news, resume, heartbeats, keep-alive, slow clients, shutdown."""

import asyncio
import datetime
import socket
from asyncio import to_thread

import aiohttp
import pytest

from skrutinium_server.feed.metrics import MetricsServer
from tests.feed.made import EVENT, START, Fed, MadeStore, document, feed_on, night
from tests.feed.test_metrics import samples, scrape

PUSH = f"/event/{EVENT}/push"


class Stream:
    """A push stream, event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.rest = b""

    async def block(self) -> dict[str, str]:
        """The next block of lines, comments under the empty name."""
        async with asyncio.timeout(60):
            while b"\n\n" not in self.rest:
                piece = await self.response.content.readany()
                if not piece:
                    raise EOFError
                self.rest += piece
        block, _, self.rest = self.rest.partition(b"\n\n")
        return {
            name: value.removeprefix(" ")
            for name, _, value in (line.partition(":") for line in block.decode().split("\n"))
        }

    async def event(self, kind: str) -> dict[str, str]:
        """The next event of a kind."""
        while (told := await self.block()).get("event") != kind:
            pass
        return told


def opened(fed: Fed, path: str = PUSH, **headers: str) -> "aiohttp.client._RequestContextManager":
    """A request for a stream."""
    return fed.client.get(
        fed.base + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


async def test_newest_is_told_at_once_and_every_later_release(fed: Fed) -> None:
    """Without an id the newest release is told, then every later one, each with its id and the hash of its manifest."""
    async with opened(fed) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Skrutinium-Phase"] == "live"
        stream = Stream(response)
        digest = fed.store.series[night()].previous
        assert await stream.event("release") == {"event": "release", "id": "3", "data": f"3 {digest}"}
        for number in (4, 5):
            digest = await to_thread(fed.store.release, night(), {"event.xml": document("event", number)})
            assert await stream.event("release") == {
                "event": "release",
                "id": str(number),
                "data": f"{number} {digest}",
            }
        # What was told is there.
        assert (await fed.get(f"/event/{EVENT}/newest/event.xml"))[1] == document("event", 5)


@pytest.mark.parametrize(
    ("last", "told"), [("1", ["2", "3"]), ("2", ["3"]), ("0", ["1", "2", "3"]), ("3", []), ("9", ["3"])]
)
async def test_stream_resumes_after_the_last_id(fed: Fed, last: str, told: list[str]) -> None:
    """All releases after the last id are told, none twice; after an id from the future, the newest."""
    async with opened(fed, Last_Event_ID=last) as response:
        stream = Stream(response)
        await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
        got: list[str] = []
        while not got or got[-1] != "4":
            got.append((await stream.event("release"))["id"])
        assert got == [*told, "4"]


async def test_malformed_last_id_is_refused(fed: Fed) -> None:
    """A last id that is no number is refused."""
    async with opened(fed, Last_Event_ID="x") as response:
        assert response.status == 400
        assert b'code="bad-number"' in await response.read()


async def test_heartbeats_are_passed_on(fed: Fed) -> None:
    """A new heartbeat is told with the newest release and its time, without an id."""
    async with opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        await to_thread(fed.store.beat, night(), START + datetime.timedelta(hours=1))
        assert await stream.event("heartbeat") == {"event": "heartbeat", "data": "3 2018-10-06T15:00:00Z"}


async def test_comments_keep_the_line_open(night_store: MadeStore) -> None:
    """On a quiet night comments come."""
    async with feed_on(night_store, keep_alive=0.05) as fed, opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        assert await stream.block() == {"": ""}
        assert await stream.block() == {"": ""}


async def test_series_without_release_waits(store: MadeStore) -> None:
    """A stream of a series without a release is open and tells the first one."""
    await to_thread(store.open_run, "night", "live")
    async with feed_on(store) as fed, opened(fed) as response:
        assert response.status == 200
        digest = await to_thread(store.release, night(), {"event.xml": document("event", 1)})
        assert (await Stream(response).event("release"))["data"] == f"1 {digest}"


async def test_stream_ends_when_another_run_becomes_current(fed: Fed) -> None:
    """A stream at the event's own address ends when another run takes its place; one that names its run goes on."""
    async with opened(fed) as own, opened(fed, f"/event/{EVENT}/run/night/push") as named:
        await Stream(own).event("release")
        stream = Stream(named)
        await stream.event("release")
        await to_thread(fed.store.open_run, "second", "test")
        with pytest.raises(EOFError):
            await Stream(own).event("release")
        await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
        assert (await stream.event("release"))["id"] == "4"


async def test_shutdown_ends_all_streams(night_store: MadeStore) -> None:
    """A feed that stops ends its streams at once."""
    async with feed_on(night_store) as fed, opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        async with asyncio.timeout(60):
            await fed.running.close()
        with pytest.raises((EOFError, aiohttp.ClientPayloadError)):
            await stream.event("release")


async def test_slow_client_is_dropped_and_the_others_are_told(night_store: MadeStore) -> None:
    """A client that does not read is dropped once too much waits for it; one that reads gets everything; metrics count the dropped."""
    async with feed_on(night_store, slow=2000, interval=0.005) as fed, opened(fed) as response:
        stream = Stream(response)
        await stream.event("release")
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, ("127.0.0.1", fed.running.port))
        await loop.sock_sendall(slow, f"GET {PUSH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with slow:
            assert b"200 OK" in await loop.sock_recv(slow, 1000)
            broadcaster = fed.running.broadcaster
            filling = b":" + b"x" * 65536 + b"\n\n"
            async with asyncio.timeout(60):
                while not broadcaster.dropped:
                    broadcaster.tell(night(), filling)
                    while (await stream.block()).get("") != "x" * 65536:
                        pass
        assert broadcaster.dropped == 1
        metrics = fed.running.metrics
        async with MetricsServer("127.0.0.1", 0, metrics, asyncio.get_running_loop()) as server:
            found = samples(await to_thread(scrape, server.address))
        assert found["skrutinium_push_dropped_total", ()] == 1
        await to_thread(fed.store.release, night(), {"event.xml": document("event", 4)})
        assert (await stream.event("release"))["id"] == "4"
