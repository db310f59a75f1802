"""One run that is being counted: its releases are cut when they are due, and one publisher a series writes them."""

import asyncio
import contextlib
import logging
import time
from typing import Any

from skrutinium_server.ledger.errors import ClosedError, LedgerError
from skrutinium_server.process.children import Child
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.site import Site

log = logging.getLogger("skrutinium.count")

LOOK = 0.05
"""Seconds between two looks at what is due to be cut."""

AGAIN = 1.0
"""Seconds after which a cut that could not be written is tried again."""

QUIET = 30.0
"""Seconds for which nothing is cut by itself after more was announced: whoever brings it may have been killed."""

FAILURES = 3
"""A publisher that ended so often while somebody waited for it is not waited for any longer."""


class OpenRun:
    """A run that is being counted, with one publisher a series."""

    def __init__(self, site: Site, counting: Counting) -> None:
        self.newest = dict.fromkeys(counting.series, 0)
        self.trouble: dict[str, str] = {}
        """What lasts and needs a person: by series, or ``ledger``."""
        self.published = asyncio.Condition()
        self.wake = asyncio.Event()
        self._quiet_until = float("-inf")
        self._said: set[asyncio.Task[None]] = set()
        self.publishers = {
            series: Child(
                f"publisher of {series}",
                "skrutinium_server.process.publisher",
                [str(site.root), counting.run, series],
                lambda message, series=series: self._heard(series, message),  # type: ignore[misc]
            )
            for series in counting.series
        }
        self.counting = counting
        counting.cut_made = self._cut_made

    def _cut_made(self, series: str) -> None:
        self.publishers[series].tell("look")

    def _heard(self, series: str, message: dict[str, Any]) -> None:
        if "trouble" in message:
            self.trouble[series] = str(message["trouble"])
            return
        before = self.newest[series]
        self.newest[series] = max(before, int(message["newest"]))
        if self.newest[series] > before or not self.behind(series):
            self.trouble.pop(series, None)
        self.wake.set()
        task = asyncio.get_running_loop().create_task(self._notify())
        self._said.add(task)
        task.add_done_callback(self._said.discard)

    async def _notify(self) -> None:
        async with self.published:
            self.published.notify_all()

    def behind(self, series: str) -> int:
        """How many cuts of a series are not published yet."""
        state = self.counting.series.get(series)
        return 0 if state is None else state.number - self.newest[series]

    async def until_published(self, series: str, at_most_behind: int = 0) -> None:
        """Wait until the publisher of a series has caught up; raises :class:`RunError` when it ends again and again."""
        publisher = self.publishers[series]
        before = publisher.restarts
        async with self.published:
            while self.behind(series) > at_most_behind:
                if publisher.restarts - before >= FAILURES:
                    raise RunError(
                        f"The series {series} of the run {self.counting.run!r} cannot be published; what its publisher says of "
                        "the reason stands in the log of the counting process. What was accepted is in the ledger."
                    )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK * 4):
                        await self.published.wait()

    async def keep_cutting(self) -> None:
        """Cut whatever is due, until cancelled or the run is closed; a ledger without room now may have some later."""
        trouble = ""
        while not self.counting.closed:
            try:
                await self._cut_what_is_due()
            except ClosedError:
                return
            except Exception as error:  # whatever it is, a night must not go on without releases in silence
                self.trouble["ledger"] = str(error) or type(error).__name__
                if self.trouble["ledger"] != trouble:
                    trouble = self.trouble["ledger"]
                    known = isinstance(error, LedgerError)
                    log.error(  # noqa: TRY400
                        "run %s: no release can be cut: %s", self.counting.run, trouble, exc_info=not known
                    )
            else:
                self.trouble.pop("ledger", None)
                if trouble:
                    trouble = ""
                    log.info("run %s: releases can be cut again", self.counting.run)
            # Not wait_for: in Python 3.11 that forgets to be cancelled when it is woken in the same moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if trouble else LOOK):
                    await self.wake.wait()
            self.wake.clear()

    def be_quiet(self, *, quiet: bool) -> None:
        """Cut nothing by itself while more comes that is to be published at once, or cut again."""
        self._quiet_until = time.monotonic() + QUIET if quiet else float("-inf")

    async def _cut_what_is_due(self) -> None:
        if time.monotonic() < self._quiet_until:
            return
        if not self.behind("skrutinium"):
            await self.counting.cut_skrutinium()
        await self.counting.cut_volby(self.counting.clock.now(), aggregates=not self.behind("volby"))

    async def until_all_published(self) -> None:
        """Wait until every publisher has caught up."""
        await asyncio.gather(*(self.until_published(series) for series in self.publishers))

    async def cut_everything(self) -> dict[str, int]:
        """Cut every series now and wait until that is published; the numbers of the releases."""
        numbers = await self.counting.cut_everything()
        self.be_quiet(quiet=False)
        await self.until_all_published()
        return numbers
