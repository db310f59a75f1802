"""``skrutinium record``: keep everything of a night and when it was seen, to be replayed."""

import argparse
import asyncio
import contextlib
import datetime
from pathlib import Path

from skrutinium.commands.choice import which_run
from skrutinium.commands.pull import Display
from skrutinium.errors import SkrutiniumError
from skrutinium.mirroring.keeping import Keeper
from skrutinium.mirroring.mark import alone
from skrutinium.mirroring.mirror import Mirror, Pulled, Wanted
from skrutinium.mirroring.times import NAME, Recorder
from skrutinium.trust.signing import plain_fingerprint

HELP = "keep everything of a night and when it was seen, to replay it"
_EVERY = 5.0


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="address of a feed or a public folder, or a folder with a release store",
    )
    parser.add_argument("folder", metavar="DIR", help="where the recording is kept")
    parser.add_argument("--until-complete", action="store_true", help="end when every protocol is in")
    parser.add_argument("--phase", choices=("test", "rehearsal", "live"), help="refuse any other phase")
    parser.add_argument("--json", action="store_true", help="print what came as JSON, one object a line")
    which_run(parser)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    folder = Path(told.folder)
    wanted = Wanted(told.event, told.run_id, told.phase, told.fingerprint, whole=True)
    display = Display(plain=told.json)
    complete = asyncio.Event()
    async with (
        alone(folder),
        Recorder(folder / NAME, told.place, lambda: datetime.datetime.now(datetime.UTC)) as recorder,
    ):

        def look(mirror: Mirror, pulled: Pulled) -> None:
            recorder.look(pulled)
            display.show_news(mirror, pulled)
            if told.until_complete and mirror.all_in:
                complete.set()

        def trouble(error: SkrutiniumError) -> None:
            recorder.trouble(error)
            display.trouble(error)

        def release(series: str, number: int, newest: int) -> None:
            recorder.release(series, number, newest)
            display.progress(series, number, newest)

        keeper = Keeper(told.place, folder, wanted, every=_EVERY)
        work = [
            asyncio.create_task(keeper.run(look, trouble, release)),
            asyncio.create_task(recorder.failed()),
            asyncio.ensure_future(complete.wait()),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            for task in work:
                with contextlib.suppress(asyncio.CancelledError, SkrutiniumError):  # told by ``done``
                    await task
    return 0
