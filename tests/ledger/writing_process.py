"""A process that appends protocols and prints each receipt once it has it, until it is killed."""

import asyncio
import sys
from pathlib import Path

from skrutinium_server.ledger.sqlite import SqliteLedger
from tests.ledger.made import NIGHT, OPENED, admission


async def run(path: Path, first: int) -> None:
    """Sixteen callers with protocols of their own, from a number on."""
    opening = SqliteLedger.open(path) if path.exists() else SqliteLedger.create(path, OPENED)
    numbers = iter(range(first, 10_000_000))
    async with opening as ledger:

        async def caller() -> None:
            for number in numbers:
                (receipt,) = await ledger.append([admission(number, lists=2)], NIGHT)
                sys.stdout.write(f"{number} {receipt.position} {receipt.hash}\n")
                sys.stdout.flush()

        await asyncio.gather(*(caller() for _ in range(16)))


asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
