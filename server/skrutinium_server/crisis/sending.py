"""Handing messages of the outbox to the relay (SMTP, RFC 5321): a few connections, each for many messages.

What the relay refuses for now is tried again after a pause that grows, what it refuses for good is told. When the relay itself cannot be used,
nothing is counted against a message: all wait. What became of a message and cannot be written, as on a full disk, is kept in memory until it can:
nobody gets a message again and again. Source: requirement M9.
"""

import asyncio
import contextlib
import datetime
import logging
import socket
import sqlite3
import ssl
import stat
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import aiosmtplib

from skrutinium_server.crisis.errors import OutboxError, RelayError
from skrutinium_server.crisis.message import whole
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Message, New, Waiting
from skrutinium_server.crisis.recipients import Relay

log = logging.getLogger("skrutinium.crisis")

FIRST_PAUSE: Final = 30.0
LONGEST_PAUSE: Final = 900.0
RELAY_PAUSE: Final = 5.0
LONGEST_RELAY_PAUSE: Final = 120.0
BATCH: Final = 64
"""So many messages are taken from the outbox at a time."""
_FULL: Final = 552
"""The message is larger than the relay takes, which it may say as early as at MAIL (RFC 1870)."""

Clock = Callable[[], datetime.datetime]
Chance = Callable[[], float]
"""A number from 0 up to 1, by chance."""
T = TypeVar("T")


class _Became(NamedTuple):
    """What became of a message: how that is written into the outbox; it is not sent before ``until``, None: never."""

    write: Callable[[], None]
    until: datetime.datetime | None


