"""The front: answers requests it has seen before from prepared bytes, and hands everything else to the ordinary path.

What arrives in one piece is answered here only when all of it is whole, well-formed GET requests that ask for what
the front knows how to answer; otherwise it goes on untouched, and the connection with it, which never comes back. So the
ordinary path sees the same bytes in the same pieces as without a front. Sources: perf § 2.2, § 6.2; issue "Speed".
"""

import asyncio
import logging
import time
from typing import Any, Final, Protocol, cast

from skrutinium_server.feed.access_log import AccessLog
from skrutinium_server.feed.addresses import Address, NewestDocument, ObjectByHash, Push
from skrutinium_server.feed.blocks import CONDITION, TAG, Blocks, Facts
from skrutinium_server.feed.conditional import not_modified
from skrutinium_server.feed.connections import Registered
from skrutinium_server.feed.flow import WAITING
from skrutinium_server.feed.kinds import OTHER, PUSH, kind_of
from skrutinium_server.feed.limits import Limits
from skrutinium_server.feed.memo import COPIED, JOINED, Held, Memo, Scope
from skrutinium_server.feed.memory import Fetch, Found
from skrutinium_server.feed.permission import Allowed
from skrutinium_server.feed.pieces import VERSION, Request, read_requests
from skrutinium_server.feed.polls import Newest, Poll, Polling
from skrutinium_server.feed.refusals import FREE, TOO_MANY, Refusal
from skrutinium_server.feed.representation import Answer
from skrutinium_server.feed.response import nothing_later_head, refusal_head, request_id_line
from skrutinium_server.feed.targets import parse_target

log = logging.getLogger("skrutinium.feed")

_CLOSE: Final = b"Connection: close\r\n\r\n"


class Behind(Newest, Protocol):
    """What stands behind the fronts of one feed."""

    memo: Memo
    blocks: Blocks
    limits: Limits
    idle: float
    log: AccessLog | None

    def entered(self, front: "Front") -> Registered:
        """Register a connection."""

    def left(self, front: "Front") -> None:
        """Forget a connection that has ended or was handed over."""

    def ordinary(self, front: "Front") -> asyncio.Protocol:
        """The protocol that takes over."""

    def find(
        self, asked: Address | Refusal, facts: Facts, registered: Registered
    ) -> tuple[Scope | None, Found] | None:
        """What is at an address for this reader, and whose it is; None when the ordinary path must see to it."""

    def wait(self, asked: Address | Refusal, facts: Facts) -> int:
        """Seconds that a request is to wait for something newer, 0 for at once."""

    def date(self) -> bytes:
        """The header line ``Date``."""

    def request_id(self) -> str:
        """A new id that a refusal and the logs share."""

    def in_format(self, refusal: Refusal, target: str) -> Refusal:
        """What one who asks for ``target`` too often is told."""

    async def fetch(self, fetch: Fetch) -> Any:
        """Read what is not in memory."""

    async def listen(self, front: "Front", asked: Push, facts: Facts) -> bool:
        """Begin to answer a request for push; False when the ordinary path must see to it."""


