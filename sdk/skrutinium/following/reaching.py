"""Getting one thing from whichever source has it: documents by hash, manifests, checkpoints, keys; checked where that can be."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from skrutinium.documents.registers import RegisterRow, RegistersSource
from skrutinium.documents.series import Document, Run
from skrutinium.errors import (
    LimitReached,
    NetworkError,
    NotDelivered,
    NotYet,
    ServerFault,
    SignatureError,
    SkrutiniumError,
)
from skrutinium.following.followed import PASSING, Followed
from skrutinium.following.taking import Taken, read_changes, read_manifests
from skrutinium.sources.choosing import Choice
from skrutinium.sources.source import Material, SeriesSource, Source, matches
from skrutinium.sources.transport import Patience, Transport
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import fingerprint, read_key

T = TypeVar("T")


class Reaching:
    """All sources as one: asked in order, those that do not work last."""

    def __init__(self, followed: list[Followed], patience: Patience, pick: Callable[[], float]) -> None:
        self._followed = followed
        self._patience = patience
        self._pauses = Transport("", patience=patience, pick=pick)

    @property
    def where(self) -> str:
        """The first source, for people."""
        return self._followed[0].where

    def in_order(self, first: str | None = None, *, opening: bool = False) -> list[Followed]:
        """The sources to ask: those that work before others, the one named ``first`` before all, none that is set aside.

        Only when ``opening`` those too that were not opened yet.
        """
        there = [one for one in self._followed if one.error is None and (opening or one.source is not None)]
        return sorted(there, key=lambda one: (one.where != first, not one.working))

    async def any(
        self,
        get: Callable[[Followed], Awaitable[T]],
        first: str | None = None,
        *,
        opening: bool = False,
        in_vain: Callable[[], bool] = lambda: False,
    ) -> T:
        """What the first source gives that can; tried again where trouble may pass and there are several sources, unless that is ``in_vain``.

        Raises what the first one raised, :class:`NotYet` only when all say so.
        """
        attempt = 1
        while True:
            errors: list[SkrutiniumError] = []
            for one in self.in_order(first, opening=opening):
                try:
                    return await get(one)
                except SkrutiniumError as error:
                    errors.append(error)
            serious = [one for one in errors if not isinstance(one, NotYet)]
            passing = [one for one in serious if isinstance(one, PASSING)]
            last = attempt >= self._patience.attempts or in_vain()
            if len(self._followed) == 1 or not passing or last:
                if serious or errors:
                    raise (serious or errors)[0]
                raise NotYet("no source answers", address=self.where)
            await asyncio.sleep(self._pauses.pause(attempt, passing[0]))
            attempt += 1

    # ---------------------------------------------------------------- documents
    async def document(self, row: Document, first: str | None = None) -> bytes:
        """The bytes of a document, checked; raises :class:`DamagedError`, :class:`NotDelivered` when nobody who answers has it."""
        lacking = brought_without = False

        async def get(one: Followed) -> bytes:
            nonlocal lacking, brought_without
            series = _series(one)
            try:
                data = await series.object(row.sha256)
            except NotYet:
                lacking = True
                # Mail that brought the release brings no more of it: who waits for a feed that is away waits for each document.
                brought_without |= one.where == first and one.feed is None
                raise
            if wrong := matches(row, data, f"{series.where} {row.path}"):
                raise wrong
            return data

        try:
            return await self.any(get, first, in_vain=lambda: brought_without)
        except (NotYet, NetworkError, ServerFault, LimitReached) as error:
            if not lacking and not isinstance(error, NotYet):
                raise
            away = "" if isinstance(error, NotYet) else " that answers"
            raise NotDelivered(
                f"no source{away} holds {row.path}: crisis mail brings agreed documents only",
                address=error.address,
                request_id=error.request_id,
                words=error.words,
            ) from error

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest and its signature line."""
        return await self.any(lambda one: _series(one).manifest(number))

    async def pack(self, number: int) -> Material:
        """Everything of one release by few requests, not yet checked."""
        return await self.any(lambda one: _series(one).release(number))

    async def published(self, run: Run, number: int | None = None) -> tuple[bytes, bytes, str]:
        """A manifest, the newest unless told, its signature line, and the source that it is from."""

        async def read(one: Followed) -> tuple[bytes, bytes, str]:
            series = _series(one)
            wanted = (await series.newest())[0] if number is None else number
            return *await series.manifest(wanted), one.where

        async def get(one: Followed) -> tuple[bytes, bytes, str]:
            await one.open_series(run)
            try:
                return await read(one)
            except NotYet:
                if not await one.try_hosted(run):
                    raise
                return await read(one)

        return await self.any(get, opening=True)

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        """A checkpoint and its signature line."""
        return await self.any(lambda one: _series(one).checkpoint(number))

    async def following(
        self, chain: Chain, put: Callable[[str, bytes], None], until: int, choice: Choice | None
    ) -> list[Taken]:
        """What follows in ``chain`` up to release ``until``; documents that come with it are handed to ``put``."""

        async def get(one: Followed) -> tuple[Chain, list[Taken]]:
            trial = chain.copy()
            if one.feed is not None:
                return trial, await read_changes(one.feed, trial, put, one.where, until, choice)
            taken = await read_manifests(_series(one), trial, one.where, until)
            if trial.number < until:
                raise NotYet(f"release {trial.number + 1} is not there", address=one.where)
            return trial, taken

        trial, taken = await self.any(get)
        chain.number, chain.sha256 = trial.number, trial.sha256
        return taken

    def registers(self, event: str) -> RegistersSource:
        """What there is to read before the election."""
        return _Registers(self, event)

    # ---------------------------------------------------------------- keys
    async def key(self, key_id: str, trusted: Callable[[], tuple[str, ...]]) -> tuple[bytes, bytes | None]:
        """A public key and the signature line beside it; one that is new among trusted ones is looked for until it comes with a line."""
        bare: list[tuple[bytes, None]] = []

        async def get(one: Followed) -> tuple[bytes, bytes | None]:
            source: Source | None = one.source
            assert source is not None
            pem, line = await source.key(key_id)
            plain = fingerprint(read_key(pem, f"{one.where} key {key_id}")).replace(" ", "")
            if plain[:16] != key_id:
                raise SignatureError(f"key file {key_id} holds another key, {plain}", address=one.where)
            known = trusted()
            if line is None and known and plain not in known:
                bare.append((pem, None))
                raise NotYet("the key is there, but no signature of the key before it", address=one.where)
            return pem, line

        try:
            return await self.any(get)
        except SkrutiniumError:
            if bare:
                return bare[0]
            raise


