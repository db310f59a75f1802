"""Mails as a source of releases, like a feed or a folder: what a mail does not bring is not yet there.

One thread of its own reads the mails and keeps the pool, so that the event loop never waits for a disk or a mail server.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from skrutinium.documents.registers import RegisterRow, RegistersSource
from skrutinium.documents.series import Document, Run
from skrutinium.errors import NetworkError, NotYet, SkrutiniumError, StorageError
from skrutinium.sources.mail.boxes import Box
from skrutinium.sources.mail.files import read_letter
from skrutinium.sources.mail.mime import BrokenMail
from skrutinium.sources.mail.places import box_of, shown
from skrutinium.sources.mail.pool import Pool
from skrutinium.sources.source import Material, SeriesSource

T = TypeVar("T")
Trusted = Callable[[], Collection[str]]
"""Tells the fingerprints, plain, that are trusted at the moment."""


class MailSource:
    """The releases that mails bring. Mails are looked at whenever the newest release is asked for.

    What is not signed by a trusted key is set aside. As long as none is trusted, the only publisher whose signatures are there is;
    several raise :class:`SignatureError`.
    """

    def __init__(self, opening: Callable[[], Box], where: str, trusted: Trusted = tuple) -> None:
        self.where = where
        self.trusted = trusted
        self._opening = opening
        self._thread = ThreadPoolExecutor(1, "mail")
        self._box: Box | None = None
        self._pool: Pool | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._mails = 0
        self._waiting: Box | None = None

    @property
    def mails(self) -> int:
        """How many mails with something of ours were read so far."""
        return self._mails

    # ---------------------------------------------------------------- the thread
    async def of_pool(self, ask: Callable[[Pool], T]) -> T:
        """What the pool answers, asked in the thread; raises :class:`StorageError` when it cannot be kept."""
        return await asyncio.wrap_future(self._submitted(self._asked, ask))

    def _submitted(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """A call in the thread, which does not go on waiting for mails before it."""
        try:
            submitted = self._thread.submit(call, *arguments)
        except RuntimeError as error:
            raise NetworkError("the mails are closed", address=self.where) from error
        if (waiting := self._waiting) is not None:
            waiting.wake()
        return submitted

    async def wait(self, seconds: float) -> None:
        """Until mails may have come: a mail server that tells is listened to, else that is so many seconds later."""
        box = self._box
        if box is None or not box.tells:
            await asyncio.sleep(seconds)
            return
        waiting = self._submitted(box.wait, seconds)
        self._waiting = box
        try:
            await asyncio.wrap_future(waiting)
        finally:
            self._waiting = None
            if not waiting.done():
                box.wake()

    def _asked(self, ask: Callable[[Pool], T]) -> T:
        try:
            return ask(self._opened())
        except (sqlite3.Error, OSError) as error:
            self._start_over()
            raise StorageError(f"what mails bring cannot be kept: {error}", address=self.where) from error
        except SkrutiniumError as error:
            if error.address is None:
                raise type(error)(error.message, address=self.where, words=error.words) from error
            raise

    def _opened(self) -> Pool:
        if self._pool is None:
            self._folder = tempfile.TemporaryDirectory(prefix="skrutinium-mail-")
            self._pool = Pool(Path(self._folder.name))
        return self._pool

    async def look(self) -> None:
        """Read the mails that came; raises :class:`NetworkError` and others when they cannot be reached and nothing new was read."""
        trusted = frozenset(self.trusted())  # asked here: the thread must not meet it while it changes
        await self.of_pool(lambda pool: self._look(pool, trusted))

    def _look(self, pool: Pool, trusted: frozenset[str]) -> None:
        before = self._mails
        failed: SkrutiniumError | None = None
        try:
            if self._box is None:
                self._box = self._opening()
            for found in self._box.look():
                self._take(pool, found.name, found.data, found.trouble, trusted)
        except SkrutiniumError as error:
            failed = error
        except OSError as error:
            failed = NetworkError(f"cannot be read: {error}", address=self.where)
        pool.settle(trusted)
        if failed is not None and self._mails == before:
            raise failed

    def _take(
        self, pool: Pool, name: str, data: bytes | None, trouble: str, trusted: Collection[str]
    ) -> None:
        if data is None:
            pool.trouble(f"{name}: {trouble}")
            return
        if not pool.is_new(data):
            return
        try:
            letter = read_letter(data)
        except BrokenMail as error:
            pool.trouble(f"{name}: {error}")
            return
        self._mails += 1
        pool.add(letter, letter.message_id or name, trusted)
        if trusted:  # at once: what others send after it may fill what is kept of the unproven
            pool.settle(trusted)

    # ---------------------------------------------------------------- as a source
    async def state(self) -> bytes:
        """The newest state that a trusted key signed, with its signature line."""
        await self.look()
        return await self.of_pool(lambda pool: pool.state())

    async def key(self, key_id: str) -> tuple[bytes, bytes | None]:
        """A public key, and the line of a trusted key over it."""
        trusted = frozenset(self.trusted())

        def ask(pool: Pool) -> tuple[bytes, bytes | None]:
            found = pool.keys.file(key_id, trusted)
            if found is None:
                raise NotYet(f"no mail holds the key {key_id}")
            return found

        return await self.of_pool(ask)

    def series(self, run: Run, series: str = "skrutinium") -> SeriesSource:
        """The series of that run."""
        return MailSeries(self, run, series)

    def registers(self, event: str) -> RegistersSource:
        """Mails bring no registers: whoever asks is told so."""
        return _NoRegisters(f"{self.where} registers of {event}")

    def _start_over(self) -> None:
        """Let go of everything: the next look reads all mails again, those too that could not be kept."""
        self._close()
        self._box = self._pool = self._folder = None

    async def close(self) -> None:
        """End the connection and drop what was kept."""
        if (box := self._box) is not None:
            box.interrupt()
        try:
            ending = self._thread.submit(self._close)
        except RuntimeError:
            return  # closed already
        self._thread.shutdown(wait=False)
        await asyncio.wrap_future(ending)

    def _close(self) -> None:
        if self._box is not None:
            self._box.close()
        if self._pool is not None:
            self._pool.close()
        if self._folder is not None:
            self._folder.cleanup()

    def load(self, row: Document) -> bytes:
        """A document, waiting for the thread: for other threads than that of the event loop."""
        data: bytes = self._submitted(self._asked, lambda pool: pool.object(row.sha256)).result()
        return data


class MailSeries:
    """One series of a run, as far as mails bring it."""

    def __init__(self, source: MailSource, run: Run, series: str) -> None:
        self._source = source
        self._run = run
        self._series = series

    @property
    def where(self) -> str:
        """Where the mails are."""
        return self._source.where

    async def newest(self) -> tuple[int, str]:
        """Number and manifest hash of the highest release that a trusted key signed; mails are looked at for it."""
        await self._source.look()
        held = await self._source.of_pool(lambda pool: pool.newest(self._run, self._series))
        return held.number, held.sha256

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest and its signature line."""

        def ask(pool: Pool) -> tuple[bytes, bytes]:
            held = pool.release(self._run, self._series, number)
            return pool.object(held.sha256), held.line

        return await self._source.of_pool(ask)

    async def release(self, number: int) -> Material:
        """A release; its documents as far as mails brought them."""
        return Material(*await self.manifest(number), self._source.load)

    async def object(self, sha256: str) -> bytes:
        """A document by its hash."""
        return await self._source.of_pool(lambda pool: pool.object(sha256))

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        """Mails bring no checkpoints."""
        raise NotYet(
            f"mails bring no checkpoint{'s' if number is None else f' {number}'}", address=self.where
        )

    async def heartbeat(self) -> bytes:
        """Mails bring no heartbeats."""
        raise NotYet("mails bring no heartbeats", address=self.where)


