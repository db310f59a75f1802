"""A newsroom's program that is killed: follows a feed into a sink, and says which release it took."""

import asyncio
import sys

import skrutinium
from tests.sdk.sinks_at_work import sink_at


async def main(kind: str, where: str, url: str, last: int) -> None:
    async with sink_at(kind, where) as sink, skrutinium.connect(url, state=sink) as feed:
        print("open", flush=True)
        async for release in feed.releases():
            await sink.take(release)
            print(release.number, flush=True)
            if release.number == last:
                await feed.done(release)
                return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