def pause(attempts: int, chance: float, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> float:
    """Seconds until the next attempt after so many: doubling, and spread by ``chance`` (0 up to 1) so that not all come at once."""
    return float(min(first * 2 ** min(attempts - 1, 20), longest) * (0.5 + chance / 2))


class Sending:
    """Sends what is due. ``executor`` has one thread, the outbox's."""

    def __init__(
        self,
        relay: Relay,
        sender: str,
        outbox: Outbox,
        executor: Executor,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._relay = relay
        self._sender = sender
        self._outbox = outbox
        self._executor = executor
        self._clock = clock
        self._chance = chance
        self._under_way: set[str] = set()
        self._batch: list[Message] = []
        self._asking = asyncio.Lock()
        self._queued = asyncio.Event()
        self._failures = 0
        self._failed: list[str] = []
        self._open = 0
        self._held = False
        self.trouble: str | None = None
        """Why the relay cannot be used at this moment, None while it can."""
        self._unwritten: dict[str, _Became] = {}
        self.unwritten: str | None = None
        """Why the outbox cannot be written at this moment, None while it can."""

    def wake(self) -> None:
        """Something was queued."""
        self._queued.set()

    async def run(self) -> None:
        """Send whatever becomes due, until cancelled."""
        while True:
            self._queued.clear()
            try:
                rest = await self.round()
            except* (OutboxError, sqlite3.Error) as errors:
                log.error("the outbox cannot be used: %s", errors.exceptions[0])  # noqa: TRY400
                rest = RELAY_PAUSE
            with contextlib.suppress(TimeoutError):  # wait_for of Python 3.11 may swallow a cancellation
                async with asyncio.timeout(rest):
                    await self._queued.wait()

    async def round(self) -> float | None:
        """Send all that is due now; seconds until there is more to do, None when nothing waits."""
        self._batch, self._failed, self._open, self._held = [], [], 0, False
        await self._catch_up()
        async with asyncio.TaskGroup() as group:
            self._connect(group)
        # As long as one connection holds, it sends everything: a relay may allow fewer at once.
        if self._failed and not self._held:
            return self._relay_failed(self._failed[0])
        self._failures, self.trouble = 0, None
        due = await self._do(self._outbox.next_due)
        if self._unwritten:
            return RELAY_PAUSE
        return None if due is None else max(0.0, due - self._clock().timestamp())

    def _relay_failed(self, why: str) -> float:
        self._failures += 1
        rest = pause(self._failures, self._chance(), RELAY_PAUSE, LONGEST_RELAY_PAUSE)
        self.trouble = why
        log.error("%s Everything waits in the outbox; the next try is in %.0f s.", why, rest)
        return rest

    def _connect(self, group: asyncio.TaskGroup) -> None:
        """One more connection, unless there are enough, or one was refused."""
        if self._open < self._relay.connections and not self._failed:
            self._open += 1
            group.create_task(self._connection(group))

    async def _connection(self, group: asyncio.TaskGroup) -> None:
        """Take one message after the other, all on one connection as long as it lasts."""
        client: aiosmtplib.SMTP | None = None
        try:
            while (message := await self._next(group)) is not None:
                try:
                    if client is None:
                        client = await connect(self._relay)
                    if not await self._send(client, message):
                        client.close()
                        client = None
                    self._held = True
                except RelayError as error:
                    self._failed.append(str(error))
                    return
                finally:
                    self._under_way.discard(message.id)
        finally:
            self._open -= 1
            if client is not None:
                await _quit(client)

    async def _next(self, group: asyncio.TaskGroup) -> Message | None:
        """The next message that is due, None when there is none; when there are more, another connection takes them."""
        async with self._asking:
            if not self._batch:
                now = self._clock()
                held = [id for id, one in self._unwritten.items() if one.until is None or one.until > now]
                self._batch = await self._do(self._outbox.due, now, BATCH, (*self._under_way, *held))
            if not self._batch:
                return None
            message = self._batch.pop(0)
            self._under_way.add(message.id)
            if self._batch:
                self._connect(group)
            return message

    async def _send(self, client: aiosmtplib.SMTP, message: Message) -> bool:
        """Hand one message in and remember what became of it; whether the connection can be used again."""
        data = await self._do(self._outbox.bytes_of, message.id)
        goes_on = True
        try:
            _, answer = await client.sendmail(self._sender, [message.address], data)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            became = self._not_taken(message, refused.code, refused.message)
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code >= 500 and error.code != _FULL:
                raise RelayError(
                    f"The relay {self._relay.host} takes no mail from {self._sender}: {error.code} {error.message}"
                ) from error
            became = self._not_taken(message, error.code, error.message)
        except aiosmtplib.SMTPResponseException as error:
            became = self._not_taken(message, error.code, error.message)
            goes_on = error.code != aiosmtplib.SMTPStatus.domain_unavailable  # 421: the relay closes
        except (aiosmtplib.SMTPException, OSError) as error:
            became = self._later(message, f"the connection broke ({error})")
            goes_on = False
        else:
            became = _Became(partial(self._outbox.sent, [(message.id, answer[:200])], self._clock()), None)
        await self._write_down(message.id, became)
        return goes_on

    def _not_taken(self, message: Message, code: int, said: str) -> _Became:
        why = f"{code} {said}"[:500]
        if code < 500:
            return self._later(message, why)
        log.error("%s (%s) was refused: %s", message.recipient, message.address, why)
        return _Became(partial(self._outbox.failed, message.id, why, self._clock()), None)

    def _later(self, message: Message, why: str) -> _Became:
        assert isinstance(message.state, Waiting)
        state = Waiting(message.state.attempts + 1, why)
        rest = datetime.timedelta(seconds=pause(state.attempts, self._chance()))
        log.warning("%s is tried again in %.0f s: %s", message.recipient, rest.total_seconds(), why)
        due = self._clock() + rest
        return _Became(partial(self._outbox.later, message.id, state, due), due)

    # ------------------------------------------------------------------ what became of messages
    async def _write_down(self, id: str, became: _Became) -> bool:
        """Write what became of a message, or keep it until it can be written: it must not go out again meanwhile."""
        self._unwritten[id] = became
        try:
            await self._do(became.write)
        except (OutboxError, sqlite3.Error) as error:
            if self.unwritten is None:
                log.error("what became of messages is kept in memory: %s", error)  # noqa: TRY400
            self.unwritten = str(error)
            return False
        del self._unwritten[id]
        return True

    async def _catch_up(self) -> None:
        """Write what could not be written before."""
        for id, became in list(self._unwritten.items()):
            if not await self._write_down(id, became):
                return
        self.unwritten = None

    def _do(self, call: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, partial(call, *arguments))


async def connect(relay: Relay) -> aiosmtplib.SMTP:
    """A connection that is ready to take messages, its certificate checked and the password told; raises :class:`RelayError`."""
    context, password = await asyncio.to_thread(_prepared, relay)
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=socket.gethostname(),
        timeout=relay.timeout,
        use_tls=relay.security == "tls",
        start_tls=relay.security == "starttls",
        tls_context=context,
        username=relay.user or None,
        password=password,
    )
    try:
        await client.connect()
    except aiosmtplib.SMTPAuthenticationError as error:
        raise RelayError(
            f"The relay {relay.host} refuses the user {relay.user}: {error.code} {error.message}. See [relay] in the list of recipients."
        ) from error
    except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
        raise RelayError(
            f"The relay {relay.host}:{relay.port} cannot be used ({str(error) or type(error).__name__})."
        ) from error
    return client


async def hand_in(relay: Relay, sender: str, messages: Sequence[New]) -> None:
    """Hand messages in past the outbox, for when it cannot be used; raises :class:`RelayError` unless the relay takes all."""
    client = await connect(relay)
    try:
        for one in messages:
            await client.sendmail(sender, [one.address], whole(one.head, one.content))
    except (aiosmtplib.SMTPException, OSError) as error:
        raise RelayError(f"The relay {relay.host}:{relay.port} does not take it ({error}).") from error
    finally:
        await _quit(client)


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Say good-bye; what was taken is taken, however the relay answers."""
    try:
        await client.quit(timeout=5)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _prepared(relay: Relay) -> tuple[ssl.SSLContext | None, str | None]:
    """What TLS trusts, and the password; reads files. Raises :class:`RelayError`."""
    try:
        context = None
        if relay.security != "none":
            context = ssl.create_default_context(cafile=relay.authority or None)
        if not relay.password_file:
            return context, None
        path = Path(relay.password_file)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise RelayError(
                f"{path} can be read by others (mode {mode:04o}); expected 0600: chmod 600 {path}"
            )
        return context, path.read_text("utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise RelayError(f"The relay cannot be used: {error}") from error