class _Registers:
    """The registers of one event, from whichever source has them."""

    def __init__(self, reaching: Reaching, event: str) -> None:
        self._reaching = reaching
        self._event = event

    @property
    def where(self) -> str:
        """The first source, for people."""
        return self._reaching.where

    def _of(self, one: Followed) -> RegistersSource:
        if one.source is None:
            raise NotYet("this source was not opened yet", address=one.where)
        return one.source.registers(self._event)

    async def newest(self) -> tuple[int, str]:
        """Number and hash of the newest index."""
        return await self._reaching.any(lambda one: self._of(one).newest())

    async def index(self, number: int, edition: int | None = None) -> tuple[bytes, bytes]:
        """An index of one version of the definition and its signature line."""
        return await self._reaching.any(lambda one: self._of(one).index(number, edition))

    async def document(self, number: int, row: RegisterRow, /) -> bytes:
        """A document of that index, checked by its hash: another source may have it whole."""

        async def get(one: Followed) -> bytes:
            data = await self._of(one).document(number, row)
            if wrong := matches(row, data, f"{one.where} {row.path}"):
                raise wrong
            return data

        return await self._reaching.any(get)


def _series(one: Followed) -> SeriesSource:
    if one.series is None:
        raise NotYet("this source was not opened yet", address=one.where)
    return one.series