class _NoRegisters:
    """Registers are too large for mails."""

    def __init__(self, where: str) -> None:
        self.where = where

    async def newest(self) -> tuple[int, str]:
        """None are there."""
        raise NotYet("mails bring no registers", address=self.where)

    async def index(self, _number: int, _edition: int | None = None) -> tuple[bytes, bytes]:
        """None are there."""
        raise NotYet("mails bring no registers", address=self.where)

    async def document(self, _number: int, _row: RegisterRow, /) -> bytes:
        """None are there."""
        raise NotYet("mails bring no registers", address=self.where)


def open_mail(
    place: str,
    *,
    password_file: str | Path | None = None,
    token_file: str | Path | None = None,
    authority: str | Path | None = None,
    trusted: Trusted = tuple,
) -> MailSource:
    """Mails as a source for :func:`connect`; whoever opens it closes it.

    ``place`` is ``maildir:PATH``, ``mbox:PATH``, ``eml:PATH`` (a folder or one file) or ``imaps://USER@HOST[:PORT]/FOLDER``. The password is
    the first line of ``password_file``, an OAuth 2 token that of ``token_file``, which is read again at every login; without both, the environment
    tells: what ``SKRUTINIUM_MAIL_TOKEN_COMMAND`` prints, the files that ``SKRUTINIUM_MAIL_TOKEN_FILE`` or ``SKRUTINIUM_MAIL_PASSWORD_FILE`` name,
    or ``SKRUTINIUM_MAIL_PASSWORD``.
    ``authority`` is a file with certificates to trust in place of the system's. ``trusted`` tells the fingerprints that count; a feed
    that gets the source sets it. Errors come when it is read.
    """

    def opening() -> Box:
        return box_of(place, password_file=password_file, token_file=token_file, authority=authority)

    return MailSource(opening, shown(place), trusted)
