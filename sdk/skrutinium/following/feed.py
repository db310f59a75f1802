"""Following a night: ``async with skrutinium.connect(url) as feed: async for release in feed.releases(): …``.

Every release is yielded once, in order, checked: signature, chain, run and phase, hashes. A release counts as done when
the loop body returns; with a state file, a restart goes on with the next one.
"""

import asyncio
import dataclasses
import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from skrutinium.documents.notices import Notices, Status, read_status
from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.documents.series import FeedState, Run
from skrutinium.errors import ChainError, MixedPhases, NotYet, RollbackError, SkrutiniumError
from skrutinium.following.document_cache import DocumentCache
from skrutinium.following.followed import SERIES, Followed
from skrutinium.following.gathering import Gathering, Terms
from skrutinium.following.news import Health, Timing
from skrutinium.following.reaching import Reaching
from skrutinium.following.receipts import Receipts, Sender, sender_of
from skrutinium.following.release import Release
from skrutinium.following.releases import Releases
from skrutinium.following.snapshot import Snapshot
from skrutinium.following.statefile import Marks, Seen, StateFile
from skrutinium.following.taking import Taken
from skrutinium.sources.address import Address
from skrutinium.sources.books import Books
from skrutinium.sources.choosing import choice_of, choose_run
from skrutinium.sources.credentials import plain_address
from skrutinium.sources.mail.source import MailSource
from skrutinium.sources.opening import Place, is_address, source_at
from skrutinium.sources.source import Source
from skrutinium.sources.transport import Patience, Transport
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing
from skrutinium.version import __version__

_CACHE = 16 * 1024 * 1024
"""Bytes of documents that are kept at hand: those of the last releases."""
_SOURCES = 32
"""Sources whose newest state is remembered."""