class Front(Polling):
    """One connection that is answered here; ``registered`` tells who it is."""

    __slots__ = (
        "_began",
        "_behind",
        "_checked",
        "_entries",
        "_exchanges",
        "_kind",
        "_known",
        "_log",
        "_memo",
        "_scope",
        "_start",
        "whole_event",
    )

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind.idle, behind)
        self._behind = behind
        self._memo = behind.memo
        self._log = behind.log
        self._note(b"", OTHER, None)
        self._entries = behind.memo.entries
        self._exchanges = behind.memo.exchanges
        # What this reader may read when ``registered.run`` was last found in it.
        self._checked: Allowed | None = None
        self._known = behind.blocks.known
        self.whole_event = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look up who it is."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.transport.set_write_buffer_limits(WAITING)
        self.registered = registered = self._behind.entered(self)
        if registered.proxied or registered.crowded or registered.allowed.barred:
            self._hand_over(b"")

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002
        """Forget the connection."""
        if self._task is not None:
            self._task.cancel()
        self._unpark()
        self._behind.left(self)

    def data_received(self, data: bytes) -> None:
        """Answer at once one request that is known; everything else takes longer."""
        if self._busy:
            self._keep(data)
            return
        exchange = self._exchanges.get(data)
        if exchange is not None:
            face, unchanged, scope, kind, _ = exchange
            reader = self.registered
            if face.alive and scope is reader.run and reader.allowed is self._checked:
                reader.usage.unchanged[kind] += 1
                self.asked = True
                self.transport.write(unchanged + face.tail)
                return
        end = data.find(VERSION)
        start = data[:end]
        entry = self._entries.get(start)
        registered = self.registered
        if (
            entry is not None
            and entry.face.alive
            and entry.scope == registered.run
            and entry.scope in registered.allowed.readable
        ):
            at = data.find(CONDITION, end)
            if at < 0:
                tag = None
                gzip = self._known.get(data[end + 11 :])
            else:
                at += len(CONDITION)
                stop = data.find(b"\r\n", at)
                tag = data[at:stop]
                gzip = self._known.get(data[end + 11 : at] + data[stop:])
            if gzip is not None:
                held = entry.gzipped if gzip else entry.plain
                if held is not None:
                    usage = registered.usage
                    if tag == held.tag:
                        usage.unchanged[entry.kind] += 1
                        self.asked = True
                        self.transport.write(held.unchanged + entry.face.tail)
                        registered.run, self._checked = entry.scope, registered.allowed
                        self._memo.remember(data, entry, held, entry.scope)
                        return
                    if usage.left > 0 and (tag is None or TAG.fullmatch(tag)):
                        usage.left -= 1
                        usage.answered[entry.kind] += 1
                        usage.bytes += held.size
                        self.asked = True
                        if self._log is not None:
                            self._log.note(
                                registered.address,
                                registered.allowed,
                                entry.scope,
                                start,
                                200,
                                held.size,
                                marks=entry.face.lines,
                                asked=data,
                            )
                        self._send(held, entry.face.tail)
                        return
        self._read(data)

    def _send(self, held: Held, tail: bytes) -> None:
        if held.size <= COPIED:
            self.transport.write(b"".join((held.head, tail, held.body)))
        elif held.size <= JOINED:
            self.transport.write(held.whole if held.tail is tail else self._memo.whole(held, tail))
        else:
            self._send_large(held.head + tail, held.body)

    def _read(self, data: bytes) -> None:
        """Answer a piece with one or more requests, or hand it over as it is."""
        requests = read_requests(data, self._behind.blocks) if self._behind.answers_here else None
        if requests is None:
            self._hand_over(data)
            return
        self.asked = True
        begins = 0
        for request in requests:
            if self._busy:  # the answer before waits for its reader
                self._pieces.insert(0, data[begins:])
                return
            if not self._answer(request, data[begins:], request.end - begins):
                return
            begins = request.end
        if requests[-1].facts.closes:
            self._close()

    def _answer(self, request: Request, data: bytes, size: int) -> bool:
        """Answer the request in the first ``size`` bytes; False when somebody else sees to it and to what follows."""
        facts, registered = request.facts, self.registered
        if facts.prefer:
            return self._answer_later(request, data, size)
        entry = self._memo.current(request.start)
        held = None if entry is None else entry.gzipped if facts.coding == "gzip" else entry.plain
        if entry is not None and held is not None:
            if registered.read(entry.scope) if entry.scope else registered.allowed.barred:
                self._hand_over(data)
                return False
            self._note(request.start, entry.kind, entry.scope)
            return self._reply(held, entry.face.tail, facts, data)
        asked = parse_target(request.start[4:].decode("ascii"))
        self._note(request.start, kind_of(asked), None)
        if isinstance(asked, Push):
            self._busy = True
            self._task = asyncio.get_running_loop().create_task(self._listen(asked, facts, data))
            return False
        looked_up = self._behind.find(asked, facts, registered)
        if looked_up is None:
            self._hand_over(data)
            return False
        if facts.unconditional and registered.usage.empty():
            return self._tell(self._behind.limits.refusal(registered.usage), facts, data)
        scope, found = looked_up
        self._scope = scope
        if isinstance(found, Fetch):
            self._busy = True
            self._task = asyncio.get_running_loop().create_task(self._fetch(found, scope, facts, data, size))
            return False
        if isinstance(found, Answer) and not isinstance(asked, ObjectByHash | Refusal):
            held = self._memo.keep(request.start, asked, scope, found, facts.coding)
            return self._reply(held, self._memo.tail(found.lines), facts, data)
        return self._tell(found, facts, data)

    def _answer_later(self, request: Request, data: bytes, size: int) -> bool:
        asked = parse_target(request.start[4:].decode("ascii"))
        seconds = self._behind.wait(asked, request.facts)
        if not seconds or not isinstance(asked, NewestDocument):
            self._hand_over(data)
            return False
        self._note(request.start, kind_of(asked), None)
        return self._look(Poll(asked, request.facts, seconds, data, size))

    def _tell_waited(self, answer: Answer, scope: Scope, same: bool, facts: Facts, data: bytes) -> bool:
        self._scope = scope
        if same or not answer.known:
            return self._tell(answer, facts, data)
        self.registered.usage.unchanged[self._kind] += 1
        head = nothing_later_head(answer, self._behind.date())
        self.transport.write(head + (_CLOSE if facts.closes else b"\r\n"))
        return True

    def _tell(self, found: Answer | Refusal, facts: Facts, data: bytes) -> bool:
        """Answer with what was found; False when the ordinary path must."""
        if isinstance(found, Answer):
            return self._reply(Held(found), self._memo.tail(found.lines), facts, data)
        if found.closes or found.until is not None:
            self._hand_over(data)
            return False
        if found.status not in FREE:
            usage = self.registered.usage
            if not usage.take():
                found = self._behind.limits.refusal(usage)
        if found.code == TOO_MANY:
            found = self._behind.in_format(found, self._start[4:].decode("ascii"))
        request_id = self._behind.request_id()
        self.registered.usage.refused[found.status, found.code] += 1
        self._log_answer(found.status, len(found.body), request_id)
        end = _CLOSE if facts.closes else b"\r\n"
        head = refusal_head(found, self._behind.date() + request_id_line(request_id))
        self.transport.write(b"".join((head, end, found.body)))
        return True

    def _note(self, start: bytes, kind: int, scope: Scope | None) -> None:
        """What is being answered, for those who count."""
        self._start, self._kind, self._scope, self._began = start, kind, scope, time.monotonic_ns()

    def _log_answer(
        self, status: int, size: int, request_id: str = "", marks: bytes = b"", asked: bytes = b""
    ) -> None:
        if self._log is not None:
            took = (time.monotonic_ns() - self._began) // 1000
            told = self.registered
            self._log.note(
                told.address,
                told.allowed,
                self._scope,
                self._start,
                status,
                size,
                took,
                request_id,
                marks,
                asked,
            )

    def _reply(self, held: Held, tail: bytes, facts: Facts, data: bytes) -> bool:
        if facts.closes:
            tail = tail[:-2] + _CLOSE
        usage = self.registered.usage
        if not_modified(facts.if_none_match, facts.if_modified_since, held.etag, held.modified):
            usage.unchanged[self._kind] += 1
            self.transport.write(held.unchanged + tail)
        elif not usage.take():
            return self._tell(self._behind.limits.refusal(usage), facts, data)
        else:
            usage.answered[self._kind] += 1
            usage.bytes += held.size
            self._log_answer(200, held.size, marks=tail, asked=data)
            self._send(held, tail)
        return True

    async def _fetch(self, fetch: Fetch, scope: Scope | None, facts: Facts, data: bytes, size: int) -> None:
        """Read what is not in memory, answer the request in the first ``size`` bytes, and go on."""
        found: Found = fetch
        self.registered.under_way = True
        try:
            while isinstance(found, Fetch):
                fetched = await self._behind.fetch(found)
                found = fetched if isinstance(fetched, Refusal) else found.then(fetched)
        except Exception:
            log.exception("reading failed; the ordinary path tries again")
            found = fetch
        self._task = None
        self.registered.under_way = False
        if self.transport.is_closing():
            return
        allowed = self.registered.allowed
        refusal = self.registered.read(scope) if scope else allowed.barred
        if refusal or isinstance(found, Fetch):
            self._hand_over(data)
        elif self._tell(found, facts, data):
            if facts.closes:
                self._close()
            elif len(data) > size:
                self._pieces.insert(0, data[size:])
            self._go_on()

    async def _listen(self, asked: Push, facts: Facts, data: bytes) -> None:
        taken = await self._behind.listen(self, asked, facts)
        self._task = None
        if taken:
            self.registered.usage.answered[PUSH] += 1
            self._log_answer(200, 0)
        if not taken and not self.transport.is_closing():
            self.listening = None
            self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        """Let the ordinary path go on with the connection, for good."""
        self._unpark()
        self._busy = True
        taking = self._behind.ordinary(self)
        self.transport.set_protocol(taking)
        taking.connection_made(self.transport)
        if not self.transport.is_reading():
            self.transport.resume_reading()
        for piece in (data, *self._pieces) if data else self._pieces:
            taking.data_received(piece)
        self._pieces.clear()
        if self._ending:
            taking.eof_received()
