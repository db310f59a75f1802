"""A relay for mail on this machine: a real SMTP server (RFC 5321) that puts each message into the Maildir of its recipient."""

import asyncio
import mailbox
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST: Final = "127.0.0.1"
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of one message."""
MOST: Final = 1000
"""So many messages that nobody has read yet stay in a box: a stage may play for weeks."""


class Relay:
    """Takes mail for the addresses of ``boxes`` (Maildirs by address), and for nobody else. Use it as ``async with``."""

    def __init__(self, boxes: Mapping[str, Path]) -> None:
        self._boxes = {address.lower(): path for address, path in boxes.items()}
        self._server: asyncio.Server
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        for path in self._boxes.values():
            await asyncio.to_thread(box, path)

        def made() -> SMTP:
            return SMTP(self, hostname="relay.example", data_size_limit=LARGEST, loop=loop)

        self._server = await loop.create_server(made, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more."""
        self._server.close()
        await self._server.wait_closed()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take who has a box."""
        if address.lower() not in self._boxes:
            return "550 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Put a message into the boxes of its recipients; it is on the disk when this is said."""
        content = envelope.content
        assert isinstance(content, bytes)
        for address in envelope.rcpt_tos:
            await asyncio.to_thread(_put, self._boxes[address.lower()], content)
        return "250 OK"


def box(path: Path) -> mailbox.Maildir:
    """A Maildir, which is there before its first mail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return mailbox.Maildir(str(path), create=True)


def _put(path: Path, content: bytes) -> None:
    box(path).add(content)
    kept = sorted((path / "new").iterdir(), key=lambda one: one.stat().st_mtime_ns)
    for old in kept[:-MOST]:
        old.unlink()
