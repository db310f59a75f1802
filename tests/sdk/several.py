"""Two sites with the same night, and folders of it, for tests that follow several sources."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import skrutinium
from skrutinium import Feed, Patience, Release, Timing
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import Night, Written, make_night

QUICK = Timing(
    poll=0.05,
    others=0.05,
    heartbeat=0.05,
    notices=0.05,
    stale_after=60,
    push_retry=0.1,
    rollback_grace=0.1,
    first=0.05,
    again=60,
)
IMPATIENT = Patience(connect=5, silence=5, attempts=2, first_pause=0.01, longest_pause=0.05)


class Site:
    """A store that grows by itself, and a feed of it that can be taken down and up."""

    def __init__(self, root: Path, night: Night) -> None:
        self.root = root
        self.night = night
        self.written = Written(root, night)
        self.feed = StoreFeed(root)

    async def grow(self, number: int) -> None:
        """Write the releases up to that number."""
        while self.written.number < number:
            await asyncio.to_thread(self.written.add, self.night.releases[self.written.number])
        await self.feed.tell()

    async def up(self) -> None:
        await self.feed.start()

    async def down(self) -> None:
        await self.feed.stop()


class Sites:
    """The first and the second site of one night, both at release 2; what is read through :meth:`connect` is noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.night = make_night()
        self.first = Site(folder / "first", self.night)
        self.second = Site(folder / "second", self.night)
        self.got: list[Release] = []

    async def begin(self) -> None:
        for site in (self.first, self.second):
            await site.grow(2)
            await site.up()

    async def end(self) -> None:
        for site in (self.first, self.second):
            await site.down()

    def connect(self, *others: skrutinium.Place, place: str | None = None, **settings: object) -> Feed:
        """Follow the first site, and others."""
        wanted = {"timing": QUICK, "requests": IMPATIENT, "state": self.folder / "state.json"} | settings
        return skrutinium.connect(place or self.first.feed.url, others=others, **wanted)  # type: ignore[arg-type]

    @property
    def numbers(self) -> list[int]:
        """The numbers of what came."""
        return [one.number for one in self.got]

    async def follow(self, releases: AsyncIterator[Release], until: int) -> list[str]:
        """Go on until that release; where those came from that are new."""
        before = len(self.got)
        async with asyncio.timeout(60):
            async for release in releases:
                self.got.append(release)
                if release.number >= until:
                    break
        return [one.source for one in self.got[before:]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - health is asked for, it does not call
            await asyncio.sleep(0.01)
