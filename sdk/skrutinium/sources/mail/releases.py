"""The releases that mails hold, each once and in order, for who reads mails by hand: nothing waits for what is missing, it is told."""

import asyncio
from dataclasses import dataclass

from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.documents.series import Document, Manifest, Run
from skrutinium.documents.series_reading import read_state
from skrutinium.errors import ChainError, NotYet, SignatureError
from skrutinium.sources.choosing import choose_run
from skrutinium.sources.mail.pool import Held, Pool
from skrutinium.sources.mail.source import MailSource
from skrutinium.trust.chain import Chain
from skrutinium.trust.signing import KeyRing

_SERIES = "skrutinium"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A release that was checked: ``documents`` came, ``missing`` did not.

    ``gap`` are the first and last number that are missing before it; a ``late`` one came after a later one was told. ``mail`` is the id
    of the mail that brought it first: for people, nothing proves it.
    """

    manifest: Manifest
    sha256: str
    signed: tuple[bytes, bytes]
    documents: tuple[Document, ...]
    missing: tuple[Document, ...]
    gap: tuple[int, int] | None
    late: bool
    mail: str


class MailReleases:
    """What is new of one run at each look; ``after`` is the number and manifest hash of the last release that was told."""

    def __init__(self, source: MailSource, fingerprint: str | None, known: tuple[str, ...] = ()) -> None:
        self.source = source
        self.keys = KeyRing(source.key, pinned=fingerprint, known=known)
        self._told: dict[int, str] = {}
        self._after = self._last = 0
        source.trusted = lambda: self.keys.trusted

    async def open(self, event: str | None, run: str | None) -> Run:
        """The run that is meant, by the newest signed state; raises :class:`NotYet`, :class:`SignatureError`, :class:`ChoiceNeeded`."""
        where = self.source.where
        await asyncio.to_thread(schema_text, SCHEMA)
        try:
            data = await self.source.state()
        except NotYet:
            waiting = await self.source.of_pool(lambda pool: pool.waiting)
            if not waiting:
                raise
            raise SignatureError(
                f"{waiting} signatures are there, none of them by a key that is trusted", address=where
            ) from None
        state = read_state(await self.keys.signed(data, where), where)
        return choose_run(state, event, run, _SERIES, where)

    def go_on(self, number: int, sha256: str) -> None:
        """Go on after a release that was told before."""
        self._after = self._last = number
        self._told[number] = sha256

    async def new(self, run: Run) -> list[Delivered]:
        """What came since the last call, in order.

        Raises :class:`ChainError` when releases do not follow from one another, and what looking at the mails raises.
        """
        await self.source.look()
        held = await self.source.of_pool(lambda pool: pool.releases(run, _SERIES, self._after))
        chain = Chain(self.keys, run, _SERIES)
        return [await self._one(one, chain) for one in held if self._told.get(one.number) != one.sha256]

    async def _one(self, held: Held, chain: Chain) -> Delivered:
        where = f"{self.source.where} release {held.number}"
        data = await self.source.of_pool(lambda pool: pool.object(held.sha256))
        manifest = await chain.signed(data, held.line, where)
        if held.number in self._told:
            raise ChainError("there with two contents, rightly signed both", address=where)
        before, after = self._told.get(held.number - 1), self._told.get(held.number + 1)
        if before is not None and manifest.previous != before:
            raise ChainError(
                f"does not follow from the release {held.number - 1} that is here", address=where
            )
        if after is not None and await self._previous(after) != held.sha256:
            raise ChainError(f"release {held.number + 1} does not follow from it", address=where)

        def split(pool: Pool) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
            there = [(row, pool.has(row.sha256)) for row in manifest.documents]
            return tuple(row for row, has in there if has), tuple(row for row, has in there if not has)

        documents, missing = await self.source.of_pool(split)
        late = held.number < self._last
        gap = (self._last + 1, held.number - 1) if 0 < self._last < held.number - 1 else None
        self._told[held.number] = held.sha256
        self._last = max(self._last, held.number)
        return Delivered(manifest, held.sha256, (data, held.line), documents, missing, gap, late, held.mail)

    async def _previous(self, sha256: str) -> str | None:
        """What the manifest with that hash names as the one before; None when it is not here, being told of an earlier start."""
        try:
            return await self.source.of_pool(lambda pool: pool.manifest(Held(0, sha256, b"", "")).previous)
        except NotYet:
            return None

    async def troubles(self) -> list[str]:
        """What was set aside since the last call, and why."""
        return await self.source.of_pool(lambda pool: pool.troubles())

    async def read(self, row: Document) -> bytes:
        """The bytes of a document that came."""
        return await self.source.of_pool(lambda pool: pool.object(row.sha256))
