"""One client of a rehearsal: a newsroom's program as the SDK lets one write it. It keeps what it chose, and at the end tells what it has."""

import asyncio
import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp

import skrutinium
from skrutinium import Document, Feed, Release, SkrutiniumError
from skrutinium.sources.bulk import Bulk
from skrutinium.tables.bulk import gathered
from skrutinium.tables.selection import selection
from skrutinium_server.rehearsal.great.model import Client, Held, Total

TIMING: Final = skrutinium.Timing(poll=1, others=2, notices=5, push_retry=3, again=15)
"""A rehearsal is a night in minutes: what a program would notice within half a minute has to be seen in seconds."""
OF_MAILBOX: Final = 0.25
"""Seconds between two looks into a mailbox: the SDK looks ever more rarely into one that stays empty, up to some ten times as long."""
REQUESTS: Final = skrutinium.Patience(attempts=3, longest_pause=3)
PAUSE: Final = 0.5
"""Seconds until what could not be had is asked for again, once following has ended."""
_FAILURES: Final = 3
"""So many documents of a release that cannot be had; the others are owed without asking."""
_OF_AREAS: Final = frozenset({"area", "contest", "precinct"})

Wanted = Callable[[str], bool]
Said = Callable[[str, int], None]


class Newsroom:
    """``client`` at work on the feed at ``url``; ``said`` is told of each release that it has done."""

    def __init__(self, client: Client, url: str, fingerprint: str, said: Said) -> None:
        self.client = client
        self._url = url
        self._fingerprint = fingerprint
        self._said = said
        self._documents: dict[str, str] = {}
        self._owed: dict[str, Document] = {}
        self._unread: list[Release] = []
        self._ways: Counter[str] = Counter()
        self._last: Release | None = None
        self._news = asyncio.Condition()
        self._until: int | None = None

    async def end_at(self, number: int) -> None:
        """The last release is this one: end when it is done."""
        async with self._news:
            self._until = number
            self._news.notify_all()

    async def run(self) -> Held:
        """Follow to the end; what it has then. Raises :class:`SkrutiniumError` when following is not possible any more."""
        client = self.client
        connector = aiohttp.TCPConnector(local_addr=(client.address, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            skrutinium.connect(
                self._url,
                others=[f"maildir:{client.mailbox}"] if client.mailbox else [],
                session=session,
                fingerprint=self._fingerprint,
                phase="rehearsal",
                timing=dataclasses.replace(TIMING, others=OF_MAILBOX) if client.mailbox else TIMING,
                requests=REQUESTS,
                only=client.only or None,
                areas=[client.area] if client.area else None,
                follow_second_site=client.told,
                receipts=f"rehearsal client, {client.kind}",
            ) as feed,
        ):
            await self._follow(feed)
            assert self._last is not None
            return await self._settled(self._last)

    async def _settled(self, last: Release) -> Held:
        """What it has once nothing is owed any more; sites may still be coming back."""
        while True:
            await self._take(last, ())
            await self._notice()
            if not self._owed and not self._unread:
                with contextlib.suppress(SkrutiniumError):
                    return await self._held(last)
            await asyncio.sleep(PAUSE)

    async def _follow(self, feed: Feed) -> None:
        """Until the last release is done."""
        reading = asyncio.create_task(self._read(feed))
        ending = asyncio.create_task(self._ended())
        try:
            await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in (reading, ending):
                task.cancel()
            await asyncio.gather(reading, ending, return_exceptions=True)

    async def _ended(self) -> None:
        async with self._news:
            await self._news.wait_for(
                lambda: (
                    self._until is not None and self._last is not None and self._last.number >= self._until
                )
            )

    # ---------------------------------------------------------------- each release
    async def _read(self, feed: Feed) -> None:
        wanted: Wanted | None = None
        async for release in feed.releases():
            if wanted is None:
                wanted = await self._chosen(release)
                rows = await self._first(release)
            else:
                rows = release.manifest.documents
            await self._take(release, (row for row in rows if wanted(row.path)))
            if self.client.kind != "summary":
                self._unread.append(release)
                await self._notice()
            await feed.done(release)
            self._ways[release.source] += 1
            async with self._news:
                self._last = release
                self._news.notify_all()
            self._said(self.client.id, release.number)

    async def _chosen(self, release: Release) -> Wanted:
        """Which documents it keeps; the registers say what belongs to a region."""
        client = self.client
        if client.kind == "everything":
            await release.book()
            return lambda _path: True
        if client.area is None:
            if client.kind != "summary":
                await release.book()
            return lambda path: path in client.only
        scope = await selection(areas=[client.area]).scope(release.event_id, release.book)

        def within(path: str) -> bool:
            place = scope.place(path)
            return path in client.only or (place is not None and place.kind in _OF_AREAS)

        return within

    async def _first(self, release: Release) -> Iterable[Document]:
        """What there is when it joins; a few documents need no list of all."""
        if self.client.kind in ("everything", "region"):
            return await release.documents()
        there = {row.path: row for row in release.manifest.documents}
        if all(path in there for path in self.client.only):
            return [there[path] for path in self.client.only]
        return await release.documents()

    async def _notice(self) -> None:
        """Read what was corrected; where that cannot be had at the moment, with a later release."""
        while self._unread:
            try:
                await self._unread[0].corrections()
            except SkrutiniumError:
                return
            del self._unread[0]

    async def _take(self, release: Release, rows: Iterable[Document]) -> None:
        """Take documents; what cannot be had now, since only mail came or the line broke, is owed."""
        due = self._owed | {row.path: row for row in rows}
        self._owed = {}
        bulk = Bulk()
        if due and self.client.kind != "summary":
            with contextlib.suppress(SkrutiniumError):  # then each is asked for by itself
                bulk = await gathered(release, due.values())
        failures = 0
        for path, row in due.items():
            data = bulk.take(row.sha256)
            try:
                if data is None and failures < _FAILURES:
                    data = await release.read(row)
            except SkrutiniumError:
                failures += 1
            if data is None:
                self._owed[path] = row
            else:
                self._documents[path] = hashlib.sha256(data).hexdigest()

    # ---------------------------------------------------------------- the end
    async def _held(self, release: Release) -> Held:
        return Held(
            self.client.id,
            release.number,
            release.sha256,
            self._documents,
            await self._totals(release),
            dict(self._ways),
        )

    async def _totals(self, release: Release) -> dict[str, Total]:
        """As a program shows them."""
        client = self.client
        if client.kind == "summary":
            return {one.id: Total(one.reported) for one in (await release.summary()).kinds}
        told = await release.area(client.area) if client.area else await release.event()
        return {
            one.id: Total(one.count.reported, one.count.figures.get("valid-votes", 0))
            for one in told.kinds
            if one.count.expected
        }
