"""The counting process: ``python -m skrutinium_server.process.count SITE``. It ends when its standard input ends."""

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.house import House
from skrutinium_server.process.lifeline import until_input_ends
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener

log = logging.getLogger("skrutinium.count")


async def count(site: Site) -> None:
    """Count all open runs of the site until standard input ends."""
    house = House(site, cutting=True)
    listener = Listener(house, site.socket)
    try:
        await house.start()
        await listener.start()
        sys.stdout.write(json.dumps({"counting": str(site.root)}) + "\n")
        sys.stdout.flush()
        await until_input_ends()
    finally:
        await listener.stop()
        await house.stop()


def main() -> int:
    """Run until standard input ends; returns the exit code."""
    log_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(count(Site(Path(sys.argv[1]))))
    except (ElectionError, LedgerError, ProcessError) as error:
        log.error("%s", error)  # noqa: TRY400 - told to a person
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
