"""One request after the other: access, method, address, conditions, answer. No exception leaves this module unanswered."""

import asyncio
import contextlib
import datetime
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Final

from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.access_log import AccessLog
from skrutinium_server.feed.addresses import (
    Address,
    Archive,
    NewestDocument,
    ObjectByHash,
    Page,
    Push,
    ReceiptsOf,
    VolbyFile,
    VolbyProcedure,
)
from skrutinium_server.feed.answering import Answers
from skrutinium_server.feed.archives import Archives
from skrutinium_server.feed.atom import atom_page
from skrutinium_server.feed.blocks import HEADER
from skrutinium_server.feed.conditional import Coding, choose_coding, read_conditions
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.fetching import Fetching
from skrutinium_server.feed.holding import Holding
from skrutinium_server.feed.memory import Memory
from skrutinium_server.feed.objects import Objects
from skrutinium_server.feed.pages import access_page, addresses_page, health_page
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.push import Broadcaster
from skrutinium_server.feed.receipts import Receipts
from skrutinium_server.feed.refusals import (
    ACROSS,
    ALLOWED,
    BODY,
    CROWDED,
    HEADERS_TOO_LARGE,
    METHOD,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    NOTHING_YET,
    RECEIPT_ONLY,
    STOPPING,
    TAKES_RECEIPTS,
    TOO_MANY,
    Refusal,
    unexpected,
)
from skrutinium_server.feed.refusing import Refusing, in_format
from skrutinium_server.feed.representation import Answer, StoredAnswer
from skrutinium_server.feed.response import (
    Dateline,
    nothing,
    ok,
    options,
)
from skrutinium_server.feed.settling import Settling
from skrutinium_server.feed.status import ServiceLevel, Status, status_document, status_page
from skrutinium_server.feed.streams import Streams
from skrutinium_server.feed.targets import asked_of
from skrutinium_server.feed.waiting import Waiting, applied, preferred_wait
from skrutinium_server.release.store.model import SeriesKey

log = logging.getLogger("skrutinium.feed")

CONDITIONS: Final = ("If-None-Match", "If-Modified-Since")

COSTLESS: Final = frozenset({204, 304})
"""Answers without anything new: they are not limited, and summed up in the access log."""

LONGEST_WAIT: Final = 60
"""Seconds that a long poll may wait unless a setting says otherwise."""


