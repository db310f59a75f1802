"""Feeds that are replaced one by one, or end, lose no request of those who read."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skrutinium_server.feed.errors import AddressInUse
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.process import serve as serving
from skrutinium_server.process.serve import Service, Watching
from skrutinium_server.process.site import FeedFolder
from tests.feed.made import EVENT, MadeStore, document, small_night

PATH = f"/event/{EVENT}/newest/event.xml"
UNLIMITED = FeedSettings(requests_per_second=0, connections=0)
SEEN = document("event night", 3)


@pytest.fixture
def folder(tmp_path: Path) -> FeedFolder:
    """A copy of a site that holds what a feed needs."""
    store = MadeStore(tmp_path)
    small_night(store)
    store.close()
    (tmp_path / "site").mkdir()
    store.root.rename(tmp_path / "site" / "store")
    store.access.rename(tmp_path / "site" / "access.toml")
    return FeedFolder(tmp_path / "site")


class Client(threading.Thread):
    """Asks again and again; ``lost`` are the requests that were not answered with the document."""

    def __init__(self, port: int, keeps: bool) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.keeps = keeps
        self.ends = threading.Event()
        self.answered = 0
        self.closed = 0
        self.lost: list[str] = []

    def run(self) -> None:
        """Until told to end."""
        held: http.client.HTTPConnection | None = None
        while not self.ends.wait(0.002):
            connection = held or http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.request("GET", PATH, headers={} if self.keeps else {"Connection": "close"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                held = None
                continue
            if (answer.status, body) != (200, SEEN):
                self.lost.append(f"{answer.status} {body[:200]!r}")
            self.answered += 1
            self.closed += self.keeps and answer.will_close
            held = connection if self.keeps and not answer.will_close else None
            if held is None:
                connection.close()
        if held is not None:
            held.close()


@contextlib.contextmanager
def asking(port: int) -> Iterator[list[Client]]:
    """Two clients that keep their connection and two that open a new one each time."""
    clients = [Client(port, keeps) for keeps in (True, True, False, False)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.ends.set()
        for client in clients:
            client.join()


def nothing(_part: str, _message: dict[str, Any]) -> None:
    """Who listens to nothing."""


async def test_replaced_one_by_one_no_request_is_lost(folder: FeedFolder) -> None:
    """Two feeds at one port are replaced under load: every request is answered, kept connections are closed with an answer."""
    async with Service(folder, nothing, port=0, parts=("feed",), settings=UNLIMITED, feeds=2) as service:
        before = {part: child.pid for part, child in service.children.items()}
        assert service.address is not None
        clients = await asyncio.to_thread(_replace, service, asyncio.get_running_loop())
        after = {part: child.pid for part, child in service.children.items()}
    assert len({*before.values(), *after.values()}) == 4
    assert [client.lost for client in clients] == [[], [], [], []]
    assert all(client.answered > 20 for client in clients)
    assert sum(client.closed for client in clients) >= 1


def _replace(service: Service, loop: asyncio.AbstractEventLoop) -> list[Client]:
    assert service.address is not None
    with asking(service.address[1]) as clients:
        asyncio.run_coroutine_threadsafe(service.replace_feeds(), loop).result(60)
        return clients


async def test_killed_it_is_waited_for(folder: FeedFolder) -> None:
    """Who connects while a killed feed starts again waits and is answered."""
    async with Service(folder, nothing, port=0, parts=("feed",), settings=UNLIMITED) as service:
        child = service.children["feed"]
        assert child.pid is not None
        assert service.address is not None
        child.failed.clear()
        os.kill(child.pid, signal.SIGKILL)
        await child.failed.wait()
        reader, writer = await asyncio.open_connection(*service.address)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.read()).endswith(SEEN)
        writer.close()
        await writer.wait_closed()


async def test_one_of_two_that_does_not_come_up_is_not_waited_for(folder: FeedFolder) -> None:
    """While one of two feeds dies again and again, the other one answers every new connection, and those that waited at the first."""
    async with Service(folder, nothing, port=0, parts=("feed",), settings=UNLIMITED, feeds=2) as service:
        child = service.children["feed 2"]
        command, child._command = child._command, [sys.executable, "-c", "raise SystemExit(3)"]
        assert child.pid is not None
        assert service.address is not None
        # Those that the system gives to the second one while nobody accepts there wait in its socket until it is dead.
        os.kill(child.pid, signal.SIGSTOP)
        early = [await asyncio.open_connection(*service.address) for _ in range(32)]
        child.failed.clear()
        os.kill(child.pid, signal.SIGKILL)
        await child.failed.wait()
        async with asyncio.timeout(120):
            for reader, writer in early:
                assert await _asked(reader, writer) == SEEN
            for _ in range(64):
                assert await _asked(*await asyncio.open_connection(*service.address)) == SEEN
            assert child.restarts >= 1
            assert service.children["feed"].restarts == 0
            service.ready["feed 2"].clear()
            child._command = command
            await service.ready["feed 2"].wait()
            for _ in range(32):
                assert await _asked(*await asyncio.open_connection(*service.address)) == SEEN


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The document that one connection is answered with."""
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


