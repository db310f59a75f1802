"""The counting process: ``python -m skrutinium_server.process.count SITE``. It ends when its standard input ends."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from skrutinium_server.process.house import House
from skrutinium_server.process.lifeline import until_input_ends
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener


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


def main() -> None:
    """Run until standard input ends."""
    log_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(count(Site(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
