"""Keeping a mirror up to date while a night goes on: looking when the feed has news, and now and then."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from skrutinium.errors import (
    DamagedError,
    LimitReached,
    NetworkError,
    NoSuchPlace,
    NotYet,
    ServerFault,
    SkrutiniumError,
)
from skrutinium.following.feed import connect
from skrutinium.following.news import Timing
from skrutinium.mirroring.mirror import Mirror, Pulled, Wanted
from skrutinium.sources.mail.source import MailSource
from skrutinium.sources.opening import source_at
from skrutinium.sources.transport import Patience, Waiting, spread

_log = logging.getLogger("skrutinium")
_PASSING = (NetworkError, ServerFault, LimitReached, NotYet, DamagedError)
_LONGEST_PAUSE = 8
Told = Callable[[str, int, int], None]


@contextlib.asynccontextmanager
async def opened(
    place: str,
    folder: Path,
    wanted: Wanted,
    patience: Patience | None = None,
    waiting: Waiting | None = None,
) -> AsyncIterator[Mirror]:
    """The mirror in ``folder`` of what is at ``place``, ready to be updated; the source is closed at the end. Raises :class:`NoSuchPlace` for mails."""
    source = await source_at(place, patience, waiting=waiting)
    try:
        if isinstance(source, MailSource):
            raise NoSuchPlace(
                "a mirror cannot be made from crisis mail: it brings agreed documents of some releases, and a mirror is a whole release "
                "store. `skrutinium mail PLACE --save DIR` keeps what came; readers take it in with connect(FEED, others=[PLACE])",
                address=source.where,
            )
        mirror = Mirror(source, folder, wanted)
        await mirror.open()
        yield mirror
    finally:
        await source.close()


class Keeper:
    """Follows ``place`` for ever: :meth:`run` hands each look to ``pulled``, and trouble that may pass to ``trouble``.

    It stays with the run of its first look: one that is opened later is never mixed into what is followed.
    ``every``: seconds between two looks when the feed has no news; ``pick`` gives numbers from 0 to 1, by which they are spread.
    """

    def __init__(
        self,
        place: str,
        folder: Path,
        wanted: Wanted,
        *,
        every: float = 15,
        timing: Timing | None = None,
        patience: Patience | None = None,
        pick: Callable[[], float] = random.random,
    ) -> None:
        self.mirror: Mirror | None = None
        self._place = place
        self._folder = folder
        self._wanted = wanted
        self._every = every
        self._timing = timing or Timing()
        self._patience = patience
        self._pick = pick
        self._bell = asyncio.Event()

    async def run(
        self,
        pulled: Callable[[Mirror, Pulled], object],
        trouble: Callable[[SkrutiniumError], object],
        told: Told | None = None,
    ) -> None:
        """Go on until cancelled; raises what cannot pass: a wrong signature, a broken chain, a full disk, another run in the place of this one."""
        listening = asyncio.create_task(self._listen())
        failed = 0
        try:
            while True:
                self._bell.clear()
                try:
                    async with opened(self._place, self._folder, self._wanted, self._patience) as mirror:
                        self.mirror, its = mirror, mirror.run
                        self._wanted = replace(self._wanted, event=its.event, run=its.id, phase=its.phase)
                        while True:
                            self._bell.clear()
                            pulled(mirror, await mirror.update(told))
                            failed = 0
                            await self._wait(self._every, listening)
                except _PASSING as error:
                    failed += 1
                    trouble(error)
                    await self._wait(self._pause(failed, error), listening)
        finally:
            listening.cancel()
            with contextlib.suppress(
                asyncio.CancelledError, SkrutiniumError
            ):  # told already, or of no account now
                await listening

    def _pause(self, failed: int, error: SkrutiniumError) -> float:
        pause = self._timing.poll * min(1 << min(failed - 1, 8), _LONGEST_PAUSE)
        return max(pause, error.wait or 0) if isinstance(error, LimitReached) else pause

    async def _wait(self, seconds: float, listening: "asyncio.Task[None]") -> None:
        """Until there is news, or the time is over; what the feed must not be trusted for ends it."""
        bell = asyncio.ensure_future(self._bell.wait())
        try:
            await asyncio.wait(
                [bell, listening], timeout=spread(seconds, self._pick), return_when=asyncio.FIRST_COMPLETED
            )
            if listening.done():
                listening.result()
        finally:
            bell.cancel()

    async def _listen(self) -> None:
        """Ring when the feed tells of a release."""
        while True:
            wanted = self._wanted
            feed = connect(
                self._place,
                event=wanted.event,
                run=wanted.run,
                phase=wanted.phase,
                fingerprint=wanted.fingerprint,
                timing=self._timing,
                requests=self._patience,
                only=(),
                follow_second_site=False,
                pick=self._pick,
            )
            try:
                async with feed:
                    async for release in feed.releases():
                        _log.debug("release %d", release.number)
                        self._bell.set()
            except _PASSING as error:
                _log.info("listening: %s", error)
            await asyncio.sleep(spread(self._timing.poll, self._pick))
