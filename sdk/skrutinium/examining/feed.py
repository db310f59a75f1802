"""What the feed is, as it is seen from here: access, state and key, clock, heartbeat, newest release, documents, schema, incidents."""

import asyncio
import datetime
import json
from typing import Any

from skrutinium.documents.notices import read_notices
from skrutinium.documents.parsing import schema_text
from skrutinium.documents.reading import read_event
from skrutinium.documents.series_reading import read_heartbeat, read_manifest, read_state
from skrutinium.errors import (
    AccessRefused,
    DamagedError,
    NotYet,
    SchemaError,
    ServerFault,
    SignatureError,
    StaleError,
)
from skrutinium.examining.examination import SERIES, Examination
from skrutinium.examining.finding import Finding
from skrutinium.sources.choosing import choose_run
from skrutinium.sources.source import matches

_XSD = "skrutinium/1.0/skrutinium.xsd"
_CLOCK_OFF = datetime.timedelta(seconds=2)
_CLOCK_WRONG = datetime.timedelta(seconds=30)
_SILENT = datetime.timedelta(seconds=45)
_SOON = datetime.timedelta(days=7)
_ELSEWHERE = (
    "Something else answers there, a login page of the network for one: open the address in a browser."
)


async def access(at: Examination) -> list[Finding]:
    """What the feed says about this address."""
    try:
        seen = await at.ask("/access")
    except NotYet:
        words = "there is no /access: a public folder or a mirror, not a feed"
        return [Finding("access", "ok", words)]
    told = _object(seen.body)
    if told is None:
        return [Finding("access", "bad", "/access is no answer of a feed", "JSON", _ELSEWHERE, ServerFault)]
    address, why = str(told.get("address", "?")), _object(told.get("why")) or {}
    if not told.get("allowed"):
        words = f"the feed sees {address}, which may not read: {why.get('message', 'not registered')}"
        advice = f"Tell the publisher that {address} is your address, or go out by the registered one."
        return [Finding("access", "bad", words, "an address inside your range", advice, AccessRefused)]
    runs = [one for one in told.get("runs", []) if isinstance(one, dict)]
    readable = [f"{one.get('event')}/{one.get('run')}" for one in runs if one.get("readable")]
    words = f"the feed sees {address}, range {told.get('range') or '–'}; may read {', '.join(readable) or 'no run yet'}"
    until = _moment(told.get("until"))
    if until is not None and until - at.machine.clock() < _SOON:
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


async def trust(at: Examination) -> list[Finding]:
    """The signed state, the run that is meant, and whose key it is."""
    seen = await at.ask("/state.xml")
    data = seen.body
    if not data.startswith(b"<?xml"):
        words = f"/state.xml is no answer of a feed ({seen.headers.get('Content-Type', 'no type')})"
        return [Finding("state", "bad", words, "signed XML", _ELSEWHERE, ServerFault)]
    state = read_state(await at.keys.signed(data, "state.xml"), "state.xml")
    run = choose_run(state, at.asked.event, at.asked.run, SERIES, at.transport.base)
    found = [Finding("state", "ok", f"signed; {run.event}, run {run.id}, phase {run.phase}")]
    if at.keys.unpinned:
        advice = (
            "Compare it with the letter on paper and give it with --fingerprint (fingerprint= in a program)."
        )
        words = f"not pinned: {at.keys.newest}"
        found.append(Finding("key", "warn", words, "the fingerprint on paper", advice, SignatureError))
    else:
        found.append(Finding("key", "ok", f"pinned: {at.keys.newest}"))
    at.run = run
    return found


async def clock(at: Examination) -> list[Finding]:
    """This machine's clock against the server's."""
    seen = await at.ask("/state.xml", Cache_Control="no-cache")
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


async def heartbeat(at: Examination) -> list[Finding]:
    """The publisher's sign of life, by its own signed time."""
    try:
        data = (await at.ask(f"{at.prefix}/heartbeat.xml")).body
    except NotYet:
        advice = "A feed tells one every 10 s; a mirror need not: then nothing shows whether the publisher is alive."
        return [Finding("heartbeat", "warn", "there is none", "a sign of life", advice, StaleError)]
    beat = read_heartbeat(await at.keys.signed(data, "heartbeat.xml"), "heartbeat.xml")
    age = at.machine.clock() - beat.alive
    shown = f"{age.total_seconds():.0f} s ago, release {beat.release}"
    if age < -_CLOCK_OFF:
        advice = "Let this machine take its time by NTP: the signed time is later than its own."
        return [
            Finding("heartbeat", "warn", f"{-age.total_seconds():.0f} s from now", "now", advice, StaleError)
        ]
    if age <= _SILENT:
        return [Finding("heartbeat", "ok", shown)]
    if at.run is not None and not at.run.open:
        return [Finding("heartbeat", "ok", f"{shown}; the run is closed")]
    advice = "Compare with /status: the publisher is silent, a cache holds it back, or this machine's clock is wrong."
    return [Finding("heartbeat", "warn", shown, "45 s or less", advice, StaleError)]


async def newest(at: Examination) -> list[Finding]:
    """The newest manifest and its signature."""
    try:
        data = (await at.ask(f"{at.prefix}/newest/manifest.xml")).body
    except NotYet:
        return [Finding("newest release", "ok", "there is none yet")]
    manifest = read_manifest(data, "manifest.xml")
    line = (await at.ask(f"{at.prefix}/release/{manifest.release}/manifest.xml.sig")).body
    await at.keys.check(data, line, "manifest.xml")
    at.manifest = manifest
    shown = f"{manifest.release}, signed, {manifest.reported} of {manifest.expected} protocols"
    return [Finding("newest release", "ok", shown)]


async def documents(at: Examination) -> list[Finding]:
    """Whether documents arrive as they were sent."""
    row = (
        next((one for one in at.manifest.documents if one.path == "event.xml"), None) if at.manifest else None
    )
    if row is None or at.manifest is None:
        return []
    seen = await at.ask(f"{at.prefix}/release/{at.manifest.release}/{row.path}")
    if wrong := matches(row, seen.body, row.path):
        advice = "Something in between changes what is sent: let the feed pass untouched, or use https."
        return [Finding("documents", "bad", wrong.message, "the announced bytes", advice, DamagedError)]
    event = await asyncio.to_thread(read_event, seen.body, row.path)
    shown = f"arrive unchanged ({row.path}: {row.size} bytes)"
    if not event.additions:
        return [Finding("documents", "ok", shown)]
    words = f"{shown}; schema {event.schema} has what this package does not know: {', '.join(event.additions[:5])}"
    return [Finding("documents", "warn", words, "schema 1.0", "Install a newer package.", SchemaError)]


async def schema(at: Examination) -> list[Finding]:
    """Whether the schema of the feed is that of this package."""
    try:
        seen = await at.ask(f"/xsd/{_XSD}")
    except NotYet:
        return [Finding("schema", "ok", "not told there; documents are checked by that of this package")]
    if seen.body == await asyncio.to_thread(schema_text, _XSD):
        return [Finding("schema", "ok", f"{_XSD}, the same as in this package")]
    words = f"{_XSD} is another one than in this package"
    return [Finding("schema", "warn", words, "the same", "Install the newest package.", SchemaError)]


async def incidents(at: Examination) -> list[Finding]:
    """What the operator tells."""
    try:
        data = (await at.ask("/notices.xml")).body
    except NotYet:
        return [Finding("notices", "ok", "the operator has told nothing")]
    notices = read_notices(await at.keys.signed(data, "notices.xml"), "notices.xml")
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
