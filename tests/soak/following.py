"""SDK clients that follow a feed through whatever happens to it, as newsrooms do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import skrutinium
from skrutinium import Patience, SkrutiniumError


class Follower:
    """One client; ``numbers`` are the releases it was handed, ``votes`` how many protocols the newest one counts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.numbers: list[int] = []
        self.reported = 0
        self.changed = asyncio.Condition()

    async def follow(self) -> None:
        """Follow until cancelled; every release is read and the count of the event never goes back."""
        requests = Patience(attempts=60, first_pause=0.05, longest_pause=0.5)
        async with skrutinium.connect(self.url, requests=requests) as feed:
            async for release in feed.releases():
                event = await release.event()
                reported = sum(kind.count.reported for kind in event.kinds)
                assert reported >= self.reported
                async with self.changed:
                    self.numbers.append(release.number)
                    self.reported = reported
                    self.changed.notify_all()

    async def until(self, number: int) -> None:
        """Wait until that release was handed out."""
        async with self.changed:
            await self.changed.wait_for(lambda: bool(self.numbers) and self.numbers[-1] >= number)

    def unbroken(self) -> None:
        """Every release after the first one seen came once and in order."""
        assert self.numbers == list(range(self.numbers[0], self.numbers[-1] + 1))


@contextlib.asynccontextmanager
async def following(url: str, clients: int) -> AsyncIterator[Sequence[Follower]]:
    """So many clients at work; one that fails fails the test."""
    followers = [Follower(url) for _ in range(clients)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(follower.follow()) for follower in followers]
            yield followers
            for task in tasks:
                task.cancel()
    except* SkrutiniumError as errors:
        raise AssertionError("a client gave up") from errors
