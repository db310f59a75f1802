"""The feed as a process: ``python -m skrutinium_server.feed.server STORE ACCESS HOST PORT``.

It says ``{"listening": [HOST, PORT]}`` on standard output when it is ready, and ends when its standard input ends (whoever
started it is gone, or wants it to stop) or on SIGTERM. SIGINT is the parent's to decide on. A line ``{"accept_for": [DESCRIPTOR, …]}``
on standard input tells it on which sockets of others it is to accept from now on. Sources: design § 5; perf § 6.2.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import logging.handlers
import os
import queue
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from skrutinium_server.feed.errors import FeedError
from skrutinium_server.feed.logs import chosen_formatter, chosen_level
from skrutinium_server.feed.metrics import MetricsServer
from skrutinium_server.feed.serving import Running, serve
from skrutinium_server.feed.settings import DEFAULTS, read_settings

log = logging.getLogger("skrutinium.feed")

DRAIN: Final = 2.0
"""Seconds that a feed that ends goes on to answer on the connections that are open, closing each after its next answer."""

COLLECTED: Final = 50_000
"""So many new objects before the garbage collector looks for cycles; answers make none, releases few."""


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of standard input; ``accept_for``: descriptors of listening sockets."""

    accept_for: list[int]


async def _until_told(running: Running, ended: asyncio.Event) -> None:
    """Do what standard input says until it ends, or until ``ended`` is set."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        # os.read rather than sys.stdin: a thread inside of that one would hold its lock when the interpreter ends.
        left = b""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while data := os.read(0, 65536):
                *whole, left = (left + data).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(ended.set)

    async def hear() -> None:
        while True:
            line = await lines.get()
            try:
                await running.accept_for(msgspec.json.decode(line, type=Told).accept_for)
            except (msgspec.MsgspecError, OSError) as error:
                log.error("what was told is not done: %r (%s)", line[:200], error)  # noqa: TRY400

    threading.Thread(target=read, name="standard input", daemon=True).start()
    hearing = loop.create_task(hear(), name="standard input")
    await ended.wait()
    hearing.cancel()


async def _main(arguments: argparse.Namespace) -> None:
    ended = asyncio.Event()
    # Before anything is said: who is told that the feed listens may also tell it to stop.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(await _serve(arguments))
        loop.add_signal_handler(signal.SIGHUP, running.reopen_logs)
        host, port = running.addresses[0]
        told: dict[str, object] = {"listening": [host, port]}
        if arguments.metrics is not None:
            at, number = arguments.metrics
            metrics = MetricsServer(at, number, running.metrics, loop)
            told["metrics"] = list((await stack.enter_async_context(metrics)).address)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        # What is known of the store lasts: it is not to be walked through again and again in the middle of a night.
        gc.collect()
        gc.freeze()
        await _until_told(running, ended)


async def _serve(arguments: argparse.Namespace) -> Running:
    return await serve(
        arguments.store,
        arguments.access,
        arguments.host,
        arguments.port,
        reuse_port=arguments.reuse_port,
        settings=arguments.settings,
        front=arguments.front,
        access_log=arguments.access_log,
        receipts=arguments.receipts,
        drain=DRAIN,
        inherited=[socket.socket(fileno=number) for number in arguments.inherited],
    )


def _address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; raises ValueError."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _raise_limit() -> None:
    """Take as many descriptors as the system gives: each connection needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Log to standard error from a thread of its own: who does not read it does not hold up the feed."""
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(chosen_formatter())
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, shown)
    queued = logging.handlers.QueueHandler(records)
    queued.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=chosen_level(), handlers=[queued])
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def main(told: list[str] | None = None) -> int:
    """Run the feed until its standard input ends; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m skrutinium_server.feed.server", description="Serve a release store."
    )
    parser.add_argument("store", type=Path, help="folder of the release store")
    parser.add_argument("access", type=Path, help="access list (TOML)")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--reuse-port", action="store_true", help="let several processes share the port")
    parser.add_argument("--settings", type=read_settings, default=DEFAULTS, help="settings (JSON)")
    parser.add_argument(
        "--no-front", dest="front", action="store_false", help="let aiohttp answer everything"
    )
    parser.add_argument("--metrics", type=_address, help="HOST:PORT for metrics, never the public one")
    parser.add_argument("--access-log", type=Path, help="file for a line an answer")
    parser.add_argument("--receipts", type=Path, help="file for a line a receipt; taken only then")
    parser.add_argument(
        "--inherited", type=int, action="append", default=[], help="bound socket to listen on (descriptor)"
    )
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="event loop")
    arguments = parser.parse_args(told)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a log that could be opened anew
    _raise_limit()
    gc.set_threshold(COLLECTED, 20, 50)
    factory = uvloop.new_event_loop if arguments.loop == "uvloop" else asyncio.new_event_loop
    with _logging():
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(_main(arguments))
        except (FeedError, OSError) as error:
            log.error("%s", error)  # noqa: TRY400
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
