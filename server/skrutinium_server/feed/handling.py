"""One request after the other: access, method, address, conditions, answer. No exception leaves this module unanswered."""

import asyncio
import datetime
import itertools
import logging
import math
import re
import time
from array import array
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.access_log import AccessLog
from skrutinium_server.feed.addresses import (
    Address,
    ObjectByHash,
    Page,
    Push,
    VolbyFile,
    VolbyProcedure,
    parse_target,
)
from skrutinium_server.feed.answering import Answers
from skrutinium_server.feed.conditional import choose_coding, not_modified
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.kinds import PUSH, kind_of
from skrutinium_server.feed.memory import Fetch, Found, Memory
from skrutinium_server.feed.objects import Objects, holds, short
from skrutinium_server.feed.pages import access_page, health_page, status_page
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.push import (
    FIRST,
    Broadcaster,
    Listener,
    Listening,
    heartbeat_event,
    release_event,
)
from skrutinium_server.feed.refusals import (
    ALLOWED,
    BAD_NUMBER,
    BAD_REQUEST,
    BODY,
    CROWDED,
    DAMAGED,
    GONE,
    HEADERS_TOO_LARGE,
    METHOD,
    NO_OBJECT,
    NOT_ACCEPTABLE,
    STOPPING,
    URI_TOO_LONG,
    Refusal,
    unexpected,
)
from skrutinium_server.feed.representation import Answer, marks
from skrutinium_server.feed.response import (
    Dateline,
    Streamed,
    ok,
    options,
    push_head,
    refused,
    request_id_line,
    unchanged,
)
from skrutinium_server.feed.shelf import Published
from skrutinium_server.release.store.errors import StoreError, StoreMissing
from skrutinium_server.release.store.model import SeriesKey

log = logging.getLogger("skrutinium.feed")

CONDITIONS: Final = ("If-None-Match", "If-Modified-Since")

FREE: Final = frozenset({403, 429, 503})
"""Refusals that are not counted against a subscriber: those that it cannot help, and those of the limit itself."""

NOT_MODIFIED: Final = 304

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

MEMOISED: Final = 200
"""Longer targets are read anew each time, so that nobody fills the memory of read ones."""


