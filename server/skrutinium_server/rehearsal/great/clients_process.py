"""Several clients of a rehearsal in a process of their own: ``python -m skrutinium_server.rehearsal.great.clients_process JOB``.

JOB is a file with a :class:`~skrutinium_server.rehearsal.great.model.Job`. It says ``{"ready": true}``, then ``{"client": ID, "release": N}`` for each release that
was done, ``{"ended": ID}`` once what a client had lies in the folder, ``{"failed": ID, "why": TEXT}`` when it gave up. It is told ``{"until": N}`` on standard
input, at whose end it ends.
"""

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

import msgspec

from skrutinium import SkrutiniumError
from skrutinium_server.process.logs import log_to_stderr
from skrutinium_server.rehearsal.great.holding import Newsroom
from skrutinium_server.rehearsal.great.model import Job


def say(**message: object) -> None:
    """Tell the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _done(client: str, number: int) -> None:
    say(client=client, release=number)


async def _run(newsroom: Newsroom, folder: Path) -> None:
    """One client from beginning to end."""
    id = newsroom.client.id
    try:
        held = await newsroom.run()
    except (SkrutiniumError, OSError) as error:
        say(failed=id, why=str(error) or type(error).__name__)
        return
    await asyncio.to_thread(write_file, folder / f"{id}.json", msgspec.json.encode(held))
    say(ended=id)


def write_file(path: Path, data: bytes) -> None:
    """A whole file in one step."""
    writing = path.with_suffix(".writing")
    writing.write_bytes(data)
    writing.replace(path)


async def _heed(newsrooms: list[Newsroom]) -> None:
    """Do what standard input says, until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.closing(transport):
        while line := await reader.readline():
            until = json.loads(line)["until"]
            for newsroom in newsrooms:
                await newsroom.end_at(until)


async def work(job: Job) -> None:
    """Let all clients follow, until standard input ends."""
    newsrooms = [Newsroom(client, job.url, job.fingerprint, _done) for client in job.clients]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(one, Path(job.folder))) for one in newsrooms]
        say(ready=True)
        await _heed(newsrooms)
        for task in tasks:
            task.cancel()


def main() -> int:
    """Run until standard input ends; returns the exit code."""
    log_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    asyncio.run(work(job))
    return 0


if __name__ == "__main__":
    sys.exit(main())
