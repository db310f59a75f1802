"""The crisis mail of a stage: ``python -m skrutinium_server.rehearsal.stage.crisis_process STORE RECIPIENTS FOLDER``.

It is the process that ``skrutinium-server crisis run`` is, but for its end: it ends when its standard input does. Once the watch has seen
the feed serve, it says which releases it saw, so that no release is missing in the first mail.
"""

import asyncio
import json
import logging
import random
import signal
import sys
from pathlib import Path
from typing import Final

from skrutinium_server.crisis.errors import CrisisError
from skrutinium_server.crisis.holding import Place
from skrutinium_server.crisis.running import Crisis, opened
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.lifeline import until_input_ends
from skrutinium_server.process.logs import log_to_stderr

log = logging.getLogger("skrutinium.crisis")

LOOK: Final = 0.05
"""Seconds between two looks at what the watch has seen."""


async def run(place: Place) -> None:
    """Send what is due until standard input ends."""
    stop = asyncio.Event()
    async with opened(place, wall_time, random.Random().random) as mail, asyncio.TaskGroup() as group:
        saying = group.create_task(_say_seen(mail))
        working = group.create_task(mail.run(stop))
        await until_input_ends()
        saying.cancel()
        stop.set()
        await working


async def _say_seen(mail: Crisis) -> None:
    while not mail.seen:  # noqa: ASYNC110 - the watch tells nobody
        await asyncio.sleep(LOOK)
    sys.stdout.write(json.dumps({"watching": mail.seen}) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run until standard input ends; returns the exit code."""
    log_to_stderr()
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent decides
        signal.signal(number, signal.SIG_IGN)
    code = 0
    try:
        asyncio.run(run(Place(*map(Path, sys.argv[1:4]))))
    except* CrisisError as errors:
        log.error("%s", errors.exceptions[0])  # noqa: TRY400 - told to a person
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