async def test_push_clients_are_told_when_to_come_back(folder: FeedFolder) -> None:
    """A feed that ends tells its push clients a time to come back, and ends their streams."""
    async with Service(folder, nothing, port=0, parts=("feed",), settings=UNLIMITED) as service:
        assert service.address is not None
        reader, writer = await asyncio.open_connection(*service.address)
        writer.write(f"GET /event/{EVENT}/push HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"event: release")
        await service.children["feed"].stop()
        left = await reader.read()
        assert b"retry: 100\n\n" in left
        writer.close()
        await writer.wait_closed()


def test_signals_of_serve(folder: FeedFolder) -> None:
    """``feed`` on SIGUSR1 replaces its process, on SIGHUP opens the access log anew, and SIGTERM ends it with exit code 0."""
    log = folder.root / "access.jsonl"
    command = [sys.executable, "-m", "skrutinium_server", "feed", str(folder.root), "--port", "0"]
    with subprocess.Popen(
        [*command, "--access-log", str(log), "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        assert process.stdout.readline() == "Stop with Ctrl-C.\n"
        process.send_signal(signal.SIGUSR1)
        lines = iter(process.stdout.readline, "")
        assert "The process feed was replaced.\n" in lines
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        log.rename(log.with_suffix(".1"))
        process.send_signal(signal.SIGHUP)
        while not log.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.stderr.read()
        assert process.wait(30) == 0


def test_ports_of_metrics_follow_each_other() -> None:
    """The counting process tells metrics at the port named, the feeds at those after it; without one nobody does."""
    watching = Watching(("127.0.0.1", 9460), Path("/log"))
    assert watching.of_count() == ["127.0.0.1", "9460"]
    assert watching.of_feed(1) == ["--access-log=/log", "--metrics=127.0.0.1:9462"]
    assert (Watching().of_count(), Watching().of_feed(0)) == ([], [])


@pytest.mark.parametrize("taken", ["port", "metrics"])
async def test_port_that_somebody_else_shares_is_refused(
    folder: FeedFolder, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """A port at which another program listens is refused, even one that would share it; a parent's that was killed is waited for."""
    monkeypatch.setattr(serving, "AGAIN", 0.05)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        watching = Watching(("127.0.0.1", port - 1)) if taken == "metrics" else Watching()
        service = Service(
            folder,
            lambda _part, _message: None,
            port=port if taken == "port" else 0,
            parts=("feed",),
            settings=UNLIMITED,
            feeds=2,
            watching=watching,
        )
        with monkeypatch.context() as patched:
            patched.setattr(serving, "PATIENCE", 0)
            with pytest.raises(AddressInUse, match=str(port)):
                await service.__aenter__()
        again = asyncio.create_task(service._check_free("127.0.0.1", port if taken == "port" else 0))
        await asyncio.sleep(0)
        assert not again.done()
    async with asyncio.timeout(60):
        await again
