"""Large files, sent from the disk piece by piece: no more is read than the client takes, so memory does not grow with downloads."""

import asyncio
import logging
import os
from concurrent.futures import Executor
from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.archives import stamp_of
from skrutinium_server.feed.connections import Registered
from skrutinium_server.feed.ranges import Part
from skrutinium_server.feed.representation import OnDisk, StoredAnswer
from skrutinium_server.feed.response import connection_lines, until_sent

log = logging.getLogger("skrutinium.feed")

PIECE: Final = 128 * 1024
"""Bytes that are read at a time."""


class Download(StreamResponse):
    """An answer whose body is part of a file; ``part`` None: of HEAD, without a body.

    The connection counts as reading for as long as it lasts, so it ends when its range may no longer read.
    """

    def __init__(
        self,
        status: int,
        head: bytes,
        file: OnDisk,
        part: Part | None,
        registered: Registered,
        executor: Executor,
    ) -> None:
        super().__init__(status=status)
        self._head = head
        self._file = file
        self._part = part
        self._registered = registered
        self._executor = executor

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Write everything; raises ConnectionResetError when the client is gone or does not read, or the file is another one."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        self._registered.under_way = True
        try:
            await self._write(request)
        finally:
            self._registered.under_way = False
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""

    async def _write(self, request: BaseRequest) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        head = self._head + connection_lines(request, bool(self._keep_alive))
        if self._part is None:
            transport.write(head)
            return
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(self._executor, _open, self._file)
        try:
            transport.write(head)
            at, stop = self._part.start, self._part.stop
            while at < stop:
                piece = await loop.run_in_executor(self._executor, os.pread, file, min(PIECE, stop - at), at)
                if not piece or transport.is_closing():
                    transport.abort()
                    raise ConnectionResetError("the client is gone, or the file has become shorter")
                transport.write(piece)
                at += len(piece)
                if request.protocol.writing_paused:
                    await until_sent(request, transport)
        finally:
            os.close(file)


def stored(
    answer: StoredAnswer,
    part: Part | None,
    date: bytes,
    bodyless: bool,
    registered: Registered,
    executor: Executor,
) -> Download:
    """Status 200, or 206 for a part; ``bodyless`` for HEAD."""
    file = answer.representation
    head = answer.head() if part is None else answer.part_head(part)
    due = None if bodyless else part or Part(0, file.size)
    whole = b"".join((head, answer.lines, date))
    return Download(200 if part is None else 206, whole, file, due, registered, executor)


def _open(file: OnDisk) -> int:
    """A descriptor of the file as it was hashed."""
    try:
        opened = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        log.error("alarm store: %s cannot be read: %s", file.path, error)  # noqa: TRY400
        raise ConnectionResetError("the file is gone") from error
    if stamp_of(os.fstat(opened)) != file.stamp:
        os.close(opened)
        raise ConnectionResetError("the file was replaced just now")
    return opened
