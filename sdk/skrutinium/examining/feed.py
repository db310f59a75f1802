"""Checks of the feed as it is seen from here: access, clock, keys, conditional requests, caches, long poll, push, schemas."""

import asyncio
import datetime
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from skrutinium.documents.notices import read_notices
from skrutinium.documents.parsing import schema_text
from skrutinium.documents.reading import read_event
from skrutinium.documents.series import Manifest, Run
from skrutinium.documents.series_reading import read_heartbeat, read_manifest, read_state
from skrutinium.errors import (
    AccessRefused,
    DamagedError,
    LimitReached,
    NetworkError,
    NotYet,
    SchemaError,
    ServerFault,
    SignatureError,
    SkrutiniumError,
    StaleError,
)
from skrutinium.examining.asking import Seen, ask
from skrutinium.examining.finding import Asked, Finding, Machine, of_error
from skrutinium.sources.address import Address
from skrutinium.sources.choosing import choose_run
from skrutinium.sources.push import events
from skrutinium.sources.source import matches
from skrutinium.sources.transport import Transport
from skrutinium.trust.signing import KeyRing

_SERIES = "skrutinium"
_XSD = "skrutinium/1.0/skrutinium.xsd"
_CLOCK_OFF = datetime.timedelta(seconds=2)
_CLOCK_WRONG = datetime.timedelta(seconds=30)
_SILENT = datetime.timedelta(seconds=45)
_SOON = datetime.timedelta(days=7)
_OLD = 5
_WAIT = 2


@dataclass(slots=True)
class Patience:
    """Seconds: ``push`` until the first byte of push has to be here, ``answer`` without a byte of an answer."""

    push: float = 15
    answer: float = 15


