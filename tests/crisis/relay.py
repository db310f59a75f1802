"""A real SMTP server in the event loop of a test: it takes messages, or refuses as it is told to."""

import asyncio
import contextlib
import email
import email.policy
import io
import ssl
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Answer = Callable[[str, int], str | None]
"""What is said to a recipient's nth attempt (from 1) in place of taking the message; None takes it."""


@dataclass
class Relay:
    """What was handed in. ``at_rcpt`` and ``at_data`` answer in place of taking."""

    at_rcpt: Answer = lambda _address, _attempt: None
    at_data: Answer = lambda _address, _attempt: None
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    logins: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0

    async def handle_EHLO(  # noqa: N802 - aiosmtpd names it
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.attempts[address] = self.attempts.get(address, 0) + 1
        said = self.at_rcpt(address, self.attempts[address])
        if said is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        (address,) = envelope.rcpt_tos
        said = self.at_data(address, self.attempts[address])
        if said == "close":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "421 closing"
        if said is not None:
            return said
        assert isinstance(envelope.content, bytes)
        async with self.arrived:
            self.taken.append((address, envelope.content))
            self.arrived.notify_all()
        return f"250 OK taken {len(self.taken)}"

    async def until(self, number: int) -> None:
        """Wait until so many messages were taken."""
        async with asyncio.timeout(240), self.arrived:
            await self.arrived.wait_for(lambda: len(self.taken) >= number)

    def messages(self, address: str = "") -> list[EmailMessage]:
        """What was taken for an address, or for all but operators."""
        return [
            parsed(data)
            for to, data in self.taken
            if (to == address if address else not to.startswith("operator@"))
        ]

    def ids(self) -> list[str]:
        """The ids of all that was taken, in order."""
        return [str(message["Message-ID"]) for message in map(parsed, (data for _, data in self.taken))]


@contextlib.asynccontextmanager
async def relay(
    *,
    at_rcpt: Answer = lambda _address, _attempt: None,
    at_data: Answer = lambda _address, _attempt: None,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    password: tuple[str, str] | None = None,
    port: int = 0,
) -> AsyncIterator[Relay]:
    """A relay on a free port; ``tls`` for STARTTLS, or from the first byte when ``implicit``; ``password``: user and password it wants."""
    taking = Relay(at_rcpt, at_data)

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        known = password is not None and data == LoginPassword(password[0].encode(), password[1].encode())
        taking.logins += known
        return AuthResult(success=known, handled=False)

    def made() -> SMTP:
        taking.connections += 1
        return SMTP(
            taking,
            hostname="relay.example",
            tls_context=None if implicit else tls,
            require_starttls=tls is not None and not implicit,
            authenticator=check if password else None,
            # The server counts only STARTTLS as TLS, and warns of passwords without.
            auth_required=password is not None and not implicit,
            auth_require_tls=password is not None and not implicit,
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(made, "127.0.0.1", port, ssl=tls if implicit else None)
    taking.port = server.sockets[0].getsockname()[1]
    try:
        yield taking
    finally:
        server.close()
        await server.wait_closed()


def parsed(data: bytes) -> EmailMessage:
    """A message as a program reads it."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def files(message: EmailMessage) -> dict[str, bytes]:
    """Every file of a message by its name, those of zips too."""
    found: dict[str, bytes] = {}
    for attachment in message.iter_attachments():
        data = attachment.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = attachment.get_filename()
        assert name
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                assert archive.testzip() is None
                found |= {info.filename: archive.read(info) for info in archive.infolist()}
        else:
            found[name] = data
    return found


def text(message: EmailMessage) -> str:
    """The text of a message."""
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
