"""Going on through trouble that may pass, for commands that run through a night unattended."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from skrutinium.commands.telling import tell
from skrutinium.errors import (
    AccessRefused,
    Gone,
    LimitReached,
    NetworkError,
    NotYet,
    ServerFault,
    SkrutiniumError,
)
from skrutinium.following.feed import Feed
from skrutinium.following.statefile import Seen

T = TypeVar("T")
_PAUSE = 2.0
_PASSING = (NotYet, NetworkError, ServerFault, LimitReached, Gone)
"""What is gone is read again from the newest on, so this passes too."""


class Going:
    """How it goes: which run was opened, and what trouble was told."""

    def __init__(self, event: str | None, run: str | None, *, plain: bool) -> None:
        self.event = event
        self.run = run
        self._plain = plain
        self._opened = False
        self._said = ""

    def opened(self, feed: Feed) -> None:
        """From now on it stays with this run, and a refusal may pass like other trouble: it was let in once."""
        self.event, self.run, self._opened = feed.run.event, feed.run.id, True

    def goes(self) -> None:
        """A release came: what comes next is new trouble."""
        self._said = ""

    def passes(self, error: SkrutiniumError) -> bool:
        """Whether to try again."""
        return isinstance(error, _PASSING) or (self._opened and isinstance(error, AccessRefused))

    def say(self, error: SkrutiniumError) -> None:
        """Tell it, once."""
        if error.message != self._said:
            show(error, plain=self._plain, then="; waiting, Ctrl-C ends")
        self._said = error.message


def show(error: SkrutiniumError, *, plain: bool, then: str = "") -> None:
    """Tell an error, and for people (not ``plain``) what happens ``then``."""
    if not plain:
        tell(f"skrutinium: {error} [{error.code}]{then}", error=True)
        return
    told = {
        "error": error.code,
        "exit": error.exit_code,
        "message": error.message,
        "address": error.address,
        "request": error.request_id,
        "words": error.words,
    }
    print(json.dumps(told, ensure_ascii=False), file=sys.stderr, flush=True)


async def going_on(work: Callable[[], Awaitable[T]], going: Going) -> T:
    """What ``work`` gives, begun again after trouble that may pass; raises what does not."""
    while True:
        try:
            return await work()
        except SkrutiniumError as error:
            if not going.passes(error):
                raise
            going.say(error)
        await asyncio.sleep(_PAUSE)


class Remembered:
    """Where a command is, for as long as it runs: after trouble it goes on with the next release, and never goes back."""

    def __init__(self) -> None:
        self._seen: Seen | None = None

    async def read(self) -> Seen | None:
        """The mark, None before the first."""
        return self._seen

    async def write(self, seen: Seen) -> None:
        """Remember it."""
        self._seen = seen
