"""A newsroom that follows a night: ``memory_client.py URL``; says after each release its number, resident memory and the most so far, in KB."""

import asyncio
import sys
from pathlib import Path

import skrutinium


def memory() -> tuple[int, int]:
    """Resident memory now, and the most that it has been."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmRSS"].split()[0]), int(told["VmHWM"].split()[0])


async def follow(url: str) -> None:
    """Look at the whole, at the contests that moved, and at one that may not have."""
    async with skrutinium.connect(url) as feed:
        contests: tuple[str, ...] = ()
        async for release in feed.releases():
            await release.event()
            await release.summary()
            await release.corrections()
            contests = contests or release.changed_ids("contest")
            for contest in (*release.changed_ids("contest")[:10], contests[release.number % len(contests)]):
                await release.contest(contest)
            print(release.number, *memory(), flush=True)


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1]))
