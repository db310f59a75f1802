"""Frames between processes, and children that live as long as their parent."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from skrutinium_server.process import frames
from skrutinium_server.process.children import LONGEST_LINE, Child
from skrutinium_server.process.errors import CountingRefused, RunError, SiteError
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener, commands, connect

TALKER = """\
import json, os, sys
print(json.dumps({"pid": os.getpid(), "told": sys.argv[1:]}), flush=True)
print("not json", flush=True)
for line in sys.stdin:
    print(json.dumps({"heard": line.strip()}), flush=True)
"""


async def reading(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\0\0", "inside a frame"),
        (b"\0\0\0\x05ab", "inside a frame"),
        (b"\0\0\0\x01\xc1", "not a msgpack map"),
        (b"\0\0\0\x01\x01", "not a msgpack map"),
        (b"\xff\xff\xff\xff", "longer than"),
    ],
)
async def test_what_is_no_frame_is_refused(data: bytes, problem: str) -> None:
    """Cut, malformed and endless frames are refused with the reason, before anything is kept."""
    with pytest.raises(ValueError, match=problem):
        await frames.receive(await reading(data))


async def test_end_between_frames_is_the_end() -> None:
    """A stream that ends between frames has just ended."""
    assert await frames.receive(await reading(b"")) is None


async def heard(queue: "asyncio.Queue[dict[str, Any]]", key: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            message = await queue.get()
            if key in message:
                return message[key]


@pytest.mark.blocking("looks for processes by the kernel's own account")
async def test_child_is_started_again_and_stops_with_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed child is started again with its arguments; stopping closes its input and waits."""
    (tmp_path / "talker.py").write_text(TALKER, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    child = Child("talker", "talker", ["first"], queue.put_nowait)
    child.start()
    first = await heard(queue, "pid")
    child.tell("hello")
    assert await heard(queue, "heard") == "hello"
    os.kill(first, signal.SIGKILL)
    message = await asyncio.wait_for(queue.get(), 20)
    assert message["told"] == ["first"]
    assert message["pid"] != first
    assert child.restarts == 1
    await child.stop()
    assert not Path(f"/proc/{message['pid']}").exists()


@pytest.mark.blocking("makes the interpreter executable when it has been missed")
async def test_child_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the system gives no process just now, that is said, and the child is started as soon as it does."""
    (tmp_path / "talker.py").write_text(TALKER, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    interpreter = tmp_path / "python"
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    child = Child("talker", "talker", [], queue.put_nowait)
    child._command[0] = str(interpreter)
    child.start()
    await asyncio.wait_for(child.failed.wait(), 60)
    assert "talker could not be started" in caplog.text
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    interpreter.chmod(0o755)
    assert await heard(queue, "pid") > 0
    assert child.restarts >= 1
    await child.stop()


@pytest.mark.blocking("looks for processes by the kernel's own account")
async def test_child_that_speaks_without_end_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that never ends fills no memory: who speaks it is killed and started again."""
    talking = TALKER.replace("for line", f'print("x" * {2 * LONGEST_LINE}, flush=True)\nfor line')
    (tmp_path / "talker.py").write_text(talking, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    child = Child("talker", "talker", [], queue.put_nowait)
    child.start()
    first = await heard(queue, "pid")
    assert await heard(queue, "pid") != first
    await child.stop()


async def test_commands_say_what_is_wrong(tmp_path: Path) -> None:
    """Unknown commands, runs and phases, and malformed requests come back as refusals with a code."""
    site = await asyncio.to_thread(Site.create, tmp_path / "site")
    async with commands(site) as house:
        for request, code in (
            ({"do": "dance"}, "process"),
            ({"do": "take", "run": "none", "records": []}, "run"),
            ({"do": "open", "run": "a/b", "phase": "test"}, "run"),
            ({"do": "open", "run": "a", "phase": "real"}, "run"),
            ({"do": "open", "run": "registers", "phase": "test"}, "run"),
            ({"do": "open", "run": "a", "phase": "test"}, "site"),
            ({"do": "open"}, "malformed"),
        ):
            with pytest.raises(CountingRefused) as told:
                await house.ask(**request)
            assert told.value.code == code, request
            assert len(str(told.value)) > 20


async def test_socket_serves_many_and_survives_nonsense(tmp_path: Path) -> None:
    """Several connections are served to the owner alone; one that sends nonsense is broken off and the others never notice."""
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    site = await asyncio.to_thread(Site.create, deep / "site")
    house = House(site, cutting=False)
    listener = Listener(house, site.socket)
    await listener.start()
    first, second = await connect(site), await connect(site)
    assert first is not None
    assert second is not None
    assert (await first.ask(do="status"))["runs"] == {}
    second._writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await second._reader.read() == b""
    assert (await first.ask(do="status"))["ok"]
    assert (await asyncio.to_thread(site.socket.stat)).st_mode & 0o077 == 0
    first.close()
    second.close()
    await listener.stop()
    assert await connect(site) is None


def test_site_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """No site, a folder in use, an unknown run and broken settings are named, with what to do."""
    with pytest.raises(SiteError, match="site create"):
        Site(tmp_path)
    (tmp_path / "something").touch()
    with pytest.raises(SiteError, match="not empty"):
        Site.create(tmp_path)
    site = Site.create(tmp_path / "site")
    with pytest.raises(RunError, match="run open"):
        site.run("night")
    (site.root / "site.toml").write_text("[release]\nspeed = 3\n", "utf-8")
    with pytest.raises(SiteError, match="speed"):
        site.settings()
