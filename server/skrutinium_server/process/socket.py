"""The site's socket: commands from other processes of the same machine and owner to the running counting house."""

import asyncio
import contextlib
import logging
import os
import socket as plain
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from typing import Protocol as Interface

from skrutinium_server.ledger.errors import LedgerLockedError
from skrutinium_server.process import frames
from skrutinium_server.process.errors import CountingRefused, ProcessError
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site

log = logging.getLogger("skrutinium.count")

PATIENCE: Final = 30.0
"""Seconds that whoever wants to count a site waits for another process that is about to begin, or to end."""

AGAIN: Final = 0.1
"""Seconds between two looks."""


class Commands(Interface):
    """Whoever carries out commands: a house in this process, or the one behind the socket."""

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Carry out one command; raises :class:`CountingRefused` with the reason."""


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name for ``path``, while this lasts, that fits into a socket address (108 bytes) however deep the folder lies."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def _answered(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise CountingRefused(str(answer["error"]), str(answer["message"]))
    return answer


class Here:
    """Commands to a house in this process."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`Commands`."""
        return _answered(await self._house.answer(request))


class There:
    """Commands to the counting process behind the socket."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str = "counting process"
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._who = who

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`Commands`."""
        try:
            await frames.send(self._writer, request)
            answer = await frames.receive(self._reader)
        except (OSError, ValueError) as error:
            raise ProcessError(
                f"The {self._who} broke off ({error}). What it acknowledged is done."
            ) from error
        if answer is None:
            raise ProcessError(
                f"The {self._who} ended. What it acknowledged is done; ask again when it is back."
            )
        return _answered(answer)

    def close(self) -> None:
        """Break off the connection."""
        self._writer.close()


class Answering(Interface):
    """Whoever answers commands: a house, or what else of the site listens at a socket."""

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; what a person can act on comes back as ``error`` with code and message."""


class Listener:
    """Serves a house on the site's socket, or another one who answers; ``does`` says for people what that one does."""

    def __init__(self, house: Answering, path: Path, does: str = "counts this site") -> None:
        self._house = house
        self._path = path
        self._does = does
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._bound: int | None = None

    async def start(self) -> None:
        """Listen; only the owner of the site may connect. A socket left behind by a killed process is replaced.

        Raises :class:`ProcessError` when another process answers there.
        """
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), short_name(self._path) as name:
            _, writer = await asyncio.open_unix_connection(name)
            writer.close()
            raise ProcessError(f"Another process {self._does}: it answers at {self._path}. Stop it first.")
        listening = await asyncio.to_thread(self._bind)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening)
        self._bound = await asyncio.to_thread(self._inode)

    def _bind(self) -> plain.socket:
        self._path.unlink(missing_ok=True)
        listening = plain.socket(plain.AF_UNIX, plain.SOCK_STREAM)
        with short_name(self._path) as name:
            listening.bind(name)
        self._path.chmod(0o600)
        listening.setblocking(False)
        return listening

    async def stop(self) -> None:
        """Stop listening, and break off connections after the command they are at."""
        if self._server is not None:
            self._server.close()
        while self._clients:
            for writer in self._clients.values():
                writer.close()
            await asyncio.gather(*self._clients, return_exceptions=True)
        await asyncio.to_thread(self._unlink)

    def _inode(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    def _unlink(self) -> None:
        """Take our socket away, never that of another process that counts this site."""
        if self._bound is not None and self._inode() == self._bound:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            while (request := await frames.receive(reader)) is not None:
                await frames.send(writer, await self._house.answer(request))
        except (OSError, ValueError) as error:
            log.warning("a command broke off: %s", error)
        except asyncio.CancelledError:
            # It came in while the process was ending; whatever it had begun is finished by the next start.
            log.warning("a command was given up because the process ends")
        finally:
            del self._clients[task]
            writer.close()


async def connect(site: Site) -> There | None:
    """Reach the running counting process of a site; None when there is none."""
    return await reach(site.socket)


async def reach(path: Path, who: str = "counting process") -> There | None:
    """Reach whoever listens at a socket of the site (``who``, for people); None when nobody does."""
    try:
        with short_name(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    return There(reader, writer, who)


class Reaching:
    """Commands to the process that counts ``site``, one after the other, reached anew when it was gone; it may be away for ``patience`` seconds."""

    def __init__(self, site: Site, patience: float = 0) -> None:
        self._site = site
        self._patience = patience
        self._there: There | None = None
        self._turn = asyncio.Lock()

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`Commands`. Raises :class:`ProcessError` too, where nobody counts the site or it ended meanwhile."""
        async with self._turn:
            if self._there is None:
                self._there = await self._reached()
            try:
                return await self._there.ask(**request)
            except CountingRefused:
                raise
            except BaseException:  # also when cancelled: the answer to come is not that of the next command
                self.close()
                raise

    async def _reached(self) -> There:
        deadline = time.monotonic() + self._patience
        while (there := await connect(self._site)) is None:
            if time.monotonic() >= deadline:
                raise ProcessError(
                    f"Nobody counts the site {self._site.root}: nothing can be opened, taken or closed. See what its processes say in the log."
                )
            await asyncio.sleep(AGAIN)
        return there

    def close(self) -> None:
        """Break off the connection; the next command makes another one."""
        if self._there is not None:
            self._there.close()
            self._there = None


async def begin(site: Site, *, cutting: bool, patience: float = PATIENCE) -> House | There:
    """A house of our own, started, or the way to the process that counts the site.

    One that counts but does not answer at the socket yet, or a command that counts for itself, is waited for; raises
    LedgerLockedError when that takes longer than ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    told = False
    while True:
        house = House(site, cutting=cutting)
        try:
            await house.start()
        except BaseException as error:
            await house.stop()
            if not isinstance(error, LedgerLockedError):
                raise
            if (there := await connect(site)) is not None:
                return there
            if time.monotonic() > deadline:
                raise
            if not told:
                log.info("waiting for another process: %s", error)
                told = True
            await asyncio.sleep(AGAIN)
        else:
            return house


@contextlib.asynccontextmanager
async def commands(site: Site) -> AsyncIterator[Commands]:
    """Reach the site's counting house: the running one, or one of our own for as long as this lasts."""
    begun = await connect(site) or await begin(site, cutting=False)
    if isinstance(begun, There):
        try:
            yield begun
        finally:
            begun.close()
        return
    try:
        yield Here(begun)
        await begun.archived()
    finally:
        await begun.stop()
