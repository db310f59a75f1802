"""Every connection with its range: what it may read, what it is reading, and its end when that may no longer be read.

The registry belongs to one event loop. :meth:`Connections.admit` and :meth:`Connections.adopt` take a new access list and new runs; a timer sees to
what time alone changes. Each time all connections are looked at once: those in no range any more are aborted, and so are those on
which something is under way, or not yet sent, that their range may no longer read. Others go on. Source: issue "Who may read".
"""

import asyncio
import fcntl
import logging
import socket
import struct
import termios
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from skrutinium_server.feed.access import AccessList, Grant, seen_as
from skrutinium_server.feed.limits import Limits, Seldom, Usage
from skrutinium_server.feed.permission import NOBODY, Allowed, RunKey, permit
from skrutinium_server.feed.proxies import Proxies
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.release.store.model import Run

log = logging.getLogger("skrutinium.feed")

TICK: Final = 0.2
"""Seconds between two looks at the clock."""

STRANGERS: Final = 512
"""Connections from addresses in no range, at most; the one that has been there the longest gives way to the next."""

BEYOND: Final = 32
"""Connections that a subscriber may have beyond its limit, to be told so; more are closed at once."""

_HARD: Final = struct.pack("ii", 1, 0)


class Registered:
    """One connection: ``peer`` of the socket, ``address`` as seen, ``allowed`` as things are now, ``run`` that was read last.

    ``usage``: what its subscriber has asked for and has left; ``under_way``: a request is being answered; ``proxied``: the other side is a named proxy, and address and range are those of the
    request; ``crowded``: its subscriber had too many connections already.
    """

    __slots__ = (
        "_earlier",
        "address",
        "allowed",
        "crowded",
        "peer",
        "proxied",
        "run",
        "transport",
        "under_way",
        "usage",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        address: str,
        allowed: Allowed,
        usage: Usage,
        proxied: bool = False,
    ) -> None:
        self.transport = transport
        self.peer = self.address = address
        self.allowed = allowed
        self.usage = usage
        self.run: RunKey | None = None
        self.under_way = False
        self.proxied = proxied
        self.crowded = False
        self._earlier: tuple[tuple[str, RunKey], ...] = ()

    def read(self, run: RunKey) -> Refusal | None:
        """Note that a run is going to be read here, or say why it may not be."""
        refusal = self.allowed.reads(*run)
        if refusal is None and run != self.run:
            self._remember()
            self.run = run
        return refusal

    def seen(self, address: str, allowed: Allowed, usage: Usage) -> None:
        """The next request comes from another address through the same proxy."""
        if address != self.address:
            self._remember()
            self.run = None
            self.address = address
        self.allowed = allowed
        self.usage = usage

    def reading(self) -> tuple[tuple[str, RunKey], ...]:
        """From which address which runs are being read: of what was asked for, something may not have left yet."""
        own = () if self.run is None else ((self.address, self.run),)
        if not (own or self._earlier) or not (self.under_way or unsent(self.transport)):
            return ()
        return self._earlier + own

    def drop(self) -> None:
        """End the connection at once, with what the system has not sent yet."""
        held = self.transport.get_extra_info("socket")
        if held is not None and self.transport.get_extra_info("ssl_object") is None:
            try:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
            except OSError as error:
                log.debug("%s is gone already: %s", seen_as(self.address), error)
        self.transport.abort()

    def _remember(self) -> None:
        # Answers to requests that came one right after the other may still be waiting here.
        if self.run is not None:
            left = unsent(self.transport)
            self._earlier = (*self._earlier[-15:], (self.address, self.run)) if left else ()


