"""The counting process: ``python -m skrutinium_server.process.count [--by-command] SITE [METRICS-HOST METRICS-PORT]``.

It ends when its standard input ends. With ``--by-command`` no release is cut by itself.
"""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Final

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.feed.errors import FeedError
from skrutinium_server.feed.metrics import MetricsServer
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.house import House
from skrutinium_server.process.lifeline import until_input_ends
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.process.metrics import CountMetrics
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener, begin

log = logging.getLogger("skrutinium.count")

PATIENCE: Final = 10.0
"""Seconds that it waits for another process that counts the site to end, before its parent tries again."""


BY_COMMAND: Final = "--by-command"


async def count(site: Site, metrics: tuple[str, int] | None = None, *, cutting: bool = True) -> None:
    """Count all open runs of the site until standard input ends; ``metrics``: host and port to tell them at."""
    house = await begin(site, cutting=cutting, patience=PATIENCE)
    if not isinstance(house, House):
        house.close()
        raise ProcessError(f"Another process counts this site: it answers at {site.socket}. Stop it first.")
    listener = Listener(house, site.socket)
    try:
        await listener.start()
        told: dict[str, object] = {"counting": str(site.root)}
        async with contextlib.AsyncExitStack() as stack:
            if metrics is not None:
                counted = CountMetrics(house)
                server = MetricsServer(*metrics, counted, asyncio.get_running_loop(), counted.room)
                told["metrics"] = list((await stack.enter_async_context(server)).address)
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            await until_input_ends()
    finally:
        await listener.stop()
        await house.stop()


def main() -> int:
    """Run until standard input ends; returns the exit code."""
    log_to_stderr()
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent decides
        signal.signal(number, signal.SIG_IGN)
    try:
        root, *where = (one for one in sys.argv[1:] if one != BY_COMMAND)
        metrics = (where[0], int(where[1])) if where else None
        asyncio.run(count(Site(Path(root)), metrics, cutting=BY_COMMAND not in sys.argv))
    except (ElectionError, FeedError, LedgerError, ProcessError) as error:
        log.error("%s", error)  # noqa: TRY400 - told to a person
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