class Handling:
    """What the feed does with requests; ``connections`` knows who may read what."""

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
    ) -> None:
        self.answers = Answers(past, memory, now)
        self.connections = connections
        self.objects = Objects()
        self.broadcaster = broadcaster
        self.dateline = Dateline(lambda: now().timestamp())
        self.stopping = False
        self.log: AccessLog | None = None
        self._past = past
        self._memory = memory
        self._executor = executor
        self._now = now
        self._looked = looked
        self._requests = (f"{name}-{number}" for number in itertools.count(1))
        self._digests: dict[tuple[SeriesKey, int], str] = {}

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
            request_id = self._request_id(request, registered)
            log.exception("request %s failed unexpectedly", request_id)
            found = unexpected(request_id)
        finally:
            registered.under_way = False
        answer, size = self._counted(request, registered, found)
        if isinstance(answer, Refusal):
            request_id = request_id or self._request_id(request, registered)
            registered.usage.refused[answer.status, answer.code] += 1
            size = len(answer.body)
            answer = self._refused(answer, request_id, request.method == "HEAD")
        if self.log is not None and answer.status != NOT_MODIFIED:
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
            )
        return answer

    def request_id(self) -> str:
        """A new id that a refusal and the logs share."""
        return next(self._requests)

    def _request_id(self, request: BaseRequest, registered: Registered) -> str:
        """The id that a named proxy gave the request, otherwise a new one."""
        told = request.headers.get("X-Request-Id", "") if registered.proxied else ""
        return told if _REQUEST_ID.fullmatch(told) else self.request_id()

    def _counted(
        self, request: BaseRequest, registered: Registered, found: Answer | Refusal | StreamResponse
    ) -> tuple[StreamResponse | Refusal, int]:
        """What is sent in the end, when limits and conditions are held against what was found; and bytes of its body."""
        if isinstance(found, StreamResponse):
            return found, 0
        usage = registered.usage
        if isinstance(found, Refusal):
            limited = None if found.status in FREE else self.connections.spend(registered)
            return limited or found, 0
        bodyless = request.method == "HEAD"
        kind = kind_of(_asked(request.raw_path))
        headers = request.headers
        if_none_match = ", ".join(headers.getall("If-None-Match")) if "If-None-Match" in headers else None
        if not_modified(
            if_none_match, headers.get("If-Modified-Since"), found.representation.etag, found.modified
        ):
            usage.unchanged[kind] += 1
            return unchanged(found, self.dateline.line()), 0
        limited = self.connections.spend(registered)
        if limited is not None:
            return limited, 0
        size = 0 if bodyless else len(found.representation.body)
        usage.answered[kind] += 1
        usage.bytes += size
        return ok(found, self.dateline.line(), bodyless), size

    def _refused(self, refusal: Refusal, request_id: str, bodyless: bool) -> StreamResponse:
        if refusal.until is not None:
            refusal = replace(refusal, lines=refusal.lines + self._retry(refusal.until), until=None)
        return refused(refusal, self.dateline.line() + request_id_line(request_id), bodyless)

    def malformed(self, error: BaseException | None) -> StreamResponse:
        """The answer to what is no request."""
        refusal = BAD_REQUEST
        if isinstance(error, LineTooLong):
            # The parser does not say which line it was; only the request line has a method before it.
            refusal = URI_TOO_LONG if _in_request_line(error) else HEADERS_TOO_LARGE
        elif isinstance(error, HttpProcessingError) and "headers" in str(error.message).lower():
            refusal = HEADERS_TOO_LARGE if "many" in str(error.message).lower() else BAD_REQUEST
        request_id = self.request_id()
        log.info("a malformed request was refused: %s (%s)", type(error).__name__, request_id)
        self.connections.limits.nobody.refused[refusal.status, refusal.code] += 1
        return self._refused(refusal, request_id, bodyless=False)

    def _retry(self, moment: datetime.datetime) -> bytes:
        """When to ask again, in whole seconds, never too early (RFC 9110, 10.2.3)."""
        left = max(1, math.ceil((moment - self._now()).total_seconds()))
        return b"Retry-After: %d\r\n" % left

    async def _answer(
        self, request: BaseRequest, registered: Registered
    ) -> Answer | Refusal | StreamResponse:
        asked = _asked(request.raw_path)
        refusal = self._barred(request, asked, registered)
        if refusal is not None:
            return refusal
        if isinstance(asked, Page) and asked.name == "access":
            # Always answered, and never counted: it is where one sees why nothing else is.
            told = access_page(registered.address, registered.allowed, self.connections.runs)
            return ok(told, self.dateline.line(), request.method == "HEAD")
        if request.method == "OPTIONS":
            return options(self.dateline.line(), ALLOWED)
        if self.stopping:
            return STOPPING
        if isinstance(asked, Refusal):
            return asked
        if isinstance(asked, Page):
            return self._page(asked, registered)
        if isinstance(asked, Push):
            return await self._push(request, asked, registered)
        # Who polls on condition may be answered with 304, which costs nothing: that is seen when the document is found.
        if not any(name in request.headers for name in CONDITIONS):
            refusal = self.connections.spent(registered)
            if refusal is not None:
                return refusal
        coding = choose_coding(request.headers.get("Accept-Encoding"))
        if coding is None:
            return NOT_ACCEPTABLE
        refusal = self._refusal(asked, registered)
        first = self.answers.earlier(asked) if refusal is not None else None
        if first is not None and self._refusal(first, registered) is None:
            asked, refusal = first, None
        if refusal is None and isinstance(asked, ObjectByHash):
            refusal = await self._object_refusal(asked.sha256, registered)
        return refusal or await self._found(self.answers.look_up(asked, coding))

    def _barred(
        self, request: BaseRequest, asked: Address | Refusal, registered: Registered
    ) -> Refusal | None:
        """Why nothing at all is answered: nothing but ``/access`` without a range, and nothing but reading."""
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

    async def _object_refusal(self, sha256: str, registered: Registered) -> Refusal | None:
        """None when the document belongs to a run that may be read here; nothing tells whether another run has it."""
        if short(sha256) in self.objects.public:
            return None
        if any(registered.read(run) is None for run in self.objects.holders(sha256)):
            return None
        for key, last in list(self.objects.older(registered.allowed.readable)):
            hashes = await self.fetch(
                Fetch(("hashes", key, last), partial(self._past.hashes, key, last), _no_then)
            )
            # Meanwhile this run may have been closed to the range: it is asked anew.
            if (
                isinstance(hashes, array)
                and holds(hashes, sha256)
                and registered.read((key.event, key.run)) is None
            ):
                return None
        return NO_OBJECT

    async def _found(self, found: Found) -> Answer | Refusal:
        while isinstance(found, Fetch):
            fetched = await self.fetch(found)
            found = fetched if isinstance(fetched, Refusal) else found.then(fetched)
        return found

    async def fetch(self, fetch: Fetch) -> object:
        """What is not in memory, or the refusal that tells why it cannot be read."""
        return await self._memory.fetch(replace(fetch, load=partial(_read, fetch.load)), self._executor)

    def _page(self, asked: Page, registered: Registered) -> Answer:
        if asked.name == "health":
            return health_page(self._looked())
        return status_page(self.answers.published, self.broadcaster.waiting, self._now(), registered.allowed)

    async def _push(
        self, request: BaseRequest, asked: Push, registered: Registered
    ) -> Refusal | StreamResponse:
        key = self.answers.key(asked.place)
        if isinstance(key, Refusal):
            return key
        refusal = registered.read((key.event, key.run))
        if refusal is not None and refusal.until is None:
            return refusal
        told = last_event_id(request.headers.get("Last-Event-ID", "").strip())
        if isinstance(told, Refusal):
            return told
        head = self.push_head(key)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        if request.method == "HEAD":
            transport.write(head)
            return Streamed()
        registered.usage.answered[PUSH] += 1
        listener = Listener(transport, asked.place.run is None)
        head += FIRST
        if refusal is not None:
            transport.write(head)
            head = b""
            if not await self._until_readable(key, asked, listener, registered):
                return Streamed()
        missed = await self.missed(key, told)
        if isinstance(missed, Refusal):
            return missed if head else Streamed()
        # From here to the wait nothing gives way, so no release is told twice or not at all.
        self.broadcaster.join(key, listener)
        try:
            transport.write(head + missed)
            if asked.place.run is None and not self.still_current(key):
                return Streamed()
            await listener.ended
        finally:
            self.broadcaster.leave(key, listener)
        return Streamed()

    def push_head(self, key: SeriesKey) -> bytes:
        """The head of a stream."""
        run = self.answers.published.run(key.event, key.run)
        return push_head(self.dateline.line(), marks(key.run, run.phase) if run else b"")

    async def _until_readable(
        self, key: SeriesKey, asked: Push, listener: Listener, registered: Registered
    ) -> bool:
        """Wait for the minute from which the run may be read; false when it is not going to be read here."""
        self.broadcaster.hold(listener)
        try:
            while not self.stopping and self.answers.key(asked.place) == key:
                refusal = registered.read((key.event, key.run))
                if refusal is None:
                    return True
                if refusal.until is None:
                    return False
                await self.connections.changed()
        finally:
            self.broadcaster.let_go(listener)
        return False

    async def missed(self, key: SeriesKey, after: int | None) -> bytes | Refusal:
        """The events of all releases after ``after``; of the newest one without it, or when it is not older."""
        while True:
            series = self.answers.published.series.get(key)
            if series is None:
                return b""
            newest = series.number
            first = newest if after is None or after > newest else after + 1
            due = range(first, newest + 1)
            unknown = [
                number
                for number in due
                if number not in series.digests and (key, number) not in self._digests
            ]
            if not unknown:
                break
            span = range(unknown[0], unknown[-1] + 1)
            read = await self.fetch(
                Fetch(("digests", key, span), partial(self._past.digests, key, span), _no_then)
            )
            if isinstance(read, Refusal):
                return read
            assert isinstance(read, dict)
            self._digests.update(((key, number), digest) for number, digest in read.items())
        digests = (series.digests.get(number) or self._digests[key, number] for number in due)
        return b"".join(release_event(number, digest) for number, digest in zip(due, digests, strict=True))

    def still_current(self, key: SeriesKey) -> bool:
        """Whether the run of a series is its event's current one."""
        run = self.answers.published.run(key.event, None)
        return run is not None and run.id == key.run

    def adopt(self, published: Published) -> list[Fetch]:
        """Serve a new state from now on and tell it to all who listen; returns what is worth reading ahead."""
        before = self.answers.published
        self.answers.published = published
        self.objects.adopt(published.series)
        if published.runs is not before.runs:
            self.connections.adopt(published.runs)
            self.broadcaster.end_where(self._misplaced)
        ahead: list[Fetch] = []
        for key, series in published.series.items():
            known = before.series.get(key)
            if series is not known:
                self.broadcaster.moved(known, series)
                if known is not None:
                    ahead.extend(self._ahead(key, known.number))
        for key, held in published.heartbeats.items():
            if held is not before.heartbeats.get(key) and key in published.series:
                series = published.series[key]
                self.broadcaster.tell(key, heartbeat_event(series.number, _alive(held.body)))
        return ahead

    def _misplaced(self, key: SeriesKey, listener: Listening) -> bool:
        run = self.answers.published.run(key.event, key.run)
        return run is None or key.series not in run.series or (listener.whole_event and not run.current)

    def _ahead(self, key: SeriesKey, since: int) -> Iterable[Fetch]:
        """What everybody asks for next: the changes since the last release, then the documents that changed."""
        series = self.answers.published.series[key]
        newest = series.number
        yield Fetch(
            self.answers.changes_key(series, since, "gzip"),
            lambda: self._past.changes(key, since, newest, "gzip"),
            _no_then,
        )
        for row in series.fresh:
            name = ("object", row.sha256, "gzip")
            if not self._memory.holds(name):
                yield Fetch(name, partial(self._past.document, row.sha256, "gzip"), _no_then)

    async def read_ahead(self, fetches: Iterable[Fetch]) -> None:
        """Read one after the other, so that requests come first."""
        for fetch in fetches:
            await self.fetch(fetch)
            await asyncio.sleep(0)


def _asked(target: str) -> Address | Refusal:
    return parse_target(target) if len(target) <= MEMOISED else parse_target.__wrapped__(target)


def last_event_id(told: str) -> int | Refusal | None:
    """The release that a push client was told last, None when it does not say."""
    if told and not (told.isascii() and told.isdecimal() and len(told) <= 9):
        return BAD_NUMBER
    return int(told) if told else None


def _read(load: Callable[[], object]) -> object:
    """In a thread, which may wait for the log: what is read, or the refusal that tells why it cannot be."""
    try:
        return load()
    except StoreMissing:
        return GONE
    except (StoreError, OSError) as error:
        log.error("alarm store: %s", error)  # noqa: TRY400
        return DAMAGED


def _no_then(_: object) -> Refusal:
    raise AssertionError("what is read ahead is not answered with")


def _in_request_line(error: LineTooLong) -> bool:
    start = str(error.args[0]) if error.args else ""
    return any(method in start for method in ("GET ", "HEAD ", "OPTIONS ", "POST ", "PUT ", "/"))


def _alive(heartbeat: bytes) -> str:
    _, _, rest = heartbeat.partition(b' alive="')
    return rest.partition(b'"')[0].decode("ascii", "replace")