class Handling:
    """What the feed does with requests; ``connections`` knows who may read what, ``longest_wait``: seconds of a long poll at most."""

    def __init__(
        self,
        connections: Connections,
        past: Past,
        memory: Memory,
        executor: Executor,
        broadcaster: Broadcaster,
        now: Callable[[], datetime.datetime],
        looked: Callable[[], float],
        name: str,
        longest_wait: int = LONGEST_WAIT,
    ) -> None:
        self.answers = Answers(past, memory, now)
        self.connections = connections
        self.objects = Objects()
        self.broadcaster = broadcaster
        self.dateline = Dateline(lambda: now().timestamp())
        self.refusing = Refusing(connections, self.dateline, now, name)
        self.waiting = Waiting()
        self.fetching = Fetching(memory, executor)
        self.streams = Streams(
            self.answers,
            connections,
            broadcaster,
            past,
            self.fetching,
            self.dateline,
            lambda: self.stopping or self.leaving,
        )
        self.level = ServiceLevel()
        self.stopping = False
        # The process is going to end: what is asked for is answered, and the connection closed with it.
        self.leaving = False
        self.log: AccessLog | None = None
        self.receipts: Receipts | None = None
        self._past = past
        self._now = now
        self._looked = looked
        self._longest_wait = longest_wait
        self._settling = Settling(connections, self.dateline, executor)
        self._archives = Archives(past.reader.layout.root)
        self._holding = Holding(self.objects, past, self.fetching)

    async def handle(self, request: BaseRequest, registered: Registered) -> StreamResponse:
        """Answer one request that came on a registered connection."""
        began = time.monotonic_ns()
        request_id = ""
        registered.under_way = True
        try:
            found = await self._answer(request, registered)
        except ConnectionError:
            raise
        except Exception:
            request_id = self.refusing.id_of(request, registered)
            log.exception("request %s failed unexpectedly", request_id)
            found = unexpected(request_id)
        finally:
            registered.under_way = False
        answer, size = self._settling.settled(request, registered, found)
        if isinstance(answer, Refusal):
            if answer.code == TOO_MANY:
                answer = self.in_format(answer, request.raw_path)
            request_id = request_id or self.refusing.id_of(request, registered)
            registered.usage.refused[answer.status, answer.code] += 1
            size = len(answer.body)
            answer = self.refusing.refused(answer, request_id, request.method == "HEAD")
        if self.leaving:
            answer.force_close()
        if self.log is not None and answer.status not in COSTLESS:
            line = f"{request.method} {request.raw_path}".encode("utf-8", "replace")
            took = (time.monotonic_ns() - began) // 1000
            self.log.note(
                registered.address,
                registered.allowed,
                registered.run,
                line,
                answer.status,
                size,
                took,
                request_id,
                getattr(found, "lines", b""),
                b"\nUser-Agent: " + request.headers.get("User-Agent", "").encode("utf-8", "replace"),
            )
        return answer

    def in_format(self, refusal: Refusal, target: str) -> Refusal:
        """What one who asks for ``target`` too often is told."""
        return in_format(refusal, asked_of(target), self.answers.published, self._now())

    async def _answer(
        self, request: BaseRequest, registered: Registered
    ) -> Answer | StoredAnswer | Refusal | StreamResponse:
        asked = self._asked(request)
        refusal = self._barred(request, asked, registered)
        if refusal is not None:
            return refusal
        if isinstance(asked, Page) and asked.name == "access":
            # Always answered, and never counted: it is where one sees why nothing else is.
            told = access_page(registered.address, registered.allowed, self.connections.runs)
            return ok(told, self.dateline.line(), request.method == "HEAD")
        if request.method == "OPTIONS":
            return self._options(request, asked)
        if self.stopping:
            return STOPPING
        if isinstance(asked, Refusal):
            return asked
        if isinstance(asked, Push | ReceiptsOf):
            return await self._no_document(request, asked, registered)
        # Who polls on condition may be answered with 304, which costs nothing: that is seen when the document is found.
        if not any(name in request.headers for name in CONDITIONS) and getattr(asked, "after", None) is None:
            refusal = self.connections.spent(registered)
            if refusal is not None:
                return refusal
        if isinstance(asked, Page):
            return await self._page(asked, registered)
        coding = choose_coding(request.headers.get("Accept-Encoding"))
        if coding is None:
            return NOT_ACCEPTABLE
        wait = self._wait(request, asked)
        if wait:
            assert isinstance(asked, NewestDocument)
            return await self._waited(request, asked, registered, coding, wait)
        return await self._document(asked, registered, coding)

    def _asked(self, request: BaseRequest) -> Address | Refusal:
        """What the target means; where no receipts are taken there is nothing at their address."""
        asked = asked_of(request.raw_path)
        return NOT_FOUND if isinstance(asked, ReceiptsOf) and self.receipts is None else asked

    async def _no_document(
        self, request: BaseRequest, asked: Push | ReceiptsOf, registered: Registered
    ) -> Answer | Refusal | StreamResponse:
        """A stream, or a receipt that is sent."""
        if isinstance(asked, Push):
            return await self.streams.push(request, asked, registered)
        if request.method != "POST":
            return RECEIPT_ONLY
        assert self.receipts is not None, "otherwise there is nothing at that address"
        refusal = await self.receipts.answer(request, asked.event, registered.address, registered.allowed)
        return refusal or nothing(self.dateline.line())

    async def _document(
        self, asked: Address, registered: Registered, coding: Coding
    ) -> Answer | StoredAnswer | Refusal:
        refusal = self._refusal(asked, registered)
        first = self.answers.earlier(asked) if refusal is not None else None
        if first is not None and self._refusal(first, registered) is None:
            asked, refusal = first, None
        if refusal is None and isinstance(asked, ObjectByHash):
            refusal = await self._holding.refusal(asked.sha256, registered)
        if refusal is not None:
            return refusal
        if isinstance(asked, Archive):
            return await self._archive(asked)
        return await self.fetching.found(self.answers.look_up(asked, coding))

    async def _archive(self, asked: Archive) -> StoredAnswer | Refusal:
        key = self.answers.key(asked.place)
        if isinstance(key, Refusal):
            return key
        found = await self.fetching.read(partial(self._archives.find, key, asked.number, asked.tables))
        return found if isinstance(found, Refusal) else self.answers.stored(asked, *found)

    def _wait(self, request: BaseRequest, asked: Address) -> int:
        """Seconds that this request is to wait for something newer, 0 for at once."""
        return self.seconds(asked, "If-None-Match" in request.headers, request.headers.getall("Prefer", ()))

    def seconds(self, asked: Address | Refusal, conditional: bool, prefer: Sequence[str]) -> int:
        """The same; ``conditional``: with ``If-None-Match``, ``prefer``: the lines of that name."""
        if not isinstance(asked, NewestDocument) or asked.path != "manifest.xml":
            return 0
        if asked.after is None and not conditional:
            return 0
        return preferred_wait(prefer, self._longest_wait)

    async def _waited(
        self,
        request: BaseRequest,
        asked: NewestDocument,
        registered: Registered,
        coding: Coding,
        seconds: int,
    ) -> Answer | Refusal:
        """The newest manifest as soon as it is another one than the reader has, or what there is when the time is over."""
        conditions = read_conditions(request.method, request.headers)
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        while True:
            found = await self._document(asked, registered, coding)
            assert not isinstance(found, StoredAnswer)
            left = until - clock()
            ends = left <= 0 or self.stopping or self.leaving
            if isinstance(found, Answer):
                same = found.known or conditions.not_modified(found.representation.etag, found.modified)
                if ends or not same:
                    return replace(found, lines=applied(seconds) + found.lines)
            elif ends or not (found.until or found is NOTHING_YET):
                return found
            key = self.answers.key(asked.place)
            if isinstance(key, Refusal):
                return key
            if isinstance(found, Refusal) and found.until:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self.connections.changed()
            else:
                await self.waiting.news(key, left)

    def _options(self, request: BaseRequest, asked: Address | Refusal) -> Refusal | StreamResponse:
        """What may be done at an address; browsers ask so before they read ``volby`` from another site."""
        if isinstance(asked, Refusal) and request.raw_path != "*":
            return asked
        if isinstance(asked, ReceiptsOf):
            return options(self.dateline.line(), TAKES_RECEIPTS)
        across = isinstance(asked, VolbyProcedure | VolbyFile)
        return options(self.dateline.line(), ALLOWED, ACROSS if across else b"")

    def _barred(
        self, request: BaseRequest, asked: Address | Refusal, registered: Registered
    ) -> Refusal | None:
        """Why nothing at all is answered: nothing but ``/access`` without a range, and nothing but reading."""
        if sum(len(name) + len(value) for name, value in request.raw_headers) > HEADER:
            return HEADERS_TOO_LARGE
        lines = request.headers.getall(self.connections.proxies.header, ()) if registered.proxied else ()
        refusal = self.connections.ask(registered, lines)
        if refusal is not None:
            return refusal
        if isinstance(asked, Page) and asked.name == "access" and request.method in ("GET", "HEAD"):
            return None
        if registered.crowded:
            return CROWDED
        if registered.allowed.barred:
            self.connections.tell_refused(registered)
            return registered.allowed.barred
        if request.method == "POST" and isinstance(asked, ReceiptsOf):
            return None
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            return replace(METHOD, closes=request.body_exists)
        return BODY if request.body_exists else None

    def _refusal(self, asked: Address, registered: Registered) -> Refusal | None:
        """Why the run that is asked for may not be read here; otherwise it is noted as being read."""
        run = self.answers.run_of(asked)
        if run is None or isinstance(run, Refusal):
            return run
        refusal = registered.read(run)
        if refusal is not None:
            self.connections.tell_refused(registered, refusal)
        if refusal is not None and refusal.until and isinstance(asked, VolbyProcedure | VolbyFile):
            return self.answers.volby_not_yet(asked, refusal)
        return refusal

    async def _page(self, asked: Page, registered: Registered) -> Answer | Refusal:
        if asked.name == "addresses":
            return addresses_page()
        if asked.name == "health":
            return health_page(self._looked())
        published, allowed, now = self.answers.published, registered.allowed, self._now()
        if asked.name == "status.atom":
            changes = await self.fetching.load(
                ("states", published.number, self._shown(registered)),
                partial(self._past.states, self._shown(registered)),
            )
            return changes if isinstance(changes, Refusal) else atom_page(published, allowed, changes)
        status = Status(published, self.broadcaster.waiting + len(self.waiting), now, allowed, self.level)
        return status_document(status) if asked.name == "status.xml" else status_page(status)

    def _shown(self, registered: Registered) -> tuple[tuple[SeriesKey, int], ...]:
        """The series that may be read here, with their newest release."""
        readable = registered.allowed.readable
        return tuple(
            (key, series.number)
            for key, series in sorted(self.answers.published.series.items())
            if (key.event, key.run) in readable
        )