class Connections:
    """All connections of one process; ``now`` tells the wall clock (aware), ``per_subscriber``: at most so many, 0 for no limit.

    ``most``: of all together, so that descriptors are left to read the store with; strangers leave before a subscriber does not get in.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        proxies: Proxies | None = None,
        limits: Limits | None = None,
        per_subscriber: int = 0,
        most: int = 1 << 30,
    ) -> None:
        self.proxies = proxies or Proxies()
        self.limits = limits or Limits()
        self.access = AccessList()
        self.runs: tuple[Run, ...] = ()
        self.dropped = 0
        self._seldom = Seldom(log)
        self._now = now
        self._per_subscriber = per_subscriber
        self._most = most
        self._held: set[Registered] = set()
        self._strangers: dict[Registered, None] = {}
        self._allowed: dict[Grant, Allowed] = {}
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._changed: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._held)

    def of_subscribers(self) -> dict[str, int]:
        """How many connections each subscriber has."""
        return dict(self._counts)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def close(self) -> None:
        """Look at the clock no more, and let nobody wait."""
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def enter(self, transport: asyncio.Transport, address: str) -> Registered:
        """Register a connection from ``address``; from a named proxy each request tells its own address."""
        proxied = self.proxies.trusts(address)
        allowed = self.allowed_for(address)
        registered = Registered(transport, address, allowed, self._usage(allowed), proxied)
        self._held.add(registered)
        grant = registered.allowed.grant
        if grant is not None and not proxied:
            limit = self._per_subscriber
            count = self._counts[grant.subscriber]
            registered.crowded = bool(limit) and count >= limit
            self._counts[grant.subscriber] += 1
            if limit and count >= limit + BEYOND:
                transport.abort()
        elif not proxied:
            self._strangers[registered] = None
            if len(self._strangers) > STRANGERS:
                self._end_stranger()
        if len(self._held) > self._most and not self._end_stranger():
            self._seldom.say(address, f"closed: {seen_as(address)} (the feed has no connections left)")
            transport.abort()
        return registered

    def _end_stranger(self) -> bool:
        """End the connection that has been in no range for the longest; false when there is none."""
        for registered in self._strangers:
            del self._strangers[registered]
            registered.transport.abort()
            return True
        return False

    def leave(self, registered: Registered) -> None:
        """Forget a connection that has ended."""
        if registered in self._held:
            self._held.discard(registered)
            self._strangers.pop(registered, None)
            self._uncount(registered.allowed.grant, registered.proxied)

    def ask(self, registered: Registered, lines: Sequence[str]) -> Refusal | None:
        """A request begins; from a proxy, ``lines`` of the forwarded header tell whose it is. The refusal when they do not."""
        if registered.proxied:
            address = self.proxies.client(registered.peer, lines)
            if isinstance(address, Refusal):
                return address
            allowed = self.allowed_for(address)
            registered.seen(address, allowed, self._usage(allowed))
        return None

    def tell_refused(self, registered: Registered, refusal: Refusal | None = None) -> None:
        """Log that a range, or an address without one, was refused; a flood of them does not fill the log."""
        why = refusal or registered.allowed.barred
        grant = registered.allowed.grant
        self._seldom.say(
            registered.address,
            f"refused: {seen_as(registered.address)} ({why.code if why else 'no reason'}; {grant.subscriber if grant else 'no range'})",
        )

    def tell_malformed(self, registered: Registered, what: str) -> None:
        """Log what was no request; a flood of them does not fill the log."""
        self._seldom.say(registered.address, f"malformed: {seen_as(registered.address)} ({what})")

    def spend(self, registered: Registered) -> Refusal | None:
        """Count an answer that is no 304 and no wait; the refusal when the subscriber has none left."""
        usage = registered.usage
        return None if usage.take() else self.limits.refusal(usage)

    def spent(self, registered: Registered) -> Refusal | None:
        """The refusal when the subscriber has none left; nothing is counted."""
        usage = registered.usage
        return self.limits.refusal(usage) if usage.empty() else None

    def allowed_for(self, address: str) -> Allowed:
        """What an address may read now; the same object for all of a range."""
        return self._permit(self.access.find(address))

    def admit(self, access: AccessList) -> None:
        """Let in whom a new list names, and nobody else from now on."""
        self.access = access
        self._renew(listed=True)

    def adopt(self, runs: tuple[Run, ...]) -> None:
        """Hold to new runs from now on."""
        self.runs = runs
        self._renew(listed=False)

    async def changed(self) -> None:
        """Wait until something may be read that was not, or the other way round."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def _usage(self, allowed: Allowed) -> Usage:
        grant = allowed.grant
        return self.limits.nobody if grant is None else self.limits.usage(grant.subscriber)

    def _permit(self, grant: Grant | None) -> Allowed:
        if grant is None:
            return NOBODY
        allowed = self._allowed.get(grant)
        if allowed is None:
            allowed = self._allowed[grant] = permit(grant, self.runs, self._now())
        return allowed

    def _tick(self) -> None:
        now = self._now()
        if not all(allowed.holds(now) for allowed in self._allowed.values()):
            self._renew(listed=False)
        self.limits.refill()
        self.start()

    def _renew(self, *, listed: bool) -> None:
        self._allowed.clear()
        for registered in list(self._held):
            self._look_at(registered, listed)
        self._wake()

    def _look_at(self, registered: Registered, listed: bool) -> None:
        before = registered.allowed
        now = self.allowed_for(registered.address) if listed else self._permit(before.grant)
        if not registered.proxied and before.grant is not now.grant:
            self._uncount(before.grant, proxied=False)
            if now.grant is not None:
                self._counts[now.grant.subscriber] += 1
                self._strangers.pop(registered, None)
        registered.allowed = now
        registered.usage = self._usage(now)
        if now.barred and not before.barred and not registered.proxied:
            self._drop(registered, now.barred)
            return
        for address, run in registered.reading():
            allowed = now if address == registered.address else self.allowed_for(address)
            refusal = allowed.reads(*run)
            if refusal is not None:
                self._drop(registered, refusal)
                return

    def _drop(self, registered: Registered, refusal: Refusal) -> None:
        self.dropped += 1
        log.info("dropped: %s (%s)", seen_as(registered.address), refusal.code)
        registered.drop()

    def _uncount(self, grant: Grant | None, proxied: bool) -> None:
        if grant is not None and not proxied:
            self._counts[grant.subscriber] -= 1
            if self._counts[grant.subscriber] <= 0:
                del self._counts[grant.subscriber]

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None


def unsent(transport: asyncio.Transport) -> bool:
    """Whether something that was written may not have reached the other side: here or in the system's buffer."""
    if transport.is_closing() or transport.get_write_buffer_size():
        return True
    if transport.get_extra_info("ssl_object") is not None:
        return True  # what the layer of TLS holds back cannot be seen
    held = transport.get_extra_info("socket")
    if held is None:
        return True
    try:
        left = fcntl.ioctl(held.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return True
    return bool(struct.unpack("i", left)[0])