def connect(
    place: Place,
    *,
    others: Sequence[Place] = (),
    event: str | None = None,
    run: str | None = None,
    phase: str | None = None,
    fingerprint: str | None = None,
    state: str | Path | Marks | None = None,
    session: aiohttp.ClientSession | None = None,
    timing: Timing | None = None,
    patience: float | None = None,
    requests: Patience | None = None,
    only: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    contests: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    follow_second_site: bool = True,
    registers: str | Path | None = None,
    receipts: bool | str = False,
    pick: Callable[[], float] = random.random,
) -> "Feed":
    """A feed to be used as ``async with``.

    ``place`` is the address of a feed (or of a release store on any web server), a folder that holds a release store, or crisis mail
    (``maildir:PATH``, ``mbox:PATH``, ``eml:PATH``, ``imaps://USER@HOST/FOLDER``, see :func:`open_mail`); ``others`` are further places
    with the same, in order: the first that works is preferred, and each release counts once, whatever brought it.
    With ``follow_second_site`` the second site that signed notices tell of is the last of them, when its key is trusted.

    ``event`` may be left out when the feed holds one; ``run`` is the current one unless named. ``phase`` refuses any
    other phase (say ``live`` on air). ``fingerprint`` is the publisher's key as given on paper; without it the first key
    met is trusted. ``state`` is the file that remembers what was done, or a sink that keeps that mark (:class:`Marks`).
    ``patience``: seconds of silence of all sources after which :class:`StaleError` is raised; without it, waiting goes on and
    :attr:`Feed.health` tells. A ``session`` that is passed in is used and not closed. ``registers`` is a folder that keeps what
    :meth:`Release.book` read from one start to the next; without it the registers are fetched again. ``receipts`` tells the organiser
    of a test or a rehearsal what was done, with the name of your program when that is given in place of True; never in a live run. ``pick`` gives numbers from
    0 to 1, by which pauses are spread.

    ``only`` (paths such as ``summary.xml``), ``areas``, ``contests`` (ids) and ``kinds`` (of contest) say what of each release is sent at once, for a
    narrow line: manifests with their signatures always are, every other document is fetched when asked for. Raises ValueError
    for more than 100 of them.
    """
    kept = None if registers is None else Path(registers)
    wanted = Wanted(event, run, phase, fingerprint, kept)
    marks = StateFile(Path(state)) if isinstance(state, str | Path) else state
    terms = Terms(
        timing or Timing(),
        requests or Patience(),
        patience,
        choice_of(only, areas, contests, kinds),
        follow_second_site,
        pick,
    )
    sender = sender_of(receipts, __version__) if receipts or receipts == "" else None
    return Feed((place, *others), wanted, marks, terms, session, sender)


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Which run is meant, and whose key; ``registers`` is the folder that keeps registers."""

    event: str | None
    run: str | None
    phase: str | None
    fingerprint: str | None
    registers: Path | None = None


class Feed:
    """One run of one event, read from one place or from several; made by :func:`connect`."""

    run: Run
    """The run that is read."""

    def __init__(
        self,
        places: tuple[Place, ...],
        wanted: Wanted,
        marks: Marks | None,
        terms: Terms,
        session: aiohttp.ClientSession | None,
        sender: Sender | None = None,
    ) -> None:
        self._places = places
        self._sender = sender
        self._receipts: Receipts | None = None
        self._wanted = wanted
        self._marks = marks
        self._terms = terms
        self._session = session
        self._seen: Seen | None = None
        self._followed: list[Followed] = []
        self._gathering: Gathering | None = None
        self._reaching: Reaching
        self._keys: KeyRing
        self._chain: Chain
        self._snapshot: Snapshot
        self._books: Books
        self._cache = DocumentCache(_CACHE)
        self._following = False

    async def __aenter__(self) -> Self:
        """Read and check the signed state; raises when there is nothing to read at any place, or it must not be trusted."""
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and close the connections."""
        await self._close()

    async def _close(self) -> None:
        if self._receipts is not None:
            await self._receipts.stop()
        if self._gathering is not None:
            await self._gathering.stop()
        for one in self._followed:
            await one.close()

    @property
    def health(self) -> Health:
        """How it is with the sources, and whether the publisher is silent."""
        return self._gathered.health

    @property
    def unpinned(self) -> bool:
        """Whether no fingerprint was given: the first key met was trusted."""
        return self._keys.unpinned

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key that signs now, to compare with paper."""
        return self._keys.newest or ""

    def releases(self) -> Releases:
        """Every release in order after the last one done; at the very first start the newest, then each that follows."""
        if self._following:
            raise SkrutiniumError("releases() was already called; one loop reads a feed")
        self._following = True
        self._gathered.start()
        if self._receipts is not None:
            self._receipts.start()
        return Releases(self._more, lambda release: self._snapshot.apply(release.manifest), self.done)

    async def done(self, release: Release) -> None:
        """Count a release as done now, before the loop body returns (the loop does it by itself otherwise)."""
        self._seen = release.mark
        if self._marks is not None:
            await self._marks.write(release.mark)
        if self._receipts is not None:
            self._receipts.note(release)

    async def release(self, number: int | None = None) -> Release:
        """One release, the newest unless told, apart from the loop over releases: nothing counts as done by it.

        The newest is one that what was done leads to. Raises :class:`NotYet` when there is no such release, :class:`RollbackError` and
        :class:`ChainError` when the newest does not follow.
        """
        data, line, where = await self._reaching.published(self.run, number)
        manifest = await Chain(self._keys, self.run, SERIES).signed(data, line, where)
        if number is not None and manifest.release != number:
            raise ChainError(f"release {manifest.release} in place of release {number}", address=where)
        taken = Taken(manifest, hashlib.sha256(data).hexdigest(), where)
        if number is None and self._seen is not None:
            await self._check_follows(self._seen, taken)
        return self._released(taken, self._held(), snapshot=True)

    async def state(self) -> FeedState:
        """The signed state as it is now, by the first source that works."""
        return await self._reaching.any(Followed.state)

    async def notices(self) -> Notices:
        """What the operator tells all readers as it is now: incidents, planned changes, the second site; signed."""
        return await self._gathered.notices()

    async def status(self) -> Status:
        """How the feed says that it is; nothing signs it. Raises :class:`NotYet` for a place that is no feed."""

        async def get(one: Followed) -> Status:
            if not isinstance(one.source, Address):
                raise NotYet("only a feed tells its status", address=one.where)
            return read_status(await one.source.status(), f"{one.where}/status.xml")

        return await self._reaching.any(get)

    # ---------------------------------------------------------------- opening
    @property
    def _gathered(self) -> Gathering:
        if self._gathering is None:
            raise SkrutiniumError("this feed is not open: use it as `async with`")
        return self._gathering

    async def _open(self) -> None:
        await asyncio.to_thread(schema_text, SCHEMA)  # a file: read off the loop, once
        if self._marks is not None:
            self._seen = await self._marks.read()
        seen, terms = self._seen, self._terms
        self._keys = KeyRing(
            lambda key_id: self._reaching.key(key_id, lambda: self._keys.trusted),
            pinned=self._wanted.fingerprint,
            known=seen.keys if seen else (),
        )
        for number, place in enumerate(self._places):
            self._followed.append(self._follow(place, len(self._places) > 1, first=number == 0))
        self._reaching = Reaching(self._followed, terms.patience, terms.pick)
        self.run = await self._choose_run()
        self._check_phase(seen)
        self._chain = Chain(self._keys, self.run, SERIES, *((seen.number, seen.manifest) if seen else ()))
        self._gathering = Gathering(
            self._followed,
            self._keys,
            self._chain,
            self._cache.put,
            terms,
            lambda address: self._follow(address, True),
        )
        registers = self._reaching.registers(self.run.event)
        self._books = Books(registers, self._keys, self.run.event, self._wanted.registers)
        self._snapshot = self._held()
        if self._sender is not None and self.run.phase != "live":
            told = (self._followed, self._snapshot.noticed, lambda: self._books.newest, terms.pick)
            self._receipts = Receipts(self.run, self._sender, *told)

    def _follow(self, place: Place, several: bool, *, first: bool = False) -> Followed:
        """A place to be followed; where there are several, another one is asked before the same is asked again."""
        patience = self._terms.patience
        if several:
            patience = dataclasses.replace(patience, attempts=1, limited=0)

        async def opening() -> Source:
            if isinstance(place, str) and is_address(
                place
            ):  # what answers there shows when there is a release
                return Address(
                    Transport(place, session=self._session, patience=patience, pick=self._terms.pick)
                )
            source = await source_at(place, patience)
            if isinstance(source, MailSource):  # anybody can send mail: whose key counts is decided here
                source.trusted = lambda: self._keys.trusted
            return source

        where = (
            plain_address(place).rstrip("/")
            if isinstance(place, str)
            else str(getattr(place, "where", place))
        )
        owned = isinstance(place, str | Path)
        state_number = self._seen.feed_state_at(where, first=first) if self._seen else 0
        return Followed(
            where, opening, self._keys, self._terms.timing, self._tell_changed, state_number, owned=owned
        )

    def _tell_changed(self) -> None:
        if self._gathering is not None:
            self._gathering.changed()

    async def _choose_run(self) -> Run:
        """The run meant, by the first place whose state can be read; raises what the first place raised when none can."""

        async def get(one: Followed) -> tuple[Followed, FeedState]:
            return one, await one.state()

        one, state = await self._reaching.any(get, opening=True)
        run = choose_run(state, self._wanted.event, self._wanted.run, SERIES, one.where)
        assert one.source is not None
        one.series = one.source.series(run, SERIES)
        one.works("none")
        return run

    def _check_phase(self, seen: Seen | None) -> None:
        run = self.run
        where = self._followed[0].where
        if self._wanted.phase is not None and run.phase != self._wanted.phase:
            raise MixedPhases(
                f"run {run.id} is of phase {run.phase}; only {self._wanted.phase} was asked for",
                address=where,
            )
        if seen and (seen.event, seen.run, seen.phase, seen.series) != (run.event, run.id, run.phase, SERIES):
            raise MixedPhases(
                f"the state file belongs to {seen.event}/{seen.run} ({seen.phase}), the feed offers "
                f"{run.event}/{run.id} ({run.phase}); use another state file",
                address=str(self._marks),
            )

    # ---------------------------------------------------------------- releases
    async def _more(self) -> list[Release]:
        """What follows, as releases; ``snapshot`` is the very first one."""
        first = self._chain.sha256 is None
        return [self._released(one, self._snapshot, snapshot=first) for one in await self._gathered.more()]

    def _released(self, taken: Taken, held: Snapshot, *, snapshot: bool) -> Release:
        run, told = self.run, taken.manifest
        states = dict(self._seen.feed_states if self._seen else ())
        states |= {one.where: one.state_number for one in self._followed if one.state_number}
        mark = Seen(
            run.event,
            run.id,
            run.phase,
            SERIES,
            told.release,
            taken.sha256,
            self._keys.trusted,
            self._followed[0].state_number,
            tuple(sorted(states.items())[-_SOURCES:]),
        )
        return Release(taken, held, self._books, mark, snapshot=snapshot)

    async def _check_follows(self, seen: Seen, taken: Taken) -> None:
        """Raise unless the release that was done last leads to this one; what changed in between is then at hand."""
        number = taken.manifest.release
        if number < seen.number:
            raise RollbackError(
                f"release {number} is the newest there, but {seen.number} was seen", address=taken.source
            )
        chain = Chain(self._keys, self.run, SERIES, seen.number, seen.manifest)
        if number > seen.number:
            await self._reaching.following(chain, self._cache.put, number, self._terms.choice)
        if (chain.number, chain.sha256) != (number, taken.sha256):
            raise ChainError(
                f"release {seen.number}, which was seen, does not lead to release {number}",
                address=taken.source,
            )

    def _held(self) -> Snapshot:
        return Snapshot(self._reaching, self._keys, self.run, SERIES, self._cache, self._terms.choice)
