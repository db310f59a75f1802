"""The process that publishes one series of one run: ``python -m skrutinium_server.process.publisher SITE RUN SERIES``.

A line on standard input means: look into the ledger. It answers with JSON lines: ``{"newest": N}`` after each release and
at the start. Building text holds the interpreter, so it lives apart from intake and feed (design § 5).
"""

import contextlib
import fcntl
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.law import Law
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.basis import Basis
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.lasting import keep_out_of_collections
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.process.site import Site
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.formats.skrutinium.writer import SkrutiniumWriter
from skrutinium_server.release.formats.volby.writer import carries, volby_writer
from skrutinium_server.release.model import Writer
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.errors import TallyError
from skrutinium_server.tally.tally import Tally

log = logging.getLogger("skrutinium.publisher")

HEARTBEAT_SECONDS = 10

WRITERS: dict[str, Callable[[Basis], Writer]] = {
    "skrutinium": lambda basis: SkrutiniumWriter(basis.index, basis.law),
    "volby": lambda basis: volby_writer(basis.index, basis.law, basis.record.volby_encoding),
}
"""The writer of each series: what it writes is fixed by what the run was opened with."""

CARRIES: dict[str, Callable[[Law], bool]] = {"skrutinium": lambda _law: True, "volby": carries}
"""Whether the format of each series has room for what is counted by a law."""


def make_publisher(site: Site, run: str, series: str) -> Publisher:
    """The publisher of one series of a run, at the beginning of its ledger."""
    basis = site.basis(run)
    return Publisher(
        SeriesKey(basis.record.event, run, series),
        SqliteReader(site.ledger(run)),
        Tally(basis.index, basis.law),
        WRITERS[series](basis),
        Validator(),
        StoreReader(site.store),
        StoreWriter(site.store, site.signer()),
    )


def _say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def follow(publisher: Publisher, descriptor: int) -> None:
    """Publish whatever is asked for until ``descriptor`` ends; a heartbeat every ten seconds.

    A checkpoint waits until nothing else is asked for, and is written before the end.
    """
    beat = float("-inf")
    while publisher.catch_up(at_most=1):  # a long backlog is no reason to look dead
        _say(newest=publisher.newest)
        publisher.write_protocols()
        beat = _beat(publisher, beat)
    _say(newest=publisher.newest)
    publisher.write_protocols()
    beat = _beat(publisher, beat)
    owing = True
    while True:
        rest = 0.0 if owing else max(0.0, beat + HEARTBEAT_SECONDS - time.monotonic())
        ready, _, _ = select.select([descriptor], [], [], rest)
        if ready and not os.read(descriptor, 65536):
            while publisher.write_checkpoint():
                pass
            return
        owing = bool(ready) or publisher.write_checkpoint()
        if ready:
            while publisher.catch_up(at_most=1):
                _say(newest=publisher.newest)
                publisher.write_protocols()
                beat = _beat(publisher, beat)
        beat = _beat(publisher, beat)


def _beat(publisher: Publisher, last: float) -> float:
    """A heartbeat when it is time for one; the moment of the last one."""
    now = time.monotonic()
    if now - last < HEARTBEAT_SECONDS:
        return last
    publisher.heartbeat(wall_time())
    return now


def main() -> int:
    """Run until standard input ends; returns the exit code, 1 when it has to be started again."""
    log_to_stderr()
    # Ctrl-C reaches the whole process group; this process ends when its parent closes the pipe, after the last release.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, run, series = sys.argv[1:4]
    site = Site(Path(folder))
    # The publisher of a killed parent may still be busy with its last release: two at once could turn `newest` back.
    with (site.run_folder(run) / f"publisher.{series}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            publisher = make_publisher(site, run, series)
            keep_out_of_collections()
            follow(publisher, sys.stdin.fileno())
        except BrokenPipeError:
            # The parent is gone; whoever follows it starts a publisher of its own.
            os._exit(0)
        except (StoreError, ReleaseError, LedgerError, TallyError, ElectionError, ProcessError) as error:
            log.error("series %s of run %s: %s", series, run, error)  # noqa: TRY400 - told to a person
            with contextlib.suppress(BrokenPipeError):  # the parent is gone
                _say(trouble=str(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
