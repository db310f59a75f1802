"""The process of the live tests: ``python -m skrutinium_server.rehearsal.live_tests.process SITE``.

It ends when its standard input ends.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.lifeline import until_input_ends
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.live_tests.following import LiveTests

log = logging.getLogger("skrutinium.live-test")


async def follow(site: Site) -> None:
    """Follow the calendar of the site until standard input ends."""
    async with LiveTests(site) as tests:
        following = asyncio.create_task(tests.run(), name="follow the calendar")
        ending = asyncio.create_task(until_input_ends(), name="until input ends")
        await asyncio.wait((following, ending), return_when=asyncio.FIRST_COMPLETED)
        for task in (following, ending):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following  # raises why it ended


def main() -> int:
    """Run until standard input ends; returns the exit code."""
    log_to_stderr()
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent decides
        signal.signal(number, signal.SIG_IGN)
    try:
        asyncio.run(follow(Site(Path(sys.argv[1]))))
    except ProcessError as error:
        log.error("%s", error)  # noqa: TRY400 - told to a person
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