@dataclass
class Examination:
    """The checks of one feed; each adds to ``found``, and what one learns the next may use."""

    asked: Asked
    machine: Machine
    transport: Transport
    patience: Patience
    found: list[Finding] = field(default_factory=list)
    run: Run | None = None
    manifest: Manifest | None = None
    answers: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.address = Address(self.transport)
        self.keys = KeyRing(self.address.key, pinned=self.asked.fingerprint)

    async def all(self, told: Callable[[Finding], object]) -> None:
        """Every check in order; ``told`` hears each finding."""
        checks: tuple[tuple[str, Callable[[], Awaitable[list[Finding]]]], ...] = (
            ("access", self.access),
            ("state", self.trust),
            ("clock", self.clock),
            ("newest release", self.newest),
            ("documents", self.documents),
            ("conditional requests", self.conditional),
            ("compression", self.compression),
            ("long poll", self.long_poll),
            ("push", self.push),
            ("heartbeat", self.heartbeat),
            ("schema", self.schema),
            ("in between", self.between),
            ("limits", self.limits),
            ("incidents", self.incidents),
        )
        for name, check in checks:
            try:
                found = await check()
            except SkrutiniumError as error:
                found = [of_error(name, error)]
            for one in found:
                self.found.append(one)
                told(one)
            if self.run is None and name == "state":
                return  # what follows would only say the same

    async def _ask(self, path: str, *, silence: float | None = None, **headers: str) -> Seen:
        seen = await ask(
            self.transport, self.machine, path, silence=silence or self.patience.answer, **headers
        )
        self.answers.append(seen)
        return seen

    @property
    def _prefix(self) -> str:
        assert self.run is not None
        return self.address.feed_series(self.run, _SERIES).prefix

    # ---------------------------------------------------------------- who we are
    async def access(self) -> list[Finding]:
        """What the feed says about this address."""
        try:
            seen = await self._ask("/access")
        except NotYet:
            words = "there is no /access: a public folder or a mirror, not a feed"
            return [Finding("access", "ok", words)]
        told = _object(seen.body)
        if told is None:
            advice = "Something else answers there, a login page of the network for one: open the address in a browser."
            return [Finding("access", "bad", "/access is no answer of a feed", "JSON", advice, ServerFault)]
        address, why = str(told.get("address", "?")), _object(told.get("why")) or {}
        if not told.get("allowed"):
            words = f"the feed sees {address}, which may not read: {why.get('message', 'not registered')}"
            advice = f"Tell the publisher that {address} is your address, or go out by the registered one."
            return [Finding("access", "bad", words, "an address inside your range", advice, AccessRefused)]
        runs = [one for one in told.get("runs", []) if isinstance(one, dict)]
        readable = [f"{one.get('event')}/{one.get('run')}" for one in runs if one.get("readable")]
        words = f"the feed sees {address}, range {told.get('range') or '–'}; may read {', '.join(readable) or 'no run yet'}"
        until = _moment(told.get("until"))
        if until is not None and until - self.machine.clock() < _SOON:
            advice = "Ask the publisher to prolong it."
            return [
                Finding(
                    "access",
                    "warn",
                    f"{words}; until {until:%Y-%m-%d %H:%M} UTC",
                    "longer",
                    advice,
                    AccessRefused,
                )
            ]
        return [Finding("access", "ok", words)]

    async def trust(self) -> list[Finding]:
        """The signed state, the run that is meant, and whose key it is."""
        seen = await self._ask("/state.xml")
        data = seen.body
        if not data.startswith(b"<?xml"):
            words = f"/state.xml is no answer of a feed ({seen.headers.get('Content-Type', 'no type')})"
            advice = "Something else answers there, a login page of the network for one: open the address in a browser."
            return [Finding("state", "bad", words, "signed XML", advice, ServerFault)]
        state = read_state(await self.keys.signed(data, "state.xml"), "state.xml")
        run = choose_run(state, self.asked.event, self.asked.run, _SERIES, self.transport.base)
        found = [Finding("state", "ok", f"signed; {run.event}, run {run.id}, phase {run.phase}")]
        if self.keys.unpinned:
            advice = "Compare it with the letter on paper and give it with --fingerprint (fingerprint= in a program)."
            words = f"not pinned: {self.keys.newest}"
            found.append(Finding("key", "warn", words, "the fingerprint on paper", advice, SignatureError))
        else:
            found.append(Finding("key", "ok", f"pinned: {self.keys.newest}"))
        self.run = run
        return found

    # ---------------------------------------------------------------- clock
    async def clock(self) -> list[Finding]:
        """This machine's clock against the server's."""
        seen = await self._ask("/state.xml", Cache_Control="no-cache")
        if seen.date is None or seen.age:
            return [Finding("clock", "ok", "not compared: the answer has no date of the server's own")]
        low, high = seen.date - seen.ended, seen.date + datetime.timedelta(seconds=1) - seen.began
        off = low if low > datetime.timedelta() else min(high, datetime.timedelta())
        shown = f"{abs(off).total_seconds():.0f} s {'behind' if off > datetime.timedelta() else 'ahead of'} the server"
        if abs(off) <= _CLOCK_OFF:
            return [Finding("clock", "ok", "the same as the server's, to 2 seconds")]
        advice = "Let this machine take its time by NTP (on Linux: timedatectl set-ntp true)."
        verdict: Any = "bad" if abs(off) > _CLOCK_WRONG else "warn"
        return [Finding("clock", verdict, shown, "2 s or less", advice, StaleError)]

    async def heartbeat(self) -> list[Finding]:
        """The publisher's sign of life, by its own signed time."""
        try:
            data = (await self._ask(f"{self._prefix}/heartbeat.xml")).body
        except NotYet:
            advice = "A feed tells one every 10 s; a mirror need not: then nothing shows whether the publisher is alive."
            return [Finding("heartbeat", "warn", "there is none", "a sign of life", advice, StaleError)]
        beat = read_heartbeat(await self.keys.signed(data, "heartbeat.xml"), "heartbeat.xml")
        age = self.machine.clock() - beat.alive
        shown = f"{age.total_seconds():.0f} s ago, release {beat.release}"
        if age < -_CLOCK_OFF:
            advice = "Let this machine take its time by NTP: the signed time is later than its own."
            return [
                Finding(
                    "heartbeat", "warn", f"{-age.total_seconds():.0f} s from now", "now", advice, StaleError
                )
            ]
        if age <= _SILENT:
            return [Finding("heartbeat", "ok", shown)]
        if self.run is not None and not self.run.open:
            return [Finding("heartbeat", "ok", f"{shown}; the run is closed")]
        advice = "Compare with /status: the publisher is silent, a cache holds it back, or this machine's clock is wrong."
        return [Finding("heartbeat", "warn", shown, "45 s or less", advice, StaleError)]

    # ---------------------------------------------------------------- what comes
    async def newest(self) -> list[Finding]:
        """The newest manifest and its signature."""
        try:
            data = (await self._ask(f"{self._prefix}/newest/manifest.xml")).body
        except NotYet:
            return [Finding("newest release", "ok", "there is none yet")]
        manifest = read_manifest(data, "manifest.xml")
        line = (await self._ask(f"{self._prefix}/release/{manifest.release}/manifest.xml.sig")).body
        await self.keys.check(data, line, "manifest.xml")
        self.manifest = manifest
        shown = f"{manifest.release}, signed, {manifest.reported} of {manifest.expected} protocols"
        return [Finding("newest release", "ok", shown)]

    async def documents(self) -> list[Finding]:
        """Whether documents arrive as they were sent."""
        row = (
            next((one for one in self.manifest.documents if one.path == "event.xml"), None)
            if self.manifest
            else None
        )
        if row is None or self.manifest is None:
            return []
        seen = await self._ask(f"{self._prefix}/release/{self.manifest.release}/{row.path}")
        if wrong := matches(row, seen.body, row.path):
            advice = "Something in between changes what is sent: let the feed pass untouched, or use https."
            return [Finding("documents", "bad", wrong.message, "the announced bytes", advice, DamagedError)]
        event = await asyncio.to_thread(read_event, seen.body, row.path)
        shown = f"arrive unchanged ({row.path}: {row.size} bytes)"
        if not event.additions:
            return [Finding("documents", "ok", shown)]
        words = f"{shown}; schema {event.schema} has what this package does not know: {', '.join(event.additions[:5])}"
        return [Finding("documents", "warn", words, "schema 1.0", "Install a newer package.", SchemaError)]

    async def schema(self) -> list[Finding]:
        """Whether the schema of the feed is that of this package."""
        try:
            seen = await self._ask(f"/xsd/{_XSD}")
        except NotYet:
            return [Finding("schema", "ok", "not told there; documents are checked by that of this package")]
        if seen.body == await asyncio.to_thread(schema_text, _XSD):
            return [Finding("schema", "ok", f"{_XSD}, the same as in this package")]
        words = f"{_XSD} is another one than in this package"
        return [Finding("schema", "warn", words, "the same", "Install the newest package.", SchemaError)]

    # ---------------------------------------------------------------- asking often
    async def conditional(self) -> list[Finding]:
        """Whether an ETag comes back with a 304."""
        path = "/state.xml" if self.manifest is None else f"{self._prefix}/newest/manifest.xml"
        seen = await self._ask(path)
        for _ in range(3):  # a release may come in between
            etag = seen.headers.get("ETag")
            if etag is None:
                advice = "Something in between takes the ETag away: without it every question costs a whole document."
                return [Finding("conditional requests", "bad", "no ETag", "an ETag", advice, ServerFault)]
            again = await self._ask(path, If_None_Match=etag)
            if again.status == 304:
                if etag.startswith("W/"):
                    advice = "Something in between packs documents anew; let it pass the feed untouched."
                    return [
                        Finding(
                            "conditional requests",
                            "warn",
                            f"a weak ETag: {etag}",
                            "a strong one",
                            advice,
                            ServerFault,
                        )
                    ]
                return [Finding("conditional requests", "ok", "the ETag is kept, and answered with 304")]
            if again.headers.get("ETag") == etag:
                break
            seen = again
        advice = "Something in between answers in the feed's place: let conditional requests pass."
        return [
            Finding(
                "conditional requests",
                "bad",
                "the same ETag is answered with the whole document",
                "304",
                advice,
                ServerFault,
            )
        ]

    async def compression(self) -> list[Finding]:
        """Whether documents come packed."""
        if self.manifest is None:
            return []
        seen = await self._ask(f"{self._prefix}/newest/event.xml")
        if seen.headers.get("Content-Encoding", "").lower() == "gzip":
            return [
                Finding("compression", "ok", f"event.xml: {seen.sent} bytes in place of {len(seen.body)}")
            ]
        words = f"event.xml comes unpacked: {seen.sent} bytes"
        advice = "Something in between takes gzip away (Accept-Encoding): on a narrow line that is several times as slow."
        return [Finding("compression", "warn", words, "gzip", advice, ServerFault)]

    # ---------------------------------------------------------------- news
    async def long_poll(self) -> list[Finding]:
        """Whether the feed may hold an answer back until there is news."""
        if self.manifest is None:
            return []
        path = f"{self._prefix}/newest/manifest.xml"
        etag = (await self._ask(path)).headers.get("ETag", '"none"')
        waits = {"Prefer": f"wait={_WAIT}", "If_None_Match": etag}
        try:
            seen = await self._ask(path, silence=_WAIT + self.patience.answer, **waits)
        except NetworkError as error:
            advice = (
                "Something in between ends requests that wait. Push may still work; else the package polls."
            )
            return [Finding("long poll", "warn", error.message, "an answer", advice, NetworkError)]
        if "wait" in seen.headers.get("Preference-Applied", ""):
            return [Finding("long poll", "ok", f"the answer was held back for {seen.seconds:.1f} s")]
        advice = "A mirror does not wait, and some proxies take the header Prefer away: the package polls."
        return [
            Finding("long poll", "warn", "the feed does not wait", "Preference-Applied", advice, ServerFault)
        ]

    async def push(self) -> list[Finding]:
        """Whether what the feed pushes comes at once."""
        headers = {
            "Accept": "text/event-stream",
            "Last-Event-ID": str((self.manifest.release - 1) if self.manifest else 0),
        }
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with (
                asyncio.timeout(self.patience.push),
                self.transport.open(f"{self._prefix}/push", headers, silence=self.patience.push) as response,
            ):
                async for _ in events(response):
                    return [
                        Finding(
                            "push", "ok", f"the first event came after {(loop.time() - began) * 1000:.0f} ms"
                        )
                    ]
        except (TimeoutError, NetworkError):
            words = f"nothing came in {self.patience.push:.0f} s"
            advice = "Something in between gathers what is pushed (buffering): let text/event-stream pass at once. The package goes on by long poll."
            return [Finding("push", "warn", words, "an event at once", advice, NetworkError)]
        except NotYet:
            return [
                Finding(
                    "push", "warn", "there is none", "push", "A mirror has none: the package polls.", NotYet
                )
            ]
        return [
            Finding(
                "push",
                "warn",
                "the stream ended without an event",
                "an event",
                "Try again; then tell the publisher.",
                ServerFault,
            )
        ]

    async def between(self) -> list[Finding]:
        """Signs of caches and proxies in what was answered."""
        told = {
            f"{name}: {value}"
            for seen in self.answers
            for name, value in seen.headers.items()
            if name.lower() in ("via", "x-cache", "x-forwarded-for", "proxy-connection")
        }
        oldest = max((seen.age for seen in self.answers), default=0)
        if oldest > _OLD:
            words = f"answers lay in a cache for up to {oldest} s" + (
                f" ({', '.join(sorted(told)[:4])})" if told else ""
            )
            advice = (
                "Let the cache keep nothing of the feed but /object/ and numbered releases, or go past it."
            )
            return [Finding("in between", "bad", words, "nothing older than 5 s", advice, StaleError)]
        if told:
            advice = "A proxy is in between; nothing is wrong with it so far. Past it, news come sooner."
            return [
                Finding("in between", "warn", ", ".join(sorted(told)[:4]), "nothing", advice, NetworkError)
            ]
        return [Finding("in between", "ok", "no sign of a cache or a proxy")]

    async def limits(self) -> list[Finding]:
        """How many requests are left, where the feed tells."""
        told = [seen.headers["RateLimit"] for seen in self.answers if "RateLimit" in seen.headers]
        if not told:
            return [Finding("limits", "ok", f"{len(self.answers)} requests, none was refused")]
        left = told[-1].partition(";r=")[2].partition(";")[0]
        if left == "0":
            advice = "Ask less often; all programs of your house share the limit."
            return [Finding("limits", "warn", told[-1], "some left", advice, LimitReached)]
        return [Finding("limits", "ok", told[-1])]

    async def incidents(self) -> list[Finding]:
        """What the operator tells."""
        try:
            data = (await self._ask("/notices.xml")).body
        except NotYet:
            return [Finding("notices", "ok", "the operator has told nothing")]
        notices = read_notices(await self.keys.signed(data, "notices.xml"), "notices.xml")
        if notices.open:
            words = "; ".join(one.text for one in notices.open)
            return [
                Finding(
                    "notices",
                    "warn",
                    words,
                    "no incident",
                    "The operator knows: wait, or use the second site.",
                    StaleError,
                )
            ]
        second = f"; second site {notices.second_site.address}" if notices.second_site else ""
        return [Finding("notices", "ok", f"no incident goes on{second}")]


def _object(told: Any) -> dict[str, Any] | None:
    if isinstance(told, bytes):
        try:
            told = json.loads(told)
        except (ValueError, RecursionError):
            return None
    return told if isinstance(told, dict) else None


def _moment(told: object) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(str(told))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
