"""A site with a live test in its calendar, a counting house behind its socket, and a clock that is told the time."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.house import House
from skrutinium_server.process.live_tests import read_told
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Listener

OPENS = datetime.datetime(2030, 3, 20, 16, tzinfo=datetime.UTC)
CLOSES = OPENS + datetime.timedelta(hours=2)
EVENT = "madeup2030"
RUN = "live-test"
CALENDAR = """\
[[entry]]
id = "live-test"
kind = "live-test"
from = 2030-03-20T16:00:00Z
to = 2030-03-20T18:00:00Z
text = "Live test with everybody."
plays = { precincts = 12, seed = 7 }
"""


class Clock:
    """The wall's time, as told."""

    def __init__(self, time: datetime.datetime) -> None:
        self.time = time

    def __call__(self) -> datetime.datetime:
        return self.time

    def share(self, hundredths: int) -> None:
        """So much of the window has passed."""
        self.time = OPENS + (CLOSES - OPENS) * hundredths // 100


def site_at(folder: Path, calendar: str = CALENDAR) -> Site:
    """A new site with that calendar."""
    site = Site.create(folder / "site")
    (site.root / "calendar.toml").write_text(calendar)
    return site


@contextlib.asynccontextmanager
async def counted(site: Site) -> AsyncIterator[House]:
    """Count the site, and answer at its socket."""
    house = House(site, cutting=False)
    await house.start()
    listener = Listener(house, site.socket)
    await listener.start()
    try:
        yield house
    finally:
        await listener.stop()
        await house.stop()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; the limit is only there so that a broken test ends."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - another process, or the loop itself, brings it about
            await asyncio.sleep(0.02)


def accepted(site: Site, run: str = RUN) -> list[str]:
    """The hashes of the protocols in the ledger of a run, in their order."""
    with SqliteReader(site.ledger(run)) as reader:
        return [entry.body.data_sha256 for entry in reader.entries() if isinstance(entry.body, Accepted)]


def states(site: Site) -> dict[str, str]:
    """How the live tests stand, as the operator is told."""
    return {one.entry: one.state for one in read_told(site.root).tests}
